"""What a treasury, or the price of gas, has stopped is tried again after a while.

A treasury that refuses one refuses all: one request of it is tried, and the others follow once a
transaction of its payments was sealed. A fee that is too high for one may not be for all of them:
they are tried together.
"""

from sqlalchemy import ColumnElement, Connection, and_, exists, func, or_, select, update
from sqlalchemy.dialects.postgresql import distinct_on

from indexer.chain.types import ChainId
from settlement.lifecycle import FEE, RETRY_AFTER, TREASURY
from settlement.tables import batches, requests
from settlement.types import BATCH_OF


def retry_blocked(connection: Connection, chain_id: ChainId) -> int:
    """Make ready again what may pass by now; returns how many requests."""
    stopped = and_(requests.c.chain_id == chain_id, requests.c.state == "blocked")
    waited = requests.c.state_since < func.now() - RETRY_AFTER
    by_treasury = requests.c.reason.startswith(TREASURY)
    return _make_ready(
        connection,
        stopped,
        or_(
            and_(waited, requests.c.reason.startswith(FEE)),
            and_(by_treasury, _was_served_since()),
            requests.c.request_id.in_(_probes(chain_id)),
        ),
    )


def _make_ready(connection: Connection, *conditions: ColumnElement[bool]) -> int:
    return connection.execute(
        update(requests)
        .where(*conditions)
        .values(state="ready", reason=None, state_since=func.now())
    ).rowcount


def _was_served_since() -> ColumnElement[bool]:
    """Condition: payments of its treasury were sealed since it was stopped."""
    return exists().where(
        batches.c.chain_id == requests.c.chain_id,
        batches.c.treasury == requests.c.treasury,
        batches.c.kind.in_(tuple(BATCH_OF.values())),
        batches.c.sealed_at > requests.c.state_since,
    )


def _probes(chain_id: ChainId) -> ColumnElement[object]:
    """The longest captured request of each treasury of which none was tried for a while."""
    stopped = requests.alias("stopped")
    tried = requests.alias("tried")
    tried_lately = exists().where(
        tried.c.chain_id == stopped.c.chain_id,
        tried.c.treasury == stopped.c.treasury,
        tried.c.state.in_(("ready", "blocked")),
        tried.c.state_since >= func.now() - RETRY_AFTER,
    )
    return (
        select(stopped.c.request_id)
        .ext(distinct_on(stopped.c.treasury))
        .where(
            stopped.c.chain_id == chain_id,
            stopped.c.state == "blocked",
            stopped.c.reason.startswith(TREASURY),
            ~tried_lately,
        )
        .order_by(stopped.c.treasury, stopped.c.captured_at, stopped.c.request_id)
        .scalar_subquery()
    )
