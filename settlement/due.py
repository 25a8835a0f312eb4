"""Requests as the steps see them, and the moves the steps make."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

import structlog
from sqlalchemy import Connection, and_, func, select, update

from indexer.chain.types import Address, ChainId, PaymentId
from indexer.queries import PaymentFact, payments_by_id
from settlement.lifecycle import FUNDING, RETRY_AFTER, TREASURY, Move, observed
from settlement.tables import batches, campaigns, requests
from settlement.types import DueRequest, RequestState

log = structlog.get_logger()

READ_MAX = 5_000
"""Requests read in one turn: the largest batch request of one campaign."""
MOVING_STATES: tuple[RequestState, ...] = ("ready", "batched", "included")
STOPPED_STATES: tuple[RequestState, ...] = ("blocked", "quarantined")
"""Read apart, so that however many have stopped, those that move are seen."""

FactKey = tuple[Address, PaymentId]


def open_requests(
    connection: Connection, chain_id: ChainId, states: Sequence[RequestState]
) -> list[DueRequest]:
    """Read requests in these states, oldest capture first; at most ``READ_MAX``."""
    rows = connection.execute(
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
        .where(requests.c.chain_id == chain_id, requests.c.state.in_(states))
        .order_by(requests.c.captured_at, requests.c.request_id)
        .limit(READ_MAX)
    )
    return [DueRequest(**row) for row in rows.mappings()]


def by_treasury(waiting: Iterable[DueRequest]) -> dict[Address, list[DueRequest]]:
    """Group by treasury, keeping the order: one call reaches one treasury."""
    grouped: dict[Address, list[DueRequest]] = defaultdict(list)
    for request in waiting:
        grouped[request.treasury].append(request)
    return dict(grouped)


def facts_of(
    connection: Connection, chain_id: ChainId, waiting: Sequence[DueRequest]
) -> dict[UUID, PaymentFact]:
    """Read what is indexed of these requests' payments; those of which nothing is are absent."""
    facts: dict[UUID, PaymentFact] = {}
    for treasury, group in by_treasury(waiting).items():
        found = payments_by_id(
            connection,
            chain_id=chain_id,
            treasury=treasury,
            payment_ids=[request.payment_id for request in group],
        )
        facts.update(
            (request.request_id, found[request.payment_id])
            for request in group
            if request.payment_id in found
        )
    return facts


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
            .values(state=after.state, reason=after.reason, state_since=func.now())
        ).rowcount
        level = log.warning if after.state in ("blocked", "quarantined") else log.info
        level("requests_moved", before=before, after=after.state, count=len(ids), why=after.reason)
    return moved


def follow_index(connection: Connection, chain_id: ChainId) -> int:
    """Move every open request to where the index shows it; returns how many moved."""
    waiting = [
        *open_requests(connection, chain_id, MOVING_STATES),
        *open_requests(connection, chain_id, STOPPED_STATES),
    ]
    facts = facts_of(connection, chain_id, waiting)
    moves: dict[UUID, tuple[RequestState, Move]] = {}
    for request in waiting:
        step = observed(request, facts.get(request.request_id))
        if step is not None:
            moves[request.request_id] = (request.state, step)
    return move(connection, moves)


def retry_blocked(connection: Connection, chain_id: ChainId) -> int:
    """Make requests ready again whose treasury refused everything a while ago."""
    return connection.execute(
        update(requests)
        .where(
            requests.c.chain_id == chain_id,
            requests.c.state == "blocked",
            requests.c.reason.startswith(TREASURY),
            requests.c.state_since < func.now() - RETRY_AFTER,
        )
        .values(state="ready", reason=None, state_since=func.now())
    ).rowcount


def awaiting_funds(connection: Connection, chain_id: ChainId) -> list[DueRequest]:
    """Requests whose tokens may still have to reach their treasury, oldest capture first."""
    return [
        request
        for request in open_requests(connection, chain_id, ("ready", "batched", "blocked"))
        if request.batch_kind != "confirm_payments"
        and (request.state != "blocked" or (request.reason or "").startswith(FUNDING))
    ]
