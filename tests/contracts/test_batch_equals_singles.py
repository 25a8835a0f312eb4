"""A batch leaves a treasury as the same calls one by one would."""

from __future__ import annotations

import building
import pytest
import treasuries
import world
from eth_utils import keccak
from treasuries import line_item
from world import DAY, REAL, ZERO

KINDS = [building.PAYMENT_TREASURY_ID, building.MIRROR_ID]
CENTAVO = 10_000  # base units of a token with 6 decimals


@pytest.fixture(scope="module")
def pairs(protocol, people):
    """Two treasuries of each kind that take the same two tokens.

    All at once: Ape's isolation ends with a fixture of a module that has parameters.
    """
    treasuries.set_item_types(protocol, people)
    tokens = (treasuries.token_of(18, people), treasuries.token_of(6, people))
    return {
        kind: [treasuries.lay(protocol, people, kind, tokens) for _ in range(2)] for kind in KINDS
    }


@pytest.fixture(params=KINDS)
def pair(request, pairs):
    return pairs[request.param]


@pytest.fixture
def batch(pair):
    """Payments in runs of tokens, some with line items and external fees."""
    real, cent = pair[0].tokens
    expiration = pair[0].launch + DAY
    fees = ((keccak(text="card"), 77),)
    extras = {
        1: {"line_items": (line_item("reward extra", 3 * REAL), line_item("service", 7))},
        2: {"external_fees": fees},
        4: {"line_items": (line_item("shipping", 5 * CENTAVO),), "external_fees": fees},
        6: {"line_items": (line_item("tip", 2 * REAL + 1),)},
    }
    payments = []
    for number, token in enumerate((real, real, cent, cent, cent, real, real, cent)):
        amount = (10 + number) * (REAL if token is real else 100 * CENTAVO)
        chosen = {"amount": amount, "expiration": expiration} | extras.get(number, {})
        payments.append(world.a_payment(token, number, **chosen))
    return payments


def fund(pair, people) -> None:
    for ground in pair:
        for token in ground.tokens:
            token.mint(ground.treasury, 1_000 * REAL, sender=people.stranger)


def state(ground, ids, people) -> dict:
    """All that can be read of a treasury."""
    treasury = ground.treasury
    holders = [each.address for each in vars(people).values()]
    return {
        "figures": treasuries.figures(treasury),
        "accounts": [treasuries.account_of(treasury, token) for token in ground.tokens],
        "balances": [token.balanceOf(treasury) for token in ground.tokens],
        "payments": [treasury.getPaymentData(payment_id) for payment_id in ids],
        "receipts": [ground.campaign.balanceOf(holder) for holder in holders],
    }


def assert_equal(pair, batch, people) -> None:
    ids = [payment.payment_id for payment in batch]
    assert state(pair[0], ids, people) == state(pair[1], ids, people)


def create(pair, batch, people, *, singly: bool) -> None:
    batched, other = (ground.treasury for ground in pair)
    world.send(batched.createPaymentBatch, *world.columns(batch), sender=people.platform_admin)
    if singly:
        for payment in batch:
            world.send(other.createPayment, *payment.arguments, sender=people.platform_admin)
    else:
        world.send(other.createPaymentBatch, *world.columns(batch), sender=people.platform_admin)


def test_create_payment_batch_equals_create_payment_one_by_one(pair, batch, people):
    create(pair, batch, people, singly=True)
    assert_equal(pair, batch, people)
    assert treasuries.figures(pair[0].treasury)["Expected"] != 0


def test_confirm_payment_batch_equals_confirm_payment_one_by_one(pair, batch, people):
    create(pair, batch, people, singly=False)
    fund(pair, people)
    buyers = [ZERO, people.buyer.address, ZERO, people.buyer.address, *[ZERO] * 3]
    buyers.append(people.stranger.address)
    ids = [payment.payment_id for payment in batch]
    batched, singles = (ground.treasury for ground in pair)
    batched.confirmPaymentBatch(ids, buyers, sender=people.platform_admin)
    for payment_id, buyer in zip(ids, buyers, strict=True):
        singles.confirmPayment(payment_id, buyer, sender=people.platform_admin)
    assert_equal(pair, batch, people)
    assert treasuries.figures(batched)["Expected"] == 0
    assert pair[0].campaign.balanceOf(people.buyer) == 2


def test_settle_batch_equals_create_and_confirm(pair, people):
    real, _ = pair[0].tokens
    plain = [
        world.a_payment(real, number, amount=(number + 1) * REAL, expiration=pair[0].launch + DAY)
        for number in range(5)
    ]
    settled, created = (ground.treasury for ground in pair)
    fund(pair, people)
    structs = [treasuries.settlement(number, (number + 1) * REAL) for number in range(5)]
    world.send(settled.settleBatch, real, structs, sender=people.platform_admin)
    world.create(created, people, *plain)
    ids = [payment.payment_id for payment in plain]
    created.confirmPaymentBatch(ids, [ZERO] * 5, sender=people.platform_admin)

    ours, theirs = (state(ground, ids, people) for ground in pair)
    # A settled payment never expires; all else is the same.
    for data, other in zip(ours.pop("payments"), theirs.pop("payments"), strict=True):
        assert data.expiration == 0
        assert other.expiration == pair[0].launch + DAY
        assert (data.amount, data.isConfirmed, data.buyerId, data.itemId) == (
            other.amount,
            other.isConfirmed,
            other.buyerId,
            other.itemId,
        )
    assert ours == theirs


def test_settle_batch_equals_settling_one_by_one(pair, people):
    real, _ = pair[0].tokens
    fund(pair, people)
    admin = people.platform_admin
    structs = [
        treasuries.settlement(number, (number + 1) * REAL, buyer)
        for number, buyer in enumerate([ZERO, people.buyer.address, ZERO, people.stranger.address])
    ]
    world.send(pair[0].treasury.settleBatch, real, structs, sender=admin)
    for struct in structs:
        world.send(pair[1].treasury.settleBatch, real, [struct], sender=admin)
    for each in structs:
        witness = each[1:4]
        assert pair[0].treasury.isPaymentOf(each[0], witness)
        assert pair[1].treasury.isPaymentOf(each[0], witness)
    ids = [each[0] for each in structs]
    assert state(pair[0], ids, people) == state(pair[1], ids, people)


def test_refunds_after_a_batch_equal_refunds_after_singles(pair, batch, people):
    create(pair, batch, people, singly=True)
    fund(pair, people)
    ids = [payment.payment_id for payment in batch]
    admin = people.platform_admin
    pair[0].treasury.confirmPaymentBatch(ids, [ZERO] * len(ids), sender=admin)
    for payment_id in reversed(ids):
        pair[1].treasury.confirmPayment(payment_id, ZERO, sender=admin)
    refunded, kept = batch[1:6:2], [*batch[:1], *batch[2:6:2], *batch[6:]]
    for ground in pair:
        for payment in refunded:
            ground.treasury.claimRefund(payment.payment_id, people.payee, sender=admin)
    assert_equal(pair, kept, people)
