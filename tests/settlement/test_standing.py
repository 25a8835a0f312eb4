import math
from typing import get_args

import pytest

from indexer.chain.types import BlockHash, BlockNumber, BlockStamp, Wei
from indexer.queries import Marks, PaymentFact
from settlement.lifecycle import EXPIRED, FEE, FUNDING, TREASURY
from settlement.reporting.standing import awaited, owner_of, reason_class, runway_hours
from settlement.types import ActionState, RequestState, SlotState
from tests.settlement.builders import HASH, NOW, due, payment_fact
from tests.settlement.stored import CHAIN, NETWORK

ENDED = {"settled", "refunded", "void", "superseded", "done"}
STATES: tuple[RequestState | ActionState, ...] = (*get_args(RequestState), *get_args(ActionState))
MARKS = Marks(
    chain_id=CHAIN,
    network=NETWORK.name,
    first_block=BlockNumber(1),
    head_number=BlockNumber(12),
    indexed=None,
    finalized=BlockStamp(BlockNumber(9), BlockHash(HASH), NOW),
    degraded_reason=None,
)
CREATED = payment_fact(due())
CONFIRMED = payment_fact(due(), state="confirmed", confirmed_block=BlockNumber(10))
FINAL = payment_fact(due(), state="confirmed", confirmed_block=BlockNumber(8), is_final=True)
PROVEN = payment_fact(
    due(), state="confirmed", confirmed_block=BlockNumber(8), is_final=True, is_proven=True
)


@pytest.mark.parametrize(
    ("reason", "found", "owner"),
    [
        (f"{FUNDING}5 base units are missing", "funding", "treasury desk"),
        (f"{TREASURY}paused", "treasury", "campaign desk"),
        (f"{EXPIRED}too late", "expired", "settlement process"),
        (f"{FEE}9 wei are above", "fee", "treasury desk"),
        ("gas: the wallet has 0 wei", "gas", "settlement process"),
        ("another sender took the name", "other", "settlement on-call"),
        ("funding is missing", "other", "settlement on-call"),
        (None, "other", "settlement on-call"),
    ],
)
def test_reason_names_what_blocks_and_who_must_act(
    reason: str | None, found: str, owner: str
) -> None:
    assert reason_class(reason) == found
    assert owner_of("blocked", reason) == owner
    assert owner_of("quarantined", reason) == "settlement on-call"


@pytest.mark.parametrize("state", STATES)
def test_everything_has_an_owner_until_its_end(state: RequestState | ActionState) -> None:
    assert (owner_of(state, "odd") is None) == (state in ENDED)


@pytest.mark.parametrize(
    ("state", "fact", "slot", "words"),
    [
        ("ready", None, None, "a transaction that settles it"),
        ("ready", CREATED, "mined_ok", "a transaction that confirms it"),
        ("batched", None, None, "the signature of its transaction"),
        ("batched", None, "reserved", "the signature of its transaction"),
        ("batched", None, "signed", "a block that mines its transaction"),
        ("batched", None, "mined_ok", "the index: it has not shown"),
        ("batched", None, "mined_failed", "finality of its failed transaction"),
        ("batched", None, "foreign", "finality of its failed transaction"),
        ("included", None, "mined_ok", "the index shows it confirmed no more"),
        ("included", CONFIRMED, "mined_ok", "finality of block 10; the finalized block is 9"),
        ("included", FINAL, "mined_ok", "proof of block 8 by its receipts"),
        ("included", PROVEN, "mined_ok", "the next turn"),
        ("blocked", None, None, "the settlement on-call: odd"),
        ("quarantined", None, None, "the settlement on-call: odd"),
        ("settled", PROVEN, "mined_ok", None),
        ("refunded", None, None, None),
        ("void", None, None, None),
        ("superseded", None, None, None),
    ],
)
def test_awaited_says_what_is_missing(
    state: RequestState, fact: PaymentFact | None, slot: SlotState | None, words: str | None
) -> None:
    found = awaited(state, "odd", fact=fact, slot=slot, marks=MARKS)
    if words is None:
        assert found is None
    else:
        assert found is not None
        assert words in found


def test_awaited_finality_says_so_when_nothing_is_final() -> None:
    found = awaited("included", None, fact=CONFIRMED, slot="mined_ok", marks=None)
    assert found == "finality of block 10; the finalized block is none"


@pytest.mark.parametrize(
    ("balance", "spent", "hours"),
    [(0, 0, 0), (0, 5, 0), (5, 0, math.inf), (10, 5, 48), (5, 10, 12)],
)
def test_runway_is_the_balance_at_todays_pace(balance: int, spent: int, hours: float) -> None:
    assert runway_hours(Wei(balance), Wei(spent)) == hours
