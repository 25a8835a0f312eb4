// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

/// @notice All that the chain remembers of one payment, in one slot; zero means none.
/// @dev bits   0..95   amount         token base units, 1 to 2^96 - 1
///      bits  96..103  tokenPosition  1 to 255, a place in the treasury's token list
///      bits 104..111  flags
///      bits 112..255  what the flags make of it:
///        expected (not SETTLED): expiration (40 bits) | ordinal (32) | commitment (72)
///        SETTLED:                commitment (144), or the receipt's id where RECEIPT is set
///      An expected payment is confirmed by its ordinal's bit in the treasury's bitmap, which 256
///      payments share, or by becoming SETTLED when a buyer is named.
type PaymentState is uint256;

using PaymentStates for PaymentState global;

/// @title Reading and making a payment's slot
library PaymentStates {
    using SafeCast for uint256;

    PaymentState internal constant NONE = PaymentState.wrap(0);

    /// @notice Confirmed, as the slot itself says.
    uint256 internal constant SETTLED = 1 << 104;
    /// @notice The commitment names a buyer's address.
    uint256 internal constant BUYER = 1 << 105;
    /// @notice A receipt exists; its id has taken the commitment's place.
    uint256 internal constant RECEIPT = 1 << 106;
    /// @notice Paid on-chain by the buyer.
    uint256 internal constant CRYPTO = 1 << 107;
    /// @notice Line items beside the amount.
    uint256 internal constant ITEMS = 1 << 108;

    uint256 private constant TOKEN_SHIFT = 96;
    uint256 private constant DETAIL_SHIFT = 112;
    uint256 private constant ORDINAL_SHIFT = 152;
    uint256 private constant COMMITMENT_SHIFT = 184;

    /// @notice A payment that is expected.
    /// @param expirationTime Unix seconds below 2^40; reverts with SafeCastOverflowedUintDowncast.
    /// @param place The payment's place in the bitmap.
    function expected(
        uint256 baseUnits,
        uint256 position,
        uint256 expirationTime,
        uint256 place,
        bytes32 buyerId,
        bytes32 itemId
    ) internal pure returns (PaymentState) {
        return PaymentState.wrap(
            uint256(baseUnits.toUint96()) | (position << TOKEN_SHIFT)
                | (uint256(expirationTime.toUint40()) << DETAIL_SHIFT)
                | (uint256(place.toUint32()) << ORDINAL_SHIFT)
                | (uint256(expectedCommitment(buyerId, itemId)) << COMMITMENT_SHIFT)
        );
    }

    /// @notice A payment that is confirmed as it is recorded.
    function settled(uint256 baseUnits, uint256 position, address buyer, uint144 digest)
        internal
        pure
        returns (PaymentState)
    {
        return PaymentState.wrap(
            uint256(baseUnits.toUint96()) | (position << TOKEN_SHIFT)
                | (buyer == address(0) ? SETTLED : SETTLED | BUYER)
                | (uint256(digest) << DETAIL_SHIFT)
        );
    }

    /// @notice The same payment with flags set.
    function with(PaymentState state, uint256 flags) internal pure returns (PaymentState) {
        return PaymentState.wrap(PaymentState.unwrap(state) | flags);
    }

    /// @notice The same payment, settled, with a receipt in the commitment's place.
    function withReceipt(PaymentState state, uint256 id) internal pure returns (PaymentState) {
        uint256 kept = PaymentState.unwrap(state) & ((1 << DETAIL_SHIFT) - 1);
        return PaymentState.wrap(
            kept | SETTLED | RECEIPT | (uint256(id.toUint128()) << DETAIL_SHIFT)
        );
    }

    /// @notice 72 bits: enough to hold others to what they committed to, not to hide a small set.
    function expectedCommitment(bytes32 buyerId, bytes32 itemId) internal pure returns (uint72) {
        return uint72(uint256(keccak256(abi.encode(buyerId, itemId))));
    }

    /// @notice 144 bits: to name another buyer for a payment that is recorded takes 2^144 tries.
    ///         Who records it can prepare two buyers for it with 2^72; nobody else can.
    function settledCommitment(
        bytes32 paymentId,
        bytes32 buyerId,
        bytes32 itemId,
        address buyer
    ) internal pure returns (uint144) {
        return uint144(uint256(keccak256(abi.encode(paymentId, buyerId, itemId, buyer))));
    }

    function exists(PaymentState state) internal pure returns (bool) {
        return PaymentState.unwrap(state) != 0;
    }

    function has(PaymentState state, uint256 flag) internal pure returns (bool) {
        return PaymentState.unwrap(state) & flag != 0;
    }

    /// @notice Base units of the payment's token, line items not included.
    function amount(PaymentState state) internal pure returns (uint256) {
        return uint96(PaymentState.unwrap(state));
    }

    function tokenPosition(PaymentState state) internal pure returns (uint256) {
        return uint8(PaymentState.unwrap(state) >> TOKEN_SHIFT);
    }

    /// @notice Unix seconds; only of a payment that is not SETTLED.
    function expiration(PaymentState state) internal pure returns (uint256) {
        return uint40(PaymentState.unwrap(state) >> DETAIL_SHIFT);
    }

    /// @notice The place in the bitmap; only of a payment that is not SETTLED.
    function ordinal(PaymentState state) internal pure returns (uint256) {
        return uint32(PaymentState.unwrap(state) >> ORDINAL_SHIFT);
    }

    /// @notice The receipt's id; only where RECEIPT is set.
    function receiptId(PaymentState state) internal pure returns (uint256) {
        return PaymentState.unwrap(state) >> DETAIL_SHIFT;
    }

    /// @notice True when the payment was recorded with these ids and this buyer.
    /// @dev False for every witness once a receipt stands in the commitment's place.
    function isOf(
        PaymentState state,
        bytes32 paymentId,
        bytes32 buyerId,
        bytes32 itemId,
        address buyer
    ) internal pure returns (bool) {
        if (has(state, RECEIPT)) return false;
        if (has(state, SETTLED)) {
            uint256 digest = settledCommitment(paymentId, buyerId, itemId, buyer);
            return PaymentState.unwrap(state) >> DETAIL_SHIFT == digest;
        }
        uint256 commitment = expectedCommitment(buyerId, itemId);
        return exists(state) && buyer == address(0)
            && PaymentState.unwrap(state) >> COMMITMENT_SHIFT == commitment;
    }
}
