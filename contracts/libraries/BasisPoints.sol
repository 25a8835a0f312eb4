// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

/// @title Fees in hundredths of a percent
library BasisPoints {
    /// @notice One hundred percent.
    uint256 internal constant WHOLE = 10_000;

    /// @notice The fee on an amount, rounded down: dust stays with whoever receives the rest.
    /// @param amount Token base units. `amount * bps` must fit 256 bits, which any uint128 does.
    /// @param bps Basis points, 0 to 10,000.
    function feeFloor(uint256 amount, uint256 bps) internal pure returns (uint256) {
        return (amount * bps) / WHOLE;
    }
}
