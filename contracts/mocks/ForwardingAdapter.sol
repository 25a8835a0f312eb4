// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @title Oak's AdapterManager, as far as a treasury and its platform see of it
/// @dev Written from its observed behaviour: one admin, whose address is appended to every call (as
///      ERC-2771 has it), and one error for whatever goes wrong.
contract ForwardingAdapter {
    address private immutable ADMIN;

    /// @notice Thrown when the caller is not the admin.
    error UnauthorizedAdmin(address caller);
    /// @notice Thrown when the call failed, whatever its reason.
    error CallFailed();

    constructor(address admin) {
        ADMIN = admin;
    }

    /// @notice Calls a contract in the admin's name. Admin only.
    /// @param target The contract to call.
    /// @param callData What to call it with.
    function executeCall(address target, bytes calldata callData) external {
        if (msg.sender != ADMIN) revert UnauthorizedAdmin(msg.sender);
        (bool done,) = target.call(abi.encodePacked(callData, ADMIN));
        if (!done) revert CallFailed();
    }
}
