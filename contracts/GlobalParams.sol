// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Initializable} from "@openzeppelin/contracts/proxy/utils/Initializable.sol";
import {UUPSUpgradeable} from "@openzeppelin/contracts/proxy/utils/UUPSUpgradeable.sol";

import {LiveParams} from "./LiveParams.sol";
import {IGlobalParams} from "./interfaces/IGlobalParams.sol";
import {ILiveParams} from "./interfaces/ILiveParams.sol";
import {BasisPoints} from "./libraries/BasisPoints.sol";
import {RegistryKeys} from "./libraries/RegistryKeys.sol";
import {GlobalParamsInputCode} from "./types/InputCodes.sol";

/// @title GlobalParams
/// @dev UUPS implementation. The protocol admin is trusted with everything, upgrades included.
///      Admins, adapters and the registry lie in LiveParams, which this contract alone writes; a
///      platform is listed exactly when it has an admin there.
contract GlobalParams is IGlobalParams, Initializable, UUPSUpgradeable {
    /// @dev One slot: exists (1 byte) | countsTowardGoal (1) | applyProtocolFee (1) |
    ///      canRefund (1) | instantTransfer (1); the label in the next.
    struct LineItemType {
        bool exists;
        bool countsTowardGoal;
        bool applyProtocolFee;
        bool canRefund;
        bool instantTransfer;
        string label;
    }

    /// @custom:storage-location erc7201:lastro.storage.GlobalParams
    /// @dev slot 0: protocolAdmin (20 bytes) | protocolFeePercent (2) | platformCount (4)
    ///      slot 1: liveParams (20)
    struct State {
        address protocolAdmin;
        uint16 protocolFeePercent;
        uint32 platformCount;
        ILiveParams liveParams;
        mapping(bytes32 platformHash => uint256) feePercents;
        mapping(bytes32 platformHash => uint256) claimDelays;
        mapping(bytes32 currency => address[]) tokens;
        mapping(bytes32 platformDataKey => bytes32 platformHash) dataOwners;
        mapping(bytes32 platformHash => mapping(bytes32 typeId => LineItemType)) lineItemTypes;
    }

    /// @dev Deployed at this address on every chain that has it.
    address private constant PERMIT2 = 0x000000000022D473030F116dDEE9F6B43aC78BA3;

    bytes32 private constant STATE_SLOT = keccak256(
        abi.encode(uint256(keccak256("lastro.storage.GlobalParams")) - 1)
    ) & ~bytes32(uint256(0xff));

    modifier onlyProtocolAdmin() {
        if (msg.sender != _state().protocolAdmin) revert GlobalParamsUnauthorized();
        _;
    }

    modifier onlyPlatformAdmin(bytes32 platformHash) {
        (address admin,) = _listed(platformHash);
        if (msg.sender != admin) revert GlobalParamsUnauthorized();
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
        _requireFee(protocolFeePercent);
        if (currencies.length != tokensPerCurrency.length) {
            revert GlobalParamsCurrencyTokenLengthMismatch();
        }
        State storage state = _state();
        state.protocolAdmin = protocolAdminAddress;
        state.protocolFeePercent = uint16(protocolFeePercent);
        state.liveParams = new LiveParams();
        for (uint256 i = 0; i < currencies.length; ++i) {
            for (uint256 j = 0; j < tokensPerCurrency[i].length; ++j) {
                if (tokensPerCurrency[i][j] == address(0)) {
                    _revert(GlobalParamsInputCode.ZERO_TOKEN);
                }
                state.tokens[currencies[i]].push(tokensPerCurrency[i][j]);
            }
        }
    }

    /// @inheritdoc IGlobalParams
    function addToRegistry(bytes32 key, bytes32 value) external onlyProtocolAdmin {
        if (key == 0) _revert(GlobalParamsInputCode.ZERO_REGISTRY_KEY);
        _state().liveParams.setRegistryValue(key, value);
        emit DataAddedToRegistry(key, value);
    }

    /// @inheritdoc IGlobalParams
    function addTokenToCurrency(bytes32 currency, address token) external onlyProtocolAdmin {
        _requireAddress(token);
        if (currency == 0) _revert(GlobalParamsInputCode.ZERO_CURRENCY);
        _state().tokens[currency].push(token);
        emit TokenAddedToCurrency(currency, token);
    }

    /// @inheritdoc IGlobalParams
    function removeTokenFromCurrency(bytes32 currency, address token) external onlyProtocolAdmin {
        _requireAddress(token);
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
        if (platformHash == 0) _revert(GlobalParamsInputCode.ZERO_PLATFORM_HASH);
        _requireFee(platformFeePercent);
        State storage state = _state();
        if (state.protocolFeePercent + platformFeePercent > BasisPoints.WHOLE) {
            revert GlobalParamsCombinedFeesExceedMax();
        }
        if (checkIfPlatformIsListed(platformHash)) {
            revert GlobalParamsPlatformAlreadyListed(platformHash);
        }
        state.liveParams.setPlatformAuthority(platformHash, platformAdminAddress, platformAdapter);
        state.feePercents[platformHash] = platformFeePercent;
        ++state.platformCount;
        emit PlatformEnlisted(platformHash, platformAdminAddress, platformFeePercent);
        if (platformAdapter != address(0)) emit PlatformAdapterSet(platformHash, platformAdapter);
    }

    /// @inheritdoc IGlobalParams
    function delistPlatform(bytes32 platformHash) external onlyProtocolAdmin {
        _listed(platformHash);
        State storage state = _state();
        state.liveParams.setPlatformAuthority(platformHash, address(0), address(0));
        delete state.feePercents[platformHash];
        --state.platformCount;
        emit PlatformDelisted(platformHash);
    }

    /// @inheritdoc IGlobalParams
    function updatePlatformAdminAddress(bytes32 platformHash, address platformAdminAddress)
        external
        onlyProtocolAdmin
    {
        (, address adapter) = _listed(platformHash);
        _requireAddress(platformAdminAddress);
        _state().liveParams.setPlatformAuthority(platformHash, platformAdminAddress, adapter);
        emit PlatformAdminAddressUpdated(platformHash, platformAdminAddress);
    }

    /// @inheritdoc IGlobalParams
    function setPlatformAdapter(bytes32 platformHash, address platformAdapter)
        external
        onlyProtocolAdmin
    {
        (address admin,) = _listed(platformHash);
        _state().liveParams.setPlatformAuthority(platformHash, admin, platformAdapter);
        emit PlatformAdapterSet(platformHash, platformAdapter);
    }

    /// @inheritdoc IGlobalParams
    function updatePlatformClaimDelay(bytes32 platformHash, uint256 claimDelay)
        external
        onlyPlatformAdmin(platformHash)
    {
        _state().claimDelays[platformHash] = claimDelay;
        emit PlatformClaimDelayUpdated(platformHash, claimDelay);
    }

    /// @inheritdoc IGlobalParams
    function addPlatformData(bytes32 platformHash, bytes32 platformDataKey)
        external
        onlyPlatformAdmin(platformHash)
    {
        if (platformDataKey == 0) _revert(GlobalParamsInputCode.ZERO_PLATFORM_DATA_KEY);
        if (platformDataKey == RegistryKeys.GOAL_GATED) {
            revert GlobalParamsPlatformDataSlotTaken();
        }
        if (_state().dataOwners[platformDataKey] != 0) revert GlobalParamsPlatformDataAlreadySet();
        _state().dataOwners[platformDataKey] = platformHash;
        emit PlatformDataAdded(platformHash, platformDataKey);
    }

    /// @inheritdoc IGlobalParams
    function removePlatformData(bytes32 platformHash, bytes32 platformDataKey)
        external
        onlyPlatformAdmin(platformHash)
    {
        if (platformDataKey == 0) _revert(GlobalParamsInputCode.ZERO_PLATFORM_DATA_KEY);
        bytes32 dataOwner = _state().dataOwners[platformDataKey];
        if (dataOwner == 0) revert GlobalParamsPlatformDataNotSet();
        if (dataOwner != platformHash) revert GlobalParamsUnauthorized();
        delete _state().dataOwners[platformDataKey];
        emit PlatformDataRemoved(platformHash, platformDataKey);
    }

    /// @inheritdoc IGlobalParams
    function setPlatformLineItemType(
        bytes32 platformHash,
        bytes32 typeId,
        string calldata label,
        bool countsTowardGoal,
        bool applyProtocolFee,
        bool canRefund,
        bool instantTransfer
    ) external onlyPlatformAdmin(platformHash) {
        if (typeId == 0) _revert(GlobalParamsInputCode.ZERO_LINE_ITEM_TYPE_ID);
        if (countsTowardGoal) {
            if (applyProtocolFee) {
                _revert(GlobalParamsInputCode.LINE_ITEM_GOAL_APPLIES_PROTOCOL_FEE);
            }
            if (!canRefund) _revert(GlobalParamsInputCode.LINE_ITEM_GOAL_NOT_REFUNDABLE);
            if (instantTransfer) _revert(GlobalParamsInputCode.LINE_ITEM_GOAL_INSTANT_TRANSFER);
        } else if (instantTransfer && canRefund) {
            _revert(GlobalParamsInputCode.LINE_ITEM_NON_GOAL_INSTANT_REFUNDABLE);
        }
        _state().lineItemTypes[platformHash][typeId] = LineItemType(
            true, countsTowardGoal, applyProtocolFee, canRefund, instantTransfer, label
        );
        emit PlatformLineItemTypeSet(
            platformHash,
            typeId,
            label,
            countsTowardGoal,
            applyProtocolFee,
            canRefund,
            instantTransfer
        );
    }

    /// @inheritdoc IGlobalParams
    function removePlatformLineItemType(bytes32 platformHash, bytes32 typeId)
        external
        onlyPlatformAdmin(platformHash)
    {
        if (typeId == 0) _revert(GlobalParamsInputCode.ZERO_LINE_ITEM_TYPE_ID);
        LineItemType storage kind = _state().lineItemTypes[platformHash][typeId];
        if (!kind.exists) revert GlobalParamsPlatformLineItemTypeNotFound(platformHash, typeId);
        kind.exists = false;
        emit PlatformLineItemTypeRemoved(platformHash, typeId);
    }

    /// @inheritdoc IGlobalParams
    function updateProtocolFeePercent(uint256 protocolFeePercent) external onlyProtocolAdmin {
        _requireFee(protocolFeePercent);
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
    function getPlatformAdminAddress(bytes32 platformHash) external view returns (address admin) {
        (admin,) = _listed(platformHash);
    }

    /// @inheritdoc IGlobalParams
    function getPlatformAdapter(bytes32 platformHash) external view returns (address adapter) {
        (, adapter) = _listed(platformHash);
    }

    /// @inheritdoc IGlobalParams
    function getPlatformFeePercent(bytes32 platformHash) external view returns (uint256) {
        _listed(platformHash);
        return _state().feePercents[platformHash];
    }

    /// @inheritdoc IGlobalParams
    function getPlatformClaimDelay(bytes32 platformHash) external view returns (uint256) {
        _listed(platformHash);
        return _state().claimDelays[platformHash];
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
        return _state().liveParams.getRegistryValue(key);
    }

    /// @inheritdoc IGlobalParams
    function getPlatformDataOwner(bytes32 platformDataKey) external view returns (bytes32) {
        return _state().dataOwners[platformDataKey];
    }

    /// @inheritdoc IGlobalParams
    function checkIfPlatformDataKeyValid(bytes32 platformDataKey) external view returns (bool) {
        return platformDataKey == RegistryKeys.GOAL_GATED
            || _state().dataOwners[platformDataKey] != 0;
    }

    /// @inheritdoc IGlobalParams
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
        )
    {
        LineItemType storage kind = _state().lineItemTypes[platformHash][typeId];
        return (
            kind.exists,
            kind.label,
            kind.countsTowardGoal,
            kind.applyProtocolFee,
            kind.canRefund,
            kind.instantTransfer
        );
    }

    /// @inheritdoc IGlobalParams
    function getPermit2Address() external pure returns (address) {
        return PERMIT2;
    }

    /// @inheritdoc IGlobalParams
    function getLiveParams() external view returns (ILiveParams) {
        return _state().liveParams;
    }

    /// @inheritdoc IGlobalParams
    function checkIfPlatformIsListed(bytes32 platformHash) public view returns (bool) {
        (address admin,) = _state().liveParams.getPlatformAuthority(platformHash);
        return admin != address(0);
    }

    function _authorizeUpgrade(address) internal override onlyProtocolAdmin {}

    function _listed(bytes32 platformHash) private view returns (address admin, address adapter) {
        (admin, adapter) = _state().liveParams.getPlatformAuthority(platformHash);
        if (admin == address(0)) revert GlobalParamsPlatformNotListed(platformHash);
    }

    function _requireAddress(address account) private pure {
        if (account == address(0)) _revert(GlobalParamsInputCode.ZERO_ADDRESS);
    }

    function _requireFee(uint256 feePercent) private pure {
        if (feePercent > BasisPoints.WHOLE) revert GlobalParamsFeePercentExceedsMax();
    }

    function _revert(GlobalParamsInputCode code) private pure {
        revert GlobalParamsInvalidInput(code);
    }

    function _state() private pure returns (State storage state) {
        bytes32 slot = STATE_SLOT;
        assembly ("memory-safe") {
            state.slot := slot
        }
    }
}
