"""Tell consumers of the outbox what a transaction changes, in that transaction."""

from typing import Literal

from sqlalchemy import Connection, func, insert, select

from indexer.chain.types import BlockNumber, ChainId
from indexer.tables import marks, outbox, reorgs

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

    No other writer of the chain commits between this and the end of the transaction, so that a
    consumer that has seen an id will never see a lower one appear.

    Args:
        connection: In that transaction.
        chain_id: The chain.
        action: ``added``, ``removed`` or ``amended``.
        low: First block it concerns.
        high: Last block.
        reorg_id: Of what went with it, as ``orphans`` names it; None when nothing did.
    """
    connection.execute(
        select(marks.c.chain_id).where(marks.c.chain_id == chain_id).with_for_update(key_share=True)
    )
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
