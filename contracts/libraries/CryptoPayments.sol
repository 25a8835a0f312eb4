// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IPaymentTreasury} from "../interfaces/IPaymentTreasury.sol";
import {IPermit2} from "../interfaces/IPermit2.sol";

/// @title Taking the tokens of a buyer who pays on-chain
/// @dev Linked, not inlined: it is rare and its strings are long. The witness is Oak's, so that a
///      signature made for an Oak treasury's client is made the same way for ours.
library CryptoPayments {
    /// @notice What the buyer signs besides token, total, nonce and deadline.
    struct Payment {
        bytes32 paymentId;
        bytes32 itemId;
        address buyer;
        address token;
        uint256 amount;
        uint256 total;
    }

    bytes32 private constant WITNESS_TYPEHASH = keccak256(
        "CryptoPaymentWitness(bytes32 paymentId,bytes32 itemId,address buyerAddress,uint256 amount,"
        "bytes32 lineItemsHash)"
    );
    string private constant WITNESS_TYPE_STRING =
        "CryptoPaymentWitness witness)CryptoPaymentWitness(bytes32 paymentId,bytes32 itemId,"
        "address buyerAddress,uint256 amount,bytes32 lineItemsHash)"
        "TokenPermissions(address token,uint256 amount)";

    /// @notice Moves the payment's total from the buyer to the calling treasury.
    /// @dev Reverts with Permit2's own errors when the signature, nonce or deadline is wrong.
    function pull(
        address permit2,
        Payment calldata payment,
        bytes32 lineItemsHash,
        IPaymentTreasury.PermitData calldata permitData
    ) external {
        bytes32 witness = keccak256(
            abi.encode(
                WITNESS_TYPEHASH,
                payment.paymentId,
                payment.itemId,
                payment.buyer,
                payment.amount,
                lineItemsHash
            )
        );
        IPermit2(permit2).permitWitnessTransferFrom(
            IPermit2.PermitTransferFrom(
                IPermit2.TokenPermissions(payment.token, payment.total),
                permitData.nonce,
                permitData.deadline
            ),
            IPermit2.SignatureTransferDetails(address(this), payment.total),
            payment.buyer,
            witness,
            WITNESS_TYPE_STRING,
            permitData.signature
        );
    }
}
