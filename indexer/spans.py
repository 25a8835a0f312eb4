"""Ranges of blocks and what is known of them, as values: cut, joined and searched for gaps. Pure.

A part of a range no longer has the digest that was taken of the whole; neighbours that say the same
and have none may be one.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final, Literal, Self

from indexer.chain.types import BlockNumber

RangeState = Literal["fetched", "cross_checked", "proven"]
STATES: Final[tuple[RangeState, ...]] = ("fetched", "cross_checked", "proven")
"""From the weakest: a node's word, the word of two, a proof."""

Interval = tuple[BlockNumber, BlockNumber]
"""First and last block, both included."""


@dataclass(frozen=True, slots=True)
class Span:
    """One row of the ledger."""

    low: BlockNumber
    high: BlockNumber
    state: RangeState
    provider: str
    """Who served it; of a proven range, who served its first blocks: nobody's word counts there."""
    headers_linked: bool
    """Every header was hashed and linked, and no bloom contradicts what was read."""
    digest: bytes | None = None
    """Of the logs read; None: there is none of exactly this range."""
    confirmed_by: str | None = None
    """Whose answer was the same."""

    def says_the_same_as(self, other: Self) -> bool:
        """Whether two neighbours may be one row."""
        if self.state != other.state or self.digest is not None or other.digest is not None:
            return False
        if self.state == "proven":
            return True
        return (self.provider, self.headers_linked, self.confirmed_by) == (
            other.provider,
            other.headers_linked,
            other.confirmed_by,
        )


def reaches(state: RangeState, least: RangeState) -> bool:
    """Whether a state is at least as sure as another."""
    return STATES.index(state) >= STATES.index(least)


def without(spans: Iterable[Span], low: BlockNumber, high: BlockNumber) -> list[Span]:
    """What is left of disjoint spans outside ``low`` to ``high``. Pure."""
    left = []
    for span in spans:
        if span.high < low or span.low > high:
            left.append(span)
            continue
        if span.low < low:
            left.append(replace(span, high=BlockNumber(low - 1), digest=None))
        if span.high > high:
            left.append(replace(span, low=BlockNumber(high + 1), digest=None))
    return left


def within(spans: Iterable[Span], low: BlockNumber, high: BlockNumber) -> list[Span]:
    """The parts of disjoint spans inside ``low`` to ``high``. Pure."""
    parts = []
    for span in spans:
        start, end = max(span.low, low), min(span.high, high)
        if (start, end) == (span.low, span.high):
            parts.append(span)
        elif start <= end:
            parts.append(replace(span, low=BlockNumber(start), high=BlockNumber(end), digest=None))
    return parts


def taken_in(spans: Iterable[Span], new: Span) -> list[Span]:
    """Disjoint spans, in order, with one more that lowers none of them. Pure.

    A proof goes over whatever was there. A node's word fills holes, and takes the place of a word
    that nothing can be compared with any more.
    """
    before = list(spans)
    around = without(before, new.low, new.high)
    if new.state == "proven":
        return sorted([*around, new], key=lambda one: one.low)
    firm = (one for one in before if one.state != "fetched" or one.digest is not None)
    stays = within(firm, new.low, new.high)
    added = [
        new if (low, high) == (new.low, new.high) else replace(new, low=low, high=high, digest=None)
        for low, high in gaps(((one.low, one.high) for one in stays), new.low, new.high)
    ]
    return sorted([*around, *stays, *added], key=lambda one: one.low)


def grown_together(spans: Iterable[Span]) -> list[Span]:
    """Disjoint spans in order, neighbours that say the same as one. Pure."""
    grown: list[Span] = []
    for span in sorted(spans, key=lambda one: one.low):
        last = grown[-1] if grown else None
        if last is not None and last.high == span.low - 1 and last.says_the_same_as(span):
            grown[-1] = replace(last, high=span.high)
        else:
            grown.append(span)
    return grown


def gaps(spans: Iterable[Interval], low: BlockNumber, high: BlockNumber) -> list[Interval]:
    """What of ``low`` to ``high`` no interval covers; they are disjoint and in order. Pure."""
    found = []
    following = low
    for start, end in spans:
        if start > high:
            break
        if start > following:
            found.append((following, BlockNumber(start - 1)))
        following = max(following, BlockNumber(end + 1))
    if following <= high:
        found.append((following, high))
    return found
