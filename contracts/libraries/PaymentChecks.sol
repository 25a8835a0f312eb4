// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IPaymentTreasury} from "../interfaces/IPaymentTreasury.sol";
import {TreasuryInputCode} from "../types/InputCodes.sol";

/// @title What every payment must have
/// @dev The order is Oak's, whose clients may tell wrong arguments apart by it.
library PaymentChecks {
    /// @dev See IPaymentTreasury.
    uint256 internal constant MAX_BATCH_SIZE = 5000;
    /// @dev Oak's bound on line items and external fees of one payment.
    uint256 internal constant MAX_EXTRAS = 50;

    function requireBatch(uint256 count) internal pure {
        if (count == 0) revert IPaymentTreasury.PaymentTreasuryBatchArrayLengthMismatch();
        if (count > MAX_BATCH_SIZE) revert IPaymentTreasury.PaymentTreasuryArrayTooLong();
    }

    function requireIds(bytes32 paymentId, bytes32 buyerId, bytes32 itemId) internal pure {
        if (paymentId == 0) revert IPaymentTreasury.PaymentTreasuryZeroPaymentId();
        if (buyerId == 0) revert IPaymentTreasury.PaymentTreasuryZeroBuyerId();
        if (itemId == 0) revert IPaymentTreasury.PaymentTreasuryZeroItemId();
    }

    function requireTokens(address token, uint256 amount) internal pure {
        if (token == address(0)) revert IPaymentTreasury.PaymentTreasuryZeroPaymentToken();
        if (amount == 0) revert IPaymentTreasury.PaymentTreasuryZeroAmount();
    }

    function requireExtrasFit(
        IPaymentTreasury.LineItem[] calldata items,
        IPaymentTreasury.ExternalFees[] calldata fees
    ) internal pure {
        if (items.length > MAX_EXTRAS || fees.length > MAX_EXTRAS) {
            revert IPaymentTreasury.PaymentTreasuryArrayTooLong();
        }
    }

    function requireInput(bool valid, TreasuryInputCode code) internal pure {
        if (!valid) revert IPaymentTreasury.PaymentTreasuryInvalidInput(code);
    }
}
