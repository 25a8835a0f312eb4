"""Take back what rests on blocks that are no longer canonical."""

from sqlalchemy import Connection, delete

from indexer.chain.types import BlockNumber, ChainId
from indexer.projection_tables import payment_lives
from indexer.projections.lives import undo_lives
from indexer.projections.registry import undo_contracts, undo_transactions
from indexer.projections.totals import forget_totals, undo_totals


def undo_projections(connection: Connection, chain_id: ChainId, ancestor: BlockNumber) -> None:
    """Make every projection again what it was after block ``ancestor``.

    A treasury that goes takes all its payments, those of older blocks too: they counted only
    because it was known. Daily totals of others are final: they change only where an operator goes
    below finality.

    Args:
        connection: In the transaction that removes the facts.
        chain_id: The chain.
        ancestor: Highest block that stays.
    """
    gone = undo_contracts(connection, chain_id, ancestor)
    if gone:
        connection.execute(
            delete(payment_lives).where(
                payment_lives.c.chain_id == chain_id, payment_lives.c.treasury.in_(gone)
            )
        )
        forget_totals(connection, chain_id, gone)
    undo_lives(connection, chain_id, ancestor)
    undo_transactions(connection, chain_id, BlockNumber(ancestor + 1))
    undo_totals(connection, chain_id, ancestor)
