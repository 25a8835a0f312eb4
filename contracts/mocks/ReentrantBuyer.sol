// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";
import {IERC721Receiver} from "@openzeppelin/contracts/token/ERC721/IERC721Receiver.sol";
import {Address} from "@openzeppelin/contracts/utils/Address.sol";

/// @title A buyer that calls back into the treasury while it is given its receipt
/// @notice A wallet that is anybody's: it signs whatever it is shown, and does what it is told.
contract ReentrantBuyer is IERC1271, IERC721Receiver {
    using Address for address;

    address private _target;
    bytes private _message;

    /// @notice Sets the call to make from the hook.
    function aim(address target, bytes calldata message) external {
        _target = target;
        _message = message;
    }

    /// @notice Makes a call now.
    function act(address target, bytes calldata message) external {
        target.functionCall(message);
    }

    /// @inheritdoc IERC721Receiver
    function onERC721Received(address, address, uint256, bytes calldata)
        external
        returns (bytes4)
    {
        _target.functionCall(_message);
        return this.onERC721Received.selector;
    }

    /// @inheritdoc IERC1271
    function isValidSignature(bytes32, bytes calldata) external pure returns (bytes4) {
        return this.isValidSignature.selector;
    }
}
