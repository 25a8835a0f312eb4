"""Tell consumers of the outbox what a transaction changes, in that transaction."""

from typing import Literal

from sqlalchemy import Connection, func, insert, select

from indexer.chain.types import BlockNumber, ChainId
from indexer.tables import outbox, reorgs

Action = Literal["added", "removed", "amended"]


def announce(
    connection: Connection,
    chain_id: ChainId,
    *,
    action: Action,
    low: BlockNumber,
    high: BlockNumber,
    reorg_id: int | None = None,
) -> None:
    """Tell consumers of the outbox what this transaction changes.

    Args:
        connection: In that transaction.
        chain_id: The chain.
        action: ``added``, ``removed`` or ``amended``.
        low: First block it concerns.
        high: Last block.
        reorg_id: Of a removal.
    """
    removals = select(func.count()).where(reorgs.c.chain_id == chain_id).scalar_subquery()
    connection.execute(
        insert(outbox).values(
            chain_id=chain_id,
            action=action,
            low=low,
            high=high,
            revision=removals + 1,
            reorg_id=reorg_id,
        )
    )
