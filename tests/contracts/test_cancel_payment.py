from __future__ import annotations

import ape
import pytest
import world
from world import DAY, ZERO, a_payment, assert_log, assert_reverts


def test_cancel_payment_forgets_it_and_emits(treasury, brla, people):
    payment = a_payment(brla)
    world.create(treasury, people, payment, a_payment(brla, 2))
    receipt = treasury.cancelPayment(payment.payment_id, sender=people.platform_admin)

    (log,) = receipt.logs
    assert_log(log, "PaymentCancelled(bytes32)", indexed=[payment.payment_id])
    assert treasury.getExpectedAmount() == payment.amount
    assert_reverts(
        treasury.getPaymentData,
        [payment.payment_id],
        people.stranger,
        "PaymentTreasuryPaymentNotExist(bytes32)",
        payment.payment_id,
    )


def test_cancelled_id_can_be_created_again_with_other_terms(treasury, brla, people):
    payment = a_payment(brla)
    world.create(treasury, people, payment)
    treasury.cancelPayment(payment.payment_id, sender=people.platform_admin)
    again = payment.but(amount=7, buyer_id=payment.item_id, item_id=payment.buyer_id)
    world.confirmed(treasury, brla, people, again)

    stored = treasury.getPaymentData(payment.payment_id)
    assert (stored.amount, stored.isConfirmed) == (7, True)
    assert bytes(stored.buyerId) == payment.item_id


def test_cancel_payment_succeeds_when_expired(treasury, brla, people, now):
    payment = a_payment(brla)
    world.create(treasury, people, payment)
    ape.chain.mine(timestamp=now + 2 * DAY)
    treasury.cancelPayment(payment.payment_id, sender=people.platform_admin)
    assert treasury.getExpectedAmount() == 0


def test_cancel_payment_reverts_when_unknown_or_cancelled_already(treasury, brla, people):
    payment = a_payment(brla)
    arguments, admin = [payment.payment_id], people.platform_admin
    error = "PaymentTreasuryPaymentNotExist(bytes32)"
    assert_reverts(treasury.cancelPayment, arguments, admin, error, payment.payment_id)
    world.create(treasury, people, payment)
    treasury.cancelPayment(payment.payment_id, sender=admin)
    assert_reverts(treasury.cancelPayment, arguments, admin, error, payment.payment_id)
    confirm = [payment.payment_id, ZERO]
    assert_reverts(treasury.confirmPayment, confirm, admin, error, payment.payment_id)


def test_cancel_payment_reverts_when_confirmed(treasury, brla, people):
    payment = world.confirmed(treasury, brla, people, a_payment(brla))
    assert_reverts(
        treasury.cancelPayment,
        [payment.payment_id],
        people.platform_admin,
        "PaymentTreasuryPaymentAlreadyConfirmed(bytes32)",
        payment.payment_id,
    )


@pytest.mark.parametrize("caller", ["stranger", "creator", "protocol_admin", "buyer"])
def test_cancel_payment_reverts_when_the_caller_is_not_the_platform(treasury, brla, people, caller):
    payment = a_payment(brla)
    world.create(treasury, people, payment)
    account = getattr(people, caller)
    error = "AccessCheckerUnauthorized()"
    assert_reverts(treasury.cancelPayment, [payment.payment_id], account, error)
