// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";

import {IPaymentTreasury} from "../interfaces/IPaymentTreasury.sol";
import {Book} from "./PaymentBook.sol";
import {TokenAmounts} from "./TokenAmounts.sol";
import {TokenAccount, TokenLedger} from "./TokenLedger.sol";

/// @notice What can be asked of all tokens together.
enum Figure {
    RAISED,
    AVAILABLE,
    LIFETIME,
    REFUNDED,
    PENDING
}

/// @title The accounts of all accepted tokens
/// @dev Linked, not inlined: no payment passes through it.
library TokenAccounts {
    using TokenLedger for TokenAccount;

    /// @notice Opens an account per token, once; a campaign's tokens never change.
    function open(Book storage book, address[] calldata tokens) external {
        if (tokens.length > type(uint8).max) {
            revert IPaymentTreasury.PaymentTreasuryTooManyTokens(tokens.length);
        }
        for (uint256 i = 0; i < tokens.length; ++i) {
            book.tokens[i + 1] = tokens[i];
            TokenAccount storage account = book.accounts[tokens[i]];
            account.position = uint8(i + 1);
            account.decimals = IERC20Metadata(tokens[i]).decimals();
        }
    }

    /// @notice One figure over all tokens, 18 decimals, tokens at par.
    function sum(Book storage book, Figure figure) external view returns (uint256 total) {
        for (uint256 position = 1; book.tokens[position] != address(0); ++position) {
            TokenAccount storage account = book.accounts[book.tokens[position]];
            total += TokenAmounts.toCommonUnit(_read(account, figure), account.decimals);
        }
    }

    function _read(TokenAccount storage account, Figure figure) private view returns (uint256) {
        if (figure == Figure.RAISED) return account.getConfirmed();
        if (figure == Figure.AVAILABLE) return account.getAvailable();
        if (figure == Figure.LIFETIME) return account.lifetime;
        if (figure == Figure.REFUNDED) return account.refunded;
        return account.getPending();
    }
}
