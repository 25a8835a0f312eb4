// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ILiveParams} from "./interfaces/ILiveParams.sol";
import {RegistryKeys} from "./libraries/RegistryKeys.sol";

/// @title LiveParams
/// @dev Created by GlobalParams, its owner for ever. Not upgradeable, and it calls nobody.
contract LiveParams is ILiveParams {
    /// @dev Two slots, so that a caller who is the admin costs one read.
    struct Authority {
        address admin;
        address adapter;
    }

    /// @dev One slot: paused (1 byte) | cancelled (1)
    struct CampaignState {
        bool paused;
        bool cancelled;
    }

    address private immutable OWNER = msg.sender;

    mapping(bytes32 platformHash => Authority) private _authorities;
    mapping(address campaign => CampaignState) private _campaigns;
    mapping(bytes32 key => bytes32) private _registry;

    modifier onlyOwner() {
        if (msg.sender != OWNER) revert UnauthorizedCaller(msg.sender);
        _;
    }

    /// @inheritdoc ILiveParams
    function setPlatformAuthority(bytes32 platformHash, address admin, address adapter)
        external
        onlyOwner
    {
        _authorities[platformHash] = Authority(admin, adapter);
    }

    /// @inheritdoc ILiveParams
    function setRegistryValue(bytes32 key, bytes32 value) external onlyOwner {
        _registry[key] = value;
    }

    /// @inheritdoc ILiveParams
    function setCampaignState(bool paused, bool cancelled) external {
        _campaigns[msg.sender] = CampaignState(paused, cancelled);
    }

    /// @inheritdoc ILiveParams
    function getTreasuryRights(bytes32 platformHash, address campaign, address caller)
        external
        view
        returns (
            address platformAdmin,
            bool forwarded,
            bool campaignPaused,
            bool campaignCancelled
        )
    {
        Authority storage authority = _authorities[platformHash];
        CampaignState storage state = _campaigns[campaign];
        platformAdmin = authority.admin;
        forwarded = caller != platformAdmin && caller == authority.adapter;
        (campaignPaused, campaignCancelled) = (state.paused, state.cancelled);
    }

    /// @inheritdoc ILiveParams
    function getPlatformAuthority(bytes32 platformHash)
        external
        view
        returns (address admin, address adapter)
    {
        Authority storage authority = _authorities[platformHash];
        return (authority.admin, authority.adapter);
    }

    /// @inheritdoc ILiveParams
    function getRegistryValue(bytes32 key) external view returns (bytes32) {
        return _registry[key];
    }

    /// @inheritdoc ILiveParams
    function getMaxPaymentExpiration(bytes32 platformHash) external view returns (uint256) {
        bytes32 key = RegistryKeys.MAX_PAYMENT_EXPIRATION;
        bytes32 own = _registry[RegistryKeys.scoped(key, platformHash)];
        return uint256(own == 0 ? _registry[key] : own);
    }

    /// @inheritdoc ILiveParams
    function getCampaignState(address campaign)
        external
        view
        returns (bool paused, bool cancelled)
    {
        CampaignState storage state = _campaigns[campaign];
        return (state.paused, state.cancelled);
    }
}
