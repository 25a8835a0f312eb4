"""Write the sealed record out, for whoever is to check it without this database."""

from collections.abc import Iterator

from sqlalchemy import Connection

from settlement.audit.chain import GENESIS
from settlement.audit.format import HEADING, write_block
from settlement.audit.rows import read_blocks, rows_between


def export_record(connection: Connection) -> Iterator[bytes]:
    """Lines of the record, without line ends: a heading, then each block behind its rows.

    Every row that stands in a block's range is told, whether it was sealed or not: the verifier
    finds what does not belong. What is not sealed yet is not told, so that equal chains give equal
    bytes.

    Args:
        connection: One snapshot (REPEATABLE READ) that may read schema ``settlement``.
    """
    yield HEADING
    after = GENESIS.until
    for block in read_blocks(connection):
        for row in rows_between(connection, after, block.until):
            yield row.text
        yield write_block(block)
        after = block.until
