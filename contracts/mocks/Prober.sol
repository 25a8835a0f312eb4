// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @title A contract that tries calls when it is called, and remembers how each was answered
abstract contract Prober {
    address private _probed;
    bytes[] private _probes;
    bytes[] private _answers;

    /// @notice Sets the calls to try; a failed one stops nothing.
    function probe(address target, bytes[] calldata messages) external {
        (_probed, _probes) = (target, messages);
    }

    /// @notice How the calls of the last time were answered.
    function answers() external view returns (bytes[] memory) {
        return _answers;
    }

    function _tryAll() internal {
        if (_probes.length == 0) return;
        delete _answers;
        for (uint256 i = 0; i < _probes.length; ++i) {
            (bool succeeded, bytes memory answer) = _probed.call(_probes[i]);
            _answers.push(abi.encode(succeeded, answer));
        }
    }
}
