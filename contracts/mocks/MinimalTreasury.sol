// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Address} from "@openzeppelin/contracts/utils/Address.sol";

/// @title Another kind of treasury: the least that factory and campaign ask, and no expected amount
/// @notice It says and does what it is told, to try what a campaign lets its treasuries do.
contract MinimalTreasury {
    using Address for address;

    bytes32 public platformHash;
    address public campaign;
    bool public cancelled;
    uint256 public getRaisedAmount;
    uint256 public getLifetimeRaisedAmount;
    uint256 public getRefundedAmount;

    /// @notice Sets the treasury up.
    function initialize(bytes32 platform, address infoAddress) external {
        platformHash = platform;
        campaign = infoAddress;
    }

    /// @notice Sets what the views answer.
    function report(bool isCancelled, uint256 raised, uint256 lifetime, uint256 refunded) external {
        cancelled = isCancelled;
        getRaisedAmount = raised;
        getLifetimeRaisedAmount = lifetime;
        getRefundedAmount = refunded;
    }

    /// @notice Calls the campaign.
    function ask(bytes calldata message) external returns (bytes memory) {
        return campaign.functionCall(message);
    }
}
