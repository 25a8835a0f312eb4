"""An id that was cancelled or refunded can be used again, and is not confirmed by its old bit."""

from __future__ import annotations

import pytest
import world
from recording import ALREADY_CONFIRMED, NOT_EXIST, a_settlement, settle
from world import ZERO, a_payment, assert_reverts


def test_recreated_id_has_a_new_ordinal_and_is_not_confirmed_when_it_was_refunded(
    treasury, brla, people
):
    admin = people.platform_admin
    payment = world.confirmed(treasury, brla, people, a_payment(brla))
    treasury.claimRefund(payment.payment_id, people.payee, sender=admin)
    world.create(treasury, people, payment)

    assert not treasury.getPaymentData(payment.payment_id).isConfirmed
    assert treasury.getExpectedAmount() == payment.amount
    assert treasury.getRaisedAmount() == 0
    world.fund(treasury, brla, people, payment.amount)
    treasury.confirmPayment(payment.payment_id, ZERO, sender=admin)
    assert treasury.getPaymentData(payment.payment_id).isConfirmed


def test_recreated_id_has_a_new_ordinal_and_is_not_confirmed_when_it_was_cancelled(
    treasury, brla, people
):
    """Payments created since were confirmed, and the old ordinal's bit can be nobody's."""
    admin = people.platform_admin
    payment, other = a_payment(brla, 1), a_payment(brla, 2)
    world.create(treasury, people, payment)
    treasury.cancelPayment(payment.payment_id, sender=admin)
    world.confirmed(treasury, brla, people, other)
    world.create(treasury, people, payment)

    assert not treasury.getPaymentData(payment.payment_id).isConfirmed
    world.fund(treasury, brla, people, payment.amount)
    treasury.confirmPayment(payment.payment_id, ZERO, sender=admin)
    assert treasury.getPaymentData(payment.payment_id).isConfirmed
    assert treasury.getRaisedAmount() == payment.amount + other.amount


def test_recreated_id_is_not_confirmed_when_its_receipt_was_refunded(
    treasury, campaign, brla, people
):
    payment = world.confirmed(treasury, brla, people, a_payment(brla), people.buyer)
    campaign.approve(treasury, 1, sender=people.buyer)
    treasury.claimRefund(payment.payment_id, sender=people.stranger)
    world.create(treasury, people, payment)

    stored = treasury.getPaymentData(payment.payment_id)
    assert (stored.isConfirmed, stored.buyerAddress) == (False, ZERO)


@pytest.mark.parametrize("kind", ["settled", "confirmed"])
def test_refunded_id_can_be_settled(treasury, brla, people, kind):
    settlement, admin = a_settlement(), people.platform_admin
    if kind == "settled":
        settle(treasury, brla, people, settlement)
    else:
        world.confirmed(treasury, brla, people, a_payment(brla))
    treasury.claimRefund(settlement.payment_id, people.payee, sender=admin)
    settle(treasury, brla, people, settlement)

    assert treasury.getPaymentData(settlement.payment_id).isConfirmed
    assert treasury.getRaisedAmount() == settlement.amount
    arguments = [settlement.payment_id, ZERO]
    error = ALREADY_CONFIRMED
    assert_reverts(treasury.confirmPayment, arguments, admin, error, settlement.payment_id)


def test_refunded_settled_id_is_created_expected(treasury, brla, people):
    settlement, admin = a_settlement(), people.platform_admin
    settle(treasury, brla, people, settlement)
    treasury.claimRefund(settlement.payment_id, people.payee, sender=admin)
    arguments = [settlement.payment_id, ZERO]
    assert_reverts(treasury.confirmPayment, arguments, admin, NOT_EXIST, settlement.payment_id)
    payment = a_payment(brla)
    world.create(treasury, people, payment)
    stored = treasury.getPaymentData(payment.payment_id)
    assert (stored.isConfirmed, stored.expiration) == (False, payment.expiration)
