// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

/// @notice What a treasury knows about one accepted token. All amounts are token base units;
///         "goal amounts" are payments with their goal items, what counts as raised.
/// @dev Counters only grow but for `committed` and the pots. A confirmation writes slot 0 alone.
///      Invariants: `committed == available + the four pots`, and the treasury holds at least that.
///      slot 0: lifetime (16 bytes) | committed (16)  goal amounts ever confirmed | owed to anybody
///      slot 1: expected (14) | refunded (14) | position (1) | decimals (1)
///              goal amounts ever recorded and not cancelled | goal amounts refunded
///      slot 2: withdrawn (16) | swept (16)           goal amounts that left to owner | to platform
///      slot 3: protocolFee (16) | platformFee (16)   pots: set aside, not yet disbursed
///      slot 4: claimable (16) | refundable (16)      pots: items of the platform | of the buyers
///      slot 5: pendingItems (16)                     items of expected payments, goal items apart
struct TokenAccount {
    uint128 lifetime;
    uint128 committed;
    uint112 expected;
    uint112 refunded;
    uint8 position;
    uint8 decimals;
    uint128 withdrawn;
    uint128 swept;
    uint128 protocolFee;
    uint128 platformFee;
    uint128 claimable;
    uint128 refundable;
    uint128 pendingItems;
}

/// @notice The line items of a payment by what becomes of them; fees are taken off.
/// @dev 3 slots, of which those that stay zero are never written.
struct ItemSums {
    uint96 goal;
    uint96 refundable;
    uint96 claimable;
    uint96 instant;
    uint96 fee;
}

/// @title The transitions of a token's account
/// @dev Checked arithmetic throughout: an underflow here means a broken invariant, and reverts.
library TokenLedger {
    using SafeCast for uint256;

    /// @notice Payments are expected.
    function expect(TokenAccount storage account, uint256 goalAmount) internal {
        account.expected += goalAmount.toUint112();
    }

    /// @notice An expected payment was cancelled.
    function unexpect(TokenAccount storage account, uint256 goalAmount) internal {
        account.expected -= goalAmount.toUint112();
    }

    /// @notice Line items are expected.
    function expectItems(TokenAccount storage account, ItemSums memory items) internal {
        account.pendingItems += _besideGoal(items).toUint128();
    }

    /// @notice Expected line items were cancelled.
    function unexpectItems(TokenAccount storage account, ItemSums memory items) internal {
        account.pendingItems -= _besideGoal(items).toUint128();
    }

    /// @notice Payments without line items were confirmed.
    /// @return committed Base units owed from now on.
    function confirm(TokenAccount storage account, uint256 amount)
        internal
        returns (uint256 committed)
    {
        // Both from one read of their slot, and back in one write.
        (uint256 lifetime, uint256 owed) = (account.lifetime, account.committed);
        committed = owed + amount;
        (account.lifetime, account.committed) =
            ((lifetime + amount).toUint128(), committed.toUint128());
    }

    /// @notice Line items were confirmed; instant ones leave at once and are never owed.
    function confirmItems(TokenAccount storage account, ItemSums memory items) internal {
        unexpectItems(account, items);
        uint256 pots = uint256(items.fee) + items.claimable + items.refundable;
        account.protocolFee += items.fee;
        account.claimable += items.claimable;
        account.refundable += items.refundable;
        account.lifetime += items.goal;
        account.committed = (uint256(account.committed) + items.goal + pots).toUint128();
    }

    /// @notice A confirmed payment leaves again, as a refund.
    function refund(TokenAccount storage account, uint256 goalAmount, uint256 items) internal {
        account.refunded += goalAmount.toUint112();
        account.refundable -= items.toUint128();
        account.committed -= (goalAmount + items).toUint128();
    }

    /// @notice Everything available leaves; the fees stay until they are disbursed.
    function withdraw(TokenAccount storage account, uint256 protocolFee, uint256 platformFee)
        internal
    {
        uint256 available = getAvailable(account);
        account.withdrawn += available.toUint128();
        account.protocolFee += protocolFee.toUint128();
        account.platformFee += platformFee.toUint128();
        account.committed -= (available - protocolFee - platformFee).toUint128();
    }

    /// @notice The fees leave.
    function disburse(TokenAccount storage account, uint256 protocolFee, uint256 platformFee)
        internal
    {
        account.protocolFee -= protocolFee.toUint128();
        account.platformFee -= platformFee.toUint128();
        account.committed -= (protocolFee + platformFee).toUint128();
    }

    /// @notice The platform's items leave.
    /// @return amount What left.
    function claimItems(TokenAccount storage account) internal returns (uint128 amount) {
        amount = account.claimable;
        account.claimable = 0;
        account.committed -= amount;
    }

    /// @notice Everything leaves.
    /// @return platformShare All but the protocol's fees.
    /// @return protocolShare The protocol's fees.
    function sweep(TokenAccount storage account)
        internal
        returns (uint256 platformShare, uint256 protocolShare)
    {
        protocolShare = account.protocolFee;
        platformShare = account.committed - protocolShare;
        account.swept += getAvailable(account).toUint128();
        account.committed = 0;
        (account.protocolFee, account.platformFee) = (0, 0);
        (account.claimable, account.refundable) = (0, 0);
    }

    /// @notice Expected, neither confirmed nor cancelled.
    function getPending(TokenAccount storage account) internal view returns (uint256) {
        return account.expected - account.lifetime;
    }

    /// @notice Confirmed, minus refunds and sweeps; withdrawn money included.
    function getConfirmed(TokenAccount storage account) internal view returns (uint256) {
        return account.lifetime - account.refunded - account.swept;
    }

    /// @notice Confirmed, and still here.
    function getAvailable(TokenAccount storage account) internal view returns (uint256) {
        return account.lifetime - account.refunded - account.swept - account.withdrawn;
    }

    function _besideGoal(ItemSums memory items) private pure returns (uint256) {
        return uint256(items.refundable) + items.claimable + items.instant + items.fee;
    }
}
