// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IPausableCancellable} from "../interfaces/IPausableCancellable.sol";

/// @title Pausing, and cancelling for good
/// @dev 6 bytes of state and a base contract rather than a struct: the deriving contract's first
///      variables share the slot, so one read answers "open?" and "whose?".
abstract contract PausableCancellable is IPausableCancellable {
    /// @notice Reason in the `Unpaused` event of a contract that is cancelled while paused.
    bytes32 internal constant AUTO_UNPAUSED = keccak256("Auto-unpaused during cancellation");

    bool private _paused;
    uint40 private _cancelledAt; // unix seconds; zero while not cancelled

    modifier whenNotPaused() {
        _requireNotPaused();
        _;
    }

    modifier whenOpen() {
        // One read in the usual case; the revert reads again.
        if (_paused || _cancelledAt != 0) _revertClosed();
        _;
    }

    /// @inheritdoc IPausableCancellable
    function paused() public view returns (bool) {
        return _paused;
    }

    /// @inheritdoc IPausableCancellable
    function cancelled() public view returns (bool) {
        return _cancelledAt != 0;
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
        if (_cancelledAt != 0) revert CannotCancel();
        if (_paused) _unpause(account, AUTO_UNPAUSED);
        _cancelledAt = uint40(block.timestamp);
        emit Cancelled(account, reason);
    }

    function _requireNotPaused() internal view {
        if (_paused) revert PausedError();
    }

    function _revertClosed() private view {
        _requireNotPaused();
        revert CancelledError();
    }
}
