from dataclasses import replace

import pytest

from indexer.chain.types import BlockNumber
from indexer.spans import RangeState, Span, taken_in

D = b"d" * 32


def a_span(
    low: int,
    high: int,
    state: RangeState = "fetched",
    *,
    provider: str = "old",
    digest: bytes | None = None,
) -> Span:
    return Span(
        BlockNumber(low),
        BlockNumber(high),
        state,
        provider=provider,
        headers_linked=True,
        digest=digest,
    )


def cut(state: RangeState, *edges: tuple[int, int]) -> list[Span]:
    return [a_span(low, high, state) for low, high in edges]


NEW = a_span(3, 6, provider="new", digest=D)
PROOF = a_span(3, 6, "proven", provider="new")


@pytest.mark.parametrize(
    ("before", "new", "after"),
    [
        pytest.param([], NEW, [NEW], id="hole"),
        pytest.param(cut("proven", (3, 6)), NEW, cut("proven", (3, 6)), id="proof"),
        pytest.param(
            cut("fetched", (1, 9)),
            NEW,
            [*cut("fetched", (1, 2)), NEW, *cut("fetched", (7, 9))],
            id="word without a digest",
        ),
        pytest.param(
            [a_span(3, 6, digest=D)], NEW, [a_span(3, 6, digest=D)], id="word with a digest"
        ),
        pytest.param(
            [a_span(5, 9, "cross_checked", digest=D)],
            NEW,
            [
                replace(NEW, high=BlockNumber(4), digest=None),
                *cut("cross_checked", (5, 6), (7, 9)),
            ],
            id="hole beside the word of two",
        ),
        pytest.param(
            [a_span(1, 9, "cross_checked", digest=D)],
            PROOF,
            [*cut("cross_checked", (1, 2)), PROOF, *cut("cross_checked", (7, 9))],
            id="proof of a part",
        ),
    ],
)
def test_reading_lowers_nothing_when_it_is_taken_in(
    before: list[Span], new: Span, after: list[Span]
) -> None:
    assert taken_in(before, new) == after
