// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ILiveParams} from "./interfaces/ILiveParams.sol";
import {IRefundEscrow} from "./interfaces/IRefundEscrow.sol";
import {ITimeConstrainedTreasury} from "./interfaces/ITimeConstrainedTreasury.sol";
import {RegistryKeys} from "./libraries/RegistryKeys.sol";
import {PaymentTreasury} from "./PaymentTreasury.sol";

/// @title TimeConstrainedPaymentTreasury
/// @notice A payment treasury that records and confirms payments only between the campaign's launch
///         and its deadline plus the registry's buffer time, and pays out only after the launch.
/// @dev The times are read live: a campaign's own are fixed once it has a treasury.
contract TimeConstrainedPaymentTreasury is ITimeConstrainedTreasury, PaymentTreasury {
    constructor(ILiveParams liveParams, IRefundEscrow refundEscrow)
        PaymentTreasury(liveParams, refundEscrow)
    {}

    function _requireRecordingTime() internal view override {
        uint256 start = _campaign.getLaunchTime();
        uint256 end = _recordingEnd();
        if (block.timestamp < start || block.timestamp > end) {
            revert CurrentTimeIsNotWithinRange(start, end);
        }
    }

    function _requirePayingTime() internal view override {
        uint256 start = _campaign.getLaunchTime();
        if (block.timestamp <= start) revert CurrentTimeIsLess(start, block.timestamp);
    }

    function _isRecordingOver(Rights memory rights) internal view override returns (bool) {
        return block.timestamp > _recordingEnd() || super._isRecordingOver(rights);
    }

    function _recordingEnd() private view returns (uint256) {
        return _campaign.getDeadline() + _bufferTime();
    }

    /// @dev By its registry key, which every generation of Oak's campaigns can read.
    function _bufferTime() private view returns (uint256) {
        return uint256(_campaign.getDataFromRegistry(RegistryKeys.BUFFER_TIME));
    }
}
