// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {GlobalParamsInputCode} from "../types/InputCodes.sol";
import {ILiveParams} from "./ILiveParams.sol";

/// @title Parameters of the whole protocol
/// @notice Who administers it and its platforms, which tokens a currency accepts, the registry.
///         Names and selectors are Oak's; percentages are basis points, 0 to 10,000.
interface IGlobalParams {
    /// @notice Emitted when a platform may start to deploy treasuries.
    event PlatformEnlisted(
        bytes32 indexed platformHash,
        address indexed platformAdminAddress,
        uint256 platformFeePercent
    );
    /// @notice Emitted when a platform is removed; its treasuries lose their admin at once.
    event PlatformDelisted(bytes32 indexed platformHash);
    /// @notice Emitted when a platform changes hands, in every treasury at once.
    event PlatformAdminAddressUpdated(
        bytes32 indexed platformHash, address indexed newAdminAddress
    );
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
    /// @notice Emitted when campaigns may carry a value under a platform's data key.
    event PlatformDataAdded(bytes32 indexed platformHash, bytes32 indexed platformDataKey);
    /// @notice Emitted when campaigns created or changed from now on may not use the key any more.
    event PlatformDataRemoved(bytes32 indexed platformHash, bytes32 platformDataKey);
    /// @notice Emitted when a type of line item is set or replaced.
    event PlatformLineItemTypeSet(
        bytes32 indexed platformHash,
        bytes32 indexed typeId,
        string label,
        bool countsTowardGoal,
        bool applyProtocolFee,
        bool canRefund,
        bool instantTransfer
    );
    /// @notice Emitted when payments created from now on may not use the type any more.
    event PlatformLineItemTypeRemoved(bytes32 indexed platformHash, bytes32 indexed typeId);
    /// @notice Emitted when a platform changes how long after a deadline it waits to sweep.
    /// @param claimDelay Seconds.
    event PlatformClaimDelayUpdated(bytes32 indexed platformHash, uint256 claimDelay);

    /// @notice Thrown when an argument is zero that must not be.
    error GlobalParamsInvalidInput(GlobalParamsInputCode code);
    /// @notice Thrown when one fee exceeds 10,000 basis points.
    error GlobalParamsFeePercentExceedsMax();
    /// @notice Thrown when the protocol's and a platform's fee together exceed 10,000 basis points.
    error GlobalParamsCombinedFeesExceedMax();
    /// @notice Thrown when currencies and their token lists differ in number.
    error GlobalParamsCurrencyTokenLengthMismatch();
    /// @notice Thrown when the platform is unknown or was delisted.
    error GlobalParamsPlatformNotListed(bytes32 platformHash);
    /// @notice Thrown when the platform is listed already.
    error GlobalParamsPlatformAlreadyListed(bytes32 platformHash);
    /// @notice Thrown when a currency does not hold the token.
    error GlobalParamsTokenNotInCurrency(bytes32 currency, address token);
    /// @notice Thrown when a data key is registered already, by this platform or another.
    error GlobalParamsPlatformDataAlreadySet();
    /// @notice Thrown when a data key is not registered.
    error GlobalParamsPlatformDataNotSet();
    /// @notice Thrown when a data key is reserved: the key of goal gating belongs to no platform.
    error GlobalParamsPlatformDataSlotTaken();
    /// @notice Thrown when the platform has no such type of line item.
    error GlobalParamsPlatformLineItemTypeNotFound(bytes32 platformHash, bytes32 typeId);
    /// @notice Thrown when the caller is not the admin the function is for.
    error GlobalParamsUnauthorized();
    /// @notice Part of Oak's ABI, never thrown: a listed platform has an admin.
    error GlobalParamsPlatformAdminNotSet(bytes32 platformHash);
    /// @notice Part of Oak's ABI, never thrown: a platform may charge nothing.
    error GlobalParamsPlatformFeePercentIsZero(bytes32 platformHash);
    /// @notice Part of Oak's ABI, never thrown here: the campaign factory answers such a currency.
    error GlobalParamsCurrencyHasNoTokens(bytes32 currency);

    /// @notice Sets the protocol up, once, and creates its LiveParams. Emits no event for the
    ///         initial tokens.
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
    /// @dev Its data keys, line item types and claim delay return when it is enlisted again.
    function delistPlatform(bytes32 platformHash) external;

    /// @notice Hands a platform over. Protocol admin only.
    function updatePlatformAdminAddress(bytes32 platformHash, address platformAdminAddress)
        external;

    /// @notice Sets or clears a platform's trusted forwarder. Protocol admin only.
    function setPlatformAdapter(bytes32 platformHash, address platformAdapter) external;

    /// @notice Sets how long after a campaign's deadline the platform waits before it may sweep
    ///         what nobody claimed. Platform admin only.
    /// @param claimDelay Seconds, added to the deadline; 0 until set.
    function updatePlatformClaimDelay(bytes32 platformHash, uint256 claimDelay) external;

    /// @notice Lets campaigns carry a value under a key, which from then on is this platform's.
    ///         Platform admin only.
    /// @param platformDataKey Not zero, not registered by any platform, not the key of goal gating.
    function addPlatformData(bytes32 platformHash, bytes32 platformDataKey) external;

    /// @notice Undoes `addPlatformData`. Campaigns keep the values they have. Platform admin only.
    function removePlatformData(bytes32 platformHash, bytes32 platformDataKey) external;

    /// @notice Sets or replaces a type of line item; payments created before keep what they saw.
    ///         Platform admin only.
    /// @param typeId Not zero.
    /// @param label For people.
    /// @param countsTowardGoal The item adds to what is raised: then no protocol fee, refundable,
    ///        and not transferred at once.
    /// @param applyProtocolFee The protocol's fee is taken from the item.
    /// @param canRefund The item is refunded with its payment.
    /// @param instantTransfer The item goes to the platform when its payment is confirmed; it then
    ///        cannot be refunded.
    function setPlatformLineItemType(
        bytes32 platformHash,
        bytes32 typeId,
        string calldata label,
        bool countsTowardGoal,
        bool applyProtocolFee,
        bool canRefund,
        bool instantTransfer
    ) external;

    /// @notice Closes a type of line item for payments created from now on. Platform admin only.
    function removePlatformLineItemType(bytes32 platformHash, bytes32 typeId) external;

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

    /// @notice How long after a deadline the platform waits to sweep, seconds. Reverts when the
    ///         platform is not listed.
    function getPlatformClaimDelay(bytes32 platformHash) external view returns (uint256);

    /// @notice The platform of a data key; zero when the key is not registered.
    function getPlatformDataOwner(bytes32 platformDataKey) external view returns (bytes32);

    /// @notice True when a campaign may carry a value under the key: registered by a platform, or
    ///         the key of goal gating.
    function checkIfPlatformDataKeyValid(bytes32 platformDataKey) external view returns (bool);

    /// @notice A platform's type of line item. A removed type keeps everything but `exists`.
    function getPlatformLineItemType(bytes32 platformHash, bytes32 typeId)
        external
        view
        returns (
            bool exists,
            string memory label,
            bool countsTowardGoal,
            bool applyProtocolFee,
            bool canRefund,
            bool instantTransfer
        );

    /// @notice The canonical Permit2, at the same address on every chain.
    function getPermit2Address() external pure returns (address);

    /// @notice Where treasuries read rights and the registry in one hop.
    function getLiveParams() external view returns (ILiveParams);
}
