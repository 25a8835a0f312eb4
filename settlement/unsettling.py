"""A finalized block changed all the same: find what had been settled in it, and settle it again.

The indexer halts at once when that happens, and an operator rewinds it below its own finalized mark
(``docs/operations.md``, IndexerHalted). What was settled above goes back to where the index shows
it now; the same bytes are sent again where our transaction is gone.
"""

from datetime import timedelta

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
from settlement.types import RequestState

log = structlog.get_logger()

REASON = "a finalized block changed"
LOOK_BACK = timedelta(days=7)
"""A rewind is looked into while it is this young; it is by the next turn of a lane that runs."""
OVERLAP = timedelta(minutes=1)
"""Times are those at which transactions began: two that overlap may tell them in either order."""
_ENDED: tuple[RequestState, ...] = ("settled", "refunded")


def newest_reorg(connection: Connection, chain_id: ChainId) -> int:
    """The number of the newest reorg or rewind of a chain; 0 while there was none."""
    found = connection.execute(
        select(func.max(reorgs.c.id)).where(reorgs.c.chain_id == chain_id)
    ).scalar_one()
    return found or 0


def unsettle(connection: Connection, chain_id: ChainId, *, after_reorg: int) -> int:
    """Take back what a rewind below its block left unproven; returns how many moved.

    What still stands as it did is marked as seen after the rewind, and not looked at again.

    Args:
        connection: The caller's transaction.
        chain_id: The chain.
        after_reorg: Reorgs up to this number were looked into before.
    """
    recent = and_(
        reorgs.c.chain_id == chain_id,
        reorgs.c.id > after_reorg,
        reorgs.c.seen_at > func.now() - LOOK_BACK,
    )
    lowest = select(func.min(reorgs.c.ancestor_number)).where(recent).scalar_subquery()
    if connection.execute(select(lowest)).scalar_one() is None:
        return 0
    rewound_since = exists().where(
        recent,
        reorgs.c.ancestor_number < requests.c.settled_block,
        reorgs.c.seen_at >= requests.c.settled_at - literal(OVERLAP, Interval),
    )
    suspects = requests_where(
        connection,
        requests.c.chain_id == chain_id,
        requests.c.state.in_(_ENDED),
        requests.c.settled_block > lowest,
        rewound_since,
    )
    _reopen_slots(connection, chain_id, recent)
    facts = facts_of(connection, chain_id, suspects)
    found = [(one, observed(one, facts.get(one.request_id))) for one in suspects]
    connection.execute(
        update(requests)
        .where(
            requests.c.request_id.in_([one.request_id for one, step in found if step is None]),
            requests.c.state.in_(_ENDED),
        )
        .values(settled_at=func.now())
    )
    moves = {
        one.request_id: (one.state, Move(step.state, step.reason or REASON, step.block))
        for one, step in found
        if step is not None
    }
    if moves:
        log.error("settled_payments_taken_back", chain_id=chain_id, count=len(moves))
    return move(connection, moves)


def _reopen_slots(connection: Connection, chain_id: ChainId, recent: ColumnElement[bool]) -> None:
    """Let nonces be followed again whose final block was rewound: the account's count fell too."""
    rewound_since = exists().where(
        recent,
        reorgs.c.ancestor_number < nonce_slots.c.mined_block,
        reorgs.c.seen_at >= nonce_slots.c.final_at - literal(OVERLAP, Interval),
    )
    connection.execute(
        update(nonce_slots)
        .where(nonce_slots.c.chain_id == chain_id, nonce_slots.c.is_final.is_(True), rewound_since)
        .values(is_final=False, final_at=None)
    )
