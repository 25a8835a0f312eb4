// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {GlobalParamsInputCode} from "../types/InputCodes.sol";

/// @title Parameters of the whole protocol
/// @notice Who administers it and its platforms, which tokens a currency accepts, the registry.
///         Names and selectors are Oak's; percentages are basis points, 0 to 10,000.
interface IGlobalParams {
    /// @notice What a treasury must know of its platform for every privileged call.
    /// @param admin The only account, besides the adapter, that acts for the platform.
    /// @param adapter Trusted ERC-2771 forwarder, or zero.
    struct PlatformAuthority {
        address admin;
        address adapter;
    }

    /// @notice Emitted when a platform may start to deploy treasuries.
    event PlatformEnlisted(
        bytes32 indexed platformHash, address indexed platformAdminAddress, uint256 platformFeePercent
    );
    /// @notice Emitted when a platform is removed; its treasuries lose their admin at once.
    event PlatformDelisted(bytes32 indexed platformHash);
    /// @notice Emitted when a platform changes hands, in every treasury at once.
    event PlatformAdminAddressUpdated(bytes32 indexed platformHash, address indexed newAdminAddress);
    /// @notice Emitted when a platform's trusted forwarder is set, or cleared with zero.
    event PlatformAdapterSet(bytes32 indexed platformHash, address indexed adapter);
    /// @notice Emitted when the protocol changes hands.
    event ProtocolAdminAddressUpdated(address indexed newAdminAddress);
    /// @notice Emitted when campaigns created from now on pay another protocol fee.
    event ProtocolFeePercentUpdated(uint256 newFeePercent);
    /// @notice Emitted when campaigns in a currency, created from now on, accept one more token.
    event TokenAddedToCurrency(bytes32 indexed currency, address indexed token);
    /// @notice Emitted when campaigns in a currency, created from now on, accept one token less.
    event TokenRemovedFromCurrency(bytes32 indexed currency, address indexed token);
    /// @notice Emitted when a registry value is set or replaced.
    event DataAddedToRegistry(bytes32 indexed key, bytes32 value);

    /// @notice Thrown when an argument is zero that must not be.
    error GlobalParamsInvalidInput(GlobalParamsInputCode code);
    /// @notice Thrown when fees exceed 100 % on their own or together.
    error GlobalParamsInvalidFeePercent(uint256 protocolFeePercent, uint256 platformFeePercent);
    /// @notice Thrown when currencies and their token lists differ in number.
    error GlobalParamsCurrencyTokenLengthMismatch();
    /// @notice Thrown when the platform is unknown or was delisted.
    error GlobalParamsPlatformNotListed(bytes32 platformHash);
    /// @notice Thrown when the platform is listed already.
    error GlobalParamsPlatformAlreadyListed(bytes32 platformHash);
    /// @notice Thrown when a currency does not hold the token.
    error GlobalParamsTokenNotInCurrency(bytes32 currency, address token);
    /// @notice Thrown when the caller is not the admin the function is for.
    error AdminAccessCheckerUnauthorized();

    /// @notice Sets the protocol up, once. Emits no event for the initial tokens.
    /// @param protocolAdminAddress The first protocol admin.
    /// @param protocolFeePercent Basis points.
    /// @param currencies Currency codes.
    /// @param tokensPerCurrency The tokens of each currency, in the order of `currencies`.
    function initialize(
        address protocolAdminAddress,
        uint256 protocolFeePercent,
        bytes32[] calldata currencies,
        address[][] calldata tokensPerCurrency
    ) external;

    /// @notice Sets a registry value. Protocol admin only.
    function addToRegistry(bytes32 key, bytes32 value) external;

    /// @notice Lets new campaigns in a currency accept a token. Protocol admin only.
    function addTokenToCurrency(bytes32 currency, address token) external;

    /// @notice Undoes `addTokenToCurrency`; the last token takes the removed one's place.
    function removeTokenFromCurrency(bytes32 currency, address token) external;

    /// @notice Enlists a platform. Protocol admin only.
    /// @param platformHash keccak256 of the platform's name, by convention.
    /// @param platformAdminAddress Acts for the platform; not zero.
    /// @param platformFeePercent Basis points; with the protocol's fee at most 10,000.
    /// @param platformAdapter Trusted ERC-2771 forwarder, or zero.
    function enlistPlatform(
        bytes32 platformHash,
        address platformAdminAddress,
        uint256 platformFeePercent,
        address platformAdapter
    ) external;

    /// @notice Removes a platform with its admin, fee and adapter. Protocol admin only.
    function delistPlatform(bytes32 platformHash) external;

    /// @notice Hands a platform over. Protocol admin only.
    function updatePlatformAdminAddress(bytes32 platformHash, address platformAdminAddress) external;

    /// @notice Sets or clears a platform's trusted forwarder. Protocol admin only.
    function setPlatformAdapter(bytes32 platformHash, address platformAdapter) external;

    /// @notice Changes the protocol fee of campaigns created from now on. Protocol admin only.
    function updateProtocolFeePercent(uint256 protocolFeePercent) external;

    /// @notice Hands the protocol over. Protocol admin only.
    function updateProtocolAdminAddress(address protocolAdminAddress) external;

    /// @notice The protocol admin.
    function getProtocolAdminAddress() external view returns (address);

    /// @notice The protocol fee, basis points.
    function getProtocolFeePercent() external view returns (uint256);

    /// @notice A platform's admin. Reverts when the platform is not listed.
    function getPlatformAdminAddress(bytes32 platformHash) external view returns (address);

    /// @notice A platform's forwarder, or zero. Reverts when the platform is not listed.
    function getPlatformAdapter(bytes32 platformHash) external view returns (address);

    /// @notice Admin and forwarder in one call. Reverts when the platform is not listed.
    function getPlatformAuthority(bytes32 platformHash)
        external
        view
        returns (PlatformAuthority memory);

    /// @notice A platform's fee, basis points. Reverts when the platform is not listed.
    function getPlatformFeePercent(bytes32 platformHash) external view returns (uint256);

    /// @notice True when the platform is listed.
    function checkIfPlatformIsListed(bytes32 platformHash) external view returns (bool);

    /// @notice How many platforms are listed.
    function getNumberOfListedPlatforms() external view returns (uint256);

    /// @notice The tokens that a campaign created now in this currency accepts.
    function getTokensForCurrency(bytes32 currency) external view returns (address[] memory);

    /// @notice A registry value, zero when unset.
    function getFromRegistry(bytes32 key) external view returns (bytes32);

    /// @notice How far ahead a payment may expire on a platform, seconds; zero means no limit.
    ///         The platform's own registry value wins over the global one.
    function getMaxPaymentExpiration(bytes32 platformHash) external view returns (uint256);
}
