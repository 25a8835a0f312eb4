"""A treasury that takes an odd token and an honest one, and every call that may be tried on it."""

from __future__ import annotations

import treasuries
import world
from eth_abi import decode
from treasuries import line_item
from world import REAL, ZERO, a_payment

REENTRANT = world.error_bytes("ReentrancyGuardReentrantCall()")


def lay_odd(protocol, people) -> treasuries.Ground:
    """A treasury that takes an odd token and an honest one."""
    treasuries.set_item_types(protocol, people)
    tokens = (treasuries.odd_token(people), treasuries.token_of(18, people))
    return treasuries.lay(protocol, people, tokens=tokens)


def begin_life(odd, people) -> list[world.Payment]:
    """Payments 1 (plain), 2 (receipt 1) and 3 (a tip) confirmed, 4 expected, and a surplus."""
    token, _ = odd.tokens
    batch = [
        a_payment(token, 1),
        a_payment(token, 2),
        a_payment(token, 3, line_items=(line_item("tip", 10 * REAL),)),
        a_payment(token, 4, line_items=(line_item("service", 10 * REAL),)),
    ]
    admin = people.platform_admin
    world.send(odd.treasury.createPaymentBatch, *world.columns(batch), sender=admin)
    token.mint(odd.treasury, 1_000 * REAL, sender=people.stranger)
    ids = [payment.payment_id for payment in batch]
    odd.treasury.confirmPaymentBatch(ids[:3], [ZERO, people.buyer, ZERO], sender=admin)
    odd.campaign.approve(odd.treasury, 1, sender=people.buyer)
    return batch


def entry_points(treasury, life, people, token) -> dict[str, bytes]:
    """A call of every function that changes something, by its name and place in the ABI."""
    one, two, _, four = (payment.payment_id for payment in life)
    witness = (*treasuries.settlement(1)[1:3], ZERO)
    arguments = {
        "createPayment": [a_payment(token, 9).arguments],
        "createPaymentBatch": [world.columns([a_payment(token, 9)])],
        "settleBatch": [[token, [treasuries.settlement(9)]]],
        "processCryptoPayment": [
            [*treasuries.settlement(9)[:1] * 2, people.buyer, token, 1, [], [], (0, 0, b"x")]
        ],
        "cancelPayment": [[four]],
        "confirmPayment": [[four, ZERO]],
        "confirmPaymentBatch": [[[four], [ZERO]]],
        "claimRefund": [[one, people.payee], [two]],
        "refundMissedGoal": [[[one], [witness]]],
        "mintReceipt": [[one, witness]],
        "refundBuyer": [[one, witness]],
        "withdraw": [[]],
        "disburseFees": [[]],
        "claimNonGoalLineItems": [[token]],
        "claimExpiredFunds": [[]],
        "sweepSurplus": [[token]],
    }
    return {
        f"{name}({len(given)})": world.calldata(getattr(treasury, name), *given)
        for name, calls in arguments.items()
        for given in calls
    }


def answers(prober) -> list[tuple[bool, str]]:
    found = (decode(["bool", "bytes"], bytes(answer)) for answer in prober.answers())
    return [(succeeded, "0x" + data.hex()) for succeeded, data in found]
