// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

import {IPaymentTreasury} from "../interfaces/IPaymentTreasury.sol";
import {ISettlementTreasury} from "../interfaces/ISettlementTreasury.sol";
import {NotClaimableCode, TreasuryInputCode} from "../types/InputCodes.sol";
import {PaymentState, PaymentStates} from "../types/PaymentState.sol";
import {BasisPoints} from "./BasisPoints.sol";
import {Book, PaymentBook} from "./PaymentBook.sol";
import {TokenAccount, TokenLedger} from "./TokenLedger.sol";

/// @title How money leaves a treasury
/// @dev Linked, not inlined: each happens a few times in a campaign's life, and treasuries are near
///      the size limit. Who may call is the treasury's to check; books change before tokens move.
library Payouts {
    using PaymentBook for Book;
    using SafeERC20 for IERC20;
    using TokenLedger for TokenAccount;

    /// @notice Sends everything available to the campaign's owner, minus fees.
    /// @param to The campaign's owner.
    /// @param protocolBps Basis points, rounded down.
    /// @param platformBps Basis points, rounded down.
    function withdraw(Book storage book, address to, uint256 protocolBps, uint256 platformBps)
        external
    {
        bool withdrew;
        for (uint256 position = 1; book.tokens[position] != address(0); ++position) {
            address token = book.tokens[position];
            TokenAccount storage account = book.accounts[token];
            uint256 available = account.getAvailable();
            if (available == 0) continue;
            withdrew = true;
            uint256 protocolFee = BasisPoints.feeFloor(available, protocolBps);
            uint256 platformFee = BasisPoints.feeFloor(available, platformBps);
            uint256 fee = protocolFee + platformFee;
            if (fee > available) {
                revert IPaymentTreasury.PaymentTreasuryInsufficientFundsForFee(available, fee);
            }
            account.withdraw(protocolFee, platformFee);
            IERC20(token).safeTransfer(to, available - fee);
            emit IPaymentTreasury.WithdrawalWithFeeSuccessful(token, to, available - fee, fee);
        }
        if (!withdrew) revert IPaymentTreasury.PaymentTreasuryAlreadyWithdrawn();
    }

    /// @notice Sends the fees set aside to those they belong to.
    /// @param platformAdmin Zero when the platform is not listed: its share waits.
    function disburse(Book storage book, address protocolAdmin, address platformAdmin) external {
        for (uint256 position = 1; book.tokens[position] != address(0); ++position) {
            address token = book.tokens[position];
            TokenAccount storage account = book.accounts[token];
            uint256 protocolShare = account.protocolFee;
            uint256 platformShare = platformAdmin == address(0) ? 0 : account.platformFee;
            if (protocolShare == 0 && platformShare == 0) continue;
            account.disburse(protocolShare, platformShare);
            if (protocolShare != 0) IERC20(token).safeTransfer(protocolAdmin, protocolShare);
            if (platformShare != 0) IERC20(token).safeTransfer(platformAdmin, platformShare);
            emit IPaymentTreasury.FeesDisbursed(token, protocolShare, platformShare);
        }
    }

    /// @notice Sends the platform its line items in one token.
    function claimItems(Book storage book, address token, address platformAdmin) external {
        TokenAccount storage account = book.accounts[token];
        if (account.position == 0) revert IPaymentTreasury.PaymentTreasuryTokenNotAccepted(token);
        uint256 amount = account.claimItems();
        if (amount == 0) {
            revert IPaymentTreasury.PaymentTreasuryInvalidInput(
                TreasuryInputCode.ZERO_CLAIMABLE_AMOUNT
            );
        }
        IERC20(token).safeTransfer(platformAdmin, amount);
        emit IPaymentTreasury.NonGoalLineItemsClaimed(token, amount, platformAdmin);
    }

    /// @notice Sends the platform everything left, and the protocol its fees.
    function sweep(Book storage book, address platformAdmin, address protocolAdmin) external {
        bool swept;
        for (uint256 position = 1; book.tokens[position] != address(0); ++position) {
            address token = book.tokens[position];
            TokenAccount storage account = book.accounts[token];
            if (account.committed == 0) continue;
            swept = true;
            (uint256 platformShare, uint256 protocolShare) = account.sweep();
            if (platformShare != 0) IERC20(token).safeTransfer(platformAdmin, platformShare);
            if (protocolShare != 0) IERC20(token).safeTransfer(protocolAdmin, protocolShare);
            emit IPaymentTreasury.ExpiredFundsClaimed(token, platformShare, protocolShare);
        }
        if (!swept) revert IPaymentTreasury.PaymentTreasuryNoFundsToClaim();
    }

    /// @notice Sends what belongs to no payment.
    /// @param recordingOver True when expected payments can never be confirmed; else their tokens
    ///        stay.
    function sweepSurplus(Book storage book, address token, address to, bool recordingOver)
        external
    {
        TokenAccount storage account = book.accounts[token];
        uint256 balance = IERC20(token).balanceOf(address(this));
        uint256 kept = account.committed;
        if (!recordingOver) kept += account.getPending() + account.pendingItems;
        if (balance <= kept) revert IPaymentTreasury.PaymentTreasuryNoFundsToClaim();
        IERC20(token).safeTransfer(to, balance - kept);
        // Some tokens have two addresses: what is owed must still be here whichever was named.
        for (uint256 position = 1; book.tokens[position] != address(0); ++position) {
            address owed = book.tokens[position];
            PaymentBook.requireBalance(owed, book.accounts[owed].committed, 0);
        }
        emit ISettlementTreasury.SurplusSwept(token, to, balance - kept);
    }

    /// @notice Takes a confirmed payment out of the books. The tokens are the caller's to send.
    /// @dev Paid from everybody's available money, and only from that. The bit in the bitmap stays:
    ///      a payment that uses the id again has another ordinal.
    /// @param whenShort The code when less is available than the amount.
    function release(
        Book storage book,
        bytes32 key,
        bytes32 paymentId,
        PaymentState state,
        NotClaimableCode whenShort
    ) external returns (address token, uint256 total) {
        token = book.tokens[state.tokenPosition()];
        TokenAccount storage account = book.accounts[token];
        uint256 amount = book.goalAmount(key, state);
        uint256 available = account.getAvailable();
        if (available < state.amount()) _notClaimable(paymentId, whenShort);
        if (available < amount) {
            _notClaimable(paymentId, NotClaimableCode.INSUFFICIENT_GOAL_LIQUIDITY);
        }
        uint256 refundable;
        if (state.has(PaymentStates.ITEMS)) {
            refundable = book.items[key].refundable;
            if (account.refundable < refundable) {
                _notClaimable(paymentId, NotClaimableCode.INSUFFICIENT_NON_GOAL_LIQUIDITY);
            }
            delete book.items[key];
        }
        total = amount + refundable;
        if (IERC20(token).balanceOf(address(this)) < total) {
            _notClaimable(paymentId, NotClaimableCode.INSUFFICIENT_CONTRACT_BALANCE);
        }
        account.refund(amount, refundable);
        book.payments[key] = PaymentStates.NONE;
    }

    function _notClaimable(bytes32 paymentId, NotClaimableCode code) private pure {
        revert IPaymentTreasury.PaymentTreasuryPaymentNotClaimable(paymentId, code);
    }
}
