// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ICampaignInfo} from "../interfaces/ICampaignInfo.sol";
import {IPaymentTreasury} from "../interfaces/IPaymentTreasury.sol";

/// @notice What the events say of a payment, kept for contracts that read it.
/// @dev slot 0: buyerId; slot 1: itemId; slot 2: buyer (20); slots 3 and 4: the lists' lengths
struct Mirror {
    bytes32 buyerId;
    bytes32 itemId;
    address buyer;
    IPaymentTreasury.PaymentLineItem[] lineItems;
    IPaymentTreasury.ExternalFees[] externalFees;
}

/// @title The lists of a mirrored payment
/// @dev Linked, not inlined: copying lists between storage and memory is long code.
library Mirrors {
    /// @notice Keeps line items with their types of this moment, and external fees.
    function keepLists(
        Mirror storage mirror,
        ICampaignInfo campaign,
        bytes32 platformHash,
        IPaymentTreasury.LineItem[] calldata lineItems,
        IPaymentTreasury.ExternalFees[] calldata externalFees
    ) external {
        for (uint256 i = 0; i < lineItems.length; ++i) {
            (, string memory label, bool goal, bool feeApplies, bool refundable, bool instant) =
                campaign.getLineItemType(platformHash, lineItems[i].typeId);
            mirror.lineItems.push(
                IPaymentTreasury.PaymentLineItem(
                    lineItems[i].typeId,
                    lineItems[i].amount,
                    label,
                    goal,
                    feeApplies,
                    refundable,
                    instant
                )
            );
        }
        for (uint256 i = 0; i < externalFees.length; ++i) {
            mirror.externalFees.push(externalFees[i]);
        }
    }

    /// @notice Forgets a payment.
    function forget(Mirror storage mirror) external {
        (mirror.buyerId, mirror.itemId, mirror.buyer) = (0, 0, address(0));
        delete mirror.lineItems;
        delete mirror.externalFees;
    }

    /// @notice A payment's data, with what the slot does not know.
    function complete(Mirror storage mirror, IPaymentTreasury.PaymentData memory known)
        external
        view
        returns (IPaymentTreasury.PaymentData memory data)
    {
        data = known;
        data.buyerAddress = mirror.buyer;
        data.buyerId = mirror.buyerId;
        data.itemId = mirror.itemId;
        data.lineItemCount = mirror.lineItems.length;
        data.lineItems = mirror.lineItems;
        data.externalFees = mirror.externalFees;
    }
}
