"""Ids are the platform's first: a buyer who pays under one cannot take it from the platform."""

from __future__ import annotations

import paying
import pytest
import world
from paying import a_checkout, pay
from recording import (
    ALREADY_CONFIRMED,
    ALREADY_EXIST,
    NOT_EXIST,
    a_settlement,
    internal_id,
    settle,
)
from world import ZERO, a_payment, assert_reverts


@pytest.fixture
def checkout(treasury, brla, people):
    """A crypto payment of one unit, under an id that the platform is going to use."""
    paying.deploy_permit2(people.stranger)
    paying.let_pay(brla, people.buyer, 10**40)
    paid = a_checkout(treasury, brla, people.buyer, amount=1)
    pay(treasury, paid, people.stranger)
    return paid


def test_create_payment_succeeds_when_a_crypto_payment_has_the_id(treasury, brla, people, checkout):
    payment = a_payment(brla)
    assert payment.payment_id == checkout.payment_id
    world.create(treasury, people, payment)

    stored = treasury.getPaymentData(payment.payment_id)
    assert (stored.amount, stored.isCryptoPayment) == (payment.amount, False)
    assert not stored.isConfirmed
    world.fund(treasury, brla, people, payment.amount)
    treasury.confirmPayment(payment.payment_id, ZERO, sender=people.platform_admin)
    assert treasury.getRaisedAmount() == payment.amount + 1


def test_settle_batch_succeeds_when_a_crypto_payment_has_the_id(treasury, brla, people, checkout):
    settlement = a_settlement()
    settle(treasury, brla, people, settlement)
    stored = treasury.getPaymentData(checkout.payment_id)
    assert (stored.amount, stored.isCryptoPayment) == (settlement.amount, False)
    assert treasury.getRaisedAmount() == settlement.amount + 1


@pytest.mark.parametrize("by", ["create", "settle"])
def test_crypto_payment_is_refunded_by_its_key_when_the_platform_uses_its_id(
    treasury, campaign, brla, people, checkout, by
):
    if by == "create":
        world.create(treasury, people, a_payment(brla))
    else:
        settle(treasury, brla, people, a_settlement())
    before = treasury.getPaymentData(checkout.payment_id)
    balance = brla.balanceOf(people.buyer)
    key = internal_id(checkout.payment_id, checkout.buyer)
    stored = treasury.getPaymentData(key)
    assert (stored.amount, stored.isCryptoPayment, stored.isConfirmed) == (1, True, True)
    assert stored.buyerAddress == people.buyer

    campaign.approve(treasury, 1, sender=people.buyer)
    treasury.claimRefund(key, sender=people.stranger)
    assert brla.balanceOf(people.buyer) - balance == 1
    assert treasury.getPaymentData(checkout.payment_id) == before
    assert_reverts(treasury.getPaymentData, [key], people.stranger, NOT_EXIST, key)


def test_crypto_payment_is_found_by_its_id_again_when_the_platforms_is_cancelled(
    treasury, brla, people, checkout
):
    world.create(treasury, people, a_payment(brla))
    treasury.cancelPayment(checkout.payment_id, sender=people.platform_admin)
    stored = treasury.getPaymentData(checkout.payment_id)
    assert (stored.amount, stored.isCryptoPayment) == (1, True)


@pytest.mark.parametrize("kind", ["expected", "confirmed", "settled"])
def test_process_crypto_payment_reverts_when_the_platform_uses_the_id(
    treasury, brla, people, checkout, kind
):
    used = a_payment(brla, 2)
    if kind == "settled":
        settle(treasury, brla, people, a_settlement(2))
    elif kind == "expected":
        world.create(treasury, people, used)
    else:
        world.confirmed(treasury, brla, people, used)
    late = checkout.but(payment_id=used.payment_id)
    arguments, anyone = late.arguments, people.stranger
    error, key = ALREADY_EXIST, internal_id(used.payment_id)
    assert_reverts(treasury.processCryptoPayment, arguments, anyone, error, key)


@pytest.mark.parametrize("kind", ["expected", "settled"])
def test_process_crypto_payment_reverts_when_its_key_is_an_id_of_the_platforms(
    treasury, brla, people, checkout, kind
):
    """A platform may derive ids from an order and a wallet: nobody overwrites its payment."""
    order = a_payment(brla, 2).payment_id
    used = internal_id(order, people.buyer.address)
    if kind == "expected":
        world.create(treasury, people, a_payment(brla, 3, payment_id=used))
    else:
        settle(treasury, brla, people, a_settlement(3, payment_id=used))
    before = treasury.getPaymentData(used)
    late = checkout.but(payment_id=order)
    arguments, anyone = late.arguments, people.stranger
    error, key = ALREADY_EXIST, internal_id(used)
    assert_reverts(treasury.processCryptoPayment, arguments, anyone, error, key)
    assert treasury.getPaymentData(used) == before


def test_platform_cannot_use_the_key_of_a_crypto_payment(treasury, brla, people, checkout):
    key = internal_id(checkout.payment_id, checkout.buyer)
    admin = people.platform_admin
    payment = a_payment(brla, payment_id=key)
    error, used = ALREADY_EXIST, internal_id(key)
    assert_reverts(treasury.createPayment, payment.arguments, admin, error, used)


@pytest.mark.parametrize("by", ["id", "key"])
def test_crypto_payment_is_not_the_platforms_to_confirm_or_cancel(treasury, people, checkout, by):
    admin, payment_id = people.platform_admin, checkout.payment_id
    error = NOT_EXIST
    if by == "key":
        payment_id, error = internal_id(payment_id, checkout.buyer), ALREADY_CONFIRMED
    assert_reverts(treasury.confirmPayment, [payment_id, ZERO], admin, error, payment_id)
    batched = treasury.confirmPaymentBatch
    assert_reverts(batched, [[payment_id], [ZERO]], admin, error, payment_id)
    assert_reverts(treasury.cancelPayment, [payment_id], admin, error, payment_id)


@pytest.mark.parametrize("by", ["id", "key"])
def test_crypto_payment_is_not_the_platforms_to_refund(treasury, people, checkout, by):
    admin, payment_id = people.platform_admin, checkout.payment_id
    error, unnamed = NOT_EXIST, NOT_EXIST
    if by == "key":
        payment_id = internal_id(payment_id, checkout.buyer)
        error, unnamed = "PaymentTreasuryCryptoPayment(bytes32)", "BuyerNotNamed(bytes32)"
    arguments = [payment_id, people.payee.address]
    assert_reverts(treasury.claimRefund, arguments, admin, error, payment_id)
    arguments = [payment_id, (bytes(32), checkout.item_id, checkout.buyer)]
    assert_reverts(treasury.refundBuyer, arguments, admin, unnamed, payment_id)


@pytest.mark.parametrize("by", ["id", "key"])
def test_mint_receipt_reverts_when_the_payment_was_made_on_chain(treasury, people, checkout, by):
    payment_id, error = checkout.payment_id, NOT_EXIST
    if by == "key":
        payment_id = internal_id(payment_id, checkout.buyer)
        error = "BuyerNotNamed(bytes32)"
    arguments = [payment_id, (bytes(32), checkout.item_id, checkout.buyer)]
    assert_reverts(treasury.mintReceipt, arguments, people.buyer, error, payment_id)
