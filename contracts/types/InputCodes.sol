// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

// The numbers are Oak's: its clients decode these errors by code, so members keep their positions
// even where nothing here reverts with them yet.

/// @notice Codes of `GlobalParamsInvalidInput`.
enum GlobalParamsInputCode {
    ZERO_TOKEN,
    ZERO_REGISTRY_KEY,
    ZERO_PLATFORM_HASH,
    ZERO_PLATFORM_DATA_KEY,
    ZERO_CURRENCY,
    ZERO_LINE_ITEM_TYPE_ID,
    LINE_ITEM_GOAL_APPLIES_PROTOCOL_FEE,
    LINE_ITEM_GOAL_NOT_REFUNDABLE,
    LINE_ITEM_GOAL_INSTANT_TRANSFER,
    LINE_ITEM_NON_GOAL_INSTANT_REFUNDABLE,
    ZERO_ADDRESS
}

/// @notice Codes of `CampaignInfoInvalidInput`.
enum CampaignInfoInputCode {
    DUPLICATE_ACCEPTED_TOKEN,
    PLATFORM_DATA_NOT_SET,
    INVALID_LAUNCH_TIME,
    INVALID_DEADLINE,
    ZERO_GOAL_AMOUNT,
    PLATFORM_SELECTION_UNCHANGED,
    PLATFORM_DATA_LENGTH_MISMATCH,
    INVALID_PLATFORM_DATA_KEY,
    ZERO_PLATFORM_DATA_VALUE
}

/// @notice Codes of `CampaignInfoFactoryInvalidInput`.
enum CampaignInfoFactoryInputCode {
    ZERO_CREATOR,
    PLATFORM_DATA_LENGTH_MISMATCH,
    LAUNCH_TIME_TOO_SOON,
    DEADLINE_TOO_SOON,
    INVALID_PLATFORM_DATA_KEY,
    ZERO_PLATFORM_DATA_VALUE,
    ZERO_IMPLEMENTATION
}

/// @notice Codes of `PaymentTreasuryInvalidInput`.
enum TreasuryInputCode {
    INVALID_LINE_ITEM,
    LINE_ITEM_TYPE_NOT_FOUND,
    EMPTY_SIGNATURE,
    INVALID_BUYER,
    INVALID_BACKER,
    CONFIRM_BATCH_LENGTH_MISMATCH,
    ZERO_REFUND_ADDRESS,
    ZERO_CLAIMABLE_AMOUNT
}

/// @notice Codes of `PaymentTreasuryPaymentNotClaimable`.
enum NotClaimableCode {
    ZERO_REFUND_AMOUNT,
    INSUFFICIENT_LIQUIDITY,
    ZERO_REFUND_ADDRESS,
    NOT_NFT_PAYMENT,
    INSUFFICIENT_GOAL_LIQUIDITY,
    INSUFFICIENT_NON_GOAL_LIQUIDITY,
    INSUFFICIENT_CONTRACT_BALANCE
}
