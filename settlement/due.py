"""Requests as the steps see them, and the moves the steps make."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import ColumnElement, Connection, Select, and_, exists, func, or_, select, update

from indexer.chain.types import Address, ChainId
from indexer.queries import PaymentFact, payments_named
from indexer.views import payments
from settlement.kinds import kind_named
from settlement.lifecycle import EXPIRED, FUNDING, Move, next_step, observed
from settlement.record_tables import actions
from settlement.switches import Stops
from settlement.tables import batches, campaigns, requests
from settlement.types import CONFIRMING, DueRequest, PaymentStep, RequestState

log = structlog.get_logger()

READ_MAX = 5_000
"""Requests of one treasury read at once: the largest batch request of one campaign."""
OPEN_STATES: tuple[RequestState, ...] = ("ready", "batched", "included", "blocked", "quarantined")
"""All that the index may still move."""


@dataclass(frozen=True, slots=True)
class Group:
    """Requests that one call may carry."""

    step: PaymentStep
    treasury: Address
    token: Address
    waiting: Sequence[DueRequest]
    """In order of urgency."""


def open_requests(
    connection: Connection,
    chain_id: ChainId,
    *conditions: ColumnElement[bool],
    of_each_max: int = READ_MAX,
) -> list[DueRequest]:
    """Read the requests for which all conditions hold, earliest expiry, then capture, first.

    At most ``of_each_max`` of each treasury, so that none hides another's. Conditions may name
    columns of ``requests`` and, where the newest batch may have effect, of ``batches``.
    """
    place = func.row_number().over(
        partition_by=requests.c.treasury,
        order_by=(
            requests.c.expiration.asc().nulls_last(),
            requests.c.captured_at,
            requests.c.request_id,
        ),
    )
    found = (
        _due().where(requests.c.chain_id == chain_id, *conditions).add_columns(place.label("place"))
    )
    ranked = found.subquery()
    rows = connection.execute(
        select(*(column for column in ranked.c if column.key != "place"))
        .where(ranked.c.place <= of_each_max)
        .order_by(ranked.c.expiration.asc().nulls_last(), ranked.c.captured_at, ranked.c.request_id)
    )
    return [DueRequest(**row) for row in rows.mappings()]


def requests_where(connection: Connection, *conditions: ColumnElement[bool]) -> list[DueRequest]:
    """Read the requests for which all conditions hold, at most ``READ_MAX``, by request id."""
    rows = connection.execute(
        _due().where(*conditions).order_by(requests.c.request_id).limit(READ_MAX)
    )
    return [DueRequest(**row) for row in rows.mappings()]


def _due() -> Select[Any]:
    """Every request with what its campaign and its newest batch add to it."""
    return (
        select(
            requests.c.request_id,
            requests.c.chain_id,
            requests.c.treasury,
            requests.c.payment_id,
            requests.c.buyer_commitment,
            requests.c.item_id,
            requests.c.token,
            requests.c.amount_base_units,
            campaigns.c.treasury_kind,
            requests.c.captured_at,
            requests.c.requested_at,
            requests.c.expiration,
            requests.c.state,
            requests.c.reason,
            requests.c.strikes,
            batches.c.kind.label("batch_kind"),
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
    )


def group_by_call(
    connection: Connection, chain_id: ChainId, waiting: Sequence[DueRequest], *, now: datetime
) -> list[Group]:
    """Group requests by the call they need next; moves those for which there is none any more.

    Args:
        connection: The caller's transaction.
        chain_id: The requests' chain.
        waiting: Ready, or blocked for want of tokens, in order of urgency.
        now: Timestamp of the newest block.
    """
    facts = facts_of(connection, chain_id, waiting)
    grouped: dict[tuple[PaymentStep, Address, Address], list[DueRequest]] = defaultdict(list)
    moves: dict[UUID, tuple[RequestState, Move]] = {}
    for request in waiting:
        first = kind_named(request.treasury_kind).first_step
        step = next_step(request, facts.get(request.request_id), first=first, now=now)
        if isinstance(step, Move):
            moves[request.request_id] = (request.state, step)
        elif step is not None:
            grouped[step, request.treasury, request.token].append(request)
    move(connection, moves)
    return [Group(*call, group) for call, group in grouped.items()]


def facts_of(
    connection: Connection, chain_id: ChainId, waiting: Sequence[DueRequest]
) -> dict[UUID, PaymentFact]:
    """Read what is indexed of these requests' payments; those of which nothing is are absent."""
    found = payments_named(
        connection,
        chain_id=chain_id,
        names=[(request.treasury, request.payment_id) for request in waiting],
    )
    return {
        request.request_id: found[request.treasury, request.payment_id]
        for request in waiting
        if (request.treasury, request.payment_id) in found
    }


def move(connection: Connection, moves: Mapping[UUID, tuple[RequestState, Move]]) -> int:
    """Move requests from the state they were read in; one that moved meanwhile stays.

    Args:
        connection: The caller's transaction.
        moves: For each request the state it was read in, and where it goes.
    """
    grouped: dict[tuple[RequestState, Move], list[UUID]] = defaultdict(list)
    for request_id, step in moves.items():
        grouped[step].append(request_id)
    moved = 0
    for (before, after), ids in grouped.items():
        moved += connection.execute(
            update(requests)
            .where(requests.c.request_id.in_(ids), requests.c.state == before)
            .values(
                state=after.state,
                reason=after.reason,
                state_since=func.now(),
                **(
                    {}
                    if after.block is None
                    else {"settled_block": after.block, "settled_at": func.now()}
                ),
            )
        ).rowcount
        level = log.warning if after.state in ("blocked", "quarantined") else log.info
        level("requests_moved", before=before, after=after.state, count=len(ids), why=after.reason)
    return moved


def follow_index(connection: Connection, chain_id: ChainId) -> int:
    """Move every open request to where the index shows it; returns how many moved.

    Reads on until nothing is left: however many never move, those that do are seen.
    """
    moved, after = 0, UUID(int=0)
    while waiting := _followed(connection, chain_id, after):
        facts = facts_of(connection, chain_id, waiting)
        moves: dict[UUID, tuple[RequestState, Move]] = {}
        for request in waiting:
            step = observed(request, facts.get(request.request_id))
            if step is not None:
                moves[request.request_id] = (request.state, step)
        moved += move(connection, moves)
        after = waiting[-1].request_id
    return moved


def _followed(connection: Connection, chain_id: ChainId, after: UUID) -> list[DueRequest]:
    """The next page of requests that are indexed, or whose state says that they were."""
    rows = connection.execute(
        _due()
        .where(
            requests.c.chain_id == chain_id,
            requests.c.state.in_(OPEN_STATES),
            requests.c.request_id > after,
            or_(
                _indexed(),
                requests.c.state == "included",
                and_(requests.c.state == "ready", batches.c.kind.is_not(None)),
                and_(requests.c.state == "batched", batches.c.kind.is_(None)),
                and_(requests.c.state == "blocked", requests.c.reason.startswith(EXPIRED)),
            ),
        )
        .order_by(requests.c.request_id)
        .limit(READ_MAX)
    )
    return [DueRequest(**row) for row in rows.mappings()]


def _indexed() -> ColumnElement[bool]:
    """Condition: the request's payment is indexed."""
    return exists().where(
        payments.c.chain_id == requests.c.chain_id,
        payments.c.treasury == requests.c.treasury,
        payments.c.payment_id == requests.c.payment_id,
    )


def is_ready(stops: Stops) -> tuple[ColumnElement[bool], ...]:
    """Conditions of ``open_requests``: what may be sealed."""
    return requests.c.state == "ready", stops.admits(), ~asked_back()


def asked_back() -> ColumnElement[bool]:
    """Condition: the payment is to be undone, so that it must not be sealed any more."""
    return exists().where(
        actions.c.kind == "refund",
        actions.c.request_id == requests.c.root_id,
        actions.c.state != "void",
    )


def awaits_funds(stops: Stops) -> tuple[ColumnElement[bool], ...]:
    """Conditions of ``open_requests``: what may lack tokens, and nothing stops or claims."""
    return (
        stops.admits(),
        or_(
            requests.c.state == "ready",
            and_(requests.c.state == "blocked", requests.c.reason.startswith(FUNDING)),
        ),
        or_(batches.c.kind.is_(None), batches.c.kind.not_in(CONFIRMING)),
    )
