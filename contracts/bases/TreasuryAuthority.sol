// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

import {ICampaignInfo} from "../interfaces/ICampaignInfo.sol";
import {ILiveParams} from "../interfaces/ILiveParams.sol";
import {IPaymentTreasury} from "../interfaces/IPaymentTreasury.sol";
import {ISettlementTreasury} from "../interfaces/ISettlementTreasury.sol";
import {OakCampaigns} from "../libraries/OakCampaigns.sol";
import {PausableCancellable} from "./PausableCancellable.sol";

/// @title Who may do what in a treasury, and when
/// @dev Rights are read live, in one external call per transaction: a platform's admin or adapter
///      can be replaced at any time, and takes or loses effect in every treasury at once. A
///      platform that is not listed has no admin: what it alone may do waits, the rest goes on.
abstract contract TreasuryAuthority is IPaymentTreasury, PausableCancellable {
    using SafeCast for uint256;

    /// @notice What a call may know of its sender.
    /// @param platformAdmin Zero when the platform is not listed.
    /// @param sender The caller, or whom the platform's forwarder names.
    /// @param traits The treasury's, as of the beginning of the call.
    struct Rights {
        address platformAdmin;
        address sender;
        bool campaignPaused;
        bool campaignCancelled;
        uint8 traits;
    }

    /// @dev Traits of a treasury, bits of `_traits`.
    uint8 internal constant OAK_HOSTED = 1;
    uint8 internal constant GOAL_GATED = 2;
    uint8 internal constant GOAL_RELEASED = 4;
    uint8 internal constant GOAL_MISSED = 8;

    ILiveParams private immutable LIVE_PARAMS;

    // slot 0: paused, cancelled, cancelledAt (6 bytes, inherited) | campaign (20) | payments (4) |
    //         traits (1): all that a call looks at before anything else
    ICampaignInfo internal _campaign;
    uint32 internal _paymentCount;
    uint8 internal _traits;
    // slot 1
    bytes32 internal _platformHash;
    // slot 2: platformFee (2) | protocolFee (2) | goalDecidesAt (5) | frozenAdapter (20)
    uint16 internal _platformFeePercent;
    uint16 internal _protocolFeePercent;
    uint40 internal _goalDecidesAt;
    address private _frozenAdapter;

    constructor(ILiveParams liveParams) {
        LIVE_PARAMS = liveParams;
    }

    /// @inheritdoc IPaymentTreasury
    function pauseTreasury(bytes32 message) external {
        _pause(_authorizeAdmin().platformAdmin, message);
    }

    /// @inheritdoc IPaymentTreasury
    function unpauseTreasury(bytes32 message) external {
        _unpause(_authorizeAdmin().platformAdmin, message);
    }

    /// @inheritdoc IPaymentTreasury
    function cancelTreasury(bytes32 message) external {
        Rights memory rights = _rights();
        if (!_isAdmin(rights) && rights.sender != _campaign.owner()) {
            revert PaymentTreasuryUnAuthorized();
        }
        _cancel(rights.sender, message);
    }

    /// @inheritdoc IPaymentTreasury
    function getplatformHash() external view returns (bytes32) {
        return _platformHash;
    }

    /// @inheritdoc IPaymentTreasury
    function getplatformFeePercent() external view returns (uint256) {
        return _platformFeePercent;
    }

    /// @dev Called once. A campaign that names this implementation's LiveParams is one of ours; one
    ///      that names none is asked the way Oak's answer.
    function _setAuthority(bytes32 platformHash, ICampaignInfo campaign, address platformAdapter)
        internal
    {
        _campaign = campaign;
        _platformHash = platformHash;
        _platformFeePercent = campaign.getPlatformFeePercent(platformHash).toUint16();
        _protocolFeePercent = campaign.getProtocolFeePercent().toUint16();
        try campaign.getLiveParams() returns (ILiveParams liveParams) {
            if (liveParams == LIVE_PARAMS) return;
            revert ISettlementTreasury.ForeignLiveParams(address(liveParams));
        } catch {}
        _traits = OAK_HOSTED;
        _frozenAdapter = platformAdapter;
    }

    /// @dev The platform admin acts, and the campaign is neither paused nor cancelled.
    function _authorizeAdminWhileOpen() internal view returns (Rights memory rights) {
        rights = _authorizeAdmin();
        _requireCampaignOpen(rights);
    }

    /// @dev The platform admin acts, directly or through the platform's adapter.
    function _authorizeAdmin() internal view returns (Rights memory rights) {
        rights = _rights();
        if (!_isAdmin(rights)) revert AccessCheckerUnauthorized();
    }

    /// @dev The one external call for rights and pauses.
    function _rights() internal view returns (Rights memory rights) {
        bool forwarded;
        rights.traits = _traits;
        (rights.platformAdmin, forwarded, rights.campaignPaused, rights.campaignCancelled) =
        rights.traits & OAK_HOSTED == 0
            ? LIVE_PARAMS.getTreasuryRights(_platformHash, address(_campaign), msg.sender)
            : OakCampaigns.rights(_campaign, _platformHash, _frozenAdapter, msg.sender);
        rights.sender = forwarded ? _forwardedSender() : msg.sender;
    }

    /// @dev The campaign's, unix seconds; fixed once it has a treasury.
    function _deadline() internal view returns (uint256) {
        return _campaign.getDeadline();
    }

    /// @dev The time between deadline and decision is for confirming what was paid before.
    function _requireBeforeGoalDeadline() internal view {
        if (_traits & GOAL_GATED == 0) return;
        uint256 deadline = _deadline();
        if (block.timestamp >= deadline) revert ISettlementTreasury.GoalDeadlinePassed(deadline);
    }

    /// @dev The latest expiration a payment created now may have.
    function _latestExpiration() internal view returns (uint256) {
        uint256 ahead = _traits & OAK_HOSTED == 0
            ? LIVE_PARAMS.getMaxPaymentExpiration(_platformHash)
            : OakCampaigns.maxPaymentExpiration(_campaign, _platformHash);
        bool unlimited = ahead == 0 || ahead > type(uint256).max - block.timestamp;
        return unlimited ? type(uint256).max : block.timestamp + ahead;
    }

    function _isAdmin(Rights memory rights) internal pure returns (bool) {
        return rights.platformAdmin != address(0) && rights.sender == rights.platformAdmin;
    }

    function _requireCampaignOpen(Rights memory rights) internal pure {
        if (rights.campaignPaused || rights.campaignCancelled) {
            revert PaymentTreasuryCampaignInfoIsPaused();
        }
    }

    /// @dev What backers and fee receivers are owed stays open when a campaign is cancelled.
    function _requireCampaignNotPaused(Rights memory rights) internal pure {
        if (rights.campaignPaused) revert PaymentTreasuryCampaignInfoIsPaused();
    }

    /// @dev ERC-2771: the trusted forwarder appends the sender to the calldata.
    function _forwardedSender() private pure returns (address sender) {
        if (msg.data.length >= 24) sender = address(bytes20(msg.data[msg.data.length - 20:]));
        if (sender == address(0)) revert PaymentTreasuryInvalidSender();
    }
}
