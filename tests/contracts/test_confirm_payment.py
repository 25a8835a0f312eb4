from __future__ import annotations

import ape
import building
import pytest
import world
from recording import (
    ALREADY_CONFIRMED,
    ALREADY_EXPIRED,
    INSUFFICIENT_BALANCE,
    MAX_AMOUNT,
    NOT_EXIST,
    assert_minted,
    assert_only_the_platform,
    payment_witness,
)
from world import DAY, ZERO, a_payment, assert_log, assert_reverts


@pytest.fixture
def payment(treasury, brla, people):
    """A created payment and the tokens for it."""
    created = a_payment(brla)
    world.create(treasury, people, created)
    world.fund(treasury, brla, people, created.amount)
    return created


def test_confirm_payment_commits_the_tokens_and_emits(treasury, payment, people):
    receipt = treasury.confirmPayment(payment.payment_id, ZERO, sender=people.platform_admin)

    (log,) = receipt.logs
    assert_log(log, "PaymentConfirmed(bytes32)", indexed=[payment.payment_id])
    assert treasury.getExpectedAmount() == 0
    assert treasury.getRaisedAmount() == payment.amount
    assert treasury.getAvailableRaisedAmount() == payment.amount
    assert treasury.getLifetimeRaisedAmount() == payment.amount
    assert treasury.getRefundedAmount() == 0


def test_confirmed_payment_keeps_its_data_and_witness(treasury, payment, people):
    before = treasury.getPaymentData(payment.payment_id)
    treasury.confirmPayment(payment.payment_id, ZERO, sender=people.platform_admin)

    stored = treasury.getPaymentData(payment.payment_id)
    assert stored.isConfirmed
    assert not stored.isCryptoPayment
    assert (stored.amount, stored.expiration) == (before.amount, before.expiration)
    assert stored.paymentToken == before.paymentToken
    assert stored.buyerAddress == ZERO
    assert treasury.isPaymentOf(payment.payment_id, payment_witness(payment))


def test_confirm_payment_mints_a_receipt_when_a_buyer_is_named(treasury, campaign, payment, people):
    """The slot does not know the item: the receipt's reward is the payment's id."""
    buyer, admin = people.buyer.address, people.platform_admin
    receipt = treasury.confirmPayment(payment.payment_id, buyer, sender=admin)

    *minted, confirmed = receipt.logs
    assert_minted(minted, treasury, (1, buyer, payment.payment_id))
    assert_log(confirmed, "PaymentConfirmed(bytes32)", indexed=[payment.payment_id])
    assert campaign.ownerOf(1) == buyer


def test_receipt_takes_the_place_of_expiration_and_witness(treasury, payment, people):
    buyer, admin = people.buyer.address, people.platform_admin
    treasury.confirmPayment(payment.payment_id, buyer, sender=admin)

    stored = treasury.getPaymentData(payment.payment_id)
    assert stored.isConfirmed
    assert stored.buyerAddress == buyer
    assert stored.amount == payment.amount
    assert stored.paymentToken == payment.token
    assert stored.expiration == 0
    buyer_id, item_id, nobody = payment_witness(payment)
    for whom in (nobody, buyer):
        assert not treasury.isPaymentOf(payment.payment_id, (buyer_id, item_id, whom))


def test_confirm_payment_succeeds_with_a_wallet_contract_that_takes_receipts(
    treasury, campaign, brla, payment, people
):
    wallet = building.create(people.stranger, "ReentrantBuyer").contract_address
    harmless = world.calldata(brla.totalSupply)
    building.at("ReentrantBuyer", wallet).aim(brla, harmless, sender=people.stranger)
    treasury.confirmPayment(payment.payment_id, wallet, sender=people.platform_admin)
    assert campaign.ownerOf(1) == wallet


def test_confirm_payment_takes_the_widest_amount_with_a_receipt(treasury, brla, people):
    payment = a_payment(brla, amount=MAX_AMOUNT)
    world.confirmed(treasury, brla, people, payment, people.buyer)
    stored = treasury.getPaymentData(payment.payment_id)
    assert (stored.amount, stored.paymentToken) == (MAX_AMOUNT, brla.address)
    assert stored.buyerAddress == people.buyer
    assert treasury.getRaisedAmount() == MAX_AMOUNT


def test_confirm_payment_reverts_when_the_tokens_are_not_there(treasury, brla, people):
    world.confirmed(treasury, brla, people, a_payment(brla, 1))
    payment = a_payment(brla, 2)
    world.create(treasury, people, payment)
    required = 2 * payment.amount
    for missing in (payment.amount, 1):
        world.fund(treasury, brla, people, required - missing - brla.balanceOf(treasury))
        assert_reverts(
            treasury.confirmPayment,
            [payment.payment_id, ZERO],
            people.platform_admin,
            INSUFFICIENT_BALANCE,
            required,
            required - missing,
        )
    world.fund(treasury, brla, people, 1)
    treasury.confirmPayment(payment.payment_id, ZERO, sender=people.platform_admin)


def test_confirm_payment_counts_fees_that_were_not_disbursed(treasury, brla, people):
    """What a withdrawal set aside is owed, and backs no payment."""
    world.confirmed(treasury, brla, people, a_payment(brla, 1))
    treasury.withdraw(sender=people.creator)
    fees = brla.balanceOf(treasury)
    payment = a_payment(brla, 2)
    world.create(treasury, people, payment)
    world.fund(treasury, brla, people, payment.amount - 1)
    assert fees > 0
    assert_reverts(
        treasury.confirmPayment,
        [payment.payment_id, ZERO],
        people.platform_admin,
        INSUFFICIENT_BALANCE,
        payment.amount + fees,
        payment.amount + fees - 1,
    )


@pytest.mark.parametrize("buyer", ["nobody", "buyer"])
def test_confirm_payment_reverts_when_it_does_not_exist(treasury, brla, people, buyer):
    unknown = a_payment(brla).payment_id
    whom = ZERO if buyer == "nobody" else people.buyer.address
    for payment_id in (unknown, bytes(32)):
        arguments, admin = [payment_id, whom], people.platform_admin
        assert_reverts(treasury.confirmPayment, arguments, admin, NOT_EXIST, payment_id)


@pytest.mark.parametrize("first", ["nobody", "buyer"])
@pytest.mark.parametrize("second", ["nobody", "buyer"])
def test_confirm_payment_reverts_when_confirmed_already(
    treasury, brla, payment, people, first, second
):
    whom = {"nobody": ZERO, "buyer": people.buyer.address}
    admin = people.platform_admin
    treasury.confirmPayment(payment.payment_id, whom[first], sender=admin)
    world.fund(treasury, brla, people, payment.amount)
    arguments = [payment.payment_id, whom[second]]
    assert_reverts(treasury.confirmPayment, arguments, admin, ALREADY_CONFIRMED, payment.payment_id)


@pytest.mark.parametrize("buyer", ["nobody", "buyer"])
def test_confirm_payment_succeeds_until_the_second_it_expires(
    treasury, payment, people, now, buyer
):
    whom = ZERO if buyer == "nobody" else people.buyer.address
    assert payment.expiration > now + DAY / 2
    with ape.chain.isolate():
        ape.chain.pending_timestamp = payment.expiration - 1
        treasury.confirmPayment(payment.payment_id, whom, sender=people.platform_admin)
    ape.chain.mine(timestamp=payment.expiration)
    arguments, admin = [payment.payment_id, whom], people.platform_admin
    assert_reverts(treasury.confirmPayment, arguments, admin, ALREADY_EXPIRED, payment.payment_id)


def test_confirm_payment_names_confirmed_before_expired(treasury, payment, people):
    admin = people.platform_admin
    treasury.confirmPayment(payment.payment_id, ZERO, sender=admin)
    ape.chain.mine(timestamp=payment.expiration)
    arguments = [payment.payment_id, ZERO]
    assert_reverts(treasury.confirmPayment, arguments, admin, ALREADY_CONFIRMED, payment.payment_id)


def test_confirm_payment_reverts_when_the_caller_is_not_the_platform(treasury, payment, people):
    arguments = [payment.payment_id, ZERO]
    assert_only_the_platform(treasury.confirmPayment, arguments, people)


def test_confirm_payment_reverts_when_the_buyer_cannot_take_receipts(treasury, payment, people):
    assert_reverts(
        treasury.confirmPayment,
        [payment.payment_id, treasury.address],
        people.platform_admin,
        "ERC721InvalidReceiver(address)",
        treasury.address,
    )
