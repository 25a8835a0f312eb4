// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

/// @title What our treasuries do beside Oak's
/// @notice Settling in one call, receipts minted later, the goal guarantee, and surplus. Amounts
///         are token base units unless said otherwise, times are unix seconds.
interface ISettlementTreasury {
    /// @notice A payment that is made already.
    /// @param paymentId Not zero, not in use.
    /// @param buyerId Not zero; a commitment, never personal data.
    /// @param itemId Not zero.
    /// @param buyer May mint the receipt and alone gets a refund; zero for a buyer without wallet.
    /// @param amount 1 to 2^96 - 1.
    struct Settlement {
        bytes32 paymentId;
        bytes32 buyerId;
        bytes32 itemId;
        address buyer;
        uint256 amount;
    }

    /// @notice What a payment was recorded with. `PaymentCreated` has it all.
    struct Witness {
        bytes32 buyerId;
        bytes32 itemId;
        address buyer;
    }

    /// @notice Where a goal-gated campaign stands. The goal and what is raised are compared in 18
    ///         decimals, tokens at par.
    enum GoalOutcome {
        NOT_GATED,
        OPEN,
        RELEASED,
        MISSED
    }

    /// @notice Emitted when a payment has line items or external fees, before its `PaymentCreated`.
    /// @param lineItemsHash keccak256(abi.encode(lineItems)).
    /// @param externalFeesHash keccak256(abi.encode(externalFees)).
    /// @param goal Items that count as raised.
    /// @param refundable Items refunded with the payment, fees taken off.
    /// @param claimable Items the platform may claim, fees taken off.
    /// @param instant Items the platform receives on confirmation, fees taken off.
    /// @param fee The protocol's fees on the items.
    event PaymentExtrasRecorded(
        bytes32 indexed paymentId,
        bytes32 lineItemsHash,
        bytes32 externalFeesHash,
        uint256 goal,
        uint256 refundable,
        uint256 claimable,
        uint256 instant,
        uint256 fee
    );
    /// @notice Emitted when tokens that belong to no payment leave.
    event SurplusSwept(address indexed token, address indexed to, uint256 amount);
    /// @notice Emitted once, by the first withdrawal of a goal-gated campaign.
    event GoalReached(uint256 raised, uint256 goal);
    /// @notice Emitted once, when a goal-gated campaign is found to have missed its goal.
    event GoalMissed(uint256 raised, uint256 goal);

    /// @notice Thrown when a goal-gated campaign is asked for its money before its goal is decided.
    /// @param decidesAt The deadline plus the registry's buffer time when the treasury began.
    error GoalNotDecided(uint256 decidesAt);
    /// @notice Thrown when a buyer pays a goal-gated campaign on-chain from its deadline on.
    error GoalDeadlinePassed(uint256 deadline);
    /// @notice Thrown when a goal-gated campaign is asked for its money below its goal, or after it
    ///         missed it; both figures in 18 decimals.
    error GoalNotReached(uint256 raised, uint256 goal);
    /// @notice Thrown when goal refunds are asked for while they are closed.
    error GoalRefundsClosed(GoalOutcome outcome);
    /// @notice Thrown when the platform directs a refund of a goal-gated campaign from its deadline
    ///         on: until its goal is reached and money withdrawn, refunds go to buyers.
    error PlatformRefundsClosed(bytes32 paymentId);
    /// @notice Thrown when a goal-gated campaign's payment has line items that no refund returns
    ///         whole: instant ones, claimable ones, and those with a fee.
    error GoalItemsNotRefundable(bytes32 paymentId);
    /// @notice Thrown when a payment was not recorded with these ids and this buyer.
    error WitnessMismatch(bytes32 paymentId);
    /// @notice Thrown when a payment was settled for no buyer, or for one who has the receipt.
    error BuyerNotNamed(bytes32 paymentId);
    /// @notice Thrown when a campaign of ours is of another deployment than the treasury: its
    ///         rights would be read from the wrong place, and its goal not at all.
    error ForeignLiveParams(address liveParams);
    /// @notice Thrown when a campaign gates on its goal and the treasury has no refund escrow.
    error RefundEscrowMissing();

    /// @notice Records and confirms payments that are made and whose tokens lie in the treasury,
    ///         all or nothing. Platform admin only.
    /// @dev Emits `PaymentCreated` for each, then one `PaymentBatchConfirmed`.
    /// @param paymentToken One the campaign accepts.
    /// @param settlements 1 to `MAX_BATCH_SIZE`.
    function settleBatch(address paymentToken, Settlement[] calldata settlements) external;

    /// @notice Mints the receipt of a settled payment to the buyer it was settled for. Anyone may
    ///         call.
    function mintReceipt(bytes32 paymentId, Witness calldata witness) external;

    /// @notice Refunds a payment settled for a buyer who has not minted the receipt, to the buyer.
    ///         Platform admin only; open where `claimRefund(paymentId, to)` is.
    function refundBuyer(bytes32 paymentId, Witness calldata witness) external;

    /// @notice Refunds payments of a goal-gated campaign that missed its goal or was cancelled: to
    ///         the receipt's owner, else to the buyer, else to the refund escrow. Anyone may call,
    ///         and no pause stops it.
    /// @dev Payments that are gone are passed over.
    /// @param witnesses One per payment; read only where a buyer has no receipt.
    function refundMissedGoal(bytes32[] calldata paymentIds, Witness[] calldata witnesses) external;

    /// @notice Sends the platform what belongs to no payment. Expected payments and their line
    ///         items count until they can be confirmed no more: once treasury or campaign is
    ///         cancelled, or the time to confirm is over. Platform admin only.
    /// @param token Any token, accepted or not.
    function sweepSurplus(address token) external;

    /// @notice True when the payment was recorded with these ids and this buyer, and has no
    ///         receipt.
    function isPaymentOf(bytes32 paymentId, Witness calldata witness) external view returns (bool);

    /// @notice Where the campaign stands now.
    /// @return outcome MISSED also where nobody has called since it was missed. A cancellation,
    ///         which opens refunds as well, is not an outcome.
    /// @return raised 18 decimals.
    /// @return goal 18 decimals.
    /// @return decidesAt From this second on a campaign below its goal has missed it.
    function getGoalOutcome()
        external
        view
        returns (GoalOutcome outcome, uint256 raised, uint256 goal, uint256 decidesAt);

    /// @notice Where the money of buyers without wallet goes when the goal is missed.
    function getRefundEscrow() external view returns (address);
}
