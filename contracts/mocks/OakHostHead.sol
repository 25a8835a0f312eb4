// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IPaymentTreasury} from "../interfaces/IPaymentTreasury.sol";
import {OakHost} from "./OakHost.sol";

/// @title Oak of April 2026: the adapter is read live, and only treasuries burn
contract OakHostHead is OakHost {
    constructor(address owner, address protocolAdmin, address platformAdmin, address[] memory tokens)
        OakHost(owner, protocolAdmin, platformAdmin, tokens)
    {}

    /// @inheritdoc OakHost
    function burn(uint256 tokenId) external override {
        _requireTreasury();
        _update(address(0), tokenId, msg.sender);
    }

    /// @notice Reverts for a platform that is not listed.
    function getPlatformAdapter(bytes32 platformHash) external view returns (address) {
        _requireListed(platformHash);
        return _adapter;
    }

    function _initialize(bytes32 platformHash, address clone) internal override {
        IPaymentTreasury(clone).initialize(platformHash, address(this));
    }
}

/// @title A campaign that says it is one of ours
contract OakHostClaiming is OakHostHead {
    address public getLiveParams;
    bool public isGoalGated;

    constructor(address owner, address protocolAdmin, address platformAdmin, address[] memory tokens)
        OakHostHead(owner, protocolAdmin, platformAdmin, tokens)
    {}

    /// @notice Sets what it says.
    function claim(address liveParams, bool goalGated) external {
        (getLiveParams, isGoalGated) = (liveParams, goalGated);
    }
}
