// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

/// @title Keys of the GlobalParams registry, and the one data key of ours
/// @dev keccak256 of the name. Registry values are seconds, as uint256 in a bytes32.
library RegistryKeys {
    bytes32 internal constant BUFFER_TIME = keccak256("bufferTime");
    bytes32 internal constant MAX_PAYMENT_EXPIRATION = keccak256("maxPaymentExpiration");
    bytes32 internal constant CAMPAIGN_LAUNCH_BUFFER = keccak256("campaignLaunchBuffer");
    bytes32 internal constant MINIMUM_CAMPAIGN_DURATION = keccak256("minimumCampaignDuration");

    /// @notice Platform data key with which a campaign is created goal-gated; its only value is 1.
    bytes32 internal constant GOAL_GATED = keccak256("lastro.goalGated");

    /// @notice The key under which one platform overrides a global value.
    function scoped(bytes32 key, bytes32 platformHash) internal pure returns (bytes32) {
        return keccak256(abi.encode(key, platformHash));
    }
}
