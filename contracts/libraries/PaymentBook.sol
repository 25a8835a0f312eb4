// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

import {IPaymentTreasury} from "../interfaces/IPaymentTreasury.sol";
import {PaymentState, PaymentStates} from "../types/PaymentState.sol";
import {ItemSums, TokenAccount, TokenLedger} from "./TokenLedger.sol";

/// @notice All payments of a treasury, and what they add up to.
/// @dev A payment's key is its id; that of a crypto payment, keccak256(id, buyer), so that nobody
///      can take an id from the platform by paying one unit under it.
struct Book {
    mapping(bytes32 key => PaymentState) payments;
    mapping(uint256 word => uint256) confirmations;
    mapping(bytes32 key => ItemSums) items;
    mapping(bytes32 paymentId => address) cryptoBuyers;
    mapping(address token => TokenAccount) accounts;
    mapping(uint256 position => address) tokens;
}

/// @notice A run of confirmations in progress: the bitmap word at hand, and sums of one token, of
///         which `leaving` is sent to the platform at once.
struct Run {
    uint256 word;
    uint256 bits;
    uint256 position;
    uint256 amount;
    uint256 leaving;
}

/// @title The transitions of payments
library PaymentBook {
    using TokenLedger for TokenAccount;

    uint256 internal constant NO_WORD = type(uint256).max;
    uint256 private constant WORD_BITS = 256;

    /// @notice A crypto payment's key.
    function cryptoKey(bytes32 paymentId, address buyer) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(paymentId, buyer));
    }

    /// @notice A run that has not begun.
    function newRun() internal pure returns (Run memory run) {
        run.word = NO_WORD;
    }

    /// @notice Gives a buyer's payment its key. Ids are the platform's first: one it uses is taken.
    function takeCryptoKey(Book storage book, bytes32 paymentId, address buyer)
        internal
        returns (bytes32 key)
    {
        requireUnused(book, paymentId);
        (bytes32 earlier, PaymentState state) = lookUp(book, paymentId);
        if (state.exists()) revert IPaymentTreasury.PaymentTreasuryPaymentAlreadyExist(earlier);
        book.cryptoBuyers[paymentId] = buyer;
        key = cryptoKey(paymentId, buyer);
        // The platform may have derived an id of its own in the same way.
        requireUnused(book, key);
    }

    /// @notice Reverts when the platform cannot use the id.
    function requireUnused(Book storage book, bytes32 paymentId) internal view {
        if (book.payments[paymentId].exists()) {
            revert IPaymentTreasury.PaymentTreasuryPaymentAlreadyExist(
                cryptoKey(paymentId, address(0))
            );
        }
    }

    /// @notice Looks a payment up by its id, or a crypto payment by its key. An id that both the
    ///         platform and a buyer used means the platform's payment.
    function lookUp(Book storage book, bytes32 paymentId)
        internal
        view
        returns (bytes32 key, PaymentState state)
    {
        key = paymentId;
        state = book.payments[key];
        address buyer = book.cryptoBuyers[paymentId];
        if (state.exists() || buyer == address(0)) return (key, state);
        key = cryptoKey(paymentId, buyer);
        state = book.payments[key];
    }

    /// @notice As `lookUp`, and reverts when there is none.
    function find(Book storage book, bytes32 paymentId)
        internal
        view
        returns (bytes32 key, PaymentState state)
    {
        (key, state) = lookUp(book, paymentId);
        if (!state.exists()) revert IPaymentTreasury.PaymentTreasuryPaymentNotExist(paymentId);
    }

    /// @notice The platform's payment of an id.
    function findOwn(Book storage book, bytes32 paymentId)
        internal
        view
        returns (PaymentState state)
    {
        state = book.payments[paymentId];
        if (!state.exists()) revert IPaymentTreasury.PaymentTreasuryPaymentNotExist(paymentId);
    }

    /// @notice The platform's payment of an id, which must not be confirmed.
    function findExpected(Book storage book, bytes32 paymentId)
        internal
        view
        returns (PaymentState state)
    {
        state = findOwn(book, paymentId);
        if (isConfirmed(book, state)) {
            revert IPaymentTreasury.PaymentTreasuryPaymentAlreadyConfirmed(paymentId);
        }
    }

    function isConfirmed(Book storage book, PaymentState state) internal view returns (bool) {
        if (state.has(PaymentStates.SETTLED)) return true;
        uint256 ordinal = state.ordinal();
        return book.confirmations[ordinal / WORD_BITS] & (1 << (ordinal % WORD_BITS)) != 0;
    }

    /// @notice Marks a payment confirmed: by its bit, or in its slot when a receipt will follow.
    /// @dev The word at hand is written when another comes or the run ends, so that 256 payments
    ///      created in a row are confirmed by one write.
    function mark(Book storage book, Run memory run, bytes32 paymentId, bool inSlot)
        internal
        returns (PaymentState state)
    {
        state = book.payments[paymentId];
        if (!state.exists()) revert IPaymentTreasury.PaymentTreasuryPaymentNotExist(paymentId);
        if (state.has(PaymentStates.SETTLED)) {
            revert IPaymentTreasury.PaymentTreasuryPaymentAlreadyConfirmed(paymentId);
        }
        uint256 ordinal = state.ordinal();
        uint256 word = ordinal / WORD_BITS;
        if (word != run.word) {
            writeWord(book, run);
            (run.word, run.bits) = (word, book.confirmations[word]);
        }
        uint256 bit = 1 << (ordinal % WORD_BITS);
        if (run.bits & bit != 0) {
            revert IPaymentTreasury.PaymentTreasuryPaymentAlreadyConfirmed(paymentId);
        }
        if (state.expiration() <= block.timestamp) {
            revert IPaymentTreasury.PaymentTreasuryPaymentAlreadyExpired(paymentId);
        }
        if (inSlot) book.payments[paymentId] = state.with(PaymentStates.SETTLED);
        else run.bits |= bit;
    }

    /// @notice Writes the bitmap word at hand.
    function writeWord(Book storage book, Run memory run) internal {
        if (run.word != NO_WORD) book.confirmations[run.word] = run.bits;
    }

    /// @notice Keeps line items; what is zero is not written.
    function keepItems(Book storage book, bytes32 key, ItemSums memory sums) internal {
        ItemSums storage kept = book.items[key];
        if (sums.goal != 0) kept.goal = sums.goal;
        if (sums.refundable != 0) kept.refundable = sums.refundable;
        if (sums.claimable != 0) kept.claimable = sums.claimable;
        if (sums.instant != 0) kept.instant = sums.instant;
        if (sums.fee != 0) kept.fee = sums.fee;
    }

    /// @notice What of a payment counts as raised: its amount and its goal items.
    function goalAmount(Book storage book, bytes32 key, PaymentState state)
        internal
        view
        returns (uint256 amount)
    {
        amount = state.amount();
        if (state.has(PaymentStates.ITEMS)) amount += book.items[key].goal;
    }

    /// @notice Reverts unless the tokens of what was just confirmed lie here.
    /// @param committed Base units owed, this confirmation included.
    /// @param leaving Base units that leave in this transaction.
    function requireBalance(address token, uint256 committed, uint256 leaving) internal view {
        uint256 required = committed + leaving;
        uint256 available = IERC20(token).balanceOf(address(this));
        if (required > available) {
            revert IPaymentTreasury.PaymentTreasuryInsufficientBalance(required, available);
        }
    }
}
