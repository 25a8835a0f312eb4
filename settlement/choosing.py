"""Which treasuries a turn looks at, so that its work grows with the lane's room and not the queue.

Only treasuries that settle in one call, and of which nothing has stopped, are left for a later
turn; the rest are few, or take a closer look to tell what they need.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, and_, func, select
from sqlalchemy.dialects.postgresql import aggregate_order_by

from indexer.chain.types import Address, ChainId, TokenAmount
from settlement.headroom import headrooms
from settlement.kinds import kind_named
from settlement.tables import batches, campaigns, requests

TREASURIES_PER_PLACE = 2
"""Treasuries looked at for each transaction that the lane has room for: some need none."""


@dataclass(frozen=True, slots=True)
class Queue:
    """What waits at one treasury in one token."""

    treasury: Address
    token: Address
    is_simple: bool
    """It settles in one call, and nothing of it is blocked."""
    first_amount: TokenAmount
    """Of the payment captured first."""
    amount: TokenAmount
    oldest: datetime


def payable_treasuries(
    connection: Connection,
    chain_id: ChainId,
    *conditions: ColumnElement[bool],
    places: int,
    served: dict[Address, datetime],
) -> list[Address]:
    """Treasuries whose payments may be sealed now: who was served longest ago first.

    Args:
        connection: Sees the lane's own rows.
        chain_id: The lane's chain.
        conditions: Which requests wait.
        places: Transactions that the lane has room for.
        served: When payments of a treasury were last sealed.
    """
    queues = _queues(connection, chain_id, *conditions)
    unclaimed = headrooms(
        connection, chain_id=chain_id, treasuries=_treasuries(queues), mined_only=True
    )
    payable = [
        queue
        for queue in queues
        if not queue.is_simple or unclaimed[queue.treasury, queue.token] >= queue.first_amount
    ]
    never = datetime.min.replace(tzinfo=queues[0].oldest.tzinfo) if queues else None
    payable.sort(key=lambda queue: (served.get(queue.treasury, never), queue.oldest))
    return _first(payable, places)


def underfunded_treasuries(
    connection: Connection,
    chain_id: ChainId,
    *conditions: ColumnElement[bool],
    places: int,
) -> list[Address]:
    """Treasuries that may need tokens, the oldest capture first; arguments as above."""
    queues = _queues(connection, chain_id, *conditions)
    unclaimed = headrooms(
        connection, chain_id=chain_id, treasuries=_treasuries(queues), mined_only=False
    )
    short = [
        queue
        for queue in queues
        if not queue.is_simple or unclaimed[queue.treasury, queue.token] < queue.amount
    ]
    short.sort(key=lambda queue: queue.oldest)
    return _first(short, places)


def _first(queues: Sequence[Queue], places: int) -> list[Address]:
    simple = [queue for queue in queues if queue.is_simple][: TREASURIES_PER_PLACE * places]
    return _treasuries([*(queue for queue in queues if not queue.is_simple), *simple])


def _treasuries(queues: Sequence[Queue]) -> list[Address]:
    return list(dict.fromkeys(queue.treasury for queue in queues))


def _queues(
    connection: Connection, chain_id: ChainId, *conditions: ColumnElement[bool]
) -> list[Queue]:
    in_order = aggregate_order_by(
        requests.c.amount_base_units, requests.c.captured_at, requests.c.request_id
    )
    rows = connection.execute(
        select(
            requests.c.treasury,
            requests.c.token,
            campaigns.c.treasury_kind,
            func.bool_or(requests.c.state == "blocked").label("is_stopped"),
            func.array_agg(in_order)[1].label("first_amount"),
            func.sum(requests.c.amount_base_units).label("amount"),
            func.min(requests.c.captured_at).label("oldest"),
        )
        .join(
            campaigns,
            and_(
                campaigns.c.chain_id == requests.c.chain_id,
                campaigns.c.treasury == requests.c.treasury,
            ),
        )
        .outerjoin(
            batches, and_(batches.c.id == requests.c.batch_id, batches.c.released_at.is_(None))
        )
        .where(requests.c.chain_id == chain_id, *conditions)
        .group_by(requests.c.treasury, requests.c.token, campaigns.c.treasury_kind)
    )
    return [
        Queue(
            treasury=row.treasury,
            token=row.token,
            is_simple=kind_named(row.treasury_kind).first_step == "settle" and not row.is_stopped,
            first_amount=TokenAmount(int(row.first_amount)),
            amount=TokenAmount(int(row.amount)),
            oldest=row.oldest,
        )
        for row in rows
    ]
