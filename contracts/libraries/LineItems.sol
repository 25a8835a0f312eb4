// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

import {ICampaignInfo} from "../interfaces/ICampaignInfo.sol";
import {IPaymentTreasury} from "../interfaces/IPaymentTreasury.sol";
import {ISettlementTreasury} from "../interfaces/ISettlementTreasury.sol";
import {TreasuryInputCode} from "../types/InputCodes.sol";
import {PaymentState, PaymentStates} from "../types/PaymentState.sol";
import {BasisPoints} from "./BasisPoints.sol";
import {Book, PaymentBook} from "./PaymentBook.sol";
import {ItemSums, TokenAccount, TokenLedger} from "./TokenLedger.sol";

/// @title What becomes of line items
/// @dev Linked, not inlined: payments without items, nearly all, never call it. Types and fees are
///      read when the payment is created, so later changes do not matter.
library LineItems {
    using PaymentBook for Book;
    using SafeCast for uint256;
    using TokenLedger for TokenAccount;

    /// @notice What a treasury's payments are bound by.
    /// @param protocolFeeBps The campaign's, basis points; rounded down item by item.
    /// @param refundableOnly True where every payment must be refundable whole.
    struct Terms {
        ICampaignInfo campaign;
        bytes32 platformHash;
        uint256 protocolFeeBps;
        bool refundableOnly;
    }

    /// @notice Keeps what a payment's line items add up to, and logs what is not kept.
    function record(
        Book storage book,
        Terms calldata terms,
        bytes32 paymentId,
        bytes32 key,
        IPaymentTreasury.LineItem[] calldata items,
        IPaymentTreasury.ExternalFees[] calldata fees
    ) external returns (ItemSums memory sums) {
        if (items.length != 0) {
            sums = _classify(terms, items);
            if (terms.refundableOnly && sums.claimable + sums.instant + sums.fee != 0) {
                revert ISettlementTreasury.GoalItemsNotRefundable(paymentId);
            }
            _keep(book, key, sums, terms.refundableOnly);
        }
        emit ISettlementTreasury.PaymentExtrasRecorded(
            paymentId,
            keccak256(abi.encode(items)),
            keccak256(abi.encode(fees)),
            sums.goal,
            sums.refundable,
            sums.claimable,
            sums.instant,
            sums.fee
        );
    }

    function _keep(Book storage book, bytes32 key, ItemSums memory sums, bool refundableOnly)
        private
    {
        PaymentState state = book.payments[key];
        // The refund escrow owes less than 2^96 for a payment.
        if (refundableOnly) (state.amount() + sums.goal + sums.refundable).toUint96();
        book.payments[key] = state.with(PaymentStates.ITEMS);
        book.keepItems(key, sums);
        book.accounts[book.tokens[state.tokenPosition()]].expectItems(sums);
    }

    function _classify(Terms calldata terms, IPaymentTreasury.LineItem[] calldata items)
        private
        view
        returns (ItemSums memory sums)
    {
        for (uint256 i = 0; i < items.length; ++i) {
            _add(sums, terms, items[i]);
        }
    }

    /// @dev The type's flags, as Oak reads them: counts toward the goal; else sent to the platform
    ///      on confirmation; else refunded with the payment; else claimable by the platform.
    function _add(
        ItemSums memory sums,
        Terms calldata terms,
        IPaymentTreasury.LineItem calldata item
    ) private view {
        uint96 amount = item.amount.toUint96();
        if (item.typeId == 0 || amount == 0) _revert(TreasuryInputCode.INVALID_LINE_ITEM);
        (bool exists,, bool goal, bool feeApplies, bool refundable, bool instant) =
            terms.campaign.getLineItemType(terms.platformHash, item.typeId);
        if (!exists) _revert(TreasuryInputCode.LINE_ITEM_TYPE_NOT_FOUND);
        if (goal) {
            sums.goal += amount;
            return;
        }
        uint96 fee = feeApplies ? uint96(BasisPoints.feeFloor(amount, terms.protocolFeeBps)) : 0;
        sums.fee += fee;
        if (instant) sums.instant += amount - fee;
        else if (refundable) sums.refundable += amount - fee;
        else sums.claimable += amount - fee;
    }

    function _revert(TreasuryInputCode code) private pure {
        revert IPaymentTreasury.PaymentTreasuryInvalidInput(code);
    }
}
