from __future__ import annotations

import ape
import pytest
import world
from recording import (
    ALREADY_CONFIRMED,
    ALREADY_EXPIRED,
    INSUFFICIENT_BALANCE,
    MAX_BATCH_SIZE,
    NOT_EXIST,
    TOO_LONG,
    assert_ids_logged,
    assert_minted,
    assert_only_the_platform,
    confirm_batch,
    create_batch,
    ids,
    token_of,
    treasury_of_tokens,
)
from world import REAL, ZERO, a_payment, assert_reverts

EVERY_POSITION = pytest.mark.parametrize("position", [0, 1, 2])


@pytest.fixture
def batch(treasury, brla, people):
    """Three created payments and the tokens for them."""
    created = world.payments(brla, 3)
    create_batch(treasury, people, created)
    world.fund(treasury, brla, people, sum(payment.amount for payment in created))
    return created


def whoever(people, named, count: int) -> list[str]:
    return [people.buyer.address if named else ZERO] * count


def test_confirm_payment_batch_equals_singles(protocol, treasury, batch, brla, people):
    receipt = confirm_batch(treasury, people, batch)

    (log,) = receipt.logs  # and no PaymentConfirmed
    assert_ids_logged(log, "PaymentBatchConfirmed", batch)
    other = world.create_treasury(protocol, people, world.create_campaign(protocol, people))
    for payment in batch:
        world.confirmed(other, brla, people, payment)
    for view in ("Raised", "AvailableRaised", "LifetimeRaised", "Refunded", "Expected"):
        method = f"get{view}Amount"
        assert getattr(treasury, method)() == getattr(other, method)()
    for payment_id in ids(batch):
        assert treasury.getPaymentData(payment_id) == other.getPaymentData(payment_id)


def test_confirm_payment_batch_mints_in_order_for_those_with_a_buyer(
    treasury, campaign, batch, people
):
    buyers = [people.buyer.address, ZERO, people.stranger.address]
    *minted, confirmed = confirm_batch(treasury, people, batch, buyers).logs

    first, _, last = ids(batch)
    assert_minted(minted, treasury, (1, buyers[0], first), (2, buyers[2], last))
    assert_ids_logged(confirmed, "PaymentBatchConfirmed", batch)
    assert (campaign.ownerOf(1), campaign.ownerOf(2)) == (people.buyer, people.stranger)
    for payment_id, buyer in zip(ids(batch), buyers, strict=True):
        stored = treasury.getPaymentData(payment_id)
        assert (stored.isConfirmed, stored.buyerAddress) == (True, buyer)


def test_confirm_payment_batch_mints_every_receipt_of_one_buyer(treasury, campaign, batch, people):
    buyers = whoever(people, True, 3)
    receipt = confirm_batch(treasury, people, batch, buyers)

    minted = [(index + 1, buyers[0], payment_id) for index, payment_id in enumerate(ids(batch))]
    assert_minted(receipt.logs[:-1], treasury, *minted)
    assert campaign.balanceOf(people.buyer) == 3


def test_confirm_payment_batch_reverts_when_the_sum_is_not_there(treasury, brla, people):
    batch = world.payments(brla, 3)
    create_batch(treasury, people, batch)
    total = sum(payment.amount for payment in batch)
    world.fund(treasury, brla, people, total - 1)
    arguments, admin = [ids(batch), [ZERO] * 3], people.platform_admin
    error = INSUFFICIENT_BALANCE
    assert_reverts(treasury.confirmPaymentBatch, arguments, admin, error, total, total - 1)


def test_confirm_payment_batch_names_what_is_owed_and_the_batchs_sum_when_short(
    treasury, brla, people
):
    before = world.confirmed(treasury, brla, people, a_payment(brla, 9))
    batch = world.payments(brla, 2)
    create_batch(treasury, people, batch)
    required = before.amount + sum(payment.amount for payment in batch)
    assert_reverts(
        treasury.confirmPaymentBatch,
        [ids(batch), [ZERO] * 2],
        people.platform_admin,
        INSUFFICIENT_BALANCE,
        required,
        before.amount,
    )


@pytest.fixture
def mixed(protocol, brla, people):
    """A treasury with expected payments in tokens of 18, 6, 18 and 20 decimals, in that order."""
    six, twenty = token_of(people, 6), token_of(people, 20)
    treasury = treasury_of_tokens(protocol, people, six, twenty)
    batch = [
        a_payment(brla, 1, amount=3 * REAL),
        a_payment(six, 2, amount=5 * 10**6),
        a_payment(brla, 3, amount=7 * REAL),
        a_payment(twenty, 4, amount=11 * 10**20 + 99),
    ]
    create_batch(treasury, people, batch)
    return treasury, batch, {brla: 10 * REAL, six: 5 * 10**6, twenty: 11 * 10**20 + 99}


@pytest.mark.parametrize("named", [False, True])
def test_confirm_payment_batch_commits_every_run_when_tokens_are_mixed(mixed, people, named):
    treasury, batch, sums = mixed
    for token, amount in sums.items():
        world.fund(treasury, token, people, amount)
    confirm_batch(treasury, people, batch, whoever(people, named, 4))

    assert treasury.getRaisedAmount() == 26 * REAL  # 20 decimals are rounded down
    assert treasury.getExpectedAmount() == 0
    for payment in batch:
        stored = treasury.getPaymentData(payment.payment_id)
        assert (stored.paymentToken, stored.amount) == (payment.token, payment.amount)
        assert stored.isConfirmed


def test_confirm_payment_batch_names_the_run_that_is_short_when_tokens_are_mixed(mixed, people):
    """Each run is checked by itself, in the batch's order, with all runs before it committed."""
    treasury, batch, sums = mixed
    brla, six, twenty = sums
    steps = [
        (brla, 3 * REAL - 1, 3 * REAL),
        (brla, 1, None),
        (six, 5 * 10**6 - 1, 5 * 10**6),
        (six, 1, None),
        (brla, 7 * REAL - 1, 10 * REAL),
        (brla, 1, None),
        (twenty, 11 * 10**20, 11 * 10**20 + 99),
        (twenty, 99, None),
    ]
    for token, paid, required in steps:
        world.fund(treasury, token, people, paid)
        if required is not None:
            assert_reverts(
                treasury.confirmPaymentBatch,
                [ids(batch), [ZERO] * 4],
                people.platform_admin,
                INSUFFICIENT_BALANCE,
                required,
                token.balanceOf(treasury),
            )
    confirm_batch(treasury, people, batch)


@EVERY_POSITION
@pytest.mark.parametrize("named", [False, True])
def test_confirm_payment_batch_reverts_when_one_payment_does_not_exist(
    treasury, brla, batch, people, position, named
):
    treasury.cancelPayment(batch[position].payment_id, sender=people.platform_admin)
    chosen = ids(batch)
    for unknown in (chosen[position], a_payment(brla, 99).payment_id, bytes(32)):
        chosen[position] = unknown
        arguments = [chosen, whoever(people, named, 3)]
        admin = people.platform_admin
        assert_reverts(treasury.confirmPaymentBatch, arguments, admin, NOT_EXIST, unknown)


@EVERY_POSITION
@pytest.mark.parametrize("before", [False, True])
@pytest.mark.parametrize("named", [False, True])
def test_confirm_payment_batch_reverts_when_one_payment_is_confirmed_already(
    treasury, batch, people, position, before, named
):
    admin, chosen = people.platform_admin, batch[position].payment_id
    treasury.confirmPayment(chosen, whoever(people, before, 1)[0], sender=admin)
    arguments = [ids(batch), whoever(people, named, 3)]
    assert_reverts(treasury.confirmPaymentBatch, arguments, admin, ALREADY_CONFIRMED, chosen)


@EVERY_POSITION
def test_confirm_payment_batch_reverts_when_one_payment_expired(
    treasury, brla, batch, people, now, position
):
    early = a_payment(brla, 50, expiration=now + 600)
    world.create(treasury, people, early)
    ape.chain.mine(timestamp=now + 600)
    chosen = ids(batch)
    chosen[position] = early.payment_id
    arguments, admin = [chosen, [ZERO] * 3], people.platform_admin
    expired = early.payment_id
    assert_reverts(treasury.confirmPaymentBatch, arguments, admin, ALREADY_EXPIRED, expired)


@pytest.mark.parametrize("named", [(False, False), (True, True), (True, False), (False, True)])
def test_confirm_payment_batch_reverts_when_an_id_is_there_twice(treasury, batch, people, named):
    for first, second in ((0, 1), (0, 2), (1, 2)):
        chosen, buyers = ids(batch), [ZERO] * 3
        chosen[second] = chosen[first]
        for position, is_named in zip((first, second), named, strict=True):
            buyers[position] = people.buyer.address if is_named else ZERO
        arguments, admin, twice = [chosen, buyers], people.platform_admin, chosen[first]
        assert_reverts(treasury.confirmPaymentBatch, arguments, admin, ALREADY_CONFIRMED, twice)


def test_confirm_payment_batch_reverts_when_lengths_differ(treasury, batch, people):
    error, admin = "PaymentTreasuryInvalidInput(uint8)", people.platform_admin
    for count, buyers in ((3, 2), (2, 3), (0, 1), (1, 0)):
        arguments = [ids(batch)[:count], [ZERO] * buyers]
        assert_reverts(treasury.confirmPaymentBatch, arguments, admin, error, 5)


def test_confirm_payment_batch_succeeds_when_empty(treasury, people):
    (log,) = confirm_batch(treasury, people, []).logs
    assert_ids_logged(log, "PaymentBatchConfirmed", [])


def test_confirm_payment_batch_takes_more_than_oaks_fifty_up_to_its_constant(
    treasury, brla, people
):
    batch = world.payments(brla, 60)
    create_batch(treasury, people, batch)
    world.fund(treasury, brla, people, 10_000 * REAL)
    confirm_batch(treasury, people, batch)
    assert treasury.getExpectedAmount() == 0

    for count, error in (
        (MAX_BATCH_SIZE, [NOT_EXIST, bytes(32)]),
        (MAX_BATCH_SIZE + 1, [TOO_LONG]),
    ):
        arguments = [[bytes(32)] * count, [ZERO] * count]
        assert_reverts(treasury.confirmPaymentBatch, arguments, people.platform_admin, *error)


def test_confirm_payment_batch_reverts_when_the_caller_is_not_the_platform(treasury, batch, people):
    arguments = [ids(batch), [ZERO] * 3]
    assert_only_the_platform(treasury.confirmPaymentBatch, arguments, people)


def test_confirm_payment_batch_reverts_when_one_buyer_cannot_take_receipts(treasury, batch, people):
    error, refuses = "ERC721InvalidReceiver(address)", treasury.address
    for position in range(3):
        buyers = whoever(people, True, 3)
        buyers[position] = refuses
        arguments, admin = [ids(batch), buyers], people.platform_admin
        assert_reverts(treasury.confirmPaymentBatch, arguments, admin, error, refuses)
