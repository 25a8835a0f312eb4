// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

/// @title What can be paused, and cancelled for good
/// @notice The surface that campaigns and treasuries share.
interface IPausableCancellable {
    /// @notice Emitted when the contract is paused.
    /// @param account Who paused it.
    /// @param reason Free text or a hash, the caller's choice.
    event Paused(address indexed account, bytes32 reason);

    /// @notice Emitted when the contract is unpaused.
    /// @param account Who unpaused it.
    /// @param reason Free text or a hash; a fixed hash when cancelling unpaused it.
    event Unpaused(address indexed account, bytes32 reason);

    /// @notice Emitted when the contract is cancelled, which nobody can undo.
    /// @param account Who cancelled it.
    /// @param reason Free text or a hash, the caller's choice.
    event Cancelled(address indexed account, bytes32 reason);

    /// @notice Thrown when the call needs a contract that is not paused.
    error PausedError();
    /// @notice Thrown when the call needs a paused contract.
    error NotPausedError();
    /// @notice Thrown when the call needs a contract that is not cancelled.
    error CancelledError();
    /// @notice Part of Oak's ABI, never thrown: nothing needs a cancelled contract.
    error NotCancelledError();
    /// @notice Thrown when the contract is cancelled already.
    error CannotCancel();

    /// @notice True while the contract is paused.
    function paused() external view returns (bool);

    /// @notice True for ever once the contract is cancelled.
    function cancelled() external view returns (bool);

    /// @notice When the contract was cancelled, unix seconds; zero before.
    function cancellationTime() external view returns (uint256);
}
