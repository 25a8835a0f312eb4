// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IPaymentTreasury} from "../interfaces/IPaymentTreasury.sol";
import {OakHost} from "./OakHost.sol";

/// @title Oak 2.0, of January 2026: the factory hands the treasury its adapter, and nobody says it
///        later
contract OakHost2 is OakHost {
    constructor(address owner, address protocolAdmin, address platformAdmin, address[] memory tokens)
        OakHost(owner, protocolAdmin, platformAdmin, tokens)
    {}

    function _initialize(bytes32 platformHash, address clone) internal override {
        IPaymentTreasury(clone).initialize(platformHash, address(this), _adapter);
    }
}
