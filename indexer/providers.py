"""What providers got wrong, and what that takes from their word.

A finding is a check that an answer failed, or a doubt that is not decided yet. A provider's truth
score is 1 / (1 + the sum of its findings' weights), where a weight halves every ``HALF_LIFE``: 1
while nothing speaks against it, 1/2 after a lie of today.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal

import structlog
from sqlalchemy import Connection, Select, delete, func, insert, select, update

from indexer.chain.types import BlockNumber, ChainId
from indexer.events import FILTER_ID
from indexer.ledger import forget
from indexer.spans import Interval
from indexer.tables import marks, provider_findings, ranges

FindingKind = Literal[
    "logs_missing",
    "logs_false",
    "contradiction",
    "digest_differs",
    "undecided",
    "lagging",
    "unprovable",
]
WEIGHTS: Final[dict[str, float]] = {
    "logs_missing": 1.0,  # an answer lacked logs that the receipts hold
    "logs_false": 1.0,  # an answer held logs that the receipts do not hold as they were given
    "contradiction": 1.0,  # an answer did not fit its own hashes
    "digest_differs": 0.25,  # two providers differ and nothing has decided yet: charged to both
    "undecided": 0.25,  # as before, and nothing can: the receipts are unprovable
    "lagging": 0.1,  # asked for a block it should have by then
    "unprovable": 0.0,  # a receipt of a type whose encoding is unknown is nobody's fault
}
"""What a finding weighs; of any other kind, as much as a lie."""
LIE_WEIGHT: Final = 1.0
LIES: Final = tuple(kind for kind, weight in WEIGHTS.items() if weight >= LIE_WEIGHT)
"""Kinds of findings that a provider is charged with."""
HALF_LIFE: Final = timedelta(days=7)
"""A provider that mended its node is believed again within weeks."""
REMEMBERED: Final = timedelta(days=70)
"""Ten half-lives: what is older weighs less than a thousandth."""
REQUEUED_RANGES_MAX: Final = 50
"""Ranges of a liar that are taken back: the newest, which the same fault most likely touched."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class ProviderScore:
    """How far a provider's word goes."""

    provider: str
    findings: int
    """Ever, of any kind."""
    score: float
    """Above 0, at most 1."""
    last_kind: str | None
    last_at: datetime | None


def record_finding(
    connection: Connection,
    chain_id: ChainId,
    provider: str,
    kind: FindingKind,
    interval: Interval | None,
    detail: str,
) -> None:
    """Write down a check that a provider's answer failed.

    Args:
        connection: In a transaction; of its own where the work that found it is rolled back.
        chain_id: The chain.
        provider: Its public name, without credentials.
        kind: What was wrong.
        interval: Blocks concerned; None where no blocks are.
        detail: What was found, for the operator.
    """
    low, high = (None, None) if interval is None else interval
    connection.execute(
        insert(provider_findings).values(
            chain_id=chain_id, provider=provider, kind=kind, low=low, high=high, detail=detail
        )
    )
    log.warning(
        "provider_finding_recorded",
        chain_id=chain_id,
        provider=provider,
        kind=kind,
        low=low,
        high=high,
        detail=detail,
    )


def settle_doubts(
    connection: Connection, chain_id: ChainId, low: BlockNumber, high: BlockNumber
) -> None:
    """Drop the doubts about a range once receipts have decided who was right."""
    connection.execute(
        delete(provider_findings).where(
            provider_findings.c.chain_id == chain_id,
            provider_findings.c.kind == "digest_differs",
            provider_findings.c.low >= low,
            provider_findings.c.high <= high,
        )
    )


def leave_undecided(
    connection: Connection, chain_id: ChainId, low: BlockNumber, high: BlockNumber
) -> None:
    """Let the doubts about a range stand for good: no receipts can decide who is right."""
    connection.execute(
        update(provider_findings)
        .where(
            provider_findings.c.chain_id == chain_id,
            provider_findings.c.kind == "digest_differs",
            provider_findings.c.low == low,
            provider_findings.c.high == high,
        )
        .values(kind="undecided")
    )


def truth_scores(connection: Connection, chain_id: ChainId) -> list[ProviderScore]:
    """The score of every provider that served or failed something, the best first."""
    served = connection.execute(
        select(ranges.c.provider).where(ranges.c.chain_id == chain_id).distinct()
    ).scalars()
    now = datetime.now(UTC)
    weights = dict.fromkeys(served, 0.0)
    counts = dict.fromkeys(weights, 0)
    last: dict[str, tuple[datetime, str]] = {}
    for row in connection.execute(_by_kind(chain_id)):
        weights.setdefault(row.provider, 0.0)
        counts[row.provider] = counts.get(row.provider, 0) + row.findings
        last[row.provider] = max(last.get(row.provider, (row.last_at, "")), (row.last_at, row.kind))
    for row in connection.execute(
        select(
            provider_findings.c.provider, provider_findings.c.kind, provider_findings.c.seen_at
        ).where(
            provider_findings.c.chain_id == chain_id,
            provider_findings.c.seen_at > now - REMEMBERED,
        )
    ):
        weights[row.provider] += weight(row.kind, now - row.seen_at)
    scores = [
        ProviderScore(
            provider=provider,
            findings=counts[provider],
            score=1 / (1 + total),
            last_kind=last[provider][1] if provider in last else None,
            last_at=last[provider][0] if provider in last else None,
        )
        for provider, total in weights.items()
    ]
    return sorted(scores, key=lambda one: (-one.score, one.provider))


def weight(kind: str, age: timedelta) -> float:
    """What a finding of some age still weighs. Pure."""
    return float(WEIGHTS.get(kind, LIE_WEIGHT) * 0.5 ** (age / HALF_LIFE))


def requeue_after_lie(
    connection: Connection,
    chain_id: ChainId,
    provider: str,
    ranges_max: int = REQUEUED_RANGES_MAX,
) -> list[Interval]:
    """Take back what rests on a liar's word: its newest ranges that are not proven.

    What only it said becomes a hole, to be read anew. What another said as well stands on the
    other's word alone, to be compared again.

    Args:
        connection: In a transaction.
        chain_id: The chain.
        provider: Who is not believed.
        ranges_max: How many ranges, from the highest.

    Returns:
        The new holes, from the lowest.
    """
    connection.execute(  # as every painter of the ledger does, before it looks
        select(marks.c.chain_id).where(marks.c.chain_id == chain_id).with_for_update()
    )
    rows = connection.execute(
        select(ranges.c.low, ranges.c.high, ranges.c.provider, ranges.c.confirmed_by)
        .where(
            ranges.c.chain_id == chain_id,
            ranges.c.filter == FILTER_ID,
            ranges.c.state != "proven",
            (ranges.c.provider == provider) | (ranges.c.confirmed_by == provider),
        )
        .order_by(ranges.c.low.desc())
        .limit(ranges_max)
    ).all()
    holed: list[Interval] = []
    for row in rows:
        other = row.confirmed_by if row.provider == provider else row.provider
        if other is None:
            forget(connection, chain_id, row.low, row.high)
            holed.append((row.low, row.high))
        else:
            connection.execute(
                update(ranges)
                .where(
                    ranges.c.chain_id == chain_id,
                    ranges.c.filter == FILTER_ID,
                    ranges.c.low == row.low,
                )
                .values(state="fetched", provider=other, confirmed_by=None)
            )
    return sorted(holed)


def _by_kind(chain_id: ChainId) -> Select[Any]:
    return (
        select(
            provider_findings.c.provider,
            provider_findings.c.kind,
            func.count().label("findings"),
            func.max(provider_findings.c.seen_at).label("last_at"),
        )
        .where(provider_findings.c.chain_id == chain_id)
        .group_by(provider_findings.c.provider, provider_findings.c.kind)
    )
