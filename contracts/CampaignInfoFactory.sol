// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Clones} from "@openzeppelin/contracts/proxy/Clones.sol";
import {Initializable} from "@openzeppelin/contracts/proxy/utils/Initializable.sol";
import {UUPSUpgradeable} from "@openzeppelin/contracts/proxy/utils/UUPSUpgradeable.sol";

import {ICampaignInfo} from "./interfaces/ICampaignInfo.sol";
import {ICampaignInfoFactory} from "./interfaces/ICampaignInfoFactory.sol";
import {IGlobalParams} from "./interfaces/IGlobalParams.sol";
import {RegistryKeys} from "./libraries/RegistryKeys.sol";
import {CampaignData} from "./types/CampaignData.sol";
import {CampaignInfoFactoryInputCode} from "./types/InputCodes.sol";

/// @title CampaignInfoFactory
/// @dev UUPS implementation; the protocol admin upgrades it.
contract CampaignInfoFactory is ICampaignInfoFactory, Initializable, UUPSUpgradeable {
    /// @custom:storage-location erc7201:lastro.storage.CampaignInfoFactory
    struct State {
        IGlobalParams globalParams;
        address campaignImplementation;
        address treasuryFactory;
        mapping(bytes32 identifierHash => address) campaigns;
        mapping(address campaign => bool) created;
    }

    bytes32 private constant STATE_SLOT = keccak256(
        abi.encode(uint256(keccak256("lastro.storage.CampaignInfoFactory")) - 1)
    ) & ~bytes32(uint256(0xff));

    modifier onlyProtocolAdmin() {
        if (msg.sender != _state().globalParams.getProtocolAdminAddress()) {
            revert CampaignInfoFactoryUnauthorized();
        }
        _;
    }

    constructor() {
        _disableInitializers();
    }

    /// @inheritdoc ICampaignInfoFactory
    function initialize(
        IGlobalParams globalParams,
        address campaignImplementation,
        address treasuryFactoryAddress
    ) external initializer {
        if (address(globalParams) == address(0)) revert CampaignInfoFactoryZeroGlobalParams();
        if (campaignImplementation == address(0)) {
            revert CampaignInfoFactoryZeroCampaignImplementation();
        }
        if (treasuryFactoryAddress == address(0)) {
            revert CampaignInfoFactoryZeroTreasuryFactoryAddress();
        }
        State storage state = _state();
        state.globalParams = globalParams;
        state.campaignImplementation = campaignImplementation;
        state.treasuryFactory = treasuryFactoryAddress;
    }

    /// @inheritdoc ICampaignInfoFactory
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
    ) external {
        if (creator == address(0)) _revert(CampaignInfoFactoryInputCode.ZERO_CREATOR);
        if (platformDataKey.length != platformDataValue.length) {
            _revert(CampaignInfoFactoryInputCode.PLATFORM_DATA_LENGTH_MISMATCH);
        }
        _requireTimes(campaignData);
        _requireData(platformDataKey, platformDataValue);
        _requireUnused(identifierHash);
        _requireListed(selectedPlatformHash);

        address[] memory tokens = _state().globalParams.getTokensForCurrency(campaignData.currency);
        if (tokens.length == 0) revert CampaignInfoInvalidTokenList();

        address campaign = _clone(identifierHash);
        try ICampaignInfo(campaign).initialize(
            creator,
            address(_state().globalParams),
            selectedPlatformHash,
            platformDataKey,
            platformDataValue,
            campaignData,
            tokens,
            nftName,
            nftSymbol,
            nftImageURI,
            contractURI
        ) {} catch {
            revert CampaignInfoFactoryCampaignInitializationFailed();
        }
        _state().campaigns[identifierHash] = campaign;
        _state().created[campaign] = true;
        emit CampaignInfoFactoryCampaignCreated(identifierHash, campaign);
        emit CampaignInfoFactoryCampaignInitialized();
    }

    /// @inheritdoc ICampaignInfoFactory
    function updateImplementation(address newImplementation) external onlyProtocolAdmin {
        if (newImplementation == address(0)) {
            _revert(CampaignInfoFactoryInputCode.ZERO_IMPLEMENTATION);
        }
        _state().campaignImplementation = newImplementation;
        emit CampaignInfoFactoryImplementationUpdated(newImplementation);
    }

    /// @inheritdoc ICampaignInfoFactory
    function isValidCampaignInfo(address campaignInfo) external view returns (bool) {
        return _state().created[campaignInfo];
    }

    /// @inheritdoc ICampaignInfoFactory
    function identifierToCampaignInfo(bytes32 identifierHash) external view returns (address) {
        return _state().campaigns[identifierHash];
    }

    function _authorizeUpgrade(address) internal override onlyProtocolAdmin {}

    /// @dev The last 96 bytes of the clone's code, readable with one eth_getCode.
    function _clone(bytes32 identifierHash) private returns (address) {
        State storage state = _state();
        return Clones.cloneWithImmutableArgs(
            state.campaignImplementation,
            abi.encode(
                state.treasuryFactory, state.globalParams.getProtocolFeePercent(), identifierHash
            )
        );
    }

    function _requireTimes(CampaignData calldata campaignData) private view {
        IGlobalParams params = _state().globalParams;
        uint256 buffer = uint256(params.getFromRegistry(RegistryKeys.CAMPAIGN_LAUNCH_BUFFER));
        if (campaignData.launchTime < block.timestamp + buffer) {
            _revert(CampaignInfoFactoryInputCode.LAUNCH_TIME_TOO_SOON);
        }
        uint256 minimum = uint256(params.getFromRegistry(RegistryKeys.MINIMUM_CAMPAIGN_DURATION));
        if (campaignData.deadline < campaignData.launchTime + minimum) {
            _revert(CampaignInfoFactoryInputCode.DEADLINE_TOO_SOON);
        }
    }

    /// @dev The key of goal gating belongs to no platform, and its only value is 1.
    function _requireData(bytes32[] calldata keys, bytes32[] calldata values) private view {
        for (uint256 i = 0; i < keys.length; ++i) {
            if (!_state().globalParams.checkIfPlatformDataKeyValid(keys[i])) {
                _revert(CampaignInfoFactoryInputCode.INVALID_PLATFORM_DATA_KEY);
            }
            if (values[i] == 0) _revert(CampaignInfoFactoryInputCode.ZERO_PLATFORM_DATA_VALUE);
            if (keys[i] == RegistryKeys.GOAL_GATED && uint256(values[i]) != 1) {
                _revert(CampaignInfoFactoryInputCode.INVALID_PLATFORM_DATA_KEY);
            }
        }
    }

    function _requireUnused(bytes32 identifierHash) private view {
        address existing = _state().campaigns[identifierHash];
        if (existing != address(0)) {
            revert CampaignInfoFactoryCampaignWithSameIdentifierExists(identifierHash, existing);
        }
    }

    function _requireListed(bytes32[] calldata platformHashes) private view {
        for (uint256 i = 0; i < platformHashes.length; ++i) {
            if (!_state().globalParams.checkIfPlatformIsListed(platformHashes[i])) {
                revert CampaignInfoFactoryPlatformNotListed(platformHashes[i]);
            }
        }
    }

    function _revert(CampaignInfoFactoryInputCode code) private pure {
        revert CampaignInfoFactoryInvalidInput(code);
    }

    function _state() private pure returns (State storage state) {
        bytes32 slot = STATE_SLOT;
        assembly ("memory-safe") {
            state.slot := slot
        }
    }
}
