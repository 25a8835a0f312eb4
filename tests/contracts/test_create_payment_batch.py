from __future__ import annotations

import pytest
import world
from eth_utils import keccak
from recording import (
    ALREADY_EXIST,
    LENGTH_MISMATCH,
    MAX_AMOUNT,
    MAX_BATCH_SIZE,
    OVERFLOW,
    TOO_LONG,
    assert_created,
    assert_ids_logged,
    assert_only_the_platform,
    create_batch,
    internal_id,
    token_of,
    treasury_of_tokens,
)
from world import REAL, ZERO, a_payment, assert_reverts


def test_create_payment_batch_equals_singles(protocol, treasury, brla, people):
    batch = world.payments(brla, 5)
    receipt = create_batch(treasury, people, batch)

    *created, last = receipt.logs
    for log, payment in zip(created, batch, strict=True):
        assert_created(log, payment)
    assert_ids_logged(last, "PaymentBatchCreated", batch)

    other = world.create_treasury(protocol, people, world.create_campaign(protocol, people))
    world.create(other, people, *batch)
    assert treasury.getExpectedAmount() == other.getExpectedAmount()
    for payment in batch:
        data = treasury.getPaymentData(payment.payment_id)
        assert data == other.getPaymentData(payment.payment_id)


def test_create_payment_batch_of_one_is_a_batch(treasury, brla, people):
    batch = [a_payment(brla)]
    created, last = create_batch(treasury, people, batch).logs
    assert_created(created, batch[0])
    assert_ids_logged(last, "PaymentBatchCreated", batch)


def test_create_payment_batch_adds_up_in_18_decimals_when_tokens_are_mixed(protocol, brla, people):
    """Runs A, B, A, C: each token's total is written once a run, and none is lost."""
    six, twenty = token_of(people, 6), token_of(people, 20)
    treasury = treasury_of_tokens(protocol, people, six, twenty)
    batch = [
        a_payment(brla, 1, amount=3 * REAL),
        a_payment(six, 2, amount=5 * 10**6),
        a_payment(six, 3, amount=1),
        a_payment(brla, 4, amount=7 * REAL),
        a_payment(twenty, 5, amount=11 * 10**20 + 99),
    ]
    create_batch(treasury, people, batch)

    assert treasury.getExpectedAmount() == 26 * REAL + 10**12
    for payment in batch:
        stored = treasury.getPaymentData(payment.payment_id)
        assert (stored.paymentToken, stored.amount) == (payment.token, payment.amount)


@pytest.mark.parametrize("change", ["short", "long"])
def test_create_payment_batch_reverts_when_an_array_differs_in_length(
    treasury, brla, people, change
):
    for position in range(8):
        arrays = world.columns(world.payments(brla, 2))
        arrays[position] = arrays[position][:1] if change == "short" else arrays[position] * 2
        assert_reverts(treasury.createPaymentBatch, arrays, people.platform_admin, LENGTH_MISMATCH)


def test_create_payment_batch_reverts_when_empty(treasury, people):
    assert_reverts(treasury.createPaymentBatch, [[]] * 8, people.platform_admin, LENGTH_MISMATCH)


@pytest.mark.parametrize(
    "fault",
    [
        ({"payment_id": bytes(32)}, "PaymentTreasuryZeroPaymentId()", []),
        ({"buyer_id": bytes(32)}, "PaymentTreasuryZeroBuyerId()", []),
        ({"item_id": bytes(32)}, "PaymentTreasuryZeroItemId()", []),
        ({"token": ZERO}, "PaymentTreasuryZeroPaymentToken()", []),
        ({"amount": 0}, "PaymentTreasuryZeroAmount()", []),
        ({"expiration": 1}, "PaymentTreasuryExpirationNotInFuture()", []),
        ({"amount": MAX_AMOUNT + 1}, OVERFLOW, [96, MAX_AMOUNT + 1]),
        (
            {"line_items": ((keccak(text="unknown"), 1),)},
            "PaymentTreasuryInvalidInput(uint8)",
            [1],
        ),
    ],
)
def test_create_payment_batch_reverts_when_one_payment_is_wrong(treasury, brla, people, fault):
    change, error, values = fault
    for position in range(3):
        batch = world.payments(brla, 3)
        batch[position] = batch[position].but(**change)
        arguments, admin = world.columns(batch), people.platform_admin
        assert_reverts(treasury.createPaymentBatch, arguments, admin, error, *values)


def test_create_payment_batch_reverts_when_one_token_is_not_accepted(treasury, brla, people):
    foreign = world.new_token(people.stranger).address
    error = "PaymentTreasuryTokenNotAccepted(address)"
    for position in range(3):
        batch = world.payments(brla, 3)
        batch[position] = batch[position].but(token=foreign)
        arguments, admin = world.columns(batch), people.platform_admin
        assert_reverts(treasury.createPaymentBatch, arguments, admin, error, foreign)


@pytest.mark.parametrize("position", [0, 1, 2])
def test_create_payment_batch_creates_nothing_when_one_id_exists(treasury, brla, people, position):
    batch = world.payments(brla, 3)
    world.create(treasury, people, batch[position])
    used = internal_id(batch[position].payment_id)
    arguments = world.columns(batch)
    admin = people.platform_admin
    assert_reverts(treasury.createPaymentBatch, arguments, admin, ALREADY_EXIST, used)


def test_create_payment_batch_reverts_when_an_id_is_there_twice(treasury, brla, people):
    for first, second in ((0, 1), (0, 2), (1, 2)):
        batch = world.payments(brla, 3)
        twice = batch[first].payment_id
        batch[second] = batch[second].but(payment_id=twice)
        arguments, admin = world.columns(batch), people.platform_admin
        used = internal_id(twice)
        assert_reverts(treasury.createPaymentBatch, arguments, admin, ALREADY_EXIST, used)


def test_create_payment_batch_takes_more_than_oaks_fifty_up_to_its_constant(treasury, brla, people):
    assert treasury.MAX_BATCH_SIZE() == MAX_BATCH_SIZE
    create_batch(treasury, people, world.payments(brla, 60))
    too_many = [[bytes(32)] * (MAX_BATCH_SIZE + 1), *[[]] * 7]
    admin = people.platform_admin
    assert_reverts(treasury.createPaymentBatch, too_many, admin, TOO_LONG)
    # The next check is only reached when the number is right.
    as_many = [[bytes(32)] * MAX_BATCH_SIZE, *[[]] * 7]
    assert_reverts(treasury.createPaymentBatch, as_many, admin, LENGTH_MISMATCH)


def test_create_payment_batch_reverts_when_the_caller_is_not_the_platform(treasury, brla, people):
    arguments = world.columns([a_payment(brla)])
    assert_only_the_platform(treasury.createPaymentBatch, arguments, people)
