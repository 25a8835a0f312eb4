// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IGlobalParams} from "./IGlobalParams.sol";

/// @title The factory of treasuries
/// @notice Names and selectors are Oak's. Implementation ids are per platform; an id may hold any
///         kind of treasury that answers IHostedTreasury.
interface ITreasuryFactory {
    /// @notice Emitted when a treasury exists. Addresses come from here: they are not predictable.
    event TreasuryFactoryTreasuryDeployed(
        bytes32 indexed platformHash,
        uint256 indexed implementationId,
        address indexed infoAddress,
        address treasuryAddress
    );
    /// @notice Emitted when a platform puts an implementation under an id, replacing any other.
    event TreasuryImplementationRegistered(
        bytes32 indexed platformHash,
        uint256 indexed implementationId,
        address indexed implementation
    );
    /// @notice Emitted when a platform clears an id.
    event TreasuryImplementationRemoved(
        bytes32 indexed platformHash, uint256 indexed implementationId
    );
    /// @notice Emitted when the protocol admin approves or disapproves an implementation.
    event TreasuryImplementationApproval(address indexed implementation, bool isApproved);

    /// @notice Thrown when the caller is not the admin the function is for.
    error AdminAccessCheckerUnauthorized();
    /// @notice Thrown when an address is zero that must not be.
    error TreasuryFactoryInvalidAddress();
    /// @notice Thrown when the id holds no implementation.
    error TreasuryFactoryImplementationNotSet();
    /// @notice Thrown when the id holds no implementation, or one that is not approved.
    error TreasuryFactoryImplementationNotSetOrApproved();
    /// @notice Thrown when the campaign is not one of the campaign factory's.
    error TreasuryFactoryInvalidCampaignInfo();
    /// @notice Thrown when the new treasury refuses its settings.
    error TreasuryFactoryTreasuryInitializationFailed();
    /// @notice Thrown when the campaign refuses the treasury: paused, cancelled, past its deadline,
    ///         platform not selected, or the platform has a treasury already.
    error TreasuryFactorySettingPlatformInfoFailed();
    /// @notice Part of Oak's ABI, never thrown: see `AdminAccessCheckerUnauthorized`.
    error TreasuryFactoryUnauthorized();
    /// @notice Part of Oak's ABI, never thrown: any id may be used.
    error TreasuryFactoryInvalidKey();
    /// @notice Part of Oak's ABI, never thrown: a failed deployment reverts with what failed.
    error TreasuryFactoryTreasuryCreationFailed();

    /// @notice Sets the factory up, once.
    function initialize(IGlobalParams globalParams) external;

    /// @notice Names the factory whose campaigns may have treasuries. Protocol admin only.
    function setCampaignInfoFactory(address campaignInfoFactory) external;

    /// @notice Puts an implementation under an id. Platform admin only.
    function registerTreasuryImplementation(
        bytes32 platformHash,
        uint256 implementationId,
        address implementation
    ) external;

    /// @notice Approves what an id holds now; approval goes with the address. Protocol admin only.
    function approveTreasuryImplementation(bytes32 platformHash, uint256 implementationId) external;

    /// @notice Withdraws an approval. Deployed treasuries stay. Protocol admin only.
    function disapproveTreasuryImplementation(address implementation) external;

    /// @notice Clears an id. Platform admin only.
    function removeTreasuryImplementation(bytes32 platformHash, uint256 implementationId) external;

    /// @notice Deploys a platform's treasury for a campaign. Platform admin only.
    /// @return clone The new treasury.
    function deploy(bytes32 platformHash, address infoAddress, uint256 implementationId)
        external
        returns (address clone);
}
