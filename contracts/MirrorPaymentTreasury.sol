// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ILiveParams} from "./interfaces/ILiveParams.sol";
import {IRefundEscrow} from "./interfaces/IRefundEscrow.sol";
import {Mirror, Mirrors} from "./libraries/Mirrors.sol";
import {Book, PaymentBook} from "./libraries/PaymentBook.sol";
import {PaymentTreasury} from "./PaymentTreasury.sol";

/// @title MirrorPaymentTreasury
/// @notice A payment treasury that also keeps what the events say, for contracts that read
///         payments: `getPaymentData` answers in full, and receipts name the item.
/// @dev Two more slots a payment, one more with a buyer, and three or more per line item. The money
///      rules are the base's and never read the mirror.
contract MirrorPaymentTreasury is PaymentTreasury {
    using PaymentBook for Book;

    mapping(bytes32 key => Mirror) private _mirrors;

    constructor(ILiveParams liveParams, IRefundEscrow refundEscrow)
        PaymentTreasury(liveParams, refundEscrow)
    {}

    /// @inheritdoc PaymentTreasury
    function getPaymentData(bytes32 paymentId)
        public
        view
        override
        returns (PaymentData memory)
    {
        (bytes32 key,) = _book.find(paymentId);
        return Mirrors.complete(_mirrors[key], super.getPaymentData(paymentId));
    }

    function _mirrorCreated(
        bytes32 key,
        bytes32 buyerId,
        bytes32 itemId,
        LineItem[] calldata lineItems,
        ExternalFees[] calldata externalFees
    ) internal override {
        Mirror storage mirror = _mirrors[key];
        mirror.buyerId = buyerId;
        mirror.itemId = itemId;
        if (lineItems.length == 0 && externalFees.length == 0) return;
        Mirrors.keepLists(mirror, _campaign, _platformHash, lineItems, externalFees);
    }

    function _mirrorSettled(bytes32 key, bytes32 buyerId, bytes32 itemId, address buyer)
        internal
        override
    {
        Mirror storage mirror = _mirrors[key];
        mirror.buyerId = buyerId;
        mirror.itemId = itemId;
        if (buyer != address(0)) mirror.buyer = buyer;
    }

    function _mirrorBuyer(bytes32 key, address buyer) internal override {
        _mirrors[key].buyer = buyer;
    }

    function _mirrorForgotten(bytes32 key) internal override {
        Mirrors.forget(_mirrors[key]);
    }

    function _rewardOf(bytes32 key) internal view override returns (bytes32) {
        return _mirrors[key].itemId;
    }
}
