// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// @title A stand-in for BRLA on local chains
/// @notice 18 decimals, one token per real. Anyone may mint: never deploy it where money is.
contract TestBRLA is ERC20 {
    constructor() ERC20("Test BRLA", "BRLA") {}

    /// @notice Creates tokens.
    /// @param account Receives them.
    /// @param amount Base units; one centavo is 10^16.
    function mint(address account, uint256 amount) external {
        _mint(account, amount);
    }
}
