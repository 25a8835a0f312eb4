// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

/// @title What the factory and the campaign ask of a treasury, whatever its kind
/// @notice Names and selectors are Oak's. Amounts are in 18 decimals, tokens at par.
interface IHostedTreasury {
    /// @notice Sets the treasury up, once. The factory calls it in the creating transaction.
    /// @param platformHash The platform whose admin runs the treasury.
    /// @param infoAddress The campaign.
    function initialize(bytes32 platformHash, address infoAddress) external;

    /// @notice True for ever once the treasury is cancelled.
    function cancelled() external view returns (bool);

    /// @notice Raised minus refunded, withdrawn money included.
    function getRaisedAmount() external view returns (uint256);

    /// @notice Ever raised.
    function getLifetimeRaisedAmount() external view returns (uint256);

    /// @notice Refunded.
    function getRefundedAmount() external view returns (uint256);

    /// @notice Announced but not raised. Kinds to which money comes unannounced do not have it.
    function getExpectedAmount() external view returns (uint256);
}
