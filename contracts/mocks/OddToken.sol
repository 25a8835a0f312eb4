// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Address} from "@openzeppelin/contracts/utils/Address.sol";

import {Prober} from "./Prober.sol";

/// @title A token that returns nothing, and misbehaves when asked to
contract OddToken is Prober {
    using Address for address;

    /// @notice What `transfer` answers.
    enum Answer {
        NOTHING,
        TRUE,
        FALSE
    }

    uint8 public decimals = 18;
    mapping(address account => uint256) private _balances;
    mapping(address account => int256) private _lies;
    Answer private _answer;
    uint256 private _fee;
    address private _target;
    bytes private _message;

    /// @notice Creates tokens.
    function mint(address account, uint256 amount) external {
        _balances[account] += amount;
    }

    /// @notice Sets what transfers answer; those that answer false move nothing.
    function answer(Answer chosen) external {
        _answer = chosen;
    }

    /// @notice Makes every transfer lose this many base units.
    function charge(uint256 fee) external {
        _fee = fee;
    }

    /// @notice Makes the balance of an account look larger or smaller than it is.
    function lie(address account, int256 difference) external {
        _lies[account] = difference;
    }

    /// @notice Sets the decimals.
    function count(uint8 chosen) external {
        decimals = chosen;
    }

    /// @notice Sets the call to make from within a transfer.
    function aim(address target, bytes calldata message) external {
        _target = target;
        _message = message;
    }

    /// @notice Moves tokens. Unlike ERC-20 it need not answer.
    function transfer(address to, uint256 amount) external {
        if (_target != address(0)) _target.functionCall(_message);
        _tryAll();
        if (_answer != Answer.FALSE) {
            _balances[msg.sender] -= amount;
            _balances[to] += amount - _fee;
        }
        if (_answer == Answer.NOTHING) return;
        bool succeeded = _answer == Answer.TRUE;
        assembly ("memory-safe") {
            mstore(0, succeeded)
            return(0, 32)
        }
    }

    /// @notice What the account is said to have.
    function balanceOf(address account) external view returns (uint256) {
        return uint256(int256(_balances[account]) + _lies[account]);
    }
}
