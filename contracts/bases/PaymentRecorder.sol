// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from
    "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

import {ILiveParams} from "../interfaces/ILiveParams.sol";
import {IPaymentTreasury} from "../interfaces/IPaymentTreasury.sol";
import {ISettlementTreasury} from "../interfaces/ISettlementTreasury.sol";
import {CryptoPayments} from "../libraries/CryptoPayments.sol";
import {LineItems} from "../libraries/LineItems.sol";
import {Book, PaymentBook, Run} from "../libraries/PaymentBook.sol";
import {PaymentChecks} from "../libraries/PaymentChecks.sol";
import {ItemSums, TokenAccount, TokenLedger} from "../libraries/TokenLedger.sol";
import {TreasuryInputCode} from "../types/InputCodes.sol";
import {PaymentState, PaymentStates} from "../types/PaymentState.sol";
import {MirrorHooks} from "./MirrorHooks.sol";
import {TreasuryAuthority} from "./TreasuryAuthority.sol";

/// @title How payments come into a treasury
/// @dev Create, settle, confirm, cancel, and pay on-chain. Batches and single calls share one path;
///      totals, the bitmap and the balance are touched once per run of payments in one token.
abstract contract PaymentRecorder is
    ISettlementTreasury,
    TreasuryAuthority,
    MirrorHooks,
    ReentrancyGuardTransient
{
    using PaymentBook for Book;
    using SafeCast for uint256;
    using SafeERC20 for IERC20;
    using TokenLedger for TokenAccount;

    /// @dev The arguments of createPayment that are one word each.
    struct Draft {
        bytes32 paymentId;
        bytes32 buyerId;
        bytes32 itemId;
        address token;
        uint256 amount;
        uint256 expiration;
    }

    /// @inheritdoc IPaymentTreasury
    uint256 public constant MAX_BATCH_SIZE = PaymentChecks.MAX_BATCH_SIZE;

    Book internal _book;

    /// @dev Enough for a function that calls nothing but views, or guards each call that is none.
    modifier whenNotEntered() {
        if (_reentrancyGuardEntered()) revert ReentrancyGuardReentrantCall();
        _;
    }

    modifier whileRecording() {
        _requireRecordingTime();
        _;
    }

    constructor(ILiveParams liveParams) TreasuryAuthority(liveParams) {}

    /// @inheritdoc IPaymentTreasury
    function createPayment(
        bytes32 paymentId,
        bytes32 buyerId,
        bytes32 itemId,
        address paymentToken,
        uint256 amount,
        uint256 expiration,
        LineItem[] calldata lineItems,
        ExternalFees[] calldata externalFees
    ) external whileRecording whenOpen whenNotEntered {
        _authorizeAdminWhileOpen();
        Draft memory draft = Draft(paymentId, buyerId, itemId, paymentToken, amount, expiration);
        uint256 count = _paymentCount;
        uint256 goalAmount = _create(draft, lineItems, externalFees, _latestExpiration(), count);
        _paymentCount = (count + 1).toUint32();
        _book.accounts[paymentToken].expect(goalAmount);
    }

    /// @inheritdoc IPaymentTreasury
    function createPaymentBatch(
        bytes32[] calldata paymentIds,
        bytes32[] calldata buyerIds,
        bytes32[] calldata itemIds,
        address[] calldata paymentTokens,
        uint256[] calldata amounts,
        uint256[] calldata expirations,
        LineItem[][] calldata lineItemsArray,
        ExternalFees[][] calldata externalFeesArray
    ) external whileRecording whenOpen whenNotEntered {
        _authorizeAdminWhileOpen();
        PaymentChecks.requireBatch(paymentIds.length);
        bool equal = buyerIds.length == paymentIds.length && itemIds.length == paymentIds.length
            && paymentTokens.length == paymentIds.length && amounts.length == paymentIds.length
            && expirations.length == paymentIds.length
            && lineItemsArray.length == paymentIds.length
            && externalFeesArray.length == paymentIds.length;
        if (!equal) revert PaymentTreasuryBatchArrayLengthMismatch();
        uint256 latest = _latestExpiration();
        uint256 count = _paymentCount;
        address token = paymentTokens[0];
        uint256 sum;
        Draft memory draft;
        for (uint256 i = 0; i < paymentIds.length; ++i) {
            // A run of payments in one token writes its total once.
            if (paymentTokens[i] != token) {
                _book.accounts[token].expect(sum);
                (token, sum) = (paymentTokens[i], 0);
            }
            draft.paymentId = paymentIds[i];
            draft.buyerId = buyerIds[i];
            draft.itemId = itemIds[i];
            draft.token = token;
            draft.amount = amounts[i];
            draft.expiration = expirations[i];
            sum += _create(draft, lineItemsArray[i], externalFeesArray[i], latest, count + i);
        }
        _book.accounts[token].expect(sum);
        _paymentCount = (count + paymentIds.length).toUint32();
        emit PaymentBatchCreated(paymentIds);
    }

    /// @inheritdoc ISettlementTreasury
    function settleBatch(address paymentToken, Settlement[] calldata settlements)
        external
        whileRecording
        whenOpen
        whenNotEntered
    {
        _decideGoal(_authorizeAdminWhileOpen().traits);
        PaymentChecks.requireBatch(settlements.length);
        uint256 position = _position(paymentToken);
        bytes32[] memory paymentIds = new bytes32[](settlements.length);
        uint256 sum;
        for (uint256 i = 0; i < settlements.length; ++i) {
            sum += _settle(settlements[i], paymentToken, position);
            paymentIds[i] = settlements[i].paymentId;
        }
        TokenAccount storage account = _book.accounts[paymentToken];
        account.expect(sum);
        PaymentBook.requireBalance(paymentToken, account.confirm(sum), 0);
        emit PaymentBatchConfirmed(paymentIds);
    }

    /// @inheritdoc IPaymentTreasury
    function processCryptoPayment(
        bytes32 paymentId,
        bytes32 itemId,
        address buyerAddress,
        address paymentToken,
        uint256 amount,
        LineItem[] calldata lineItems,
        ExternalFees[] calldata externalFees,
        PermitData calldata permitData
    ) external whileRecording whenOpen whenNotEntered {
        Rights memory rights = _rights();
        _requireCampaignOpen(rights);
        if (paymentId == 0) revert PaymentTreasuryZeroPaymentId();
        if (buyerAddress == address(0)) revert PaymentTreasuryZeroBuyerAddress();
        if (itemId == 0) revert PaymentTreasuryZeroItemId();
        PaymentChecks.requireTokens(paymentToken, amount);
        bool signed = permitData.signature.length != 0;
        PaymentChecks.requireInput(signed, TreasuryInputCode.EMPTY_SIGNATURE);
        PaymentChecks.requireInput(buyerAddress != address(this), TreasuryInputCode.INVALID_BUYER);
        PaymentChecks.requireExtrasFit(lineItems, externalFees);
        uint256 position = _position(paymentToken);
        bytes32 key = _book.takeCryptoKey(paymentId, buyerAddress);
        _requireBeforeGoalDeadline();

        PaymentState state = PaymentStates.settled(amount, position, address(0), 0);
        _book.payments[key] = state.with(PaymentStates.CRYPTO);
        Run memory run = Run(PaymentBook.NO_WORD, 0, position, amount, 0);
        ItemSums memory items = _recordExtras(paymentId, key, lineItems, externalFees);
        uint256 total = amount + items.goal + items.refundable + items.claimable + items.instant
            + items.fee;
        _book.accounts[paymentToken].expect(amount + items.goal);
        _pull(
            CryptoPayments.Payment(paymentId, itemId, buyerAddress, paymentToken, amount, total),
            lineItems,
            permitData
        );
        if (lineItems.length != 0) _confirmItems(run, key);
        _commit(run, rights.platformAdmin);
        _mirrorCreated(key, 0, itemId, lineItems, externalFees);
        _mintConfirmed(key, buyerAddress);
        emit PaymentCreated(buyerAddress, paymentId, 0, itemId, paymentToken, amount, 0, true);
    }

    /// @inheritdoc IPaymentTreasury
    function cancelPayment(bytes32 paymentId) external whileRecording whenOpen whenNotEntered {
        _authorizeAdminWhileOpen();
        PaymentState state = _book.findExpected(paymentId);
        address token = _book.tokens[state.tokenPosition()];
        _book.accounts[token].unexpect(_book.goalAmount(paymentId, state));
        _book.payments[paymentId] = PaymentStates.NONE;
        if (state.has(PaymentStates.ITEMS)) {
            _book.accounts[token].unexpectItems(_book.items[paymentId]);
            delete _book.items[paymentId];
        }
        _mirrorForgotten(paymentId);
        emit PaymentCancelled(paymentId);
    }

    /// @inheritdoc IPaymentTreasury
    function confirmPayment(bytes32 paymentId, address buyerAddress)
        external
        whileRecording
        whenOpen
        whenNotEntered
    {
        Rights memory rights = _authorizeAdminWhileOpen();
        _decideGoal(rights.traits);
        Run memory run = PaymentBook.newRun();
        _confirm(run, paymentId, buyerAddress, rights.platformAdmin);
        _book.writeWord(run);
        _commit(run, rights.platformAdmin);
        if (buyerAddress != address(0)) _mintConfirmed(paymentId, buyerAddress);
        emit PaymentConfirmed(paymentId);
    }

    /// @inheritdoc IPaymentTreasury
    function confirmPaymentBatch(bytes32[] calldata paymentIds, address[] calldata buyerAddresses)
        external
        whileRecording
        whenOpen
        whenNotEntered
    {
        Rights memory rights = _authorizeAdminWhileOpen();
        PaymentChecks.requireInput(
            buyerAddresses.length == paymentIds.length,
            TreasuryInputCode.CONFIRM_BATCH_LENGTH_MISMATCH
        );
        if (paymentIds.length > MAX_BATCH_SIZE) revert PaymentTreasuryArrayTooLong();
        _decideGoal(rights.traits);
        Run memory run = PaymentBook.newRun();
        bool named;
        for (uint256 i = 0; i < paymentIds.length; ++i) {
            _confirm(run, paymentIds[i], buyerAddresses[i], rights.platformAdmin);
            if (buyerAddresses[i] != address(0)) named = true;
        }
        _book.writeWord(run);
        _commit(run, rights.platformAdmin);
        // Receipts last: minting calls the buyer.
        for (uint256 i = 0; named && i < paymentIds.length; ++i) {
            if (buyerAddresses[i] != address(0)) _mintConfirmed(paymentIds[i], buyerAddresses[i]);
        }
        emit PaymentBatchConfirmed(paymentIds);
    }

    /// @dev Overridden where a treasury records and confirms payments only for a time.
    function _requireRecordingTime() internal view virtual {}

    /// @dev Decides whether a goal-gated campaign missed its goal, before what is raised changes.
    function _decideGoal(uint8 traits) internal virtual;

    /// @dev The state is written before the buyer is called, but for the receipt's id; the guard
    ///      keeps every function closed that could use it half done.
    function _mintReceipt(bytes32 key, address buyer) internal {
        PaymentState state = _book.payments[key];
        address token = _book.tokens[state.tokenPosition()];
        _mirrorBuyer(key, buyer);
        uint256 receiptId =
            _campaign.mintNFTForPledge(buyer, _rewardOf(key), token, state.amount(), 0, 0);
        _book.payments[key] = state.withReceipt(receiptId);
    }

    /// @dev The one path by which a payment comes to be expected. Its token's total and the count
    ///      are the caller's to write.
    /// @return goalAmount Base units that will count as raised.
    function _create(
        Draft memory draft,
        LineItem[] calldata lineItems,
        ExternalFees[] calldata externalFees,
        uint256 latest,
        uint256 ordinal
    ) private returns (uint256 goalAmount) {
        PaymentChecks.requireIds(draft.paymentId, draft.buyerId, draft.itemId);
        PaymentChecks.requireTokens(draft.token, draft.amount);
        if (draft.expiration <= block.timestamp) revert PaymentTreasuryExpirationNotInFuture();
        PaymentChecks.requireExtrasFit(lineItems, externalFees);
        if (draft.expiration > latest) {
            revert PaymentTreasuryExpirationExceedsMax(draft.expiration, latest);
        }
        uint256 position = _position(draft.token);
        _book.requireUnused(draft.paymentId);
        _book.payments[draft.paymentId] = PaymentStates.expected(
            draft.amount, position, draft.expiration, ordinal, draft.buyerId, draft.itemId
        );
        goalAmount = draft.amount
            + _recordExtras(draft.paymentId, draft.paymentId, lineItems, externalFees).goal;
        _mirrorCreated(draft.paymentId, draft.buyerId, draft.itemId, lineItems, externalFees);
        emit PaymentCreated(
            address(0),
            draft.paymentId,
            draft.buyerId,
            draft.itemId,
            draft.token,
            draft.amount,
            draft.expiration,
            false
        );
    }

    /// @dev The one path by which a payment is settled. Its token's totals are the caller's.
    function _settle(Settlement calldata settlement, address token, uint256 position)
        private
        returns (uint256 amount)
    {
        (bytes32 paymentId, bytes32 buyerId, bytes32 itemId, address buyer) =
            (settlement.paymentId, settlement.buyerId, settlement.itemId, settlement.buyer);
        amount = settlement.amount;
        PaymentChecks.requireIds(paymentId, buyerId, itemId);
        if (amount == 0) revert PaymentTreasuryZeroAmount();
        _book.requireUnused(paymentId);
        uint144 commitment = PaymentStates.settledCommitment(paymentId, buyerId, itemId, buyer);
        _book.payments[paymentId] = PaymentStates.settled(amount, position, buyer, commitment);
        _mirrorSettled(paymentId, buyerId, itemId, buyer);
        emit PaymentCreated(buyer, paymentId, buyerId, itemId, token, amount, 0, false);
    }

    /// @dev The one path by which an expected payment is confirmed. The caller writes the word,
    ///      commits the last token, and mints.
    function _confirm(Run memory run, bytes32 paymentId, address buyer, address platformAdmin)
        private
    {
        PaymentState state = _book.mark(run, paymentId, buyer != address(0));
        uint256 position = state.tokenPosition();
        if (position != run.position) {
            _commit(run, platformAdmin);
            run.position = position;
        }
        run.amount += state.amount();
        if (state.has(PaymentStates.ITEMS)) _confirmItems(run, paymentId);
    }

    function _mintConfirmed(bytes32 key, address buyer) private nonReentrant {
        _mintReceipt(key, buyer);
    }

    function _pull(
        CryptoPayments.Payment memory payment,
        LineItem[] calldata lineItems,
        PermitData calldata permitData
    ) private nonReentrant {
        CryptoPayments.pull(
            _campaign.getPermit2Address(), payment, keccak256(abi.encode(lineItems)), permitData
        );
    }

    function _send(address token, address to, uint256 amount) private nonReentrant {
        if (to == address(0)) revert AccessCheckerUnauthorized();
        IERC20(token).safeTransfer(to, amount);
    }

    function _confirmItems(Run memory run, bytes32 key) private {
        ItemSums memory items = _book.items[key];
        _book.accounts[_book.tokens[run.position]].confirmItems(items);
        run.leaving += items.instant;
    }

    /// @dev Commits the tokens of a run, which must be in the treasury beyond all committed before.
    ///      The batch is atomic, so one check of the sum is as strict as a check per payment.
    function _commit(Run memory run, address platformAdmin) private {
        if (run.amount == 0) return;
        address token = _book.tokens[run.position];
        uint256 leaving = run.leaving;
        PaymentBook.requireBalance(token, _book.accounts[token].confirm(run.amount), leaving);
        (run.amount, run.leaving) = (0, 0);
        if (leaving != 0) _send(token, platformAdmin, leaving);
    }

    /// @dev Every payment of a goal-gated campaign can be refunded whole.
    function _recordExtras(
        bytes32 paymentId,
        bytes32 key,
        LineItem[] calldata lineItems,
        ExternalFees[] calldata externalFees
    ) private returns (ItemSums memory sums) {
        if (lineItems.length == 0 && externalFees.length == 0) return sums;
        sums = LineItems.record(
            _book,
            LineItems.Terms(
                _campaign, _platformHash, _protocolFeePercent, _traits & GOAL_GATED != 0
            ),
            paymentId,
            key,
            lineItems,
            externalFees
        );
    }

    function _position(address token) private view returns (uint256 position) {
        position = _book.accounts[token].position;
        if (position == 0) revert PaymentTreasuryTokenNotAccepted(token);
    }
}
