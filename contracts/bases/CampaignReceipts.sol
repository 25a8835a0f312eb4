// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {AccessControl} from "@openzeppelin/contracts/access/AccessControl.sol";
import {ERC721} from "@openzeppelin/contracts/token/ERC721/ERC721.sol";
import {Base64} from "@openzeppelin/contracts/utils/Base64.sol";
import {Strings} from "@openzeppelin/contracts/utils/Strings.sol";

import {ICampaignInfo} from "../interfaces/ICampaignInfo.sol";

/// @title The ERC-721 receipts of a campaign's buyers
/// @dev A receipt is its owner, and one more in the owner's balance: the payment behind it lies in
///      the treasury, and its item in `PledgeNFTMinted`.
abstract contract CampaignReceipts is ICampaignInfo, ERC721, AccessControl {
    /// @notice The role of the campaign's treasuries.
    bytes32 public constant TREASURY_ROLE = keccak256("TREASURY_ROLE");

    string private _name;
    string private _symbol;
    string private _imageURI;
    string private _contractURI;
    // Shares its slot with what the deriving contract declares next, the campaign's owner, which is
    // hardly ever zero: the first receipt costs no more than the second.
    uint96 private _receiptCount;

    constructor() ERC721("", "") {}

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

    /// @inheritdoc ICampaignInfo
    function burnRefunded(uint256 tokenId) external onlyRole(TREASURY_ROLE) {
        _burn(tokenId);
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
    function ownerOf(uint256 tokenId)
        public
        view
        virtual
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

    /// @notice The metadata of a receipt: a data URI of JSON with a name and the image.
    /// @dev Name and image were refused if they could break the JSON.
    function tokenURI(uint256 tokenId) public view override returns (string memory) {
        _requireOwned(tokenId);
        bytes memory json = abi.encodePacked(
            '{"name":"', _name, " #", Strings.toString(tokenId), '","image":"', _imageURI, '"}'
        );
        return string.concat("data:application/json;base64,", Base64.encode(json));
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

    function _initializeReceipts(
        string calldata nftName,
        string calldata nftSymbol,
        string calldata nftImageURI,
        string calldata nftContractURI
    ) internal {
        _requireJsonSafe(nftName);
        _name = nftName;
        _symbol = nftSymbol;
        _setImageURI(nftImageURI);
        _setContractURI(nftContractURI);
    }

    function _setImageURI(string calldata newImageURI) internal {
        _requireJsonSafe(newImageURI);
        _imageURI = newImageURI;
    }

    function _setContractURI(string calldata newContractURI) internal {
        _contractURI = newContractURI;
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
