// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {CampaignData} from "../types/CampaignData.sol";
import {CampaignInfoFactoryInputCode} from "../types/InputCodes.sol";
import {IGlobalParams} from "./IGlobalParams.sol";

/// @title The factory of campaigns
/// @notice Names and selectors are Oak's.
interface ICampaignInfoFactory {
    /// @notice Emitted when a campaign exists. Addresses come from here: they are not predictable.
    /// @param identifierHash The campaign's identifier, used once.
    /// @param campaignInfoAddress The new CampaignInfo.
    event CampaignInfoFactoryCampaignCreated(
        bytes32 indexed identifierHash, address indexed campaignInfoAddress
    );
    /// @notice Emitted after `CampaignInfoFactoryCampaignCreated`.
    event CampaignInfoFactoryCampaignInitialized();
    /// @notice Emitted when campaigns created from now on use another implementation.
    event CampaignInfoFactoryImplementationUpdated(address indexed newImplementation);

    /// @notice Thrown when an argument is out of range; the code says which.
    error CampaignInfoFactoryInvalidInput(CampaignInfoFactoryInputCode code);
    /// @notice Thrown when the caller is not the protocol admin.
    error CampaignInfoFactoryUnauthorized();
    /// @notice Thrown when `initialize` is given no GlobalParams.
    error CampaignInfoFactoryZeroGlobalParams();
    /// @notice Thrown when `initialize` is given no CampaignInfo implementation.
    error CampaignInfoFactoryZeroCampaignImplementation();
    /// @notice Thrown when `initialize` is given no treasury factory.
    error CampaignInfoFactoryZeroTreasuryFactoryAddress();
    /// @notice Thrown when the new campaign refuses its settings (duplicate token, unsafe name).
    error CampaignInfoFactoryCampaignInitializationFailed();
    /// @notice Thrown when a selected platform is not listed.
    error CampaignInfoFactoryPlatformNotListed(bytes32 platformHash);
    /// @notice Thrown when the identifier is taken.
    error CampaignInfoFactoryCampaignWithSameIdentifierExists(
        bytes32 identifierHash, address cloneExists
    );
    /// @notice Thrown when the currency accepts no token.
    error CampaignInfoInvalidTokenList();

    /// @notice Sets the factory up, once.
    function initialize(
        IGlobalParams globalParams,
        address campaignImplementation,
        address treasuryFactoryAddress
    ) external;

    /// @notice Creates a campaign. Anyone may, for any creator.
    /// @dev Tokens and fees are those of this moment, for the campaign's whole life.
    /// @param creator Owns the campaign and receives its withdrawals; not zero.
    /// @param identifierHash Used once per factory.
    /// @param selectedPlatformHash Platforms that may deploy a treasury; all listed.
    /// @param platformDataKey Data keys that platforms registered, selected here or not, and
    ///        keccak256("lastro.goalGated"), which gates the campaign for good.
    /// @param platformDataValue One value per key, none zero; 1 for goal gating.
    /// @param campaignData Launch, deadline, goal and currency.
    /// @param nftName Name of the receipts, printable ASCII without `"` and `\`.
    /// @param nftSymbol Symbol of the receipts.
    /// @param nftImageURI Image of every receipt, same alphabet as the name.
    /// @param contractURI Metadata of the collection.
    function createCampaign(
        address creator,
        bytes32 identifierHash,
        bytes32[] calldata selectedPlatformHash,
        bytes32[] calldata platformDataKey,
        bytes32[] calldata platformDataValue,
        CampaignData calldata campaignData,
        string calldata nftName,
        string calldata nftSymbol,
        string calldata nftImageURI,
        string calldata contractURI
    ) external;

    /// @notice Changes the implementation of future campaigns. Protocol admin only.
    function updateImplementation(address newImplementation) external;

    /// @notice True when this factory created the campaign.
    function isValidCampaignInfo(address campaignInfo) external view returns (bool);

    /// @notice The campaign of an identifier, or zero.
    function identifierToCampaignInfo(bytes32 identifierHash) external view returns (address);
}
