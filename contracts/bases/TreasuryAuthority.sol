// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {ICampaignInfo} from "../interfaces/ICampaignInfo.sol";
import {IPaymentTreasury} from "../interfaces/IPaymentTreasury.sol";
import {PausableCancellable} from "./PausableCancellable.sol";

/// @title Who may do what in a treasury, and when
/// @dev Rights are read live, in one external call per transaction: a platform's admin or adapter
///      can be replaced at any time, and takes or loses effect in every treasury at once.
abstract contract TreasuryAuthority is IPaymentTreasury, PausableCancellable {
    // slot 0: paused, cancelled, cancelledAt (7 bytes, inherited) | campaign (20) | fees (2 + 2)
    ICampaignInfo internal _campaign;
    uint16 internal _platformFeePercent;
    uint16 internal _protocolFeePercent;
    bytes32 internal _platformHash;

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
        ICampaignInfo.TreasuryContext memory context = _context();
        address sender = _sender(context.platformAdapter);
        if (sender != context.platformAdmin && sender != _campaign.owner()) {
            revert PaymentTreasuryUnAuthorized();
        }
        _cancel(sender, message);
    }

    /// @inheritdoc IPaymentTreasury
    function getplatformHash() external view returns (bytes32) {
        return _platformHash;
    }

    /// @inheritdoc IPaymentTreasury
    function getplatformFeePercent() external view returns (uint256) {
        return _platformFeePercent;
    }

    /// @dev The platform admin acts, and the campaign is neither paused nor cancelled.
    function _authorizeAdminWhileOpen() internal view {
        _requireCampaignOpen(_authorizeAdmin());
    }

    /// @dev The platform admin acts, directly or through the platform's adapter.
    function _authorizeAdmin()
        internal
        view
        returns (ICampaignInfo.TreasuryContext memory context)
    {
        context = _context();
        if (_sender(context.platformAdapter) != context.platformAdmin) {
            revert AccessCheckerUnauthorized();
        }
    }

    /// @dev The one external call for rights and pauses.
    function _context() internal view returns (ICampaignInfo.TreasuryContext memory) {
        return _campaign.getTreasuryContext(_platformHash);
    }

    /// @dev ERC-2771: the trusted forwarder appends the sender to the calldata.
    function _sender(address adapter) internal view returns (address sender) {
        if (msg.sender != adapter) return msg.sender;
        if (msg.data.length >= 24) sender = address(bytes20(msg.data[msg.data.length - 20:]));
        if (sender == address(0)) revert PaymentTreasuryInvalidSender();
    }

    function _requireCampaignOpen(ICampaignInfo.TreasuryContext memory context) internal pure {
        if (context.paused || context.cancelled) revert PaymentTreasuryCampaignInfoIsPaused();
    }

    /// @dev What backers and fee receivers are owed stays open when a campaign is cancelled.
    function _requireCampaignNotPaused(ICampaignInfo.TreasuryContext memory context)
        internal
        pure
    {
        if (context.paused) revert PaymentTreasuryCampaignInfoIsPaused();
    }
}
