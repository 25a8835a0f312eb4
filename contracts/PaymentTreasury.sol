// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Initializable} from "@openzeppelin/contracts/proxy/utils/Initializable.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from
    "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

import {TreasuryAuthority} from "./bases/TreasuryAuthority.sol";
import {ICampaignInfo} from "./interfaces/ICampaignInfo.sol";
import {IPaymentTreasury} from "./interfaces/IPaymentTreasury.sol";
import {BasisPoints} from "./libraries/BasisPoints.sol";
import {TokenAmounts} from "./libraries/TokenAmounts.sol";
import {TokenLedger, TokenTotals} from "./libraries/TokenLedger.sol";
import {NotClaimableCode, TreasuryInputCode} from "./types/InputCodes.sol";

/// @title PaymentTreasury
/// @dev The implementation behind every payment treasury, a plain ERC-1167 clone; clones never
///      change it. Trusted: the platform admin with creating, confirming and refunding payments;
///      accepted tokens with standard ERC-20 behaviour. Not trusted: buyers, receipt holders.
contract PaymentTreasury is TreasuryAuthority, ReentrancyGuardTransient, Initializable {
    using SafeCast for uint256;
    using SafeERC20 for IERC20;
    using TokenLedger for TokenTotals;

    enum Status {
        NONE,
        PENDING,
        CONFIRMED
    }

    /// @dev slot 0: amount (16 bytes) | expiration (5) | tokenPosition (1) | status (1)
    ///      slot 1: buyerId; slot 2: itemId
    ///      slot 3: buyer (20) | receiptId (12), written only when a confirmation names a buyer
    struct Payment {
        uint128 amount;
        uint40 expiration;
        uint8 tokenPosition;
        Status status;
        bytes32 buyerId;
        bytes32 itemId;
        address buyer;
        uint96 receiptId;
    }

    /// @dev One slot. position counts from 1, so that zero means "not accepted".
    struct Listing {
        uint8 position;
        uint8 decimals;
    }

    /// @inheritdoc IPaymentTreasury
    uint256 public constant MAX_BATCH_SIZE = 1000;

    address[] private _tokens;
    mapping(address token => Listing) private _listings;
    mapping(address token => TokenTotals) private _totals;
    mapping(bytes32 paymentId => Payment) private _payments;

    constructor() {
        _disableInitializers();
    }

    /// @inheritdoc IPaymentTreasury
    function initialize(bytes32 platformHash, address infoAddress) external initializer {
        ICampaignInfo campaign = ICampaignInfo(infoAddress);
        _campaign = campaign;
        _platformHash = platformHash;
        _platformFeePercent = campaign.getPlatformFeePercent(platformHash).toUint16();
        _protocolFeePercent = campaign.getProtocolFeePercent().toUint16();
        // A campaign's tokens never change, so its treasuries keep them where payments look.
        address[] memory tokens = campaign.getAcceptedTokens();
        if (tokens.length > type(uint8).max) revert PaymentTreasuryTooManyTokens(tokens.length);
        _tokens = tokens;
        for (uint256 i = 0; i < tokens.length; ++i) {
            uint8 decimals = IERC20Metadata(tokens[i]).decimals();
            _listings[tokens[i]] = Listing(uint8(i + 1), decimals);
        }
    }

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
    ) external whenOpen nonReentrant {
        uint256 latest = _authorizeCreate();
        _create(paymentId, buyerId, itemId, paymentToken, amount, expiration, latest);
        _requireNoExtras(paymentId, lineItems, externalFees);
        _totals[paymentToken].expect(amount);
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
    ) external whenOpen nonReentrant {
        uint256 latest = _authorizeCreate();
        uint256 count = paymentIds.length;
        bool equal = count != 0 && buyerIds.length == count && itemIds.length == count
            && paymentTokens.length == count && amounts.length == count
            && expirations.length == count && lineItemsArray.length == count
            && externalFeesArray.length == count;
        if (!equal) revert PaymentTreasuryBatchArrayLengthMismatch();
        if (count > MAX_BATCH_SIZE) revert PaymentTreasuryArrayTooLong();

        uint256[] memory sums = new uint256[](_tokens.length);
        for (uint256 i = 0; i < count; ++i) {
            uint256 position = _create(
                paymentIds[i],
                buyerIds[i],
                itemIds[i],
                paymentTokens[i],
                amounts[i],
                expirations[i],
                latest
            );
            _requireNoExtras(paymentIds[i], lineItemsArray[i], externalFeesArray[i]);
            sums[position - 1] += amounts[i];
        }
        for (uint256 i = 0; i < sums.length; ++i) {
            if (sums[i] != 0) _totals[_tokens[i]].expect(sums[i]);
        }
        emit PaymentBatchCreated(paymentIds);
    }

    /// @inheritdoc IPaymentTreasury
    function cancelPayment(bytes32 paymentId) external whenOpen nonReentrant {
        _authorizeAdminWhileOpen();
        Payment storage payment = _pending(paymentId);
        _totals[_tokenOf(payment)].unexpect(payment.amount);
        delete _payments[paymentId];
        emit PaymentCancelled(paymentId);
    }

    /// @inheritdoc IPaymentTreasury
    function confirmPayment(bytes32 paymentId, address buyerAddress)
        external
        whenOpen
        nonReentrant
    {
        _authorizeAdminWhileOpen();
        (uint256 position, uint256 amount) = _confirm(paymentId);
        _commit(_tokens[position - 1], amount);
        if (buyerAddress != address(0)) _mintReceipt(paymentId, buyerAddress);
        emit PaymentConfirmed(paymentId);
    }

    /// @inheritdoc IPaymentTreasury
    function confirmPaymentBatch(bytes32[] calldata paymentIds, address[] calldata buyerAddresses)
        external
        whenOpen
        nonReentrant
    {
        _authorizeAdminWhileOpen();
        uint256 count = paymentIds.length;
        if (buyerAddresses.length != count) {
            revert PaymentTreasuryInvalidInput(TreasuryInputCode.CONFIRM_BATCH_LENGTH_MISMATCH);
        }
        if (count > MAX_BATCH_SIZE) revert PaymentTreasuryArrayTooLong();

        uint256[] memory sums = new uint256[](_tokens.length);
        for (uint256 i = 0; i < count; ++i) {
            (uint256 position, uint256 amount) = _confirm(paymentIds[i]);
            sums[position - 1] += amount;
        }
        // The batch is atomic, so one check of the sum is as strict as a check per payment.
        for (uint256 i = 0; i < sums.length; ++i) {
            if (sums[i] != 0) _commit(_tokens[i], sums[i]);
        }
        // Receipts last: minting calls the buyer.
        for (uint256 i = 0; i < count; ++i) {
            if (buyerAddresses[i] != address(0)) _mintReceipt(paymentIds[i], buyerAddresses[i]);
        }
        emit PaymentBatchConfirmed(paymentIds);
    }

    /// @inheritdoc IPaymentTreasury
    function claimRefund(bytes32 paymentId, address refundAddress)
        external
        whenNotPaused
        nonReentrant
    {
        ICampaignInfo.TreasuryContext memory context = _authorizeAdmin();
        _requireCampaignNotPaused(context);
        if (refundAddress == address(0)) {
            revert PaymentTreasuryInvalidInput(TreasuryInputCode.ZERO_REFUND_ADDRESS);
        }
        Payment storage payment = _existing(paymentId);
        if (payment.status != Status.CONFIRMED) {
            revert PaymentTreasuryPaymentNotConfirmed(paymentId);
        }
        if (payment.buyer != address(0)) revert PaymentTreasuryCryptoPayment(paymentId);
        _refund(paymentId, refundAddress, NotClaimableCode.INSUFFICIENT_LIQUIDITY);
    }

    /// @inheritdoc IPaymentTreasury
    function claimRefund(bytes32 paymentId) external whenNotPaused nonReentrant {
        _requireCampaignNotPaused(_campaign.getTreasuryContext(_platformHash));
        Payment storage payment = _existing(paymentId);
        if (payment.buyer == address(0)) {
            revert PaymentTreasuryPaymentNotClaimable(
                paymentId, NotClaimableCode.ZERO_REFUND_ADDRESS
            );
        }
        uint256 receiptId = payment.receiptId;
        address holder = _campaign.ownerOf(receiptId);
        _refund(paymentId, holder, NotClaimableCode.INSUFFICIENT_GOAL_LIQUIDITY);
        _campaign.burn(receiptId);
    }

    /// @inheritdoc IPaymentTreasury
    function withdraw() external whenOpen nonReentrant {
        ICampaignInfo.TreasuryContext memory context = _context();
        address owner = _campaign.owner();
        address sender = _sender(context.platformAdapter);
        if (sender != context.platformAdmin && sender != owner) revert AccessCheckerUnauthorized();
        _requireCampaignOpen(context);
        bool withdrew;
        for (uint256 i = 0; i < _tokens.length; ++i) {
            if (_withdraw(_tokens[i], owner)) withdrew = true;
        }
        if (!withdrew) revert PaymentTreasuryAlreadyWithdrawn();
    }

    /// @inheritdoc IPaymentTreasury
    function disburseFees() external whenNotPaused nonReentrant {
        ICampaignInfo.TreasuryContext memory context = _context();
        _requireCampaignNotPaused(context);
        address protocolAdmin = _campaign.getProtocolAdminAddress();
        for (uint256 i = 0; i < _tokens.length; ++i) {
            IERC20 token = IERC20(_tokens[i]);
            TokenTotals storage totals = _totals[address(token)];
            (uint256 protocolShare, uint256 platformShare) =
                (totals.protocolFee, totals.platformFee);
            if (protocolShare == 0 && platformShare == 0) continue;
            (totals.protocolFee, totals.platformFee) = (0, 0);
            if (protocolShare != 0) token.safeTransfer(protocolAdmin, protocolShare);
            if (platformShare != 0) token.safeTransfer(context.platformAdmin, platformShare);
            emit FeesDisbursed(address(token), protocolShare, platformShare);
        }
    }

    /// @inheritdoc IPaymentTreasury
    function getPaymentData(bytes32 paymentId) external view returns (PaymentData memory data) {
        Payment storage payment = _existing(paymentId);
        data.buyerAddress = payment.buyer;
        data.buyerId = payment.buyerId;
        data.itemId = payment.itemId;
        data.amount = payment.amount;
        data.expiration = payment.expiration;
        data.isConfirmed = payment.status == Status.CONFIRMED;
        data.paymentToken = _tokenOf(payment);
    }

    /// @inheritdoc IPaymentTreasury
    function getRaisedAmount() external view returns (uint256) {
        return _sum(TokenLedger.getConfirmed);
    }

    /// @inheritdoc IPaymentTreasury
    function getAvailableRaisedAmount() external view returns (uint256) {
        return _sum(TokenLedger.getAvailable);
    }

    /// @inheritdoc IPaymentTreasury
    function getLifetimeRaisedAmount() external view returns (uint256) {
        return _sum(TokenLedger.getLifetime);
    }

    /// @inheritdoc IPaymentTreasury
    function getRefundedAmount() external view returns (uint256) {
        return _sum(TokenLedger.getRefunded);
    }

    /// @inheritdoc IPaymentTreasury
    function getExpectedAmount() external view returns (uint256) {
        return _sum(TokenLedger.getPending);
    }

    /// @dev The one path by which a payment comes to exist. Totals are the caller's to update.
    /// @param latest The latest expiration allowed, unix seconds.
    /// @return position The token's position, from 1.
    function _create(
        bytes32 paymentId,
        bytes32 buyerId,
        bytes32 itemId,
        address token,
        uint256 amount,
        uint256 expiration,
        uint256 latest
    ) private returns (uint8 position) {
        if (paymentId == 0) revert PaymentTreasuryZeroPaymentId();
        if (buyerId == 0) revert PaymentTreasuryZeroBuyerId();
        if (itemId == 0) revert PaymentTreasuryZeroItemId();
        if (token == address(0)) revert PaymentTreasuryZeroPaymentToken();
        if (amount == 0) revert PaymentTreasuryZeroAmount();
        if (expiration <= block.timestamp) revert PaymentTreasuryExpirationNotInFuture();
        if (expiration > latest) revert PaymentTreasuryExpirationExceedsMax(expiration, latest);
        position = _listings[token].position;
        if (position == 0) revert PaymentTreasuryTokenNotAccepted(token);
        Payment storage payment = _payments[paymentId];
        if (payment.status != Status.NONE) {
            revert PaymentTreasuryPaymentAlreadyExist(
                keccak256(abi.encodePacked(paymentId, address(0)))
            );
        }
        payment.amount = amount.toUint128();
        payment.expiration = expiration.toUint40();
        payment.tokenPosition = position;
        payment.status = Status.PENDING;
        payment.buyerId = buyerId;
        payment.itemId = itemId;
        emit PaymentCreated(
            address(0), paymentId, buyerId, itemId, token, amount, expiration, false
        );
    }

    /// @dev The one path by which a payment is confirmed. The caller must `_commit` the amount.
    function _confirm(bytes32 paymentId) private returns (uint256 position, uint256 amount) {
        Payment storage payment = _pending(paymentId);
        if (payment.expiration <= block.timestamp) {
            revert PaymentTreasuryPaymentAlreadyExpired(paymentId);
        }
        payment.status = Status.CONFIRMED;
        return (payment.tokenPosition, payment.amount);
    }

    /// @dev Commits tokens that must be in the treasury beyond everything committed before.
    function _commit(address token, uint256 amount) private {
        TokenTotals storage totals = _totals[token];
        uint256 required = totals.committed() + amount;
        uint256 available = IERC20(token).balanceOf(address(this));
        if (required > available) revert PaymentTreasuryInsufficientBalance(required, available);
        totals.confirm(amount);
    }

    /// @dev The buyer is written first: nothing that the receiver's hook reads is half done but
    ///      the receipt's id, and the guard keeps every function that uses it closed.
    function _mintReceipt(bytes32 paymentId, address buyer) private {
        Payment storage payment = _payments[paymentId];
        payment.buyer = buyer;
        payment.receiptId = _campaign.mintNFTForPledge(
            buyer, payment.itemId, _tokenOf(payment), payment.amount, 0, 0
        ).toUint96();
    }

    /// @dev Refunds are paid from everybody's available money, and only from that.
    function _refund(bytes32 paymentId, address to, NotClaimableCode whenShort) private {
        Payment storage payment = _payments[paymentId];
        uint256 amount = payment.amount;
        address token = _tokenOf(payment);
        TokenTotals storage totals = _totals[token];
        if (totals.available < amount) {
            revert PaymentTreasuryPaymentNotClaimable(paymentId, whenShort);
        }
        totals.refund(amount);
        delete _payments[paymentId];
        IERC20(token).safeTransfer(to, amount);
        emit RefundClaimed(paymentId, amount, to);
    }

    function _withdraw(address token, address to) private returns (bool) {
        TokenTotals storage totals = _totals[token];
        uint256 available = totals.available;
        if (available == 0) return false;
        uint256 protocolFee = BasisPoints.feeFloor(available, _protocolFeePercent);
        uint256 platformFee = BasisPoints.feeFloor(available, _platformFeePercent);
        uint256 fee = protocolFee + platformFee;
        if (fee > available) revert PaymentTreasuryInsufficientFundsForFee(available, fee);
        totals.release(protocolFee, platformFee);
        IERC20(token).safeTransfer(to, available - fee);
        emit WithdrawalWithFeeSuccessful(token, to, available - fee, fee);
        return true;
    }

    /// @dev Returns the latest expiration a payment created now may have.
    function _authorizeCreate() private view returns (uint256 latest) {
        _authorizeAdminWhileOpen();
        uint256 ahead = _campaign.getMaxPaymentExpiration(_platformHash);
        bool unlimited = ahead == 0 || ahead > type(uint256).max - block.timestamp;
        return unlimited ? type(uint256).max : block.timestamp + ahead;
    }

    function _existing(bytes32 paymentId) private view returns (Payment storage payment) {
        payment = _payments[paymentId];
        if (payment.status == Status.NONE) revert PaymentTreasuryPaymentNotExist(paymentId);
    }

    function _pending(bytes32 paymentId) private view returns (Payment storage payment) {
        payment = _existing(paymentId);
        if (payment.status == Status.CONFIRMED) {
            revert PaymentTreasuryPaymentAlreadyConfirmed(paymentId);
        }
    }

    function _tokenOf(Payment storage payment) private view returns (address) {
        return _tokens[payment.tokenPosition - 1];
    }

    /// @dev One figure over all tokens, 18 decimals.
    function _sum(function(TokenTotals storage) view returns (uint256) figure)
        private
        view
        returns (uint256 total)
    {
        for (uint256 i = 0; i < _tokens.length; ++i) {
            address token = _tokens[i];
            uint256 amount = figure(_totals[token]);
            total += TokenAmounts.toCommonUnit(amount, _listings[token].decimals);
        }
    }

    /// @dev No line item type is registered yet, so every item is of an unknown type.
    function _requireNoExtras(
        bytes32 paymentId,
        LineItem[] calldata lineItems,
        ExternalFees[] calldata externalFees
    ) private pure {
        if (lineItems.length != 0) {
            bool zero = lineItems[0].typeId == 0 || lineItems[0].amount == 0;
            revert PaymentTreasuryInvalidInput(
                zero
                    ? TreasuryInputCode.INVALID_LINE_ITEM
                    : TreasuryInputCode.LINE_ITEM_TYPE_NOT_FOUND
            );
        }
        if (externalFees.length != 0) revert PaymentTreasuryExternalFeesNotSupported(paymentId);
    }
}
