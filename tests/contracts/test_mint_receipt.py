from __future__ import annotations

import building
import pytest
import world
from eth_utils import keccak
from recording import NOT_EXIST, a_settlement, assert_minted, settle
from world import REASON, ZERO, a_payment, assert_reverts

MISMATCH = "WitnessMismatch(bytes32)"
BUYER_NOT_NAMED = "BuyerNotNamed(bytes32)"


@pytest.fixture
def settled(treasury, brla, people):
    """A settled payment of the buyer's."""
    settlement = a_settlement(buyer=people.buyer.address)
    settle(treasury, brla, people, settlement)
    return settlement


def settled_for_contract(treasury, brla, people, target: str, message: bytes):
    """A settled payment of a contract that makes a call when it is given a receipt."""
    wallet = building.create(people.stranger, "ReentrantBuyer").contract_address
    building.at("ReentrantBuyer", wallet).aim(target, message, sender=people.stranger)
    settlement = a_settlement(buyer=wallet)
    settle(treasury, brla, people, settlement)
    return settlement


@pytest.mark.parametrize("caller", ["buyer", "stranger", "platform_admin"])
def test_mint_receipt_gives_the_buyer_a_receipt_whoever_calls(
    treasury, campaign, brla, settled, people, caller
):
    account = getattr(people, caller)
    receipt = treasury.mintReceipt(settled.payment_id, settled.witness, sender=account)

    assert_minted(receipt.logs, treasury, (1, people.buyer.address, settled.payment_id))
    assert campaign.ownerOf(1) == people.buyer
    stored = treasury.getPaymentData(settled.payment_id)
    assert stored.buyerAddress == people.buyer
    assert (stored.amount, stored.paymentToken) == (settled.amount, brla.address)
    assert (stored.isConfirmed, stored.isCryptoPayment, stored.expiration) == (True, False, 0)


def test_minted_receipt_stands_in_the_witness_place(treasury, settled, people):
    treasury.mintReceipt(settled.payment_id, settled.witness, sender=people.stranger)
    assert not treasury.isPaymentOf(settled.payment_id, settled.witness)


def test_minted_receipt_refunds_the_payment(treasury, campaign, brla, settled, people):
    treasury.mintReceipt(settled.payment_id, settled.witness, sender=people.stranger)
    campaign.approve(treasury, 1, sender=people.buyer)
    treasury.claimRefund(settled.payment_id, sender=people.stranger)
    assert brla.balanceOf(people.buyer) == settled.amount


def test_mint_receipt_numbers_receipts_in_the_order_of_minting(treasury, campaign, brla, people):
    first = a_settlement(1, buyer=people.buyer.address)
    second = a_settlement(2, buyer=people.payee.address)
    settle(treasury, brla, people, first, second)
    for settlement in (second, first):
        treasury.mintReceipt(settlement.payment_id, settlement.witness, sender=people.stranger)
    assert (campaign.ownerOf(1), campaign.ownerOf(2)) == (people.payee, people.buyer)


def test_mint_receipt_gives_a_wallet_contract_its_receipt(treasury, campaign, brla, people):
    harmless = world.calldata(brla.totalSupply)
    settled = settled_for_contract(treasury, brla, people, brla, harmless)
    treasury.mintReceipt(settled.payment_id, settled.witness, sender=people.stranger)
    assert campaign.ownerOf(1) == settled.buyer


@pytest.mark.parametrize("part", [0, 1, 2])
def test_mint_receipt_reverts_when_the_witness_is_wrong(treasury, settled, people, part):
    witness = list(settled.witness)
    witness[part] = people.stranger.address if part == 2 else keccak(text="another")
    arguments = [settled.payment_id, tuple(witness)]
    assert_reverts(treasury.mintReceipt, arguments, people.stranger, MISMATCH, settled.payment_id)


def test_mint_receipt_reverts_when_the_witness_is_another_payments(treasury, brla, settled, people):
    other = a_settlement(2, buyer=people.stranger.address)
    settle(treasury, brla, people, other)
    arguments = [settled.payment_id, other.witness]
    assert_reverts(treasury.mintReceipt, arguments, people.stranger, MISMATCH, settled.payment_id)


def test_mint_receipt_reverts_when_it_is_minted_already(treasury, settled, people):
    arguments = [settled.payment_id, settled.witness]
    treasury.mintReceipt(*arguments, sender=people.buyer)
    error = BUYER_NOT_NAMED
    assert_reverts(treasury.mintReceipt, arguments, people.buyer, error, settled.payment_id)


def test_mint_receipt_reverts_when_the_payment_names_no_buyer(treasury, brla, people):
    settlement = a_settlement()
    settle(treasury, brla, people, settlement)
    arguments = [settlement.payment_id, settlement.witness]
    error = BUYER_NOT_NAMED
    assert_reverts(treasury.mintReceipt, arguments, people.buyer, error, settlement.payment_id)


@pytest.mark.parametrize("kind", ["expected", "confirmed", "receipted"])
def test_mint_receipt_reverts_when_the_payment_was_not_settled(treasury, brla, people, kind):
    payment = a_payment(brla)
    if kind == "expected":
        world.create(treasury, people, payment)
    else:
        world.confirmed(
            treasury, brla, people, payment, people.buyer if kind == "receipted" else ZERO
        )
    for buyer in (ZERO, people.buyer.address):
        arguments = [payment.payment_id, (payment.buyer_id, payment.item_id, buyer)]
        error = BUYER_NOT_NAMED
        assert_reverts(treasury.mintReceipt, arguments, people.buyer, error, payment.payment_id)


def test_mint_receipt_reverts_when_the_payment_does_not_exist(treasury, campaign, settled, people):
    unknown = keccak(text="unknown")
    arguments = [unknown, settled.witness]
    assert_reverts(treasury.mintReceipt, arguments, people.buyer, NOT_EXIST, unknown)
    arguments = [settled.payment_id, settled.witness]
    treasury.mintReceipt(*arguments, sender=people.buyer)
    campaign.approve(treasury, 1, sender=people.buyer)
    treasury.claimRefund(settled.payment_id, sender=people.buyer)
    error = NOT_EXIST
    assert_reverts(treasury.mintReceipt, arguments, people.buyer, error, settled.payment_id)


def test_mint_receipt_reverts_with_the_buyers_reason_until_the_buyer_takes_it(
    treasury, campaign, brla, people
):
    refusal = world.calldata(brla.transfer, people.buyer, 1)
    settled = settled_for_contract(treasury, brla, people, brla, refusal)
    arguments = [settled.payment_id, settled.witness]
    error = "ERC20InsufficientBalance(address,uint256,uint256)"
    assert_reverts(treasury.mintReceipt, arguments, people.stranger, error, settled.buyer, 0, 1)
    brla.mint(settled.buyer, 1, sender=people.stranger)
    treasury.mintReceipt(*arguments, sender=people.stranger)
    assert campaign.ownerOf(1) == settled.buyer


def test_mint_receipt_reverts_when_the_buyer_takes_no_receipts(treasury, brla, people):
    settlement = a_settlement(buyer=brla.address)
    settle(treasury, brla, people, settlement)
    arguments = [settlement.payment_id, settlement.witness]
    error = "ERC721InvalidReceiver(address)"
    assert_reverts(treasury.mintReceipt, arguments, people.stranger, error, brla.address)


def test_mint_receipt_reverts_when_treasury_or_campaign_is_paused(
    treasury, campaign, settled, people
):
    arguments = [settled.payment_id, settled.witness]
    campaign.pauseCampaign(REASON, sender=people.protocol_admin)
    error = "PaymentTreasuryCampaignInfoIsPaused()"
    assert_reverts(treasury.mintReceipt, arguments, people.buyer, error)
    treasury.pauseTreasury(REASON, sender=people.platform_admin)
    assert_reverts(treasury.mintReceipt, arguments, people.buyer, "PausedError()")


def test_mint_receipt_succeeds_when_treasury_and_campaign_are_cancelled(
    treasury, campaign, settled, people
):
    campaign.cancelCampaign(REASON, sender=people.creator)
    treasury.cancelTreasury(REASON, sender=people.platform_admin)
    treasury.mintReceipt(settled.payment_id, settled.witness, sender=people.buyer)
    assert campaign.ownerOf(1) == people.buyer
