from __future__ import annotations

import base64
import json

import pytest
from campaigns import host_minimal_treasury
from eth_utils import keccak
from world import REASON, ZERO, assert_log, assert_reverts

ROLE = keccak(text="TREASURY_ROLE")
NO_ROLE = "AccessControlUnauthorizedAccount(address,bytes32)"


@pytest.fixture
def hosted(protocol, people):
    return host_minimal_treasury(protocol, people)


def test_receipts_are_minted_and_burnt_by_treasuries_only(hosted, people):
    campaign = hosted.campaign
    hosted.mint(people.buyer.address)
    for account in (people.platform_admin, people.creator, people.buyer, people.protocol_admin):
        refused = [account, NO_ROLE, account.address, ROLE]
        mint = [people.buyer.address, REASON, ZERO, 1, 0, 0]
        assert_reverts(campaign.mintNFTForPledge, mint, *refused)
        assert_reverts(campaign.burn, [1], *refused)
        assert_reverts(campaign.burnRefunded, [1], *refused)


def test_mint_counts_from_one_and_emits_before_the_transfer(hosted, people):
    campaign, buyer = hosted.campaign, people.buyer.address
    for number in (1, 2):
        minted, transferred = hosted.mint(buyer).logs
        assert_log(
            minted,
            "PledgeNFTMinted(uint256,address,address,bytes32)",
            indexed=[number, buyer, hosted.treasury.address],
            types=["bytes32"],
            values=[REASON],
        )
        event = "Transfer(address,address,uint256)"
        assert_log(transferred, event, indexed=[ZERO, buyer, number])
        assert campaign.getPledgeCount() == campaign.balanceOf(buyer) == number
    assert campaign.ownerOf(2) == buyer
    arguments = [ZERO, REASON, ZERO, 1, 0, 0]
    hosted.refuses("mintNFTForPledge", arguments, "ERC721InvalidReceiver(address)", ZERO)
    token = hosted.treasury.address  # a contract without the receiver's hook
    arguments = [token, REASON, ZERO, 1, 0, 0]
    hosted.refuses("mintNFTForPledge", arguments, "ERC721InvalidReceiver(address)", token)


def test_burn_needs_the_owners_approval(hosted, people):
    campaign, treasury = hosted.campaign, hosted.treasury
    hosted.mint(people.buyer.address)
    error = "ERC721InsufficientApproval(address,uint256)"
    hosted.refuses("burn", [1], error, treasury.address, 1)
    campaign.approve(treasury, 1, sender=people.buyer)
    (log,) = hosted.ask("burn", 1).logs
    event = "Transfer(address,address,uint256)"
    assert_log(log, event, indexed=[people.buyer.address, ZERO, 1])
    for name in ("burn", "burnRefunded"):
        hosted.refuses(name, [1], "ERC721NonexistentToken(uint256)", 1)
    hosted.mint(people.buyer.address)
    assert campaign.ownerOf(2) == people.buyer  # ids are not used again
    assert campaign.getPledgeCount() == 2


def test_burn_refunded_needs_no_approval(hosted, people):
    campaign = hosted.campaign
    hosted.mint(people.buyer.address)
    campaign.transferFrom(people.buyer, people.payee, 1, sender=people.buyer)
    (log,) = hosted.ask("burnRefunded", 1).logs
    event = "Transfer(address,address,uint256)"
    assert_log(log, event, indexed=[people.payee.address, ZERO, 1])
    assert campaign.balanceOf(people.payee) == 0
    error = "ERC721NonexistentToken(uint256)"
    assert_reverts(campaign.ownerOf, [1], people.stranger, error, 1)


def test_token_uri_holds_the_name_and_the_image(hosted, people):
    campaign = hosted.campaign
    for _ in range(2):
        hosted.mint(people.buyer.address)
    kind, _, text = campaign.tokenURI(2).partition(",")
    assert kind == "data:application/json;base64"
    assert json.loads(base64.b64decode(text)) == {"name": "Um livro #2", "image": "ipfs://image"}
    error = "ERC721NonexistentToken(uint256)"
    assert_reverts(campaign.tokenURI, [3], people.stranger, error, 3)


def test_slim_receipt_costs_two_new_slots(hosted, accounts):
    # Owner and balance; the count lies in a slot that is never empty, so the first costs no more.
    first, second = (hosted.mint(accounts[index].address).gas_used for index in (6, 7))
    assert abs(first - second) < 200
    assert second < 103_000
