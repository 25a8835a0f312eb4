// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Initializable} from "@openzeppelin/contracts/proxy/utils/Initializable.sol";
import {UUPSUpgradeable} from "@openzeppelin/contracts/proxy/utils/UUPSUpgradeable.sol";

import {IGlobalParams} from "./interfaces/IGlobalParams.sol";
import {BasisPoints} from "./libraries/BasisPoints.sol";
import {RegistryKeys} from "./libraries/RegistryKeys.sol";
import {GlobalParamsInputCode} from "./types/InputCodes.sol";

/// @title GlobalParams
/// @dev UUPS implementation. The protocol admin is trusted with everything, upgrades included.
contract GlobalParams is IGlobalParams, Initializable, UUPSUpgradeable {
    /// @dev Two slots. slot 0: admin (20 bytes) | feePercent (2) | listed (1); slot 1: adapter (20)
    struct Platform {
        address admin;
        uint16 feePercent;
        bool listed;
        address adapter;
    }

    /// @custom:storage-location erc7201:lastro.storage.GlobalParams
    /// @dev slot 0: protocolAdmin (20) | protocolFeePercent (2) | platformCount (4)
    struct State {
        address protocolAdmin;
        uint16 protocolFeePercent;
        uint32 platformCount;
        mapping(bytes32 platformHash => Platform) platforms;
        mapping(bytes32 currency => address[]) tokens;
        mapping(bytes32 key => bytes32) registry;
    }

    bytes32 private constant STATE_SLOT = keccak256(
        abi.encode(uint256(keccak256("lastro.storage.GlobalParams")) - 1)
    ) & ~bytes32(uint256(0xff));

    modifier onlyProtocolAdmin() {
        if (msg.sender != _state().protocolAdmin) revert AdminAccessCheckerUnauthorized();
        _;
    }

    constructor() {
        _disableInitializers();
    }

    /// @inheritdoc IGlobalParams
    function initialize(
        address protocolAdminAddress,
        uint256 protocolFeePercent,
        bytes32[] calldata currencies,
        address[][] calldata tokensPerCurrency
    ) external initializer {
        _requireAddress(protocolAdminAddress);
        _requireFees(protocolFeePercent, 0);
        if (currencies.length != tokensPerCurrency.length) {
            revert GlobalParamsCurrencyTokenLengthMismatch();
        }
        State storage state = _state();
        state.protocolAdmin = protocolAdminAddress;
        state.protocolFeePercent = uint16(protocolFeePercent);
        for (uint256 i = 0; i < currencies.length; ++i) {
            for (uint256 j = 0; j < tokensPerCurrency[i].length; ++j) {
                _pushToken(currencies[i], tokensPerCurrency[i][j]);
            }
        }
    }

    /// @inheritdoc IGlobalParams
    function addToRegistry(bytes32 key, bytes32 value) external onlyProtocolAdmin {
        if (key == 0) revert GlobalParamsInvalidInput(GlobalParamsInputCode.ZERO_REGISTRY_KEY);
        _state().registry[key] = value;
        emit DataAddedToRegistry(key, value);
    }

    /// @inheritdoc IGlobalParams
    function addTokenToCurrency(bytes32 currency, address token) external onlyProtocolAdmin {
        _pushToken(currency, token);
        emit TokenAddedToCurrency(currency, token);
    }

    /// @inheritdoc IGlobalParams
    function removeTokenFromCurrency(bytes32 currency, address token) external onlyProtocolAdmin {
        address[] storage tokens = _state().tokens[currency];
        uint256 count = tokens.length;
        for (uint256 i = 0; i < count; ++i) {
            if (tokens[i] != token) continue;
            tokens[i] = tokens[count - 1];
            tokens.pop();
            emit TokenRemovedFromCurrency(currency, token);
            return;
        }
        revert GlobalParamsTokenNotInCurrency(currency, token);
    }

    /// @inheritdoc IGlobalParams
    function enlistPlatform(
        bytes32 platformHash,
        address platformAdminAddress,
        uint256 platformFeePercent,
        address platformAdapter
    ) external onlyProtocolAdmin {
        _requireAddress(platformAdminAddress);
        if (platformHash == 0) {
            revert GlobalParamsInvalidInput(GlobalParamsInputCode.ZERO_PLATFORM_HASH);
        }
        State storage state = _state();
        if (state.platforms[platformHash].listed) {
            revert GlobalParamsPlatformAlreadyListed(platformHash);
        }
        _requireFees(state.protocolFeePercent, platformFeePercent);
        state.platforms[platformHash] =
            Platform(platformAdminAddress, uint16(platformFeePercent), true, platformAdapter);
        ++state.platformCount;
        emit PlatformEnlisted(platformHash, platformAdminAddress, platformFeePercent);
        if (platformAdapter != address(0)) emit PlatformAdapterSet(platformHash, platformAdapter);
    }

    /// @inheritdoc IGlobalParams
    function delistPlatform(bytes32 platformHash) external onlyProtocolAdmin {
        _listed(platformHash);
        State storage state = _state();
        delete state.platforms[platformHash];
        --state.platformCount;
        emit PlatformDelisted(platformHash);
    }

    /// @inheritdoc IGlobalParams
    function updatePlatformAdminAddress(bytes32 platformHash, address platformAdminAddress)
        external
        onlyProtocolAdmin
    {
        _requireAddress(platformAdminAddress);
        _listed(platformHash).admin = platformAdminAddress;
        emit PlatformAdminAddressUpdated(platformHash, platformAdminAddress);
    }

    /// @inheritdoc IGlobalParams
    function setPlatformAdapter(bytes32 platformHash, address platformAdapter)
        external
        onlyProtocolAdmin
    {
        _listed(platformHash).adapter = platformAdapter;
        emit PlatformAdapterSet(platformHash, platformAdapter);
    }

    /// @inheritdoc IGlobalParams
    function updateProtocolFeePercent(uint256 protocolFeePercent) external onlyProtocolAdmin {
        _requireFees(protocolFeePercent, 0);
        _state().protocolFeePercent = uint16(protocolFeePercent);
        emit ProtocolFeePercentUpdated(protocolFeePercent);
    }

    /// @inheritdoc IGlobalParams
    function updateProtocolAdminAddress(address protocolAdminAddress) external onlyProtocolAdmin {
        _requireAddress(protocolAdminAddress);
        _state().protocolAdmin = protocolAdminAddress;
        emit ProtocolAdminAddressUpdated(protocolAdminAddress);
    }

    /// @inheritdoc IGlobalParams
    function getProtocolAdminAddress() external view returns (address) {
        return _state().protocolAdmin;
    }

    /// @inheritdoc IGlobalParams
    function getProtocolFeePercent() external view returns (uint256) {
        return _state().protocolFeePercent;
    }

    /// @inheritdoc IGlobalParams
    function getPlatformAdminAddress(bytes32 platformHash) external view returns (address) {
        return _listed(platformHash).admin;
    }

    /// @inheritdoc IGlobalParams
    function getPlatformAdapter(bytes32 platformHash) external view returns (address) {
        return _listed(platformHash).adapter;
    }

    /// @inheritdoc IGlobalParams
    function getPlatformAuthority(bytes32 platformHash)
        external
        view
        returns (PlatformAuthority memory)
    {
        Platform storage platform = _listed(platformHash);
        return PlatformAuthority(platform.admin, platform.adapter);
    }

    /// @inheritdoc IGlobalParams
    function getPlatformFeePercent(bytes32 platformHash) external view returns (uint256) {
        return _listed(platformHash).feePercent;
    }

    /// @inheritdoc IGlobalParams
    function checkIfPlatformIsListed(bytes32 platformHash) external view returns (bool) {
        return _state().platforms[platformHash].listed;
    }

    /// @inheritdoc IGlobalParams
    function getNumberOfListedPlatforms() external view returns (uint256) {
        return _state().platformCount;
    }

    /// @inheritdoc IGlobalParams
    function getTokensForCurrency(bytes32 currency) external view returns (address[] memory) {
        return _state().tokens[currency];
    }

    /// @inheritdoc IGlobalParams
    function getFromRegistry(bytes32 key) external view returns (bytes32) {
        return _state().registry[key];
    }

    /// @inheritdoc IGlobalParams
    function getMaxPaymentExpiration(bytes32 platformHash) external view returns (uint256) {
        mapping(bytes32 key => bytes32) storage registry = _state().registry;
        bytes32 key = RegistryKeys.MAX_PAYMENT_EXPIRATION;
        bytes32 own = registry[RegistryKeys.scoped(key, platformHash)];
        return uint256(own == 0 ? registry[key] : own);
    }

    function _authorizeUpgrade(address) internal override onlyProtocolAdmin {}

    function _pushToken(bytes32 currency, address token) private {
        if (currency == 0) revert GlobalParamsInvalidInput(GlobalParamsInputCode.ZERO_CURRENCY);
        if (token == address(0)) revert GlobalParamsInvalidInput(GlobalParamsInputCode.ZERO_TOKEN);
        _state().tokens[currency].push(token);
    }

    function _listed(bytes32 platformHash) private view returns (Platform storage platform) {
        platform = _state().platforms[platformHash];
        if (!platform.listed) revert GlobalParamsPlatformNotListed(platformHash);
    }

    function _requireAddress(address account) private pure {
        if (account == address(0)) {
            revert GlobalParamsInvalidInput(GlobalParamsInputCode.ZERO_ADDRESS);
        }
    }

    /// @dev Each alone first, so that the sum cannot overflow.
    function _requireFees(uint256 protocolFee, uint256 platformFee) private pure {
        bool fits = protocolFee <= BasisPoints.WHOLE && platformFee <= BasisPoints.WHOLE;
        if (!fits || protocolFee + platformFee > BasisPoints.WHOLE) {
            revert GlobalParamsInvalidFeePercent(protocolFee, platformFee);
        }
    }

    function _state() private pure returns (State storage state) {
        bytes32 slot = STATE_SLOT;
        assembly ("memory-safe") {
            state.slot := slot
        }
    }
}
