"""Line items, from the confirmation of their payment until they leave."""

from __future__ import annotations

import items
import pytest
import world
from items import FLAGS, GOAL, INSTANT, REFUNDABLE, TOTAL, every_class, send_create, set_type
from recording import (
    INSUFFICIENT_BALANCE,
    confirm_batch,
    create_batch,
    token_of,
    treasury_of_tokens,
)
from world import PLATFORM, ZERO, a_payment, assert_log, assert_reverts


@pytest.fixture(autouse=True)
def types(params, people):
    items.set_types(params, people)


@pytest.mark.parametrize("batched", [False, True])
def test_confirm_payment_reverts_when_the_tokens_of_its_items_are_not_there(
    treasury, brla, people, batched
):
    payment = every_class(brla)
    send_create(treasury, people, payment)
    world.fund(treasury, brla, people, TOTAL - 1)
    confirm = treasury.confirmPaymentBatch if batched else treasury.confirmPayment
    arguments = [[payment.payment_id], [ZERO]] if batched else [payment.payment_id, ZERO]
    error, admin = INSUFFICIENT_BALANCE, people.platform_admin
    assert_reverts(confirm, arguments, admin, error, TOTAL, TOTAL - 1)


@pytest.mark.parametrize("buyer", ["nobody", "buyer"])
def test_confirm_payment_sends_instant_items_and_keeps_the_rest(treasury, brla, people, buyer):
    payment, admin = every_class(brla), people.platform_admin
    send_create(treasury, people, payment)
    world.fund(treasury, brla, people, TOTAL)
    before = brla.balanceOf(admin)
    whom = ZERO if buyer == "nobody" else people.buyer.address
    receipt = treasury.confirmPayment(payment.payment_id, whom, sender=admin)

    (sent,) = world.logs(receipt, brla)
    transfer = "Transfer(address,address,uint256)"
    assert_log(sent, transfer, [treasury.address, admin.address], ["uint256"], [495])
    assert brla.balanceOf(admin) - before == 495
    assert brla.balanceOf(treasury) == TOTAL - 495
    assert treasury.getRaisedAmount() == treasury.getAvailableRaisedAmount() == 1_199
    assert treasury.getExpectedAmount() == 0


def test_confirmed_items_leave_to_those_they_belong_to(treasury, brla, people):
    """Every base unit that came for the payment leaves, and no other's."""
    payment, admin = every_class(brla), people.platform_admin
    send_create(treasury, people, payment)
    world.fund(treasury, brla, people, TOTAL)
    treasury.confirmPayment(payment.payment_id, ZERO, sender=admin)
    before = {who: brla.balanceOf(who) for who in (admin, people.protocol_admin)}
    treasury.claimNonGoalLineItems(brla, sender=admin)
    treasury.disburseFees(sender=people.stranger)
    treasury.claimRefund(payment.payment_id, people.payee, sender=admin)

    assert brla.balanceOf(admin) - before[admin] == 396
    assert brla.balanceOf(people.protocol_admin) - before[people.protocol_admin] == 9
    assert brla.balanceOf(people.payee) == 1_000 + 199 + 297
    assert brla.balanceOf(treasury) == 0


@pytest.mark.parametrize("change", ["replaced", "removed"])
def test_confirm_payment_goes_by_the_types_of_the_creation(treasury, params, brla, people, change):
    payment, admin = every_class(brla), people.platform_admin
    send_create(treasury, people, payment)
    for kind in FLAGS:
        if change == "removed":
            params.removePlatformLineItemType(PLATFORM, kind, sender=admin)
        else:
            set_type(params, people, kind, FLAGS[INSTANT], fee=True)
    params.updateProtocolFeePercent(5_000, sender=people.protocol_admin)
    world.fund(treasury, brla, people, TOTAL)
    treasury.confirmPayment(payment.payment_id, ZERO, sender=admin)
    assert brla.balanceOf(treasury) == TOTAL - 495
    assert treasury.getRaisedAmount() == 1_199


def test_confirm_payment_batch_sends_instant_items_once_per_run_of_a_token(protocol, brla, people):
    six = token_of(people, 6)
    treasury = treasury_of_tokens(protocol, people, six)
    kinds = [brla, brla, six, brla]
    batch = [every_class(token, number) for number, token in enumerate(kinds)]
    create_batch(treasury, people, batch)
    for token, count in ((brla, 3), (six, 1)):
        world.fund(treasury, token, people, count * TOTAL)
    receipt = confirm_batch(treasury, people, batch)

    sent = [(log["address"], int.from_bytes(log["data"], "big")) for log in receipt.logs[:-1]]
    assert sent == [(brla.address, 2 * 495), (six.address, 495), (brla.address, 495)]
    for token, count in ((brla, 3), (six, 1)):
        assert token.balanceOf(treasury) == count * (TOTAL - 495)


def test_confirm_payment_batch_names_the_instant_items_when_short(treasury, brla, people):
    batch = [every_class(brla, 1), a_payment(brla, 2, amount=10), every_class(brla, 3)]
    create_batch(treasury, people, batch)
    required = 2 * TOTAL + 10
    world.fund(treasury, brla, people, required - 1)
    arguments = [[payment.payment_id for payment in batch], [ZERO] * 3]
    error, admin = INSUFFICIENT_BALANCE, people.platform_admin
    assert_reverts(treasury.confirmPaymentBatch, arguments, admin, error, required, required - 1)


def test_cancel_payment_forgets_its_items(treasury, brla, people):
    payment, admin = every_class(brla), people.platform_admin
    send_create(treasury, people, payment)
    treasury.cancelPayment(payment.payment_id, sender=admin)
    assert treasury.getExpectedAmount() == 0
    world.confirmed(treasury, brla, people, payment.but(line_items=()))
    assert treasury.getRaisedAmount() == brla.balanceOf(treasury) == 1_000


def test_recreated_id_has_only_its_new_items_when_cancelled(treasury, brla, people):
    admin = people.platform_admin
    payment = a_payment(brla, amount=1_000, line_items=((GOAL, 100), (INSTANT, 100)))
    send_create(treasury, people, payment)
    treasury.cancelPayment(payment.payment_id, sender=admin)
    send_create(treasury, people, payment.but(line_items=((REFUNDABLE, 200),)))
    world.fund(treasury, brla, people, 1_199)
    arguments = [payment.payment_id, ZERO]
    error = INSUFFICIENT_BALANCE
    assert_reverts(treasury.confirmPayment, arguments, admin, error, 1_200, 1_199)


def test_refunded_id_has_no_items_of_before(treasury, brla, people):
    payment, admin = every_class(brla), people.platform_admin
    send_create(treasury, people, payment)
    world.fund(treasury, brla, people, TOTAL)
    treasury.confirmPayment(payment.payment_id, ZERO, sender=admin)
    treasury.claimRefund(payment.payment_id, people.payee, sender=admin)
    paid = brla.balanceOf(people.payee)
    world.confirmed(treasury, brla, people, payment.but(line_items=()))
    treasury.claimRefund(payment.payment_id, people.payee, sender=admin)
    assert brla.balanceOf(people.payee) - paid == 1_000
