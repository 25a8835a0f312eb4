// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IERC721Receiver} from "@openzeppelin/contracts/token/ERC721/IERC721Receiver.sol";

import {Prober} from "./Prober.sol";

/// @title A buyer that tries calls while it is given a receipt, and takes it only when told to
contract HostileBuyer is Prober, IERC721Receiver {
    /// @notice How the receipt is received.
    enum Manner {
        TAKES,
        ANSWERS_WRONGLY,
        REVERTS,
        BURNS_ALL_GAS
    }

    Manner private _manner;

    error NoThanks();

    /// @notice Sets how receipts are received.
    function behave(Manner manner) external {
        _manner = manner;
    }

    /// @inheritdoc IERC721Receiver
    function onERC721Received(address, address, uint256, bytes calldata)
        external
        returns (bytes4)
    {
        _tryAll();
        if (_manner == Manner.REVERTS) revert NoThanks();
        if (_manner == Manner.ANSWERS_WRONGLY) return 0xdeadbeef;
        if (_manner == Manner.BURNS_ALL_GAS) assembly ("memory-safe") { invalid() }
        return this.onERC721Received.selector;
    }
}
