"""The deployment record names more than it did: claim what was kept, read again what was not.

Logs of our topics are kept whoever emits them, so that a factory that is added brings its payments
at once. Transfers are kept of our tokens into and out of treasuries that are known; those of a
treasury that becomes known by the record, and of a token that is added, have to be read.
"""

import structlog
from sqlalchemy import Connection, select, update

from indexer.chain.types import ADDRESS_BYTES, BlockNumber, ChainId
from indexer.claims import claim_deployed
from indexer.cursor import read_fetched
from indexer.known import KnownContracts
from indexer.ledger import forget
from indexer.rewind import rewind_to
from indexer.tables import marks
from indexer.write import known_contracts

log = structlog.get_logger()


def widen(connection: Connection, chain_id: ChainId, deployed: KnownContracts) -> None:
    """Bring the tables to what the record says now.

    What has to be read again becomes a hole below the finalized mark, which idle work fills, and
    is undone above it, where the follower comes by again at once.

    Args:
        connection: In a transaction; the caller holds the chain's writer lock.
        chain_id: The chain; its marks are open.
        deployed: The contracts that the record names.
    """
    row = connection.execute(
        select(marks.c.first_block, marks.c.finalized_number, marks.c.tokens).where(
            marks.c.chain_id == chain_id
        )
    ).one()
    read_for = None if row.tokens is None else _split(row.tokens)
    tokens = frozenset(deployed.tokens)
    if read_for != tokens:
        joined = b"".join(sorted(tokens))
        connection.execute(update(marks).where(marks.c.chain_id == chain_id).values(tokens=joined))
    fetched = read_fetched(connection, chain_id)
    if fetched is None:
        return
    known = known_contracts(connection, chain_id, deployed, at=fetched.number)
    claimed = claim_deployed(connection, chain_id, known)
    if read_for is not None and tokens - read_for:
        low = BlockNumber(row.first_block)
    elif claimed is not None and tokens:
        low = claimed
    else:
        return
    final = BlockNumber(
        row.first_block - 1 if row.finalized_number is None else row.finalized_number
    )
    if fetched.number > final:
        rewind_to(connection, chain_id, number=final, tip=fetched)
    if low <= final:
        forget(connection, chain_id, low, final)
    log.warning("transfers_read_again", chain_id=chain_id, low=low, high=fetched.number)


def _split(joined: bytes) -> frozenset[bytes]:
    return frozenset(
        joined[start : start + ADDRESS_BYTES] for start in range(0, len(joined), ADDRESS_BYTES)
    )
