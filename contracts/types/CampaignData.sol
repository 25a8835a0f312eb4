// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

/// @notice What a creator fixes when a campaign is created.
/// @param launchTime Start of the campaign, unix seconds.
/// @param deadline End of the campaign, unix seconds; after `launchTime`.
/// @param goalAmount The goal. Goal-gated campaigns state it in 18 decimals, as their treasuries
///        count; of other campaigns no contract compares it with anything.
/// @param currency Right-padded ASCII code, the key of a token list in GlobalParams (`"BRL"`).
struct CampaignData {
    uint256 launchTime;
    uint256 deadline;
    uint256 goalAmount;
    bytes32 currency;
}
