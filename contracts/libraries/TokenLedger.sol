// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

/// @notice What a treasury knows about one accepted token. All amounts are token base units.
/// @dev Invariant: `available + protocolFee + platformFee <= balanceOf(treasury)`.
///      slot 0: pending (16 bytes) | confirmed (16)  created, unconfirmed | confirmed, minus refunds
///      slot 1: lifetime (16) | available (16)       ever confirmed | confirmed, not yet withdrawn
///      slot 2: protocolFee (16) | platformFee (16)  set aside at withdrawal, not yet disbursed
struct TokenTotals {
    uint128 pending;
    uint128 confirmed;
    uint128 lifetime;
    uint128 available;
    uint128 protocolFee;
    uint128 platformFee;
}

/// @title The transitions of a token's totals
/// @dev Checked arithmetic throughout: an underflow here means a broken invariant, and reverts.
library TokenLedger {
    using SafeCast for uint256;

    /// @notice Base units that are spoken for: everything but pending payments.
    function committed(TokenTotals storage totals) internal view returns (uint256) {
        return uint256(totals.available) + totals.protocolFee + totals.platformFee;
    }

    /// @notice Payments were created.
    function expect(TokenTotals storage totals, uint256 amount) internal {
        totals.pending += amount.toUint128();
    }

    /// @notice A pending payment was cancelled.
    function unexpect(TokenTotals storage totals, uint256 amount) internal {
        totals.pending -= amount.toUint128();
    }

    /// @notice Pending payments were confirmed.
    function confirm(TokenTotals storage totals, uint256 amount) internal {
        uint128 delta = amount.toUint128();
        totals.pending -= delta;
        totals.confirmed += delta;
        totals.lifetime += delta;
        totals.available += delta;
    }

    /// @notice A confirmed payment leaves again, as a refund.
    function refund(TokenTotals storage totals, uint256 amount) internal {
        uint128 delta = amount.toUint128();
        totals.confirmed -= delta;
        totals.available -= delta;
    }

    /// @notice Everything available leaves; the fees stay until they are disbursed.
    function release(TokenTotals storage totals, uint256 protocolFee, uint256 platformFee) internal {
        totals.available = 0;
        totals.protocolFee += protocolFee.toUint128();
        totals.platformFee += platformFee.toUint128();
    }

    /// @notice Created, neither confirmed nor cancelled.
    function getPending(TokenTotals storage totals) internal view returns (uint256) {
        return totals.pending;
    }

    /// @notice Confirmed, minus refunds.
    function getConfirmed(TokenTotals storage totals) internal view returns (uint256) {
        return totals.confirmed;
    }

    /// @notice Ever confirmed.
    function getLifetime(TokenTotals storage totals) internal view returns (uint256) {
        return totals.lifetime;
    }

    /// @notice Confirmed, neither refunded nor withdrawn.
    function getAvailable(TokenTotals storage totals) internal view returns (uint256) {
        return totals.available;
    }

    /// @notice Refunded: nothing else lowers `confirmed`.
    function getRefunded(TokenTotals storage totals) internal view returns (uint256) {
        return totals.lifetime - totals.confirmed;
    }
}
