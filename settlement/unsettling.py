"""A finalized block changed all the same: find what had been settled in it, and settle it again.

The indexer halts at once when that happens, and an operator rewinds it below its own finalized mark
(``docs/operations.md``, IndexerHalted). What was settled above goes back to where the index shows
it now; the same bytes are sent again where our transaction is gone.
"""

from datetime import timedelta

import structlog
from sqlalchemy import Connection, exists, func, select, update

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
_ENDED: tuple[RequestState, ...] = ("settled", "refunded")


def unsettle(connection: Connection, chain_id: ChainId) -> int:
    """Take back what a rewind below its block left unproven; returns how many moved.

    What still stands as it did is marked as seen after the rewind, and not looked at again.
    """
    lowest = (
        select(func.min(reorgs.c.ancestor_number))
        .where(reorgs.c.chain_id == chain_id, reorgs.c.seen_at > func.now() - LOOK_BACK)
        .scalar_subquery()
    )
    rewound_since = exists().where(
        reorgs.c.chain_id == requests.c.chain_id,
        reorgs.c.ancestor_number < requests.c.settled_block,
        reorgs.c.seen_at >= requests.c.settled_at,
    )
    suspects = requests_where(
        connection,
        requests.c.chain_id == chain_id,
        requests.c.state.in_(_ENDED),
        requests.c.settled_block > lowest,
        rewound_since,
    )
    _reopen_slots(connection, chain_id)
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


def _reopen_slots(connection: Connection, chain_id: ChainId) -> None:
    """Let nonces be followed again whose final block was rewound: the account's count fell too."""
    rewound_since = exists().where(
        reorgs.c.chain_id == nonce_slots.c.chain_id,
        reorgs.c.ancestor_number < nonce_slots.c.mined_block,
        reorgs.c.seen_at >= nonce_slots.c.final_at,
        reorgs.c.seen_at > func.now() - LOOK_BACK,
    )
    connection.execute(
        update(nonce_slots)
        .where(nonce_slots.c.chain_id == chain_id, nonce_slots.c.is_final.is_(True), rewound_since)
        .values(is_final=False, final_at=None)
    )
