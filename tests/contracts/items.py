"""Builders for payments with line items of every class."""

from __future__ import annotations

import world
from eth_abi import encode
from eth_utils import keccak
from world import PLATFORM, a_payment, assert_log

GOAL, REFUNDABLE, CLAIMABLE, INSTANT = (
    keccak(text=name) for name in ("goal", "refundable", "claimable", "instant")
)
FLAGS = {  # counts toward the goal, can be refunded, is transferred at once
    GOAL: (True, True, False),
    REFUNDABLE: (False, True, False),
    CLAIMABLE: (False, False, False),
    INSTANT: (False, False, True),
}
SUMS = ("goal", "refundable", "claimable", "instant", "fee")
# With a payment of 1,000; fees of 1 % on all but the first are 2, 3 and 4, rounded down.
EVERY_CLASS = ((GOAL, 199), (REFUNDABLE, 299), (CLAIMABLE, 399), (INSTANT, 499))
EVERY_SUM = {"goal": 199, "refundable": 297, "claimable": 396, "instant": 495, "fee": 9}
TOTAL = 1_000 + 199 + 299 + 399 + 499


def set_type(params, people, kind: bytes, flags: tuple, *, fee: bool) -> None:
    goal, refundable, instant = flags
    arguments = [PLATFORM, kind, "label", goal, fee, refundable, instant]
    world.transact(params.setPlatformLineItemType, *arguments, sender=people.platform_admin)


def set_types(params, people) -> None:
    """One type of each class, with the protocol's fee but for goal items, which have none."""
    for kind, flags in FLAGS.items():
        set_type(params, people, kind, flags, fee=kind != GOAL)


def every_class(token, number: int = 1, **changes: object):
    payment = a_payment(token, number, amount=1_000, line_items=EVERY_CLASS)
    return payment.but(**changes)


def send_create(treasury, people, payment):
    return world.transact(treasury.createPayment, *payment.arguments, sender=people.platform_admin)


def items_hash(items) -> bytes:
    return keccak(encode(["(bytes32,uint256)[]"], [list(items)]))


def assert_extras(log, payment, **sums: int) -> None:
    assert_log(
        log,
        "PaymentExtrasRecorded(bytes32,bytes32,bytes32,uint256,uint256,uint256,uint256,uint256)",
        indexed=[payment.payment_id],
        types=["bytes32", "bytes32", *["uint256"] * 5],
        values=[
            items_hash(payment.line_items),
            items_hash(payment.external_fees),
            *(sums.get(name, 0) for name in SUMS),
        ],
    )
