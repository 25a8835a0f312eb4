// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {NotClaimableCode, TreasuryInputCode} from "../types/InputCodes.sol";

/// @title A platform's treasury of one campaign, for payments made elsewhere
/// @notice A payment is created, then confirmed once its tokens lie in the treasury, or cancelled;
///         a confirmed payment can be refunded. Names, selectors, events and errors are Oak's;
///         docs/compatibility.md lists where outcomes differ. Amounts are token base units unless
///         said otherwise, times are unix seconds, fees are basis points rounded down.
interface IPaymentTreasury {
    /// @notice What is paid besides the amount, by a type that the platform registered.
    /// @param typeId Not zero, registered for the platform.
    /// @param amount Base units of the payment's token, 1 to 2^96 - 1; comes on top of the amount.
    struct LineItem {
        bytes32 typeId;
        uint256 amount;
    }

    /// @notice A fee charged elsewhere, for information only.
    struct ExternalFees {
        bytes32 feeType;
        uint256 feeAmount;
    }

    /// @notice A line item with its type as of the payment's creation.
    struct PaymentLineItem {
        bytes32 typeId;
        uint256 amount;
        string label;
        bool countsTowardGoal;
        bool applyProtocolFee;
        bool canRefund;
        bool instantTransfer;
    }

    /// @notice Everything about a payment.
    /// @dev A one-slot treasury answers zero, or an empty list, for what it keeps a commitment of
    ///      or nothing (buyerId, itemId, lineItemCount, lineItems, externalFees): events have them.
    /// @param buyerAddress The receipt's owner in a one-slot treasury, else whom the confirmation
    ///        named; zero where there is neither.
    /// @param buyerId Commitment to the buyer; carries no personal data. Zero for crypto payments.
    /// @param itemId What was paid for.
    /// @param amount Base units of `paymentToken`, line items not included.
    /// @param expiration From this second on the payment cannot be confirmed; zero for none.
    /// @param isConfirmed True once confirmed.
    /// @param isCryptoPayment True when the buyer paid on-chain.
    /// @param lineItemCount How many line items.
    /// @param paymentToken The token.
    /// @param lineItems The line items.
    /// @param externalFees The fees charged elsewhere.
    struct PaymentData {
        address buyerAddress;
        bytes32 buyerId;
        bytes32 itemId;
        uint256 amount;
        uint256 expiration;
        bool isConfirmed;
        bool isCryptoPayment;
        uint256 lineItemCount;
        address paymentToken;
        PaymentLineItem[] lineItems;
        ExternalFees[] externalFees;
    }

    /// @notice A buyer's permission for Permit2 to move the tokens of one payment.
    /// @param nonce Permit2's unordered nonce of the buyer.
    /// @param deadline Unix seconds.
    /// @param signature Over Permit2's PermitWitnessTransferFrom with CryptoPaymentWitness.
    struct PermitData {
        uint256 nonce;
        uint256 deadline;
        bytes signature;
    }

    /// @notice Emitted once per payment created, singly or in a batch, settled or paid on-chain.
    /// @param buyerAddress Zero for payments made elsewhere, unless `settleBatch` names a buyer.
    /// @param buyerId Zero for payments made on-chain.
    /// @param expiration Zero for payments that are confirmed as they are created.
    /// @param isCryptoPayment False for payments made elsewhere.
    event PaymentCreated(
        address buyerAddress,
        bytes32 indexed paymentId,
        bytes32 buyerId,
        bytes32 indexed itemId,
        address indexed paymentToken,
        uint256 amount,
        uint256 expiration,
        bool isCryptoPayment
    );
    /// @notice Emitted after the `PaymentCreated` events of a batch.
    event PaymentBatchCreated(bytes32[] paymentIds);
    /// @notice Emitted when a payment is confirmed singly.
    event PaymentConfirmed(bytes32 indexed paymentId);
    /// @notice Emitted when a batch is confirmed, instead of one `PaymentConfirmed` each.
    event PaymentBatchConfirmed(bytes32[] paymentIds);
    /// @notice Emitted when a pending payment is cancelled; its id may be created again.
    event PaymentCancelled(bytes32 indexed paymentId);
    /// @notice Emitted when a confirmed payment is refunded; its id may be created again.
    /// @param claimer Who received the tokens.
    event RefundClaimed(bytes32 indexed paymentId, uint256 refundAmount, address indexed claimer);
    /// @notice Emitted per token with fees paid out.
    event FeesDisbursed(address indexed token, uint256 protocolShare, uint256 platformShare);
    /// @notice Emitted per token withdrawn: `amount` left, `fee` was set aside.
    event WithdrawalWithFeeSuccessful(
        address indexed token, address indexed to, uint256 amount, uint256 fee
    );
    /// @notice Emitted when the platform takes its line items.
    event NonGoalLineItemsClaimed(
        address indexed token, uint256 amount, address indexed platformAdmin
    );
    /// @notice Emitted per token when the platform takes what is left, the claim window being open.
    event ExpiredFundsClaimed(
        address indexed token, uint256 platformAmount, uint256 protocolAmount
    );

    /// @notice Thrown when the caller is neither of those the function is for.
    error AccessCheckerUnauthorized();
    /// @notice Thrown when the caller may not cancel the treasury.
    error PaymentTreasuryUnAuthorized();
    /// @notice Thrown when the forwarder appended no sender, or the zero address.
    error PaymentTreasuryInvalidSender();
    /// @notice Thrown when the campaign is paused, or cancelled, and the call needs it open.
    error PaymentTreasuryCampaignInfoIsPaused();
    /// @notice Thrown when an argument is out of range; the code says which.
    error PaymentTreasuryInvalidInput(TreasuryInputCode code);
    /// @notice Thrown when a payment id is zero.
    error PaymentTreasuryZeroPaymentId();
    /// @notice Thrown when a buyer id is zero.
    error PaymentTreasuryZeroBuyerId();
    /// @notice Thrown when a buyer who pays on-chain is zero.
    error PaymentTreasuryZeroBuyerAddress();
    /// @notice Thrown when an item id is zero.
    error PaymentTreasuryZeroItemId();
    /// @notice Thrown when a token is zero.
    error PaymentTreasuryZeroPaymentToken();
    /// @notice Thrown when an amount is zero.
    error PaymentTreasuryZeroAmount();
    /// @notice Thrown when a payment would be born expired.
    error PaymentTreasuryExpirationNotInFuture();
    /// @notice Thrown when a payment would expire later than the registry allows, now.
    error PaymentTreasuryExpirationExceedsMax(uint256 expiration, uint256 maxExpiration);
    /// @notice Thrown when the campaign does not accept the token.
    error PaymentTreasuryTokenNotAccepted(address token);
    /// @notice Thrown when the campaign accepts more tokens than a payment can name (255).
    error PaymentTreasuryTooManyTokens(uint256 count);
    /// @notice Thrown when a batch has more than `MAX_BATCH_SIZE` payments, or a payment more than
    ///         50 line items or external fees.
    error PaymentTreasuryArrayTooLong();
    /// @notice Thrown when a batch is empty or its arrays differ in length.
    error PaymentTreasuryBatchArrayLengthMismatch();
    /// @notice Thrown when the id is in use.
    /// @param internalPaymentId keccak256(paymentId, address(0)), or keccak256(paymentId, buyer) of
    ///        a crypto payment: Oak's storage keys, not the id.
    error PaymentTreasuryPaymentAlreadyExist(bytes32 internalPaymentId);
    /// @notice Thrown when the id is unknown, cancelled or refunded.
    error PaymentTreasuryPaymentNotExist(bytes32 paymentId);
    /// @notice Thrown when the payment is confirmed already.
    error PaymentTreasuryPaymentAlreadyConfirmed(bytes32 paymentId);
    /// @notice Thrown when the payment expired.
    error PaymentTreasuryPaymentAlreadyExpired(bytes32 paymentId);
    /// @notice Thrown when the payment is not confirmed.
    error PaymentTreasuryPaymentNotConfirmed(bytes32 paymentId);
    /// @notice Thrown when the payment has a receipt, so only its owner's approval refunds it.
    error PaymentTreasuryCryptoPayment(bytes32 paymentId);
    /// @notice Thrown when a refund cannot be paid; the code says why.
    error PaymentTreasuryPaymentNotClaimable(bytes32 paymentId, NotClaimableCode code);
    /// @notice Thrown when the treasury holds less than confirming would commit.
    /// @param required Committed so far plus all payments of this call in the token.
    /// @param available The treasury's balance.
    error PaymentTreasuryInsufficientBalance(uint256 required, uint256 available);
    /// @notice Thrown when the campaign's fees together exceed 100 %.
    error PaymentTreasuryInsufficientFundsForFee(uint256 withdrawalAmount, uint256 fee);
    /// @notice Thrown when there is nothing to withdraw.
    error PaymentTreasuryAlreadyWithdrawn();
    /// @notice Thrown when the platform sweeps too early.
    /// @param claimableAt The first second at which it may.
    error PaymentTreasuryClaimWindowNotReached(uint256 claimableAt);
    /// @notice Thrown when there is nothing to sweep.
    error PaymentTreasuryNoFundsToClaim();

    /// @notice Sets the treasury up, once. The factory calls it in the creating transaction.
    /// @param platformHash The platform whose admin runs the treasury.
    /// @param infoAddress The campaign.
    function initialize(bytes32 platformHash, address infoAddress) external;

    /// @notice The same for Oak's factory of January 2026, which fixes the platform's forwarder.
    /// @param platformAdapter Trusted ERC-2771 forwarder, or zero. Ignored in a campaign of ours,
    ///        whose forwarder is always the platform's of today.
    function initialize(bytes32 platformHash, address infoAddress, address platformAdapter)
        external;

    /// @notice Records a payment that is expected. No tokens move. Platform admin only.
    /// @param paymentId Not zero, not in use. Guessable ids can be taken by others.
    /// @param buyerId Not zero; a commitment, never personal data.
    /// @param itemId Not zero.
    /// @param paymentToken One the campaign accepts.
    /// @param amount 1 to 2^96 - 1.
    /// @param expiration In the future, below 2^40, within the registry's limit.
    /// @param lineItems Up to 50; confirming needs their tokens besides the amount.
    /// @param externalFees Up to 50.
    function createPayment(
        bytes32 paymentId,
        bytes32 buyerId,
        bytes32 itemId,
        address paymentToken,
        uint256 amount,
        uint256 expiration,
        LineItem[] calldata lineItems,
        ExternalFees[] calldata externalFees
    ) external;

    /// @notice `createPayment` for each position, all or nothing. 1 to `MAX_BATCH_SIZE` payments.
    function createPaymentBatch(
        bytes32[] calldata paymentIds,
        bytes32[] calldata buyerIds,
        bytes32[] calldata itemIds,
        address[] calldata paymentTokens,
        uint256[] calldata amounts,
        uint256[] calldata expirations,
        LineItem[][] calldata lineItemsArray,
        ExternalFees[][] calldata externalFeesArray
    ) external;

    /// @notice Records and confirms a payment that the buyer makes on-chain with Permit2, and mints
    ///         a receipt. Anyone may send the buyer's signature.
    /// @param buyerAddress Pays and receives the receipt; not zero, not the treasury.
    /// @param permitData The buyer's permission for the amount and the line items together.
    function processCryptoPayment(
        bytes32 paymentId,
        bytes32 itemId,
        address buyerAddress,
        address paymentToken,
        uint256 amount,
        LineItem[] calldata lineItems,
        ExternalFees[] calldata externalFees,
        PermitData calldata permitData
    ) external;

    /// @notice Forgets a pending payment, expired or not. Platform admin only.
    function cancelPayment(bytes32 paymentId) external;

    /// @notice Commits tokens that lie in the treasury to a payment. Platform admin only.
    /// @param buyerAddress Receives a receipt, with which they may ask for a refund; zero for none.
    function confirmPayment(bytes32 paymentId, address buyerAddress) external;

    /// @notice `confirmPayment` for each position, all or nothing. Up to `MAX_BATCH_SIZE` payments.
    function confirmPaymentBatch(bytes32[] calldata paymentIds, address[] calldata buyerAddresses)
        external;

    /// @notice Refunds a payment without receipt. Platform admin only; open in cancelled treasuries
    ///         and campaigns.
    /// @param refundAddress Receives the tokens; not zero.
    function claimRefund(bytes32 paymentId, address refundAddress) external;

    /// @notice Refunds a payment with receipt to the receipt's owner, who approved the treasury for
    ///         it, and burns the receipt. Anyone may call.
    function claimRefund(bytes32 paymentId) external;

    /// @notice Sends everything available to the campaign's owner, minus fees, which are set aside.
    ///         Platform admin or campaign owner. Refunds after it need new confirmed payments.
    function withdraw() external;

    /// @notice Pays the fees set aside to the protocol's and the platform's admin. Anyone may call.
    function disburseFees() external;

    /// @notice Sends the platform its line items in a token. Platform admin only.
    function claimNonGoalLineItems(address token) external;

    /// @notice Sends the platform everything left, and the protocol its fees, once the deadline and
    ///         the platform's claim delay have passed. Platform admin only; not in a goal-gated
    ///         campaign before the goal was reached and the first withdrawal made.
    function claimExpiredFunds() external;

    /// @notice Pauses the treasury. Platform admin only.
    function pauseTreasury(bytes32 message) external;

    /// @notice Undoes a pause. Platform admin only.
    function unpauseTreasury(bytes32 message) external;

    /// @notice Cancels the treasury for good; refunds stay open. Platform admin or campaign owner.
    function cancelTreasury(bytes32 message) external;

    /// @notice Payments per batch. A bound on mistakes, not the limit in practice: gas is. 5,000
    ///         confirmations cost more than a transaction may use (2^24), and public pools refuse
    ///         transactions above 131,072 bytes.
    function MAX_BATCH_SIZE() external view returns (uint256);

    /// @notice Everything about a payment. Reverts when the id is unknown, cancelled or refunded.
    function getPaymentData(bytes32 paymentId) external view returns (PaymentData memory);

    /// @notice Confirmed minus refunded and swept, withdrawn money included; 18 decimals, tokens at
    ///         par.
    function getRaisedAmount() external view returns (uint256);

    /// @notice Confirmed, neither refunded, swept nor withdrawn; 18 decimals, tokens at par.
    function getAvailableRaisedAmount() external view returns (uint256);

    /// @notice Ever confirmed; 18 decimals, tokens at par.
    function getLifetimeRaisedAmount() external view returns (uint256);

    /// @notice Refunded; 18 decimals, tokens at par.
    function getRefundedAmount() external view returns (uint256);

    /// @notice Created, not confirmed or cancelled; 18 decimals, tokens at par.
    function getExpectedAmount() external view returns (uint256);

    /// @notice The platform.
    function getplatformHash() external view returns (bytes32);

    /// @notice The platform's fee, basis points, as of the campaign's creation.
    function getplatformFeePercent() external view returns (uint256);
}
