// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Clones} from "@openzeppelin/contracts/proxy/Clones.sol";
import {Initializable} from "@openzeppelin/contracts/proxy/utils/Initializable.sol";
import {UUPSUpgradeable} from "@openzeppelin/contracts/proxy/utils/UUPSUpgradeable.sol";

import {ICampaignInfo} from "./interfaces/ICampaignInfo.sol";
import {ICampaignInfoFactory} from "./interfaces/ICampaignInfoFactory.sol";
import {IGlobalParams} from "./interfaces/IGlobalParams.sol";
import {IHostedTreasury} from "./interfaces/IHostedTreasury.sol";
import {ITreasuryFactory} from "./interfaces/ITreasuryFactory.sol";

/// @title TreasuryFactory
/// @dev UUPS implementation; the protocol admin upgrades it. Treasuries are plain ERC-1167 clones:
///      the implementation inside their code names their kind.
contract TreasuryFactory is ITreasuryFactory, Initializable, UUPSUpgradeable {
    /// @custom:storage-location erc7201:lastro.storage.TreasuryFactory
    struct State {
        IGlobalParams globalParams;
        ICampaignInfoFactory campaignInfoFactory;
        mapping(bytes32 platformHash => mapping(uint256 id => address)) implementations;
        mapping(address implementation => bool) approved;
    }

    bytes32 private constant STATE_SLOT = keccak256(
        abi.encode(uint256(keccak256("lastro.storage.TreasuryFactory")) - 1)
    ) & ~bytes32(uint256(0xff));

    modifier onlyProtocolAdmin() {
        if (msg.sender != _state().globalParams.getProtocolAdminAddress()) {
            revert AdminAccessCheckerUnauthorized();
        }
        _;
    }

    modifier onlyPlatformAdmin(bytes32 platformHash) {
        if (msg.sender != _state().globalParams.getPlatformAdminAddress(platformHash)) {
            revert AdminAccessCheckerUnauthorized();
        }
        _;
    }

    constructor() {
        _disableInitializers();
    }

    /// @inheritdoc ITreasuryFactory
    function initialize(IGlobalParams globalParams) external initializer {
        if (address(globalParams) == address(0)) revert TreasuryFactoryInvalidAddress();
        _state().globalParams = globalParams;
    }

    /// @inheritdoc ITreasuryFactory
    function setCampaignInfoFactory(address campaignInfoFactory) external onlyProtocolAdmin {
        if (campaignInfoFactory == address(0)) revert TreasuryFactoryInvalidAddress();
        _state().campaignInfoFactory = ICampaignInfoFactory(campaignInfoFactory);
    }

    /// @inheritdoc ITreasuryFactory
    function registerTreasuryImplementation(
        bytes32 platformHash,
        uint256 implementationId,
        address implementation
    ) external onlyPlatformAdmin(platformHash) {
        if (implementation == address(0)) revert TreasuryFactoryInvalidAddress();
        _state().implementations[platformHash][implementationId] = implementation;
        emit TreasuryImplementationRegistered(platformHash, implementationId, implementation);
    }

    /// @inheritdoc ITreasuryFactory
    function approveTreasuryImplementation(bytes32 platformHash, uint256 implementationId)
        external
        onlyProtocolAdmin
    {
        address implementation = _implementation(platformHash, implementationId);
        if (implementation == address(0)) revert TreasuryFactoryImplementationNotSet();
        _state().approved[implementation] = true;
        emit TreasuryImplementationApproval(implementation, true);
    }

    /// @inheritdoc ITreasuryFactory
    function disapproveTreasuryImplementation(address implementation) external onlyProtocolAdmin {
        _state().approved[implementation] = false;
        emit TreasuryImplementationApproval(implementation, false);
    }

    /// @inheritdoc ITreasuryFactory
    function removeTreasuryImplementation(bytes32 platformHash, uint256 implementationId)
        external
        onlyPlatformAdmin(platformHash)
    {
        if (_implementation(platformHash, implementationId) == address(0)) {
            revert TreasuryFactoryImplementationNotSet();
        }
        delete _state().implementations[platformHash][implementationId];
        emit TreasuryImplementationRemoved(platformHash, implementationId);
    }

    /// @inheritdoc ITreasuryFactory
    function deploy(bytes32 platformHash, address infoAddress, uint256 implementationId)
        external
        onlyPlatformAdmin(platformHash)
        returns (address clone)
    {
        address implementation = _implementation(platformHash, implementationId);
        if (!_state().approved[implementation]) {
            revert TreasuryFactoryImplementationNotSetOrApproved();
        }
        ICampaignInfoFactory campaigns = _state().campaignInfoFactory;
        if (address(campaigns) == address(0) || !campaigns.isValidCampaignInfo(infoAddress)) {
            revert TreasuryFactoryInvalidCampaignInfo();
        }
        clone = Clones.clone(implementation);
        try IHostedTreasury(clone).initialize(platformHash, infoAddress) {}
        catch {
            revert TreasuryFactoryTreasuryInitializationFailed();
        }
        try ICampaignInfo(infoAddress).setPlatformInfo(platformHash, clone) {}
        catch {
            revert TreasuryFactorySettingPlatformInfoFailed();
        }
        emit TreasuryFactoryTreasuryDeployed(platformHash, implementationId, infoAddress, clone);
    }

    function _authorizeUpgrade(address) internal override onlyProtocolAdmin {}

    function _implementation(bytes32 platformHash, uint256 implementationId)
        private
        view
        returns (address)
    {
        return _state().implementations[platformHash][implementationId];
    }

    function _state() private pure returns (State storage state) {
        bytes32 slot = STATE_SLOT;
        assembly ("memory-safe") {
            state.slot := slot
        }
    }
}
