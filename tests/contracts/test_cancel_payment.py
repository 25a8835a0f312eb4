from __future__ import annotations

import ape
import pytest
import world
from recording import (
    ALREADY_CONFIRMED,
    MAX_AMOUNT,
    NOT_EXIST,
    a_settlement,
    assert_only_the_platform,
    payment_witness,
    settle,
    token_of,
    treasury_of_tokens,
)
from world import DAY, REAL, ZERO, a_payment, assert_log, assert_reverts


def test_cancel_payment_forgets_it_and_emits(treasury, brla, people):
    payment = a_payment(brla)
    world.create(treasury, people, payment, a_payment(brla, 2))
    receipt = treasury.cancelPayment(payment.payment_id, sender=people.platform_admin)

    (log,) = receipt.logs
    assert_log(log, "PaymentCancelled(bytes32)", indexed=[payment.payment_id])
    assert treasury.getExpectedAmount() == a_payment(brla, 2).amount
    arguments, anyone = [payment.payment_id], people.stranger
    assert_reverts(treasury.getPaymentData, arguments, anyone, NOT_EXIST, payment.payment_id)
    assert not treasury.isPaymentOf(payment.payment_id, payment_witness(payment))


def test_cancel_payment_takes_it_out_of_its_own_tokens_total(protocol, brla, people):
    six = token_of(people, 6)
    treasury = treasury_of_tokens(protocol, people, six)
    payment = a_payment(six, 2, amount=5 * 10**6)
    world.create(treasury, people, a_payment(brla, 1, amount=3 * REAL), payment)
    treasury.cancelPayment(payment.payment_id, sender=people.platform_admin)
    assert treasury.getExpectedAmount() == 3 * REAL


def test_cancelled_id_can_be_created_again_with_other_terms(treasury, brla, people):
    payment = a_payment(brla, amount=MAX_AMOUNT)
    world.create(treasury, people, payment)
    treasury.cancelPayment(payment.payment_id, sender=people.platform_admin)
    again = payment.but(amount=7, buyer_id=payment.item_id, item_id=payment.buyer_id)
    world.confirmed(treasury, brla, people, again)

    stored = treasury.getPaymentData(payment.payment_id)
    assert (stored.amount, stored.isConfirmed) == (7, True)
    assert treasury.isPaymentOf(payment.payment_id, payment_witness(again))
    assert not treasury.isPaymentOf(payment.payment_id, payment_witness(payment))


def test_cancelled_id_can_be_settled(treasury, brla, people):
    payment = a_payment(brla)
    world.create(treasury, people, payment)
    treasury.cancelPayment(payment.payment_id, sender=people.platform_admin)
    settle(treasury, brla, people, a_settlement(amount=7))
    stored = treasury.getPaymentData(payment.payment_id)
    assert (stored.amount, stored.isConfirmed) == (7, True)


def test_cancel_payment_succeeds_when_expired(treasury, brla, people, now):
    payment = a_payment(brla)
    world.create(treasury, people, payment)
    ape.chain.mine(timestamp=now + 2 * DAY)
    treasury.cancelPayment(payment.payment_id, sender=people.platform_admin)
    assert treasury.getExpectedAmount() == 0


def test_cancel_payment_leaves_tokens_that_came_for_it(treasury, brla, people):
    payment, other = a_payment(brla), a_payment(brla, 2)
    world.create(treasury, people, payment, other)
    world.fund(treasury, brla, people, payment.amount)
    admin = people.platform_admin
    treasury.cancelPayment(payment.payment_id, sender=admin)
    treasury.confirmPayment(other.payment_id, ZERO, sender=admin)
    assert treasury.getRaisedAmount() == other.amount == brla.balanceOf(treasury)


def test_cancel_payment_reverts_when_unknown_or_cancelled_already(treasury, brla, people):
    payment = a_payment(brla)
    arguments, admin = [payment.payment_id], people.platform_admin
    assert_reverts(treasury.cancelPayment, [bytes(32)], admin, NOT_EXIST, bytes(32))
    assert_reverts(treasury.cancelPayment, arguments, admin, NOT_EXIST, payment.payment_id)
    world.create(treasury, people, payment)
    treasury.cancelPayment(payment.payment_id, sender=admin)
    assert_reverts(treasury.cancelPayment, arguments, admin, NOT_EXIST, payment.payment_id)


@pytest.mark.parametrize("buyer", ["nobody", "buyer"])
def test_cancel_payment_reverts_when_confirmed(treasury, brla, people, buyer):
    whom = ZERO if buyer == "nobody" else people.buyer
    payment = world.confirmed(treasury, brla, people, a_payment(brla), whom)
    arguments, admin = [payment.payment_id], people.platform_admin
    assert_reverts(treasury.cancelPayment, arguments, admin, ALREADY_CONFIRMED, payment.payment_id)
    ape.chain.mine(timestamp=payment.expiration)
    assert_reverts(treasury.cancelPayment, arguments, admin, ALREADY_CONFIRMED, payment.payment_id)


def test_cancel_payment_reverts_when_the_caller_is_not_the_platform(treasury, brla, people):
    payment = a_payment(brla)
    world.create(treasury, people, payment)
    assert_only_the_platform(treasury.cancelPayment, [payment.payment_id], people)
