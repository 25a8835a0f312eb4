// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

/// @title What treasuries read on every call
/// @notice Rights of platforms, the registry, and whether a campaign is open. GlobalParams writes
///         the first two; every campaign writes its own state and nobody else's.
/// @dev One contract that never changes its code, one hop away: the same facts behind a proxied
///      GlobalParams and a campaign's clone cost a transaction about 10,000 gas more.
interface ILiveParams {
    /// @notice Thrown when the caller is not the GlobalParams that created this contract.
    error UnauthorizedCaller(address caller);

    /// @notice Sets who acts for a platform. GlobalParams only; it emits the event.
    /// @param platformHash The platform.
    /// @param admin Acts for the platform; zero when the platform is not listed.
    /// @param adapter Trusted ERC-2771 forwarder, or zero.
    function setPlatformAuthority(bytes32 platformHash, address admin, address adapter) external;

    /// @notice Sets a registry value. GlobalParams only; it emits the event.
    function setRegistryValue(bytes32 key, bytes32 value) external;

    /// @notice Sets whether the caller, a campaign, is paused or cancelled.
    /// @dev Anyone may call, for itself only: nothing reads the state of an address that is not a
    ///      campaign.
    function setCampaignState(bool paused, bool cancelled) external;

    /// @notice All that a treasury must know of a caller, in one call.
    /// @param platformHash The treasury's platform.
    /// @param campaign The treasury's campaign.
    /// @param caller The treasury's `msg.sender`.
    /// @return platformAdmin Acts for the platform; zero when the platform is not listed.
    /// @return forwarded True when the caller is the platform's adapter, which appends the sender
    ///         to the calldata. The adapter is not read when the caller is the admin.
    /// @return campaignPaused True while the campaign is paused.
    /// @return campaignCancelled True once the campaign is cancelled.
    function getTreasuryRights(bytes32 platformHash, address campaign, address caller)
        external
        view
        returns (
            address platformAdmin,
            bool forwarded,
            bool campaignPaused,
            bool campaignCancelled
        );

    /// @notice A platform's admin and forwarder; both zero when the platform is not listed.
    function getPlatformAuthority(bytes32 platformHash)
        external
        view
        returns (address admin, address adapter);

    /// @notice A registry value, zero when unset.
    function getRegistryValue(bytes32 key) external view returns (bytes32);

    /// @notice How far ahead a payment may expire on a platform, seconds; zero means no limit.
    ///         The platform's own registry value wins over the global one.
    function getMaxPaymentExpiration(bytes32 platformHash) external view returns (uint256);

    /// @notice Whether a campaign is paused or cancelled; both false for any other address.
    function getCampaignState(address campaign) external view returns (bool paused, bool cancelled);
}
