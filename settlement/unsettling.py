"""A finalized block changed all the same: find what had been settled in it, and settle it again.

The indexer halts at once when that happens, and an operator rewinds it below its own finalized mark
(``docs/operations.md``, IndexerHalted). What was settled above goes back to where the index shows
it now; the same bytes are sent again where our transaction is gone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    exists,
    func,
    select,
    update,
)

from indexer.chain.types import ChainId
from indexer.tables import reorgs
from settlement.due import facts_of, move, requests_where
from settlement.lifecycle import Move, observed
from settlement.tables import nonce_slots, requests
from settlement.types import DueRequest, RequestState

log = structlog.get_logger()

REASON = "a finalized block changed"
LOOK_BACK = timedelta(days=7)
"""A rewind is looked into while it is this young; it is by the next turn of a lane that runs."""
_ENDED: tuple[RequestState, ...] = ("settled", "refunded")


@dataclass(frozen=True, slots=True)
class Seen:
    """How far a chain's reorgs were looked into."""

    reorg_id: int
    """0 while there was none."""
    at: datetime
    """By Postgres' clock."""


def look(connection: Connection, chain_id: ChainId) -> Seen:
    """How far they are looked into by whoever looks in this transaction."""
    row = connection.execute(
        select(func.coalesce(func.max(reorgs.c.id), 0), func.now()).where(
            reorgs.c.chain_id == chain_id
        )
    ).one()
    return Seen(*row)


def unsettle(connection: Connection, chain_id: ChainId, *, seen: Seen | None) -> int:
    """Take back what a rewind below its block left unproven; returns how many moved.

    Args:
        connection: The caller's transaction.
        chain_id: The chain.
        seen: The last look; only later reorgs can have taken back what was settled before it. None
            when that is not known: then those count that began after the settling.
    """
    recent = and_(
        reorgs.c.chain_id == chain_id,
        reorgs.c.id > (0 if seen is None else seen.reorg_id),
        reorgs.c.seen_at > func.now() - LOOK_BACK,
    )
    lowest = select(func.min(reorgs.c.ancestor_number)).where(recent).scalar_subquery()
    if connection.execute(select(lowest)).scalar_one() is None:
        return 0
    _reopen_slots(connection, chain_id, recent, seen)
    rewound = exists().where(
        recent,
        reorgs.c.ancestor_number < requests.c.settled_block,
        _stood_before(requests.c.settled_at, seen),
    )
    moved, after = 0, UUID(int=0)
    while suspects := requests_where(
        connection,
        requests.c.chain_id == chain_id,
        requests.c.state.in_(_ENDED),
        requests.c.settled_block > lowest,
        requests.c.request_id > after,
        rewound,
    ):
        moved += _follow(connection, chain_id, suspects)
        after = suspects[-1].request_id
    return moved


def _follow(connection: Connection, chain_id: ChainId, suspects: Sequence[DueRequest]) -> int:
    """Move what the index does not show any more as it did."""
    facts = facts_of(connection, chain_id, suspects)
    moves = {
        one.request_id: (one.state, Move(step.state, step.reason or REASON, step.block))
        for one in suspects
        if (step := observed(one, facts.get(one.request_id))) is not None
    }
    if moves:
        log.error("settled_payments_taken_back", chain_id=chain_id, count=len(moves))
    return move(connection, moves)


def _stood_before(moment: ColumnElement[Any], seen: Seen | None) -> ColumnElement[bool]:
    """Whether something stood before a reorg: by the last look, as a rewind may take long."""
    return reorgs.c.seen_at >= moment if seen is None else moment <= seen.at


def _reopen_slots(
    connection: Connection, chain_id: ChainId, recent: ColumnElement[bool], seen: Seen | None
) -> None:
    """Let nonces be followed again whose final block was rewound: the account's count fell too."""
    rewound = exists().where(
        recent,
        reorgs.c.ancestor_number < nonce_slots.c.mined_block,
        _stood_before(nonce_slots.c.final_at, seen),
    )
    connection.execute(
        update(nonce_slots)
        .where(nonce_slots.c.chain_id == chain_id, nonce_slots.c.is_final.is_(True), rewound)
        .values(is_final=False, final_at=None)
    )
