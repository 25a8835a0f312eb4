// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Initializable} from "@openzeppelin/contracts/proxy/utils/Initializable.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

import {PaymentRecorder} from "./bases/PaymentRecorder.sol";
import {ICampaignInfo} from "./interfaces/ICampaignInfo.sol";
import {ILiveParams} from "./interfaces/ILiveParams.sol";
import {IPaymentTreasury} from "./interfaces/IPaymentTreasury.sol";
import {IRefundEscrow} from "./interfaces/IRefundEscrow.sol";
import {ISettlementTreasury} from "./interfaces/ISettlementTreasury.sol";
import {Book, PaymentBook} from "./libraries/PaymentBook.sol";
import {PaymentChecks} from "./libraries/PaymentChecks.sol";
import {Payouts} from "./libraries/Payouts.sol";
import {Figure, TokenAccounts} from "./libraries/TokenAccounts.sol";
import {NotClaimableCode, TreasuryInputCode} from "./types/InputCodes.sol";
import {PaymentState, PaymentStates} from "./types/PaymentState.sol";

/// @title PaymentTreasury
/// @dev The implementation behind payment treasuries, a plain ERC-1167 clone; clones never change
///      it. A payment is one slot, and a bit that 256 payments share. Trusted: the platform admin
///      with creating, confirming and refunding payments; the campaign with rights and receipts.
///      Not trusted: buyers, receipt owners, and tokens: what they answer is checked against what
///      is owed, and the books change before tokens move.
contract PaymentTreasury is PaymentRecorder, Initializable {
    using PaymentBook for Book;
    using SafeCast for uint256;
    using SafeERC20 for IERC20;

    IRefundEscrow private immutable REFUND_ESCROW;

    modifier whilePaying() {
        _requirePayingTime();
        _;
    }

    /// @param liveParams That of our campaigns. A campaign that names another is refused; one that
    ///        names none is taken for Oak's.
    /// @param refundEscrow Where refunds of buyers without wallet go; without one, no campaign may
    ///        gate on its goal.
    constructor(ILiveParams liveParams, IRefundEscrow refundEscrow) PaymentRecorder(liveParams) {
        REFUND_ESCROW = refundEscrow;
        _disableInitializers();
    }

    /// @inheritdoc IPaymentTreasury
    function initialize(bytes32 platformHash, address infoAddress) external {
        initialize(platformHash, infoAddress, address(0));
    }

    /// @inheritdoc IPaymentTreasury
    function claimRefund(bytes32 paymentId, address refundAddress)
        external
        whilePaying
        whenNotPaused
        nonReentrant
    {
        Rights memory rights = _authorizeAdmin();
        _requireCampaignNotPaused(rights);
        PaymentChecks.requireInput(
            refundAddress != address(0), TreasuryInputCode.ZERO_REFUND_ADDRESS
        );
        PaymentState state = _book.findOwn(paymentId);
        if (!_book.isConfirmed(state)) revert PaymentTreasuryPaymentNotConfirmed(paymentId);
        if (state.has(PaymentStates.RECEIPT | PaymentStates.BUYER)) {
            revert PaymentTreasuryCryptoPayment(paymentId);
        }
        _requirePlatformMayRefund(rights, paymentId);
        NotClaimableCode whenShort = NotClaimableCode.INSUFFICIENT_LIQUIDITY;
        (address token, uint256 total) = _release(paymentId, paymentId, state, whenShort);
        _pay(paymentId, token, total, refundAddress);
    }

    /// @inheritdoc IPaymentTreasury
    function claimRefund(bytes32 paymentId) external whilePaying whenNotPaused nonReentrant {
        Rights memory rights = _rights();
        _requireCampaignNotPaused(rights);
        (bytes32 key, PaymentState state) = _book.find(paymentId);
        if (!state.has(PaymentStates.RECEIPT)) {
            revert PaymentTreasuryPaymentNotClaimable(
                paymentId,
                state.has(PaymentStates.BUYER)
                    ? NotClaimableCode.NOT_NFT_PAYMENT
                    : NotClaimableCode.ZERO_REFUND_ADDRESS
            );
        }
        _decideGoal(rights.traits);
        address holder = _campaign.ownerOf(state.receiptId());
        NotClaimableCode whenShort = NotClaimableCode.INSUFFICIENT_GOAL_LIQUIDITY;
        (address token, uint256 total) = _release(key, paymentId, state, whenShort);
        _campaign.burn(state.receiptId());
        _pay(paymentId, token, total, holder);
    }

    /// @inheritdoc ISettlementTreasury
    function refundMissedGoal(bytes32[] calldata paymentIds, Witness[] calldata witnesses)
        external
        nonReentrant
    {
        if (witnesses.length != paymentIds.length) {
            revert PaymentTreasuryBatchArrayLengthMismatch();
        }
        Rights memory rights = _rights();
        _decideGoal(rights.traits);
        if (!_goalRefundsOpen(rights)) {
            (GoalOutcome outcome,,,) = getGoalOutcome();
            revert GoalRefundsClosed(outcome);
        }
        for (uint256 i = 0; i < paymentIds.length; ++i) {
            _refundMissedGoal(paymentIds[i], witnesses[i]);
        }
    }

    /// @inheritdoc ISettlementTreasury
    function refundBuyer(bytes32 paymentId, Witness calldata witness)
        external
        whilePaying
        whenNotPaused
        nonReentrant
    {
        Rights memory rights = _authorizeAdmin();
        _requireCampaignNotPaused(rights);
        PaymentState state = _book.findOwn(paymentId);
        _requirePlatformMayRefund(rights, paymentId);
        _requireBuyer(paymentId, state, witness);
        NotClaimableCode whenShort = NotClaimableCode.INSUFFICIENT_LIQUIDITY;
        (address token, uint256 total) = _release(paymentId, paymentId, state, whenShort);
        _pay(paymentId, token, total, witness.buyer);
    }

    /// @inheritdoc ISettlementTreasury
    function mintReceipt(bytes32 paymentId, Witness calldata witness)
        external
        whenNotPaused
        nonReentrant
    {
        _requireCampaignNotPaused(_rights());
        _requireBuyer(paymentId, _book.findOwn(paymentId), witness);
        _mintReceipt(paymentId, witness.buyer);
    }

    /// @inheritdoc IPaymentTreasury
    function withdraw() external whilePaying whenOpen nonReentrant {
        Rights memory rights = _rights();
        address owner = _campaign.owner();
        if (!_isAdmin(rights) && rights.sender != owner) revert AccessCheckerUnauthorized();
        _requireCampaignOpen(rights);
        if (_traits & GOAL_GATED != 0) _releaseGoal();
        Payouts.withdraw(_book, owner, _protocolFeePercent, _platformFeePercent);
    }

    /// @inheritdoc IPaymentTreasury
    function disburseFees() external whilePaying whenNotPaused nonReentrant {
        Rights memory rights = _rights();
        _requireCampaignNotPaused(rights);
        Payouts.disburse(_book, _campaign.getProtocolAdminAddress(), rights.platformAdmin);
    }

    /// @inheritdoc IPaymentTreasury
    function claimNonGoalLineItems(address token) external whilePaying whenNotPaused nonReentrant {
        Rights memory rights = _authorizeAdmin();
        _requireCampaignNotPaused(rights);
        Payouts.claimItems(_book, token, rights.platformAdmin);
    }

    /// @inheritdoc IPaymentTreasury
    function claimExpiredFunds() external whilePaying whenNotPaused nonReentrant {
        Rights memory rights = _authorizeAdmin();
        _requireCampaignNotPaused(rights);
        uint256 claimableAt = _deadline() + _campaign.getPlatformClaimDelay(_platformHash);
        if (block.timestamp < claimableAt) {
            revert PaymentTreasuryClaimWindowNotReached(claimableAt);
        }
        if (_traits & GOAL_GATED != 0 && _traits & GOAL_RELEASED == 0) {
            revert GoalNotReached(getRaisedAmount(), _campaign.getGoalAmount());
        }
        address protocolAdmin = _campaign.getProtocolAdminAddress();
        Payouts.sweep(_book, rights.platformAdmin, protocolAdmin);
    }

    /// @inheritdoc ISettlementTreasury
    function sweepSurplus(address token) external whilePaying whenNotPaused nonReentrant {
        Rights memory rights = _authorizeAdmin();
        _requireCampaignNotPaused(rights);
        Payouts.sweepSurplus(_book, token, rights.platformAdmin, _isRecordingOver(rights));
    }

    /// @inheritdoc IPaymentTreasury
    function getAvailableRaisedAmount() external view returns (uint256) {
        return TokenAccounts.sum(_book, Figure.AVAILABLE);
    }

    /// @inheritdoc IPaymentTreasury
    function getLifetimeRaisedAmount() external view returns (uint256) {
        return TokenAccounts.sum(_book, Figure.LIFETIME);
    }

    /// @inheritdoc IPaymentTreasury
    function getRefundedAmount() external view returns (uint256) {
        return TokenAccounts.sum(_book, Figure.REFUNDED);
    }

    /// @inheritdoc IPaymentTreasury
    function getExpectedAmount() external view returns (uint256) {
        return TokenAccounts.sum(_book, Figure.PENDING);
    }

    /// @inheritdoc ISettlementTreasury
    function getRefundEscrow() external view returns (address) {
        return address(REFUND_ESCROW);
    }

    /// @inheritdoc IPaymentTreasury
    function initialize(bytes32 platformHash, address infoAddress, address platformAdapter)
        public
        initializer
    {
        ICampaignInfo campaign = ICampaignInfo(infoAddress);
        _setAuthority(platformHash, campaign, platformAdapter);
        TokenAccounts.open(_book, campaign.getAcceptedTokens());
        if (_traits & OAK_HOSTED != 0 || !campaign.isGoalGated()) return;
        if (address(REFUND_ESCROW) == address(0)) revert RefundEscrowMissing();
        _traits |= GOAL_GATED;
        // Payments made before the deadline may take until then to be confirmed.
        _goalDecidesAt = (_deadline() + campaign.getBufferTime()).toUint40();
    }

    /// @inheritdoc IPaymentTreasury
    function getPaymentData(bytes32 paymentId)
        public
        view
        virtual
        returns (PaymentData memory data)
    {
        (, PaymentState state) = _book.find(paymentId);
        if (state.has(PaymentStates.RECEIPT)) {
            data.buyerAddress = _campaign.ownerOf(state.receiptId());
        }
        if (!state.has(PaymentStates.SETTLED)) data.expiration = state.expiration();
        data.amount = state.amount();
        data.isConfirmed = _book.isConfirmed(state);
        data.isCryptoPayment = state.has(PaymentStates.CRYPTO);
        data.paymentToken = _book.tokens[state.tokenPosition()];
    }

    /// @inheritdoc IPaymentTreasury
    function getRaisedAmount() public view returns (uint256) {
        return TokenAccounts.sum(_book, Figure.RAISED);
    }

    /// @inheritdoc ISettlementTreasury
    function isPaymentOf(bytes32 paymentId, Witness calldata witness) public view returns (bool) {
        return _book.payments[paymentId].isOf(
            paymentId, witness.buyerId, witness.itemId, witness.buyer
        );
    }

    /// @inheritdoc ISettlementTreasury
    function getGoalOutcome()
        public
        view
        returns (GoalOutcome outcome, uint256 raised, uint256 goal, uint256 decidesAt)
    {
        if (_traits & GOAL_GATED == 0) return (GoalOutcome.NOT_GATED, 0, 0, 0);
        (raised, goal, decidesAt) = (getRaisedAmount(), _campaign.getGoalAmount(), _goalDecidesAt);
        outcome = GoalOutcome.OPEN;
        if (_traits & GOAL_RELEASED != 0) outcome = GoalOutcome.RELEASED;
        else if (_traits & GOAL_MISSED != 0) outcome = GoalOutcome.MISSED;
        else if (block.timestamp >= decidesAt && raised < goal) outcome = GoalOutcome.MISSED;
    }

    /// @dev Overridden where a treasury pays out only from a time on.
    function _requirePayingTime() internal view virtual {}

    /// @dev True when expected payments cannot be confirmed any more, nor cancelled: the tokens
    ///      that lie here for them would lie here for ever.
    function _isRecordingOver(Rights memory rights) internal view virtual returns (bool) {
        return cancelled() || rights.campaignCancelled;
    }

    /// @dev Once missed, always missed: later confirmations do not reach the goal after all. Before
    ///      the first withdrawal, refunds can still make a campaign miss it.
    function _decideGoal(uint8 traits) internal override {
        if (traits & GOAL_GATED == 0 || traits & (GOAL_RELEASED | GOAL_MISSED) != 0) return;
        if (block.timestamp < _goalDecidesAt) return;
        (GoalOutcome outcome, uint256 raised, uint256 goal,) = getGoalOutcome();
        if (outcome != GoalOutcome.MISSED) return;
        _traits = traits | GOAL_MISSED;
        emit GoalMissed(raised, goal);
    }

    /// @dev Called by a withdrawal: the first one needs the goal, when the goal is decided. No
    ///      earlier: a payment must not count toward the goal and be withdrawn with it in one
    ///      block, which borrowed money could do.
    function _releaseGoal() private {
        if (_traits & GOAL_RELEASED != 0) return;
        uint256 decidesAt = _goalDecidesAt;
        if (block.timestamp < decidesAt) revert GoalNotDecided(decidesAt);
        (GoalOutcome outcome, uint256 raised, uint256 goal,) = getGoalOutcome();
        if (outcome == GoalOutcome.MISSED || raised < goal) revert GoalNotReached(raised, goal);
        _traits |= GOAL_RELEASED;
        emit GoalReached(raised, goal);
    }

    function _goalRefundsOpen(Rights memory rights) private view returns (bool) {
        uint8 traits = _traits;
        if (traits & GOAL_GATED == 0 || traits & GOAL_RELEASED != 0) return false;
        return traits & GOAL_MISSED != 0 || cancelled() || rights.campaignCancelled;
    }

    /// @dev From the deadline of a goal-gated campaign on, refunds go to buyers or the escrow.
    function _requirePlatformMayRefund(Rights memory rights, bytes32 paymentId) private {
        _decideGoal(rights.traits);
        if (_traits & GOAL_GATED == 0 || _traits & GOAL_RELEASED != 0) return;
        if (block.timestamp >= _deadline() || _goalRefundsOpen(rights)) {
            revert PlatformRefundsClosed(paymentId);
        }
    }

    /// @dev To whoever owns the receipt, else to the buyer named at settlement, else to the escrow.
    ///      A payment that is gone is passed over: somebody else was faster.
    function _refundMissedGoal(bytes32 paymentId, Witness calldata witness) private {
        (bytes32 key, PaymentState state) = _book.lookUp(paymentId);
        if (!state.exists()) return;
        if (!_book.isConfirmed(state)) revert PaymentTreasuryPaymentNotConfirmed(paymentId);
        address to = address(REFUND_ESCROW);
        if (state.has(PaymentStates.RECEIPT)) {
            // A receipt that another treasury of the campaign burnt must not lock the money in.
            try _campaign.ownerOf(state.receiptId()) returns (address holder) {
                to = holder;
                _campaign.burnRefunded(state.receiptId());
            } catch {}
        } else if (state.has(PaymentStates.BUYER)) {
            _requireBuyer(key, state, witness);
            to = witness.buyer;
        }
        NotClaimableCode whenShort = NotClaimableCode.INSUFFICIENT_LIQUIDITY;
        (address token, uint256 total) = _release(key, paymentId, state, whenShort);
        _pay(paymentId, token, total, to);
        if (to == address(REFUND_ESCROW)) {
            REFUND_ESCROW.deposit(_platformHash, paymentId, token, total);
        }
    }

    /// @dev The payment was settled for a buyer, this one, who has no receipt yet.
    function _requireBuyer(bytes32 paymentId, PaymentState state, Witness calldata witness)
        private
        view
    {
        if (!state.has(PaymentStates.BUYER) || state.has(PaymentStates.RECEIPT)) {
            revert BuyerNotNamed(paymentId);
        }
        if (!isPaymentOf(paymentId, witness)) revert WitnessMismatch(paymentId);
    }

    /// @dev Takes a payment out of the books. What follows may call receipts and tokens.
    function _release(
        bytes32 key,
        bytes32 paymentId,
        PaymentState state,
        NotClaimableCode whenShort
    ) private returns (address token, uint256 total) {
        (token, total) = Payouts.release(_book, key, paymentId, state, whenShort);
        _mirrorForgotten(key);
    }

    function _pay(bytes32 paymentId, address token, uint256 total, address to) private {
        IERC20(token).safeTransfer(to, total);
        emit RefundClaimed(paymentId, total, to);
    }
}
