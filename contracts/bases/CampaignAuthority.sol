// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {ICampaignInfo} from "../interfaces/ICampaignInfo.sol";
import {IGlobalParams} from "../interfaces/IGlobalParams.sol";
import {ILiveParams} from "../interfaces/ILiveParams.sol";
import {RegistryKeys} from "../libraries/RegistryKeys.sol";
import {PausableCancellable} from "./PausableCancellable.sol";

/// @title What a campaign is told by the protocol, and who may stop it
/// @dev Whether the campaign is paused or cancelled is kept here and repeated in LiveParams, where
///      its treasuries read it. Everything else is asked of GlobalParams when it is needed.
abstract contract CampaignAuthority is ICampaignInfo, PausableCancellable {
    // slot 0: paused (1 byte), cancelledAt (5), both inherited | globalParams (20)
    IGlobalParams internal _globalParams;

    modifier onlyProtocolAdmin() {
        if (msg.sender != getProtocolAdminAddress()) revert AdminAccessCheckerUnauthorized();
        _;
    }

    /// @inheritdoc ICampaignInfo
    function pauseCampaign(bytes32 message) external onlyProtocolAdmin {
        _pause(msg.sender, message);
        _publishState();
    }

    /// @inheritdoc ICampaignInfo
    function unpauseCampaign(bytes32 message) external onlyProtocolAdmin {
        _unpause(msg.sender, message);
        _publishState();
    }

    /// @inheritdoc ICampaignInfo
    function cancelCampaign(bytes32 message) external {
        if (msg.sender != owner() && msg.sender != getProtocolAdminAddress()) {
            revert CampaignInfoUnauthorized();
        }
        _cancel(msg.sender, message);
        _publishState();
    }

    /// @inheritdoc ICampaignInfo
    function getPlatformAdminAddress(bytes32 platformHash) external view returns (address) {
        return _globalParams.getPlatformAdminAddress(platformHash);
    }

    /// @inheritdoc ICampaignInfo
    function getPlatformAdapter(bytes32 platformHash) external view returns (address) {
        return _globalParams.getPlatformAdapter(platformHash);
    }

    /// @inheritdoc ICampaignInfo
    function getPlatformClaimDelay(bytes32 platformHash) external view returns (uint256) {
        return _globalParams.getPlatformClaimDelay(platformHash);
    }

    /// @inheritdoc ICampaignInfo
    function getLineItemType(bytes32 platformHash, bytes32 typeId)
        external
        view
        returns (
            bool exists,
            string memory label,
            bool countsTowardGoal,
            bool applyProtocolFee,
            bool canRefund,
            bool instantTransfer
        )
    {
        return _globalParams.getPlatformLineItemType(platformHash, typeId);
    }

    /// @inheritdoc ICampaignInfo
    function getDataFromRegistry(bytes32 key) external view returns (bytes32) {
        return _globalParams.getFromRegistry(key);
    }

    /// @inheritdoc ICampaignInfo
    function getBufferTime() external view returns (uint256) {
        return _registryValue(RegistryKeys.BUFFER_TIME);
    }

    /// @inheritdoc ICampaignInfo
    function getPermit2Address() external view returns (address) {
        return _globalParams.getPermit2Address();
    }

    /// @inheritdoc ICampaignInfo
    function getLiveParams() public view returns (ILiveParams) {
        return _globalParams.getLiveParams();
    }

    /// @inheritdoc ICampaignInfo
    function getProtocolAdminAddress() public view returns (address) {
        return _globalParams.getProtocolAdminAddress();
    }

    /// @inheritdoc ICampaignInfo
    function owner() public view virtual returns (address);

    function _registryValue(bytes32 key) internal view returns (uint256) {
        return uint256(_globalParams.getFromRegistry(key));
    }

    function _publishState() private {
        getLiveParams().setCampaignState(paused(), cancelled());
    }
}
