// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {Clones} from "@openzeppelin/contracts/proxy/Clones.sol";
import {Initializable} from "@openzeppelin/contracts/proxy/utils/Initializable.sol";

import {CampaignAuthority} from "./bases/CampaignAuthority.sol";
import {CampaignReceipts} from "./bases/CampaignReceipts.sol";
import {ICampaignInfo} from "./interfaces/ICampaignInfo.sol";
import {IGlobalParams} from "./interfaces/IGlobalParams.sol";
import {IHostedTreasury} from "./interfaces/IHostedTreasury.sol";
import {RegistryKeys} from "./libraries/RegistryKeys.sol";
import {CampaignData} from "./types/CampaignData.sol";
import {CampaignInfoInputCode} from "./types/InputCodes.sol";

/// @title CampaignInfo
/// @dev The implementation behind every campaign, an ERC-1167 clone with 96 bytes of arguments.
///      Clones never change their implementation.
contract CampaignInfo is CampaignAuthority, CampaignReceipts, Ownable, Initializable {
    /// @dev One slot: treasury (20 bytes) | feePercent (2) | selected (1). The fee is a snapshot of
    ///      the platform's entry in GlobalParams, taken when the platform was selected.
    struct Platform {
        address treasury;
        uint16 feePercent;
        bool selected;
    }

    /// @dev Which treasuries a total counts.
    enum Which {
        ALL,
        OPEN,
        CANCELLED
    }

    bytes4 private constant EXPECTED = IHostedTreasury.getExpectedAmount.selector;

    // slot n: receiptCount (12 bytes) | owner (20), both inherited; slot n + 1: launch (5) |
    // deadline (5)
    uint40 private _launchTime;
    uint40 private _deadline;
    uint256 private _goalAmount;
    bytes32 private _currency;
    address[] private _acceptedTokens;
    bytes32[] private _approvedPlatforms;
    mapping(bytes32 platformHash => Platform) private _platforms;
    mapping(bytes32 platformDataKey => bytes32) private _platformData;

    /// @dev Settings are the owner's before the launch.
    modifier onlyOwnerBeforeLaunch() {
        _checkOwner();
        _requireBefore(_launchTime);
        _;
    }

    modifier whenNotLocked() {
        if (isLocked()) revert CampaignInfoIsLocked();
        _;
    }

    constructor() Ownable(msg.sender) {
        _disableInitializers();
    }

    /// @inheritdoc ICampaignInfo
    function initialize(
        address creator,
        address globalParams,
        bytes32[] calldata selectedPlatformHash,
        bytes32[] calldata platformDataKey,
        bytes32[] calldata platformDataValue,
        CampaignData calldata campaignData,
        address[] calldata acceptedTokens,
        string calldata nftName,
        string calldata nftSymbol,
        string calldata nftImageURI,
        string calldata nftContractURI
    ) external initializer {
        _transferOwnership(creator);
        _globalParams = IGlobalParams(globalParams);
        // A time beyond 2^40 seconds is as good as the year 36812.
        _launchTime = _clampTime(campaignData.launchTime);
        _deadline = _clampTime(campaignData.deadline);
        _goalAmount = campaignData.goalAmount;
        _currency = campaignData.currency;
        for (uint256 i = 0; i < acceptedTokens.length; ++i) {
            if (isTokenAccepted(acceptedTokens[i])) {
                _revert(CampaignInfoInputCode.DUPLICATE_ACCEPTED_TOKEN);
            }
            _acceptedTokens.push(acceptedTokens[i]);
        }
        for (uint256 i = 0; i < selectedPlatformHash.length; ++i) {
            _select(selectedPlatformHash[i]);
        }
        for (uint256 i = 0; i < platformDataKey.length; ++i) {
            _platformData[platformDataKey[i]] = platformDataValue[i];
        }
        // A goal of nothing is reached by nothing: gating on it would promise and not keep.
        if (campaignData.goalAmount == 0 && _platformData[RegistryKeys.GOAL_GATED] != 0) {
            _revert(CampaignInfoInputCode.ZERO_GOAL_AMOUNT);
        }
        _initializeReceipts(nftName, nftSymbol, nftImageURI, nftContractURI);
    }

    /// @inheritdoc ICampaignInfo
    function setPlatformInfo(bytes32 platformHash, address platformTreasuryAddress)
        external
        whenOpen
    {
        _requireBefore(_deadline);
        if (msg.sender != getCampaignConfig().treasuryFactory) revert CampaignInfoUnauthorized();
        Platform storage platform = _platforms[platformHash];
        if (!platform.selected) revert CampaignInfoPlatformNotSelected(platformHash);
        if (platform.treasury != address(0)) {
            revert CampaignInfoPlatformAlreadyApproved(platformHash);
        }
        platform.treasury = platformTreasuryAddress;
        _approvedPlatforms.push(platformHash);
        _grantRole(TREASURY_ROLE, platformTreasuryAddress);
        emit CampaignInfoPlatformInfoUpdated(platformHash, platformTreasuryAddress);
    }

    /// @inheritdoc ICampaignInfo
    function updateLaunchTime(uint256 launchTime)
        external
        onlyOwnerBeforeLaunch
        whenOpen
        whenNotLocked
    {
        uint256 buffer = _registryValue(RegistryKeys.CAMPAIGN_LAUNCH_BUFFER);
        uint256 minimum = _registryValue(RegistryKeys.MINIMUM_CAMPAIGN_DURATION);
        bool early = launchTime < block.timestamp + buffer;
        if (early || _deadline <= launchTime || _deadline < launchTime + minimum) {
            _revert(CampaignInfoInputCode.INVALID_LAUNCH_TIME);
        }
        _launchTime = uint40(launchTime);
        emit CampaignInfoLaunchTimeUpdated(launchTime);
    }

    /// @inheritdoc ICampaignInfo
    function updateDeadline(uint256 deadline)
        external
        onlyOwnerBeforeLaunch
        whenOpen
        whenNotLocked
    {
        if (deadline < _launchTime + _registryValue(RegistryKeys.MINIMUM_CAMPAIGN_DURATION)) {
            _revert(CampaignInfoInputCode.INVALID_DEADLINE);
        }
        _deadline = _clampTime(deadline);
        emit CampaignInfoDeadlineUpdated(_deadline);
    }

    /// @inheritdoc ICampaignInfo
    function updateGoalAmount(uint256 goalAmount)
        external
        onlyOwnerBeforeLaunch
        whenOpen
        whenNotLocked
    {
        if (goalAmount == 0) _revert(CampaignInfoInputCode.ZERO_GOAL_AMOUNT);
        _goalAmount = goalAmount;
        emit CampaignInfoGoalAmountUpdated(goalAmount);
    }

    /// @inheritdoc ICampaignInfo
    function updateSelectedPlatform(
        bytes32 platformHash,
        bool selection,
        bytes32[] calldata platformDataKey,
        bytes32[] calldata platformDataValue
    ) external onlyOwnerBeforeLaunch whenOpen {
        Platform storage platform = _platforms[platformHash];
        if (platform.selected == selection) {
            _revert(CampaignInfoInputCode.PLATFORM_SELECTION_UNCHANGED);
        }
        if (!_globalParams.checkIfPlatformIsListed(platformHash)) {
            revert CampaignInfoInvalidPlatformUpdate(platformHash, selection);
        }
        // Only a selected platform has a treasury, so this is about taking the selection back.
        if (platform.treasury != address(0)) {
            revert CampaignInfoPlatformAlreadyApproved(platformHash);
        }
        if (platformDataKey.length != platformDataValue.length) {
            _revert(CampaignInfoInputCode.PLATFORM_DATA_LENGTH_MISMATCH);
        }
        if (selection) {
            for (uint256 i = 0; i < platformDataKey.length; ++i) {
                _setPlatformData(platformHash, platformDataKey[i], platformDataValue[i]);
            }
            _select(platformHash);
        } else {
            delete _platforms[platformHash];
        }
        emit CampaignInfoSelectedPlatformUpdated(platformHash, selection);
    }

    /// @inheritdoc ICampaignInfo
    function setImageURI(string calldata newImageURI) external onlyOwnerBeforeLaunch {
        _setImageURI(newImageURI);
        emit ImageURIUpdated(newImageURI);
    }

    /// @inheritdoc ICampaignInfo
    function updateContractURI(string calldata newContractURI) external onlyOwnerBeforeLaunch {
        _setContractURI(newContractURI);
        emit ContractURIUpdated(newContractURI);
    }

    /// @inheritdoc Ownable
    function transferOwnership(address newOwner) public override onlyOwner whenOpen {
        super.transferOwnership(newOwner);
    }

    /// @inheritdoc ICampaignInfo
    function isGoalGated() external view returns (bool) {
        return _platformData[RegistryKeys.GOAL_GATED] != 0;
    }

    /// @inheritdoc ICampaignInfo
    function checkIfPlatformSelected(bytes32 platformHash) external view returns (bool) {
        return _platforms[platformHash].selected;
    }

    /// @inheritdoc ICampaignInfo
    function checkIfPlatformApproved(bytes32 platformHash) external view returns (bool) {
        return _platforms[platformHash].treasury != address(0);
    }

    /// @inheritdoc ICampaignInfo
    function getApprovedPlatformHashes() external view returns (bytes32[] memory) {
        return _approvedPlatforms;
    }

    /// @inheritdoc ICampaignInfo
    function getLaunchTime() external view returns (uint256) {
        return _launchTime;
    }

    /// @inheritdoc ICampaignInfo
    function getDeadline() external view returns (uint256) {
        return _deadline;
    }

    /// @inheritdoc ICampaignInfo
    function getGoalAmount() external view returns (uint256) {
        return _goalAmount;
    }

    /// @inheritdoc ICampaignInfo
    function getCampaignCurrency() external view returns (bytes32) {
        return _currency;
    }

    /// @inheritdoc ICampaignInfo
    function getAcceptedTokens() external view returns (address[] memory) {
        return _acceptedTokens;
    }

    /// @inheritdoc ICampaignInfo
    function getPlatformFeePercent(bytes32 platformHash) external view returns (uint256) {
        return _platforms[platformHash].feePercent;
    }

    /// @inheritdoc ICampaignInfo
    function getPlatformData(bytes32 platformDataKey) external view returns (bytes32 value) {
        value = _platformData[platformDataKey];
        if (value == 0) _revert(CampaignInfoInputCode.PLATFORM_DATA_NOT_SET);
    }

    /// @inheritdoc ICampaignInfo
    function getProtocolFeePercent() external view returns (uint256) {
        return getCampaignConfig().protocolFeePercent;
    }

    /// @inheritdoc ICampaignInfo
    function getIdentifierHash() external view returns (bytes32) {
        return getCampaignConfig().identifierHash;
    }

    /// @inheritdoc ICampaignInfo
    function getTotalRaisedAmount() external view returns (uint256) {
        return _sum(IHostedTreasury.getRaisedAmount.selector, Which.OPEN);
    }

    /// @inheritdoc ICampaignInfo
    function getTotalAvailableRaisedAmount() external view returns (uint256) {
        return _sum(IHostedTreasury.getRaisedAmount.selector, Which.ALL);
    }

    /// @inheritdoc ICampaignInfo
    function getTotalLifetimeRaisedAmount() external view returns (uint256) {
        return _sum(IHostedTreasury.getLifetimeRaisedAmount.selector, Which.ALL);
    }

    /// @inheritdoc ICampaignInfo
    function getTotalRefundedAmount() external view returns (uint256) {
        return _sum(IHostedTreasury.getRefundedAmount.selector, Which.ALL);
    }

    /// @inheritdoc ICampaignInfo
    function getTotalCancelledAmount() external view returns (uint256) {
        return _sum(IHostedTreasury.getRaisedAmount.selector, Which.CANCELLED);
    }

    /// @inheritdoc ICampaignInfo
    function getTotalExpectedAmount() external view returns (uint256) {
        return _sum(EXPECTED, Which.ALL);
    }

    /// @inheritdoc ICampaignInfo
    function isLocked() public view returns (bool) {
        return _approvedPlatforms.length != 0;
    }

    /// @inheritdoc ICampaignInfo
    function getCampaignConfig() public view returns (Config memory) {
        return abi.decode(Clones.fetchCloneArgs(address(this)), (Config));
    }

    /// @inheritdoc ICampaignInfo
    /// @dev A currency has a handful of tokens: reading the list costs less than a second mapping.
    function isTokenAccepted(address token) public view returns (bool) {
        for (uint256 i = 0; i < _acceptedTokens.length; ++i) {
            if (_acceptedTokens[i] == token) return true;
        }
        return false;
    }

    /// @inheritdoc ICampaignInfo
    function owner()
        public
        view
        override(ICampaignInfo, CampaignAuthority, Ownable)
        returns (address)
    {
        return Ownable.owner();
    }

    /// @inheritdoc ICampaignInfo
    function ownerOf(uint256 tokenId)
        public
        view
        override(ICampaignInfo, CampaignReceipts)
        returns (address)
    {
        return CampaignReceipts.ownerOf(tokenId);
    }

    function _select(bytes32 platformHash) private {
        uint256 fee = _globalParams.getPlatformFeePercent(platformHash);
        _platforms[platformHash] = Platform(address(0), uint16(fee), true);
    }

    /// @dev Goal gating is chosen at creation only: its key is valid, but no platform's.
    function _setPlatformData(bytes32 platformHash, bytes32 key, bytes32 value) private {
        if (!_globalParams.checkIfPlatformDataKeyValid(key)) {
            _revert(CampaignInfoInputCode.INVALID_PLATFORM_DATA_KEY);
        }
        if (_globalParams.getPlatformDataOwner(key) != platformHash) {
            revert CampaignInfoPlatformDataKeyNotOwnedByPlatform(platformHash, key);
        }
        if (value == 0) _revert(CampaignInfoInputCode.ZERO_PLATFORM_DATA_VALUE);
        _platformData[key] = value;
    }

    /// @dev Adds up one view of the chosen treasuries; at most one per selected platform. A kind
    ///      that expects no payments has no such view, and adds nothing.
    function _sum(bytes4 figure, Which which) private view returns (uint256 total) {
        for (uint256 i = 0; i < _approvedPlatforms.length; ++i) {
            address treasury = _platforms[_approvedPlatforms[i]].treasury;
            bool wanted = which == Which.ALL
                || IHostedTreasury(treasury).cancelled() == (which == Which.CANCELLED);
            if (!wanted) continue;
            (bool answered, bytes memory answer) =
                treasury.staticcall(abi.encodeWithSelector(figure));
            if (!answered && figure == EXPECTED) continue;
            total += abi.decode(answer, (uint256));
        }
    }

    function _requireBefore(uint256 time) private view {
        if (block.timestamp >= time) revert CurrentTimeIsGreater(time, block.timestamp);
    }

    function _clampTime(uint256 time) private pure returns (uint40) {
        return time > type(uint40).max ? type(uint40).max : uint40(time);
    }

    function _revert(CampaignInfoInputCode code) private pure {
        revert CampaignInfoInvalidInput(code);
    }
}
