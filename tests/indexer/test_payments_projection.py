from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from indexer.projections.payments import present_life

AT = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Fact:
    """The columns of every payment fact; each fold reads its own."""

    block_number: int
    log_index: int = 0
    ordinal: int = 0
    outcome: str = ""
    amount: int = 1
    block_hash: bytes = b"h" * 32
    tx_hash: bytes = b"t" * 32
    buyer_id: bytes = b"b" * 32
    item_id: bytes = b"i" * 32
    token: bytes = b"k" * 20
    expiration: int = 0
    timestamp: datetime = AT
    proven: bool = True


def fold(created: list[Fact], confirmed: list[Fact], ended: list[Fact]) -> dict[str, Any] | None:
    return present_life(created, confirmed, ended)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("created", "confirmed", "ended", "expected"),
    [
        ([], [], [], None),
        ([], [Fact(1)], [Fact(2, outcome="refunded")], None),
        ([Fact(1)], [], [], (1, "created", None)),
        ([Fact(1)], [Fact(2)], [], (1, "confirmed", 2)),
        ([Fact(1, log_index=4)], [Fact(1, log_index=4)], [], (1, "confirmed", 1)),
        ([Fact(1)], [], [Fact(2, outcome="cancelled")], (1, "cancelled", None)),
        ([Fact(1)], [Fact(2)], [Fact(3, outcome="refunded")], (1, "refunded", 2)),
        ([Fact(1), Fact(4)], [Fact(2)], [Fact(3, outcome="refunded")], (2, "created", None)),
        (
            [Fact(4), Fact(1)],
            [Fact(5), Fact(2)],
            [Fact(3, outcome="refunded")],
            (2, "confirmed", 5),
        ),
    ],
)
def test_present_life_is_the_last_one(
    created: list[Fact],
    confirmed: list[Fact],
    ended: list[Fact],
    expected: tuple[int, str, int | None] | None,
) -> None:
    life = fold(created, confirmed, ended)
    found = None if life is None else (life["life"], life["state"], life["confirmed_block"])
    assert found == expected


def test_order_within_a_block_is_that_of_its_logs() -> None:
    life = fold(
        [Fact(1, log_index=9, amount=2), Fact(1, log_index=10, amount=3)],
        [],
        [Fact(1, log_index=2, outcome="cancelled")],
    )
    assert life is not None
    assert (life["life"], life["state"], life["amount"]) == (2, "created", 3)
