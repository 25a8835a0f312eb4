// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {Address} from "@openzeppelin/contracts/utils/Address.sol";

/// @title An ERC-20 that calls somebody, or burns a part, whenever it is moved
contract HookedToken is ERC20 {
    using Address for address;

    uint256 private _fee;
    address private _target;
    bytes private _message;

    constructor() ERC20("Hooked", "HOOK") {}

    /// @notice Creates tokens; nobody is called.
    function mint(address account, uint256 amount) external {
        _mint(account, amount);
    }

    /// @notice Makes every transfer lose this many base units.
    function charge(uint256 fee) external {
        _fee = fee;
    }

    /// @notice Sets the call to make from within a transfer.
    function aim(address target, bytes calldata message) external {
        _target = target;
        _message = message;
    }

    /// @inheritdoc ERC20
    function _update(address from, address to, uint256 amount) internal override {
        super._update(from, to, amount);
        if (from == address(0) || to == address(0)) return;
        if (_fee != 0) _burn(to, _fee);
        if (_target != address(0)) _target.functionCall(_message);
    }
}
