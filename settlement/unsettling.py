"""A finalized block changed all the same: find what had been settled in it, and settle it again.

The indexer halts at once when that happens, and an operator rewinds it below its own finalized mark
(``docs/operations.md``, IndexerHalted). What was settled above goes back to where the index shows
it now; the same bytes are sent again where our transaction is gone.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import (
    ColumnElement,
    Connection,
    Interval,
    and_,
    exists,
    func,
    literal,
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
OVERLAP = timedelta(hours=1)
"""Times are those at which transactions began, and a rewind may take long."""
_ENDED: tuple[RequestState, ...] = ("settled", "refunded")


def newest_reorg(connection: Connection, chain_id: ChainId) -> int:
    """The number of the newest reorg or rewind of a chain; 0 while there was none."""
    found = connection.execute(
        select(func.max(reorgs.c.id)).where(reorgs.c.chain_id == chain_id)
    ).scalar_one()
    return found or 0


def unsettle(connection: Connection, chain_id: ChainId, *, after_reorg: int | None) -> int:
    """Take back what a rewind below its block left unproven; returns how many moved.

    Args:
        connection: The caller's transaction.
        chain_id: The chain.
        after_reorg: Reorgs up to this number were looked into before. None when that is not known:
            then those of late that are not older than what was settled.
    """
    recent = and_(
        reorgs.c.chain_id == chain_id,
        reorgs.c.id > (after_reorg or 0),
        reorgs.c.seen_at > func.now() - LOOK_BACK,
    )
    lowest = select(func.min(reorgs.c.ancestor_number)).where(recent).scalar_subquery()
    if connection.execute(select(lowest)).scalar_one() is None:
        return 0
    _reopen_slots(connection, chain_id, recent, is_start=after_reorg is None)
    rewound = exists().where(
        recent,
        reorgs.c.ancestor_number < requests.c.settled_block,
        *_not_before(requests.c.settled_at, is_start=after_reorg is None),
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


def _not_before(moment: ColumnElement[Any], *, is_start: bool) -> list[ColumnElement[bool]]:
    """At the start, only reorgs that are not older than what they may have taken back."""
    return [reorgs.c.seen_at >= moment - literal(OVERLAP, Interval)] if is_start else []


def _reopen_slots(
    connection: Connection, chain_id: ChainId, recent: ColumnElement[bool], *, is_start: bool
) -> None:
    """Let nonces be followed again whose final block was rewound: the account's count fell too."""
    rewound = exists().where(
        recent,
        reorgs.c.ancestor_number < nonce_slots.c.mined_block,
        *_not_before(nonce_slots.c.final_at, is_start=is_start),
    )
    connection.execute(
        update(nonce_slots)
        .where(nonce_slots.c.chain_id == chain_id, nonce_slots.c.is_final.is_(True), rewound)
        .values(is_final=False, final_at=None)
    )
