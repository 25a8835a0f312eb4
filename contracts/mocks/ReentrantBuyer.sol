// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IERC721Receiver} from "@openzeppelin/contracts/token/ERC721/IERC721Receiver.sol";
import {Address} from "@openzeppelin/contracts/utils/Address.sol";

/// @title A buyer that calls back into the treasury while it is given its receipt
contract ReentrantBuyer is IERC721Receiver {
    using Address for address;

    address private _target;
    bytes private _message;

    /// @notice Sets the call to make from the hook.
    function aim(address target, bytes calldata message) external {
        _target = target;
        _message = message;
    }

    /// @inheritdoc IERC721Receiver
    function onERC721Received(address, address, uint256, bytes calldata)
        external
        returns (bytes4)
    {
        _target.functionCall(_message);
        return this.onERC721Received.selector;
    }
}
