// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {CampaignData} from "../types/CampaignData.sol";
import {CampaignInfoInputCode} from "../types/InputCodes.sol";
import {ILiveParams} from "./ILiveParams.sol";

/// @title A campaign: its settings, its platforms' treasuries, its buyers' receipts
/// @notice Names and selectors are Oak's. The contract is also the ERC-721 collection of receipts.
interface ICampaignInfo {
    /// @notice The immutable arguments in the clone's code.
    /// @param treasuryFactory The only account that may attach treasuries.
    /// @param protocolFeePercent Basis points, as of the campaign's creation.
    /// @param identifierHash The campaign's identifier.
    struct Config {
        address treasuryFactory;
        uint256 protocolFeePercent;
        bytes32 identifierHash;
    }

    /// @notice Emitted when a platform's treasury is attached; happens once per platform.
    event CampaignInfoPlatformInfoUpdated(
        bytes32 indexed platformHash, address indexed platformTreasury
    );
    /// @notice Emitted when the owner moves the start; unix seconds as kept.
    event CampaignInfoLaunchTimeUpdated(uint256 newLaunchTime);
    /// @notice Emitted when the owner moves the end; unix seconds as kept.
    event CampaignInfoDeadlineUpdated(uint256 newDeadline);
    /// @notice Emitted when the owner changes the goal.
    event CampaignInfoGoalAmountUpdated(uint256 newGoalAmount);
    /// @notice Emitted when the owner selects a platform or takes the selection back.
    event CampaignInfoSelectedPlatformUpdated(bytes32 indexed platformHash, bool selection);
    /// @notice Emitted when the receipts get another image.
    event ImageURIUpdated(string newImageURI);
    /// @notice Emitted when the collection gets other metadata.
    event ContractURIUpdated(string newContractURI);
    /// @notice Emitted before the ERC-721 `Transfer` of a new receipt.
    /// @param tokenId Receipts count from 1, over all treasuries of the campaign.
    /// @param backer The receipt's first owner.
    /// @param treasury The treasury that minted it.
    /// @param reward The item paid for.
    event PledgeNFTMinted(
        uint256 indexed tokenId, address indexed backer, address indexed treasury, bytes32 reward
    );

    /// @notice Thrown when an argument is out of range; the code says which.
    error CampaignInfoInvalidInput(CampaignInfoInputCode code);
    /// @notice Thrown when the caller may not do this.
    error CampaignInfoUnauthorized();
    /// @notice Thrown when the creator did not select the platform.
    error CampaignInfoPlatformNotSelected(bytes32 platformHash);
    /// @notice Thrown when the platform has a treasury already.
    error CampaignInfoPlatformAlreadyApproved(bytes32 platformHash);
    /// @notice Thrown when the settings are fixed: the campaign has a treasury.
    error CampaignInfoIsLocked();
    /// @notice Thrown when a platform that is not listed would be selected or deselected.
    error CampaignInfoInvalidPlatformUpdate(bytes32 platformHash, bool selection);
    /// @notice Thrown when a data key belongs to another platform, or to none.
    error CampaignInfoPlatformDataKeyNotOwnedByPlatform(
        bytes32 platformHash, bytes32 platformDataKey
    );
    /// @notice Thrown when it is too late: `inputTime` has come, both in unix seconds.
    error CurrentTimeIsGreater(uint256 inputTime, uint256 currentTime);
    /// @notice Thrown when the caller is not the protocol admin.
    error AdminAccessCheckerUnauthorized();
    /// @notice Thrown when a text would break the JSON it is quoted in: only printable ASCII
    ///         without `"` and `\` is taken.
    error PledgeNFTInvalidJsonString();
    /// @notice Part of Oak's ABI, never thrown: minting and burning without the role is refused
    ///         with `AccessControlUnauthorizedAccount`.
    error PledgeNFTUnAuthorized();
    /// @notice Part of Oak's ABI, never thrown: nothing in a campaign waits for a time.
    error CurrentTimeIsLess(uint256 inputTime, uint256 currentTime);
    /// @notice Part of Oak's ABI, never thrown: nothing in a campaign waits for a time.
    error CurrentTimeIsNotWithinRange(uint256 initialTime, uint256 finalTime);

    /// @notice Sets the campaign up, once. The factory calls it in the creating transaction.
    /// @dev The fee of every selected platform is read from the platform's entry in GlobalParams
    ///      and kept, in basis points: later changes of the entry change no campaign. The
    ///      protocol's fee is kept in the clone's arguments.
    /// @param platformDataKey Keys that the factory found valid.
    /// @param platformDataValue One value per key; `1` under the key of goal gating gates the
    ///        campaign for good.
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
    ) external;

    /// @notice Attaches a platform's treasury and lets it mint and burn receipts. Only the treasury
    ///         factory, before the deadline, while the campaign is open.
    function setPlatformInfo(bytes32 platformHash, address platformTreasuryAddress) external;

    /// @notice Pauses the campaign and with it its treasuries. Protocol admin only.
    function pauseCampaign(bytes32 message) external;

    /// @notice Undoes a pause. Protocol admin only.
    function unpauseCampaign(bytes32 message) external;

    /// @notice Cancels the campaign for good. Protocol admin or owner.
    function cancelCampaign(bytes32 message) external;

    /// @notice Moves the start. Owner only, before the launch, while the campaign is open and has
    ///         no treasury.
    /// @param launchTime Unix seconds; as far from now and from the deadline as at creation.
    function updateLaunchTime(uint256 launchTime) external;

    /// @notice Moves the end. Owner only, before the launch, while the campaign is open and has no
    ///         treasury.
    /// @param deadline Unix seconds; at least the registry's minimum after the launch.
    function updateDeadline(uint256 deadline) external;

    /// @notice Changes the goal. Owner only, before the launch, while the campaign is open and has
    ///         no treasury.
    /// @param goalAmount Not zero.
    function updateGoalAmount(uint256 goalAmount) external;

    /// @notice Selects a platform, keeping its fee of this moment, or takes the selection back.
    ///         Owner only, before the launch, while the campaign is open.
    /// @param platformHash Listed; without treasury when the selection is taken back.
    /// @param selection Other than it is.
    /// @param platformDataKey Keys of this platform; read when it is selected.
    /// @param platformDataValue One value per key, none zero.
    function updateSelectedPlatform(
        bytes32 platformHash,
        bool selection,
        bytes32[] calldata platformDataKey,
        bytes32[] calldata platformDataValue
    ) external;

    /// @notice Changes the image of every receipt. Owner only, before the launch.
    /// @param newImageURI Printable ASCII without `"` and `\`.
    function setImageURI(string calldata newImageURI) external;

    /// @notice Changes the metadata of the collection. Owner only, before the launch.
    function updateContractURI(string calldata newContractURI) external;

    /// @notice Mints a receipt. Treasuries of the campaign only.
    /// @dev Calls `onERC721Received` of a contract that is the backer.
    /// @return tokenId The new receipt.
    function mintNFTForPledge(
        address backer,
        bytes32 reward,
        address tokenAddress,
        uint256 amount,
        uint256 shippingFee,
        uint256 tipAmount
    ) external returns (uint256 tokenId);

    /// @notice Burns a receipt. Treasuries of the campaign only, with the owner's ERC-721 approval.
    function burn(uint256 tokenId) external;

    /// @notice Burns the receipt of a payment that was refunded because the goal was missed,
    ///         without the owner's approval: anyone may open that refund. Treasuries of the
    ///         campaign only.
    /// @dev Treasuries are trusted to name receipts of their own payments: the protocol admin
    ///      approves their code.
    function burnRefunded(uint256 tokenId) external;

    /// @notice The campaign's owner: the creator, or whom they handed it to.
    function owner() external view returns (address);

    /// @notice The owner of a receipt.
    function ownerOf(uint256 tokenId) external view returns (address);

    /// @notice The clone's immutable arguments.
    function getCampaignConfig() external view returns (Config memory);

    /// @notice Where treasuries read rights and this campaign's state in one hop.
    function getLiveParams() external view returns (ILiveParams);

    /// @notice True when the campaign was created goal-gated: its treasuries pay the owner only
    ///         once the goal is met after the deadline, and backers otherwise.
    function isGoalGated() external view returns (bool);

    /// @notice True when the creator selected the platform.
    function checkIfPlatformSelected(bytes32 platformHash) external view returns (bool);

    /// @notice True when the platform has its treasury.
    function checkIfPlatformApproved(bytes32 platformHash) external view returns (bool);

    /// @notice The platforms that have a treasury, oldest first.
    function getApprovedPlatformHashes() external view returns (bytes32[] memory);

    /// @notice True once the first treasury is attached.
    function isLocked() external view returns (bool);

    /// @notice Unix seconds.
    function getLaunchTime() external view returns (uint256);

    /// @notice Unix seconds.
    function getDeadline() external view returns (uint256);

    /// @notice In the unit the creator chose. Treasuries of a goal-gated campaign read it in 18
    ///         decimals, the unit of their totals; nothing else compares it with anything.
    function getGoalAmount() external view returns (uint256);

    /// @notice The currency code.
    function getCampaignCurrency() external view returns (bytes32);

    /// @notice The tokens accepted, fixed at creation.
    function getAcceptedTokens() external view returns (address[] memory);

    /// @notice True when the campaign accepts the token.
    function isTokenAccepted(address token) external view returns (bool);

    /// @notice A platform's fee in basis points, as of the moment it was selected.
    function getPlatformFeePercent(bytes32 platformHash) external view returns (uint256);

    /// @notice The protocol's fee in basis points as of the campaign's creation.
    function getProtocolFeePercent() external view returns (uint256);

    /// @notice The campaign's identifier.
    function getIdentifierHash() external view returns (bytes32);

    /// @notice The protocol admin of today.
    function getProtocolAdminAddress() external view returns (address);

    /// @notice The platform's admin of today. Reverts when the platform is not listed.
    function getPlatformAdminAddress(bytes32 platformHash) external view returns (address);

    /// @notice The platform's forwarder of today, or zero. Reverts when the platform is not listed.
    function getPlatformAdapter(bytes32 platformHash) external view returns (address);

    /// @notice How long after the deadline the platform waits to sweep, seconds, as of today.
    ///         Reverts when the platform is not listed.
    function getPlatformClaimDelay(bytes32 platformHash) external view returns (uint256);

    /// @notice The value the campaign carries under a key. Reverts when it carries none.
    function getPlatformData(bytes32 platformDataKey) external view returns (bytes32);

    /// @notice A platform's type of line item, as of today.
    function getLineItemType(bytes32 platformHash, bytes32 typeId)
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

    /// @notice How long time-constrained treasuries stay open after the deadline, seconds.
    function getBufferTime() external view returns (uint256);

    /// @notice The canonical Permit2.
    function getPermit2Address() external view returns (address);

    /// @notice A value of the protocol's registry, zero when unset.
    function getDataFromRegistry(bytes32 key) external view returns (bytes32);

    /// @notice Metadata of the receipts' collection.
    function contractURI() external view returns (string memory);

    /// @notice The image of every receipt.
    function getImageURI() external view returns (string memory);

    /// @notice Receipts ever minted.
    function getPledgeCount() external view returns (uint256);

    /// @notice Confirmed minus refunded over treasuries that are not cancelled, 18 decimals.
    function getTotalRaisedAmount() external view returns (uint256);

    /// @notice Confirmed minus refunded over all treasuries, 18 decimals; withdrawn money included.
    function getTotalAvailableRaisedAmount() external view returns (uint256);

    /// @notice Ever confirmed, over all treasuries, 18 decimals.
    function getTotalLifetimeRaisedAmount() external view returns (uint256);

    /// @notice Refunded, over all treasuries, 18 decimals.
    function getTotalRefundedAmount() external view returns (uint256);

    /// @notice Confirmed minus refunded over cancelled treasuries, 18 decimals.
    function getTotalCancelledAmount() external view returns (uint256);

    /// @notice Created but not confirmed, over all treasuries that expect payments, 18 decimals.
    function getTotalExpectedAmount() external view returns (uint256);
}
