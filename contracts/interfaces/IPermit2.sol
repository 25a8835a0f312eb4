// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

/// @title The one function of Permit2 that treasuries call
/// @notice Source: github.com/Uniswap/permit2, ISignatureTransfer.
interface IPermit2 {
    /// @notice Token and most that a signature lets go.
    struct TokenPermissions {
        address token;
        uint256 amount;
    }

    /// @notice The signed permission; the spender is Permit2's caller.
    struct PermitTransferFrom {
        TokenPermissions permitted;
        uint256 nonce;
        uint256 deadline;
    }

    /// @notice Where the tokens go, and how many.
    struct SignatureTransferDetails {
        address to;
        uint256 requestedAmount;
    }

    /// @notice Moves tokens of a signer who committed to the witness too.
    function permitWitnessTransferFrom(
        PermitTransferFrom calldata permit,
        SignatureTransferDetails calldata transferDetails,
        address owner,
        bytes32 witness,
        string calldata witnessTypeString,
        bytes calldata signature
    ) external;
}
