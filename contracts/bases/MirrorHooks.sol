// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IPaymentTreasury} from "../interfaces/IPaymentTreasury.sol";

/// @title What a treasury that keeps more than a slot is told
/// @dev Told, never asked: nothing about money depends on an answer. Here they do nothing.
abstract contract MirrorHooks {
    /// @dev A payment is expected, or paid on-chain.
    function _mirrorCreated(
        bytes32 key,
        bytes32 buyerId,
        bytes32 itemId,
        IPaymentTreasury.LineItem[] calldata lineItems,
        IPaymentTreasury.ExternalFees[] calldata externalFees
    ) internal virtual {}

    /// @dev A settled payment has no line items.
    function _mirrorSettled(bytes32 key, bytes32 buyerId, bytes32 itemId, address buyer)
        internal
        virtual
    {}

    /// @dev A confirmation named a buyer.
    function _mirrorBuyer(bytes32 key, address buyer) internal virtual {}

    /// @dev The payment is cancelled or refunded.
    function _mirrorForgotten(bytes32 key) internal virtual {}

    /// @dev What a receipt says it is for. A slot does not know the item, only its commitment.
    function _rewardOf(bytes32 key) internal view virtual returns (bytes32) {
        return key;
    }
}
