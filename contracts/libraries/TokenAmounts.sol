// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

/// @title Token amounts in one common unit
library TokenAmounts {
    uint8 internal constant COMMON_DECIMALS = 18;

    /// @notice An amount with 18 decimals. Tokens with more lose their last digits (rounded down).
    /// @param amount Token base units.
    /// @param decimals The token's own decimals.
    function toCommonUnit(uint256 amount, uint8 decimals) internal pure returns (uint256) {
        if (decimals == COMMON_DECIMALS) return amount;
        if (decimals < COMMON_DECIMALS) return amount * 10 ** (COMMON_DECIMALS - decimals);
        return amount / 10 ** (decimals - COMMON_DECIMALS);
    }
}
