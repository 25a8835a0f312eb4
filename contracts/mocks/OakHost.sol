// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {Clones} from "@openzeppelin/contracts/proxy/Clones.sol";
import {ERC721} from "@openzeppelin/contracts/token/ERC721/ERC721.sol";

import {IHostedTreasury} from "../interfaces/IHostedTreasury.sol";

/// @title What a treasury sees of Oak: campaign, parameters and factory in one, for one treasury
/// @dev Written from Oak's interface. It has no LiveParams and no goal, and what one may set in
///      Oak's parameters anyone may set here.
abstract contract OakHost is ERC721, Ownable {
    /// @notice A line item type, as Oak answers it.
    struct LineItemType {
        bool exists;
        string label;
        bool countsTowardGoal;
        bool applyProtocolFee;
        bool canRefund;
        bool instantTransfer;
    }

    uint256 public constant getProtocolFeePercent = 100;
    uint256 private constant PLATFORM_CLAIM_DELAY = 1 days;
    uint256 private constant PLATFORM_FEE_PERCENT = 300;

    address public getProtocolAdminAddress;
    address public treasury;
    uint256 public getLaunchTime;
    uint256 public getDeadline;
    bool public paused;
    bool public cancelled;
    mapping(bytes32 key => bytes32) public getDataFromRegistry;
    address internal _platformAdmin;
    address internal _adapter;
    address[] private _tokens;
    uint256 private _count;
    mapping(bytes32 typeId => LineItemType) private _types;

    event PledgeNFTMinted(
        uint256 indexed tokenId, address indexed backer, address indexed treasury, bytes32 reward
    );

    error GlobalParamsPlatformNotListed(bytes32 platformHash);
    error AccessControlUnauthorizedAccount(address account, bytes32 role);

    constructor(address owner, address protocolAdmin, address platformAdmin, address[] memory tokens)
        ERC721("Oak", "OAK")
        Ownable(owner)
    {
        getProtocolAdminAddress = protocolAdmin;
        _platformAdmin = platformAdmin;
        _tokens = tokens;
        getLaunchTime = block.timestamp;
        getDeadline = block.timestamp + 30 days;
    }

    /// @notice Deploys the treasury of a platform, as the factory does.
    function deploy(bytes32 platformHash, address implementation) external {
        treasury = Clones.clone(implementation);
        _initialize(platformHash, treasury);
    }

    /// @notice Names a platform's admin and adapter; an admin of zero delists it.
    function setPlatform(address admin, address adapter) external {
        (_platformAdmin, _adapter) = (admin, adapter);
    }

    /// @notice Sets a registry value.
    function setRegistry(bytes32 key, bytes32 value) external {
        getDataFromRegistry[key] = value;
    }

    /// @notice Registers a line item type.
    function setLineItemType(bytes32 typeId, LineItemType calldata kind) external {
        _types[typeId] = kind;
    }

    /// @notice Pauses or cancels the campaign.
    function setState(bool isPaused, bool isCancelled) external {
        (paused, cancelled) = (isPaused, isCancelled);
    }

    /// @notice As Oak's: only a treasury mints.
    function mintNFTForPledge(address backer, bytes32 reward, address, uint256, uint256, uint256)
        external
        returns (uint256 tokenId)
    {
        _requireTreasury();
        tokenId = ++_count;
        emit PledgeNFTMinted(tokenId, backer, msg.sender, reward);
        _safeMint(backer, tokenId);
    }

    /// @notice As Oak's: the owner must have approved the caller.
    function burn(uint256 tokenId) external virtual {
        _update(address(0), tokenId, msg.sender);
    }

    /// @notice Raised in treasuries that are not cancelled.
    function getTotalRaisedAmount() external view returns (uint256) {
        return _hosted().cancelled() ? 0 : _hosted().getRaisedAmount();
    }

    /// @notice Raised in treasuries that are cancelled.
    function getTotalCancelledAmount() external view returns (uint256) {
        return _hosted().cancelled() ? _hosted().getRaisedAmount() : 0;
    }

    /// @notice What Oak calls available is what is raised, cancelled treasuries included.
    function getTotalAvailableRaisedAmount() external view returns (uint256) {
        return _hosted().getRaisedAmount();
    }

    /// @notice Ever raised.
    function getTotalLifetimeRaisedAmount() external view returns (uint256) {
        return _hosted().getLifetimeRaisedAmount();
    }

    /// @notice Refunded.
    function getTotalRefundedAmount() external view returns (uint256) {
        return _hosted().getRefundedAmount();
    }

    /// @notice Expected.
    function getTotalExpectedAmount() external view returns (uint256) {
        return _hosted().getExpectedAmount();
    }

    /// @notice Reverts for a platform that is not listed.
    function getPlatformAdminAddress(bytes32 platformHash) external view returns (address) {
        _requireListed(platformHash);
        return _platformAdmin;
    }

    /// @notice Reverts for a platform that is not listed.
    function getPlatformClaimDelay(bytes32 platformHash) external view returns (uint256) {
        _requireListed(platformHash);
        return PLATFORM_CLAIM_DELAY;
    }

    /// @notice A line item type; zeros when there is none.
    function getLineItemType(bytes32, bytes32 typeId)
        external
        view
        returns (bool, string memory, bool, bool, bool, bool)
    {
        LineItemType memory kind = _types[typeId];
        return (
            kind.exists,
            kind.label,
            kind.countsTowardGoal,
            kind.applyProtocolFee,
            kind.canRefund,
            kind.instantTransfer
        );
    }

    /// @notice The tokens of the campaign.
    function getAcceptedTokens() external view returns (address[] memory) {
        return _tokens;
    }

    /// @notice The snapshot of the campaign's creation.
    function getPlatformFeePercent(bytes32) external pure returns (uint256) {
        return PLATFORM_FEE_PERCENT;
    }

    /// @dev As the factory of the generation calls it.
    function _initialize(bytes32 platformHash, address clone) internal virtual;

    function _requireTreasury() internal view {
        if (msg.sender != treasury) {
            revert AccessControlUnauthorizedAccount(msg.sender, keccak256("TREASURY_ROLE"));
        }
    }

    function _requireListed(bytes32 platformHash) internal view {
        if (_platformAdmin == address(0)) revert GlobalParamsPlatformNotListed(platformHash);
    }

    function _hosted() private view returns (IHostedTreasury) {
        return IHostedTreasury(treasury);
    }
}
