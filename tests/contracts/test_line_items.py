"""Line items and external fees, as payments with them are created."""

from __future__ import annotations

import items
import pytest
import world
from eth_utils import keccak
from items import (
    CLAIMABLE,
    EVERY_SUM,
    FLAGS,
    GOAL,
    INSTANT,
    assert_extras,
    every_class,
    send_create,
    set_type,
)
from recording import OVERFLOW, TOO_LONG, assert_created, create_batch
from world import PLATFORM, ZERO, a_payment, assert_reverts

INVALID = "PaymentTreasuryInvalidInput(uint8)"
UNKNOWN = keccak(text="unknown")


@pytest.fixture(autouse=True)
def types(params, people):
    items.set_types(params, people)


def assert_not_created(treasury, people, payment, error: str, *values: object) -> None:
    arguments, admin = payment.arguments, people.platform_admin
    assert_reverts(treasury.createPayment, arguments, admin, error, *values)


def test_create_payment_logs_what_becomes_of_its_line_items(treasury, brla, people):
    payment = every_class(brla, external_fees=((keccak(text="gateway"), 7),))
    extras, created = send_create(treasury, people, payment).logs

    assert_extras(extras, payment, **EVERY_SUM)
    assert_created(created, payment)
    assert treasury.getExpectedAmount() == 1_199
    stored = treasury.getPaymentData(payment.payment_id)
    assert (stored.amount, stored.lineItemCount) == (1_000, 0)
    assert list(stored.lineItems) == list(stored.externalFees) == []


@pytest.mark.parametrize("name", ["refundable", "claimable", "instant"])
def test_create_payment_rounds_the_fee_of_each_item_down(treasury, brla, people, name):
    """Twice 199 units: 1 % is 1 of each, while of both together it were 3."""
    kind = keccak(text=name)
    payment = a_payment(brla, line_items=((kind, 199), (kind, 199)))
    extras, _ = send_create(treasury, people, payment).logs
    assert_extras(extras, payment, **{name: 396, "fee": 2})


@pytest.mark.parametrize("name", ["goal", "refundable", "claimable", "instant"])
def test_create_payment_takes_no_fee_of_items_whose_type_has_none(
    treasury, params, brla, people, name
):
    kind = keccak(text=name)
    set_type(params, people, kind, FLAGS[kind], fee=False)
    payment = a_payment(brla, line_items=((kind, 199), (kind, 2**96 - 200)))
    extras, _ = send_create(treasury, people, payment).logs
    assert_extras(extras, payment, **{name: 2**96 - 1})


def test_create_payment_logs_external_fees_and_keeps_nothing_of_them(treasury, brla, people):
    payment = a_payment(brla, external_fees=((keccak(text="gateway"), 2**256 - 1), (bytes(32), 0)))
    extras, created = send_create(treasury, people, payment).logs
    assert_extras(extras, payment)
    assert_created(created, payment)
    world.fund(treasury, brla, people, payment.amount)
    treasury.confirmPayment(payment.payment_id, ZERO, sender=people.platform_admin)
    assert treasury.getRaisedAmount() == payment.amount


def test_create_payment_batch_logs_extras_before_each_payment_that_has_any(treasury, brla, people):
    batch = [every_class(brla, 1), a_payment(brla, 2), every_class(brla, 3)]
    *logs, _ = create_batch(treasury, people, batch).logs
    first_extras, first, second, third_extras, third = logs
    for log, payment in ((first_extras, batch[0]), (third_extras, batch[2])):
        assert_extras(log, payment, **EVERY_SUM)
    for log, payment in zip((first, second, third), batch, strict=True):
        assert_created(log, payment)
    assert treasury.getExpectedAmount() == 2 * 1_199 + batch[1].amount


@pytest.mark.parametrize(
    "fault",
    [
        ((bytes(32), 1), INVALID, [0]),
        ((GOAL, 0), INVALID, [0]),
        ((UNKNOWN, 0), INVALID, [0]),
        ((UNKNOWN, 1), INVALID, [1]),
        ((GOAL, 2**96), OVERFLOW, [96, 2**96]),
    ],
)
def test_create_payment_reverts_when_a_line_item_is_wrong(treasury, brla, people, fault):
    item, error, values = fault
    for position in range(3):
        wrong = [(GOAL, 1), (CLAIMABLE, 1), (INSTANT, 1)]
        wrong[position] = item
        assert_not_created(treasury, people, a_payment(brla, line_items=wrong), error, *values)


def test_create_payment_batch_reverts_when_one_payments_item_is_of_no_type(treasury, brla, people):
    for position in range(3):
        batch = [every_class(brla, number) for number in (1, 2, 3)]
        batch[position] = batch[position].but(line_items=((UNKNOWN, 1),))
        arguments, admin = world.columns(batch), people.platform_admin
        assert_reverts(treasury.createPaymentBatch, arguments, admin, INVALID, 1)


def test_create_payment_reverts_when_the_type_was_removed(treasury, params, brla, people):
    params.removePlatformLineItemType(PLATFORM, GOAL, sender=people.platform_admin)
    assert_not_created(treasury, people, every_class(brla), INVALID, 1)


def test_create_payment_reverts_when_the_type_is_another_platforms(treasury, params, brla, people):
    other = keccak(text="another platform")
    params.enlistPlatform(other, people.payee, 0, ZERO, sender=people.protocol_admin)
    arguments = [other, UNKNOWN, "label", True, False, True, False]
    params.setPlatformLineItemType(*arguments, sender=people.payee)
    assert_not_created(treasury, people, a_payment(brla, line_items=((UNKNOWN, 1),)), INVALID, 1)


def test_create_payment_takes_fifty_items_and_fees_and_not_one_more(treasury, brla, people):
    fifty = a_payment(brla, line_items=((GOAL, 1),) * 50, external_fees=((UNKNOWN, 1),) * 50)
    more_items = fifty.but(line_items=((GOAL, 1),) * 51)
    more_fees = fifty.but(external_fees=((UNKNOWN, 1),) * 51)
    for payment in (more_items, more_fees):
        assert_not_created(treasury, people, payment, TOO_LONG)
        arguments = world.columns([a_payment(brla, 2), payment])
        admin = people.platform_admin
        assert_reverts(treasury.createPaymentBatch, arguments, admin, TOO_LONG)
    extras, _ = send_create(treasury, people, fifty).logs
    assert_extras(extras, fifty, goal=50)


@pytest.mark.parametrize("name", ["goal", "refundable", "claimable", "instant"])
def test_create_payment_reverts_when_items_of_a_class_overflow_their_sum(
    treasury, brla, people, name
):
    kind = keccak(text=name)
    payment = a_payment(brla, line_items=((kind, 2**96 - 1), (kind, 2**96 - 1)))
    assert_not_created(treasury, people, payment, *world.PANIC_OVERFLOW)
