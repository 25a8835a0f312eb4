// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IPausableCancellable} from "../interfaces/IPausableCancellable.sol";

/// @title Pausing, and cancelling for good
/// @dev 7 bytes of state and a base contract rather than a struct: the deriving contract's first
///      variables share the slot, so one read answers "open?" and "whose?".
abstract contract PausableCancellable is IPausableCancellable {
    /// @notice Reason in the `Unpaused` event of a contract that is cancelled while paused.
    bytes32 internal constant AUTO_UNPAUSED = keccak256("Auto-unpaused during cancellation");

    bool private _paused;
    bool private _cancelled;
    uint40 private _cancelledAt;

    modifier whenNotPaused() {
        _requireNotPaused();
        _;
    }

    modifier whenOpen() {
        _requireNotPaused();
        _requireNotCancelled();
        _;
    }

    /// @inheritdoc IPausableCancellable
    function paused() public view returns (bool) {
        return _paused;
    }

    /// @inheritdoc IPausableCancellable
    function cancelled() public view returns (bool) {
        return _cancelled;
    }

    /// @inheritdoc IPausableCancellable
    function cancellationTime() external view returns (uint256) {
        return _cancelledAt;
    }

    function _pause(address account, bytes32 reason) internal whenOpen {
        _paused = true;
        emit Paused(account, reason);
    }

    function _unpause(address account, bytes32 reason) internal {
        if (!_paused) revert NotPausedError();
        _paused = false;
        emit Unpaused(account, reason);
    }

    function _cancel(address account, bytes32 reason) internal {
        if (_cancelled) revert CannotCancel();
        if (_paused) _unpause(account, AUTO_UNPAUSED);
        _cancelled = true;
        _cancelledAt = uint40(block.timestamp);
        emit Cancelled(account, reason);
    }

    function _requireNotPaused() internal view {
        if (_paused) revert PausedError();
    }

    function _requireNotCancelled() internal view {
        if (_cancelled) revert CancelledError();
    }
}
