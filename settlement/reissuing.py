"""A payment that expired on-chain before it was confirmed is issued anew, under another name.

Never before a finalized block is later than its expiry and shows it unconfirmed: only then can the
old name never be confirmed. Both rows change in one transaction, so at most one of them is alive.
"""

from collections.abc import Sequence
from uuid import UUID, uuid5

import structlog
from sqlalchemy import Connection, and_, exists, func, insert, select, update

from indexer.queries import Marks
from indexer.views import payments_finalized
from settlement.lifecycle import EXPIRED
from settlement.tables import AnyRow, batch_items, campaigns, requests
from settlement.types import CONFIRMING, derive_payment_id

log = structlog.get_logger()

REISSUED_MAX = 500
"""Requests of one turn."""
_COPIED = (
    "root_id",
    "chain_id",
    "treasury",
    "gateway",
    "pledge_id",
    "buyer_commitment",
    "item_id",
    "token",
    "amount_base_units",
    "captured_at",
)


def reissue_expired(connection: Connection, marks: Marks) -> int:
    """Supersede what is proven to have expired by the next generation; returns how many.

    Args:
        connection: The caller's transaction.
        marks: How far the chain is final.
    """
    if marks.finalized is None:
        return 0
    expired = _proven_expired(connection, marks, int(marks.finalized.timestamp.timestamp()))
    for row in expired:
        _reissue(connection, row)
    if expired:
        log.warning("expired_payments_reissued", chain_id=marks.chain_id, count=len(expired))
    return len(expired)


def _proven_expired(connection: Connection, marks: Marks, finalized_s: int) -> Sequence[AnyRow]:
    may_confirm = exists().where(
        batch_items.c.request_id == requests.c.request_id,
        batch_items.c.kind.in_(CONFIRMING),
        batch_items.c.released_at.is_(None),
    )
    return connection.execute(
        select(requests, campaigns.c.platform_hash)
        .join(
            payments_finalized,
            and_(
                payments_finalized.c.chain_id == requests.c.chain_id,
                payments_finalized.c.treasury == requests.c.treasury,
                payments_finalized.c.payment_id == requests.c.payment_id,
            ),
        )
        .join(
            campaigns,
            and_(
                campaigns.c.chain_id == requests.c.chain_id,
                campaigns.c.treasury == requests.c.treasury,
            ),
        )
        .where(
            requests.c.chain_id == marks.chain_id,
            requests.c.state == "blocked",
            requests.c.reason.startswith(EXPIRED),
            payments_finalized.c.state == "created",
            payments_finalized.c.expiration.between(1, finalized_s),
            ~may_confirm,
        )
        .order_by(requests.c.captured_at)
        .limit(REISSUED_MAX)
        .with_for_update(of=requests, skip_locked=True)
    ).all()


def _reissue(connection: Connection, row: AnyRow) -> None:
    generation = row.generation + 1
    connection.execute(
        update(requests)
        .where(requests.c.request_id == row.request_id)
        .values(
            state="superseded",
            reason=f"expired on-chain; generation {generation} takes its place",
            batch_id=None,
            state_since=func.now(),
        )
    )
    connection.execute(
        insert(requests).values(
            request_id=name_of_generation(row.root_id, generation),
            generation=generation,
            payment_id=derive_payment_id(row.platform_hash, row.pledge_id, generation),
            **{name: getattr(row, name) for name in _COPIED},
        )
    )


def name_of_generation(root_id: UUID, generation: int) -> UUID:
    """The request id of a later generation: derived, so that it is the same on every try."""
    return uuid5(root_id, f"generation {generation}")
