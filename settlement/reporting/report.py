"""How reliable settlement was, by chain or by treasury kind: time, failures, stops and cost.

A group is always of one chain, for each chain has its own coin to pay gas in.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from sqlalchemy import ColumnElement, Connection, Float, Label, and_, cast, func, or_, select, true

from indexer.chain.networks import network_by_chain_id
from indexer.chain.types import Wei
from settlement.queries import NEVER_LIVE
from settlement.reporting.counting import between_s, class_of, paid_wei
from settlement.reporting.standing import REASON_CLASSES
from settlement.tables import AnyRow, batches, campaigns, nonce_slots, requests

Dimension = Literal["chain", "kind"]

EVER_SETTLED: Final = ("settled", "refunded")
GroupKey = tuple[Any, ...]
"""The chain's id, and the kind where kinds are compared."""
_KEY_LENGTH: Final[Mapping[Dimension, int]] = {"chain": 1, "kind": 2}
NOTHING: Final = Wei(0)
_MEDIAN, _TAIL = 0.5, 0.95


@dataclass(frozen=True, slots=True)
class Spread:
    """How long something took, in seconds."""

    p50_s: float
    p95_s: float
    max_s: float


@dataclass(frozen=True, slots=True)
class Reliability:
    """One group of payments, and the transactions that were sealed for it."""

    group: str
    network: str | None
    """None: it needs no chain."""
    payments: int
    """Captured, and not given back before they were settled; one named anew counts once."""
    settled: int
    """Those that were, refunded ones included."""
    settled_share: float | None
    """None where there was no payment."""
    time_to_settled: Spread | None
    """From capture; None while none is settled."""
    refunded: int
    blocked: Mapping[str, int]
    """Now, by what blocks them; nothing that blocks none."""
    quarantined: int
    """Now."""
    strikes: int
    """Failed transactions, counted once for each payment that was in one."""
    transactions: int
    """Mined."""
    failed_transactions: int
    """Of those, the ones without effect."""
    gas_used: int
    cost_wei: Wei
    """Paid for gas, in the chain's own coin."""
    wei_per_settled: Wei | None


@dataclass(frozen=True, slots=True)
class Sent:
    """The transactions of a group."""

    transactions: int = 0
    failed: int = 0
    gas_used: int = 0
    cost_wei: Wei = NOTHING


def reliability(
    connection: Connection, by: Dimension, *, since: datetime | None
) -> list[Reliability]:
    """Compare groups of payments.

    Args:
        connection: May read schema ``settlement``.
        by: What makes a group.
        since: Only payments captured, and transactions sealed, since then; None for all.
    """
    own = (requests.c.chain_id, campaigns.c.treasury_kind)[: _KEY_LENGTH[by]]
    rows = connection.execute(
        select(*own, *payment_columns())
        .join(
            campaigns,
            and_(
                campaigns.c.chain_id == requests.c.chain_id,
                campaigns.c.treasury == requests.c.treasury,
            ),
        )
        .where(
            requests.c.state.not_in(NEVER_LIVE),
            true() if since is None else requests.c.captured_at >= since,
        )
        .group_by(*own)
        .order_by(*own)
    ).all()
    sent = sent_by(connection, by, since=since)
    return [_group(tuple(row[: len(own)]), row, sent) for row in rows]


def payment_columns(
    is_settled: ColumnElement[bool] | None = None, took_s: ColumnElement[float] | None = None
) -> tuple[Label[Any], ...]:
    """What ``summed`` reads of a group of ``requests``.

    Args:
        is_settled: What counts as settled, where that is not the request's own state.
        took_s: Seconds from capture to that.
    """
    settled = requests.c.state.in_(EVER_SETTLED) if is_settled is None else is_settled
    seconds = between_s(requests.c.captured_at, requests.c.settled_at) if took_s is None else took_s
    blocked_by = class_of(requests.c.reason)
    return (
        func.count().label("payments"),
        func.count().filter(settled).label("settled"),
        _percentile(_MEDIAN, seconds, settled).label("p50_s"),
        _percentile(_TAIL, seconds, settled).label("p95_s"),
        func.max(seconds).filter(settled).label("max_s"),
        func.count().filter(requests.c.state == "refunded").label("refunded"),
        func.count().filter(requests.c.state == "quarantined").label("quarantined"),
        func.coalesce(func.sum(requests.c.strikes), 0).label("strikes"),
        *(
            func.count().filter(requests.c.state == "blocked", blocked_by == name).label(name)
            for name in REASON_CLASSES
        ),
    )


def sent_by(
    connection: Connection, by: Dimension, *, since: datetime | None
) -> dict[GroupKey, Sent]:
    """What was mined for each group: a kind has what its treasuries and their creation took.

    Args:
        connection: May read schema ``settlement``.
        by: What makes a group.
        since: Only what was sealed since then; None for all.
    """
    own = (batches.c.chain_id, campaigns.c.treasury_kind)[: _KEY_LENGTH[by]]
    failed = nonce_slots.c.state == "mined_failed"
    is_of = or_(
        campaigns.c.treasury == batches.c.treasury,
        campaigns.c.request_id == batches.c.campaign_request_id,
    )
    rows = connection.execute(
        select(
            *own,
            func.count().label("mined"),
            func.count().filter(failed).label("failed"),
            func.sum(nonce_slots.c.gas_used).label("gas"),
            func.sum(paid_wei()).label("cost"),
        )
        .select_from(batches)
        .join(nonce_slots, nonce_slots.c.batch_id == batches.c.id)
        .outerjoin(campaigns, and_(campaigns.c.chain_id == batches.c.chain_id, is_of))
        .where(
            nonce_slots.c.state.in_(("mined_ok", "mined_failed")),
            true() if since is None else batches.c.sealed_at >= since,
        )
        .group_by(*own)
    )
    return {
        tuple(row[: len(own)]): Sent(
            row.mined, row.failed, int(row.gas or 0), Wei(int(row.cost or 0))
        )
        for row in rows
    }


def summed(group: str, network: str | None, row: AnyRow, sent: Sent) -> Reliability:
    """Put a group's figures together. Pure.

    Args:
        group: Its name.
        network: Its chain; None if it needs none.
        row: With the ``payment_columns``.
        sent: Its transactions.
    """
    spread = None if row.p50_s is None else Spread(row.p50_s, row.p95_s, row.max_s)
    blocked = {name: getattr(row, name) for name in REASON_CLASSES}
    return Reliability(
        group=group,
        network=network,
        payments=row.payments,
        settled=row.settled,
        settled_share=row.settled / row.payments if row.payments else None,
        time_to_settled=spread,
        refunded=row.refunded,
        blocked={name: count for name, count in blocked.items() if count},
        quarantined=row.quarantined,
        strikes=row.strikes,
        transactions=sent.transactions,
        failed_transactions=sent.failed,
        gas_used=sent.gas_used,
        cost_wei=sent.cost_wei,
        wei_per_settled=Wei(sent.cost_wei // row.settled) if row.settled else None,
    )


def _percentile(
    fraction: float, seconds: ColumnElement[float], settled: ColumnElement[bool]
) -> ColumnElement[float]:
    return cast(func.percentile_cont(fraction).within_group(seconds).filter(settled), Float)


def _group(key: GroupKey, row: AnyRow, sent: Mapping[GroupKey, Sent]) -> Reliability:
    chain_id, *kind = key
    network = network_by_chain_id(chain_id).name
    return summed(str(kind[0]) if kind else network, network, row, sent.get(key, Sent()))
