from __future__ import annotations

import building
import paying
import pytest
import world
from eth_utils import keccak
from items import EVERY_CLASS, EVERY_SUM, TOTAL, assert_extras, set_types
from paying import a_checkout, assert_paid, pay
from recording import (
    ALREADY_EXIST,
    MAX_AMOUNT,
    assert_minted,
    internal_id,
    treasury_of_tokens,
)
from world import assert_log, assert_reverts

RICH = 10**40
TRANSFER = "Transfer(address,address,uint256)"


@pytest.fixture(autouse=True)
def permit2(brla, people):
    paying.deploy_permit2(people.stranger)
    paying.let_pay(brla, people.buyer, RICH)


def test_permit2_is_the_one_of_all_chains():
    """Its address is a hash of its code, so what runs here is what runs there."""
    code, salt = (bytes.fromhex(paying.CANONICAL[key][2:]) for key in ("creationCode", "salt"))
    deployer = bytes.fromhex(paying.CANONICAL["deployer"][2:])
    assert keccak(b"\xff" + deployer + salt + keccak(code))[12:].hex() == (
        "000000000022d473030f116ddee9f6b43ac78ba3"
    )


@pytest.mark.parametrize("caller", ["stranger", "buyer", "platform_admin"])
def test_process_crypto_payment_takes_the_tokens_whoever_sends_the_signature(
    treasury, campaign, brla, people, caller
):
    checkout = a_checkout(treasury, brla, people.buyer)
    receipt = pay(treasury, checkout, getattr(people, caller))

    moved, *minted, created = receipt.logs  # no PaymentConfirmed
    sides = [people.buyer.address, treasury.address]
    assert_log(moved, TRANSFER, sides, ["uint256"], [checkout.amount])
    key = internal_id(checkout.payment_id, checkout.buyer)
    assert_minted(minted, treasury, (1, checkout.buyer, key))
    assert_paid(created, checkout)
    assert brla.balanceOf(treasury) == checkout.amount
    assert brla.balanceOf(people.buyer) == RICH - checkout.amount
    assert campaign.ownerOf(1) == people.buyer


@pytest.mark.parametrize("by", ["id", "key"])
def test_crypto_payment_is_found_by_its_id_and_by_its_key(treasury, brla, people, by):
    checkout = a_checkout(treasury, brla, people.buyer)
    pay(treasury, checkout, people.stranger)

    key = internal_id(checkout.payment_id, checkout.buyer)
    stored = treasury.getPaymentData(checkout.payment_id if by == "id" else key)
    assert stored.isConfirmed
    assert stored.isCryptoPayment
    assert stored.buyerAddress == people.buyer
    assert stored.paymentToken == brla.address
    assert (stored.amount, stored.expiration) == (checkout.amount, 0)
    assert bytes(stored.buyerId) == bytes(32)


def test_crypto_payment_counts_as_raised_at_once(treasury, brla, people):
    checkout = a_checkout(treasury, brla, people.buyer)
    pay(treasury, checkout, people.stranger)
    for view in ("Raised", "AvailableRaised", "LifetimeRaised"):
        assert getattr(treasury, f"get{view}Amount")() == checkout.amount
    assert treasury.getExpectedAmount() == treasury.getRefundedAmount() == 0


def test_process_crypto_payment_takes_the_widest_amount(treasury, brla, people):
    checkout = a_checkout(treasury, brla, people.buyer, amount=MAX_AMOUNT)
    pay(treasury, checkout, people.stranger)
    assert treasury.getPaymentData(checkout.payment_id).amount == MAX_AMOUNT
    assert treasury.getRaisedAmount() == MAX_AMOUNT


def test_process_crypto_payment_sends_instant_items_on_in_the_same_call(
    treasury, params, brla, people
):
    set_types(params, people)
    fees = ((keccak(text="gateway"), 7),)
    checkout = a_checkout(
        treasury, brla, people.buyer, amount=1_000, line_items=EVERY_CLASS, external_fees=fees
    )
    admin = people.platform_admin
    before = brla.balanceOf(admin)
    extras, paid, sent, *_, created = pay(treasury, checkout, people.stranger).logs

    assert_extras(extras, checkout, **EVERY_SUM)
    assert_log(paid, TRANSFER, [checkout.buyer, treasury.address], ["uint256"], [TOTAL])
    assert_log(sent, TRANSFER, [treasury.address, admin.address], ["uint256"], [495])
    assert_paid(created, checkout)
    assert brla.balanceOf(admin) - before == 495
    assert brla.balanceOf(treasury) == TOTAL - 495
    assert treasury.getRaisedAmount() == 1_199
    assert treasury.getExpectedAmount() == 0


def test_items_of_a_crypto_payment_leave_to_those_they_belong_to(
    treasury, campaign, params, brla, people
):
    set_types(params, people)
    checkout = a_checkout(treasury, brla, people.buyer, amount=1_000, line_items=EVERY_CLASS)
    pay(treasury, checkout, people.stranger)
    treasury.claimNonGoalLineItems(brla, sender=people.platform_admin)
    treasury.disburseFees(sender=people.stranger)
    campaign.approve(treasury, 1, sender=people.buyer)
    treasury.claimRefund(checkout.payment_id, sender=people.stranger)
    assert brla.balanceOf(people.buyer) == RICH - 299 + 297 - 399 - 499
    assert brla.balanceOf(treasury) == 0


def test_crypto_payment_is_refunded_to_its_receipts_owner(treasury, campaign, brla, people):
    checkout = a_checkout(treasury, brla, people.buyer)
    pay(treasury, checkout, people.stranger)
    campaign.transferFrom(people.buyer, people.payee, 1, sender=people.buyer)
    campaign.approve(treasury, 1, sender=people.payee)
    receipt = treasury.claimRefund(checkout.payment_id, sender=people.stranger)

    (log,) = world.logs(receipt, treasury)
    assert_log(
        log,
        "RefundClaimed(bytes32,uint256,address)",
        indexed=[checkout.payment_id, people.payee.address],
        types=["uint256"],
        values=[checkout.amount],
    )
    assert brla.balanceOf(people.payee) == checkout.amount


def test_refunded_id_can_be_paid_again_by_anybody(treasury, campaign, brla, people):
    checkout = a_checkout(treasury, brla, people.buyer)
    pay(treasury, checkout, people.stranger)
    campaign.approve(treasury, 1, sender=people.buyer)
    treasury.claimRefund(checkout.payment_id, sender=people.stranger)
    paying.let_pay(brla, people.payee, RICH)
    again = a_checkout(treasury, brla, people.payee)
    pay(treasury, again, people.stranger)
    assert treasury.getPaymentData(checkout.payment_id).buyerAddress == people.payee


@pytest.mark.parametrize("second", ["buyer", "payee"])
def test_process_crypto_payment_reverts_when_the_id_is_paid_already(treasury, brla, people, second):
    """With the key of the payment there is, whoever comes second."""
    first = a_checkout(treasury, brla, people.buyer)
    pay(treasury, first, people.stranger)
    paying.let_pay(brla, getattr(people, second), RICH)
    again = a_checkout(treasury, brla, getattr(people, second), nonce=2)
    key = internal_id(first.payment_id, first.buyer)
    arguments, anyone = again.arguments, people.stranger
    assert_reverts(treasury.processCryptoPayment, arguments, anyone, ALREADY_EXIST, key)


@pytest.fixture
def hooked(people):
    """A token that does what it is told while it is moved."""
    receipt = building.create(people.stranger, "HookedToken")
    found = building.at("HookedToken", receipt.contract_address)
    paying.let_pay(found, people.buyer, RICH)
    return found


def test_process_crypto_payment_reverts_when_the_token_keeps_a_fee(protocol, hooked, people):
    """What arrives must cover the payment, with what is owed already."""
    treasury = treasury_of_tokens(protocol, people, hooked)
    first = a_checkout(treasury, hooked, people.buyer, amount=100)
    pay(treasury, first, people.stranger)
    hooked.charge(1, sender=people.stranger)
    second = a_checkout(treasury, hooked, people.buyer, 2, amount=50)
    error = "PaymentTreasuryInsufficientBalance(uint256,uint256)"
    arguments, anyone = second.arguments, people.stranger
    assert_reverts(treasury.processCryptoPayment, arguments, anyone, error, 150, 149)


def test_process_crypto_payment_reverts_when_the_token_calls_back_into_the_treasury(
    protocol, hooked, people
):
    """Permit2 says nothing of why; a call elsewhere, or later, is let through."""
    treasury = treasury_of_tokens(protocol, people, hooked)
    checkout = a_checkout(treasury, hooked, people.buyer)
    arguments, anyone = checkout.arguments, people.stranger
    disburse = world.calldata(treasury.disburseFees)
    hooked.aim(treasury, disburse, sender=anyone)
    error = "Error(string)"
    assert_reverts(treasury.processCryptoPayment, arguments, anyone, error, "TRANSFER_FROM_FAILED")

    treasury.disburseFees(sender=anyone)
    hooked.aim(hooked, world.calldata(hooked.totalSupply), sender=anyone)
    pay(treasury, checkout, anyone)


@pytest.fixture
def wallet(brla, people):
    """A wallet contract with tokens, which signs whatever it is shown."""
    receipt = building.create(people.stranger, "ReentrantBuyer")
    found = building.at("ReentrantBuyer", receipt.contract_address)
    allow = world.calldata(brla.approve, paying.PERMIT2, RICH)
    found.act(brla, allow, sender=people.stranger)
    brla.mint(found, RICH, sender=people.stranger)
    return found


def test_process_crypto_payment_takes_a_wallet_contracts_signature(
    treasury, campaign, brla, wallet, people
):
    wallet.aim(brla, world.calldata(brla.totalSupply), sender=people.stranger)
    checkout = a_checkout(treasury, brla, people.stranger, buyer=wallet.address)
    pay(treasury, checkout, people.stranger)
    assert campaign.ownerOf(1) == wallet.address
    assert brla.balanceOf(wallet) == RICH - checkout.amount


def test_process_crypto_payment_reverts_when_the_wallet_contract_refuses_the_receipt(
    treasury, brla, wallet, people
):
    refusal = world.calldata(brla.transfer, people.buyer, RICH)
    wallet.aim(brla, refusal, sender=people.stranger)
    checkout = a_checkout(treasury, brla, people.stranger, buyer=wallet.address)
    assert_reverts(
        treasury.processCryptoPayment,
        checkout.arguments,
        people.stranger,
        "ERC20InsufficientBalance(address,uint256,uint256)",
        wallet.address,
        RICH - checkout.amount,
        RICH,
    )
