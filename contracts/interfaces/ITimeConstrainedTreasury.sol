// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

/// @title What a time-constrained treasury refuses besides
interface ITimeConstrainedTreasury {
    /// @notice Thrown when payments are recorded or confirmed outside the campaign's time.
    /// @param initialTime The first second of it, unix seconds.
    /// @param finalTime The last second of it, unix seconds.
    error CurrentTimeIsNotWithinRange(uint256 initialTime, uint256 finalTime);
    /// @notice Thrown when money is asked for before the campaign's launch.
    /// @param inputTime The launch, unix seconds; the second after it is the first allowed.
    error CurrentTimeIsLess(uint256 inputTime, uint256 currentTime);
}
