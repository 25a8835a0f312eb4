// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {AccessControl} from "@openzeppelin/contracts/access/AccessControl.sol";
import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {Clones} from "@openzeppelin/contracts/proxy/Clones.sol";
import {Initializable} from "@openzeppelin/contracts/proxy/utils/Initializable.sol";
import {ERC721} from "@openzeppelin/contracts/token/ERC721/ERC721.sol";
import {Address} from "@openzeppelin/contracts/utils/Address.sol";

import {PausableCancellable} from "./bases/PausableCancellable.sol";
import {ICampaignInfo} from "./interfaces/ICampaignInfo.sol";
import {IGlobalParams} from "./interfaces/IGlobalParams.sol";
import {IPausableCancellable} from "./interfaces/IPausableCancellable.sol";
import {IPaymentTreasury} from "./interfaces/IPaymentTreasury.sol";
import {CampaignData} from "./types/CampaignData.sol";
import {CampaignInfoInputCode} from "./types/InputCodes.sol";

/// @title CampaignInfo
/// @dev The implementation behind every campaign, an ERC-1167 clone with 96 bytes of arguments.
///      Clones never change their implementation.
contract CampaignInfo is
    ICampaignInfo,
    ERC721,
    Ownable,
    AccessControl,
    PausableCancellable,
    Initializable
{
    using Address for address;

    /// @dev One slot: treasury (20 bytes) | feePercent (2) | selected (1)
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

    /// @notice The role of the campaign's treasuries.
    bytes32 public constant TREASURY_ROLE = keccak256("TREASURY_ROLE");

    // slot n: paused, cancelled, cancelledAt (7 bytes, inherited) | globalParams (20) | launch (5)
    IGlobalParams private _globalParams;
    uint40 private _launchTime;
    // slot n + 1: deadline (5) | receiptCount (12)
    uint40 private _deadline;
    uint96 private _receiptCount;
    uint256 private _goalAmount;
    bytes32 private _currency;
    address[] private _acceptedTokens;
    bytes32[] private _approvedPlatforms;
    mapping(bytes32 platformHash => Platform) private _platforms;
    string private _name;
    string private _symbol;
    string private _imageURI;
    string private _contractURI;

    modifier onlyProtocolAdmin() {
        if (msg.sender != getProtocolAdminAddress()) revert AdminAccessCheckerUnauthorized();
        _;
    }

    constructor() ERC721("", "") Ownable(msg.sender) {
        _disableInitializers();
    }

    /// @inheritdoc ICampaignInfo
    /// @dev The data arrays are part of Oak's signature; the factory lets only empty ones through.
    function initialize(
        address creator,
        address globalParams,
        bytes32[] calldata selectedPlatformHash,
        bytes32[] calldata,
        bytes32[] calldata,
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
                revert CampaignInfoInvalidInput(CampaignInfoInputCode.DUPLICATE_ACCEPTED_TOKEN);
            }
            _acceptedTokens.push(acceptedTokens[i]);
        }
        for (uint256 i = 0; i < selectedPlatformHash.length; ++i) {
            uint256 fee = _globalParams.getPlatformFeePercent(selectedPlatformHash[i]);
            _platforms[selectedPlatformHash[i]] = Platform(address(0), uint16(fee), true);
        }
        _requireJsonSafe(nftName);
        _requireJsonSafe(nftImageURI);
        _name = nftName;
        _symbol = nftSymbol;
        _imageURI = nftImageURI;
        _contractURI = nftContractURI;
    }

    /// @inheritdoc ICampaignInfo
    function setPlatformInfo(bytes32 platformHash, address platformTreasuryAddress)
        external
        whenOpen
    {
        if (block.timestamp >= _deadline) {
            revert CurrentTimeIsGreater(_deadline, block.timestamp);
        }
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
    function pauseCampaign(bytes32 message) external onlyProtocolAdmin {
        _pause(msg.sender, message);
    }

    /// @inheritdoc ICampaignInfo
    function unpauseCampaign(bytes32 message) external onlyProtocolAdmin {
        _unpause(msg.sender, message);
    }

    /// @inheritdoc ICampaignInfo
    function cancelCampaign(bytes32 message) external {
        if (msg.sender != owner() && msg.sender != getProtocolAdminAddress()) {
            revert CampaignInfoUnauthorized();
        }
        _cancel(msg.sender, message);
    }

    /// @inheritdoc ICampaignInfo
    /// @dev Token, amount, shipping and tip repeat the payment, so they are not stored again.
    function mintNFTForPledge(
        address backer,
        bytes32 reward,
        address,
        uint256,
        uint256,
        uint256
    ) external onlyRole(TREASURY_ROLE) returns (uint256 tokenId) {
        tokenId = ++_receiptCount;
        emit PledgeNFTMinted(tokenId, backer, msg.sender, reward);
        _safeMint(backer, tokenId);
    }

    /// @inheritdoc ICampaignInfo
    function burn(uint256 tokenId) external onlyRole(TREASURY_ROLE) {
        // Passing the caller makes ERC-721 check the owner's approval.
        _update(address(0), tokenId, msg.sender);
    }

    /// @inheritdoc Ownable
    function transferOwnership(address newOwner) public override whenOpen {
        super.transferOwnership(newOwner);
    }

    /// @inheritdoc ICampaignInfo
    function getTreasuryContext(bytes32 platformHash)
        external
        view
        returns (TreasuryContext memory)
    {
        IGlobalParams.PlatformAuthority memory authority =
            _globalParams.getPlatformAuthority(platformHash);
        return TreasuryContext(authority.admin, authority.adapter, paused(), cancelled());
    }

    /// @inheritdoc ICampaignInfo
    function getMaxPaymentExpiration(bytes32 platformHash) external view returns (uint256) {
        return _globalParams.getMaxPaymentExpiration(platformHash);
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
    function isLocked() external view returns (bool) {
        return _approvedPlatforms.length != 0;
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
    function getProtocolFeePercent() external view returns (uint256) {
        return getCampaignConfig().protocolFeePercent;
    }

    /// @inheritdoc ICampaignInfo
    function getIdentifierHash() external view returns (bytes32) {
        return getCampaignConfig().identifierHash;
    }

    /// @inheritdoc ICampaignInfo
    function getPlatformAdminAddress(bytes32 platformHash) external view returns (address) {
        return _globalParams.getPlatformAdminAddress(platformHash);
    }

    /// @inheritdoc ICampaignInfo
    function getPlatformAdapter(bytes32 platformHash) external view returns (address) {
        return _globalParams.getPlatformAdapter(platformHash);
    }

    /// @inheritdoc ICampaignInfo
    function getDataFromRegistry(bytes32 key) external view returns (bytes32) {
        return _globalParams.getFromRegistry(key);
    }

    /// @inheritdoc ICampaignInfo
    function contractURI() external view returns (string memory) {
        return _contractURI;
    }

    /// @inheritdoc ICampaignInfo
    function getImageURI() external view returns (string memory) {
        return _imageURI;
    }

    /// @inheritdoc ICampaignInfo
    function getPledgeCount() external view returns (uint256) {
        return _receiptCount;
    }

    /// @inheritdoc ICampaignInfo
    function getTotalRaisedAmount() external view returns (uint256) {
        return _sum(IPaymentTreasury.getRaisedAmount.selector, Which.OPEN);
    }

    /// @inheritdoc ICampaignInfo
    function getTotalAvailableRaisedAmount() external view returns (uint256) {
        return _sum(IPaymentTreasury.getRaisedAmount.selector, Which.ALL);
    }

    /// @inheritdoc ICampaignInfo
    function getTotalLifetimeRaisedAmount() external view returns (uint256) {
        return _sum(IPaymentTreasury.getLifetimeRaisedAmount.selector, Which.ALL);
    }

    /// @inheritdoc ICampaignInfo
    function getTotalRefundedAmount() external view returns (uint256) {
        return _sum(IPaymentTreasury.getRefundedAmount.selector, Which.ALL);
    }

    /// @inheritdoc ICampaignInfo
    function getTotalCancelledAmount() external view returns (uint256) {
        return _sum(IPaymentTreasury.getRaisedAmount.selector, Which.CANCELLED);
    }

    /// @inheritdoc ICampaignInfo
    function getTotalExpectedAmount() external view returns (uint256) {
        return _sum(IPaymentTreasury.getExpectedAmount.selector, Which.ALL);
    }

    /// @inheritdoc ICampaignInfo
    function getCampaignConfig() public view returns (Config memory) {
        return abi.decode(Clones.fetchCloneArgs(address(this)), (Config));
    }

    /// @inheritdoc ICampaignInfo
    function getProtocolAdminAddress() public view returns (address) {
        return _globalParams.getProtocolAdminAddress();
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
    function owner() public view override(ICampaignInfo, Ownable) returns (address) {
        return super.owner();
    }

    /// @inheritdoc ICampaignInfo
    function ownerOf(uint256 tokenId)
        public
        view
        override(ICampaignInfo, ERC721)
        returns (address)
    {
        return super.ownerOf(tokenId);
    }

    /// @notice The name of the receipts' collection.
    function name() public view override returns (string memory) {
        return _name;
    }

    /// @notice The symbol of the receipts' collection.
    function symbol() public view override returns (string memory) {
        return _symbol;
    }

    /// @notice ERC-165.
    function supportsInterface(bytes4 interfaceId)
        public
        view
        override(ERC721, AccessControl)
        returns (bool)
    {
        return super.supportsInterface(interfaceId);
    }

    /// @dev Adds up one view of the chosen treasuries; at most one per selected platform.
    function _sum(bytes4 figure, Which which) private view returns (uint256 total) {
        for (uint256 i = 0; i < _approvedPlatforms.length; ++i) {
            address treasury = _platforms[_approvedPlatforms[i]].treasury;
            bool wanted = which == Which.ALL
                || IPausableCancellable(treasury).cancelled() == (which == Which.CANCELLED);
            if (!wanted) continue;
            bytes memory answer = treasury.functionStaticCall(abi.encodeWithSelector(figure));
            total += abi.decode(answer, (uint256));
        }
    }

    function _clampTime(uint256 time) private pure returns (uint40) {
        return time > type(uint40).max ? type(uint40).max : uint40(time);
    }

    function _requireJsonSafe(string calldata text) private pure {
        bytes calldata chars = bytes(text);
        for (uint256 i = 0; i < chars.length; ++i) {
            bytes1 char = chars[i];
            if (char < 0x20 || char > 0x7e || char == 0x22 || char == 0x5c) {
                revert PledgeNFTInvalidJsonString();
            }
        }
    }
}
