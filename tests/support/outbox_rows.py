"""What writers commit to the outbox, and to the tables it tells of."""

from sqlalchemy import Connection, func, insert, select

from indexer.chain.types import PaymentId
from indexer.outbox_telling import FACTS
from indexer.rewind import move_to_orphans
from indexer.tables import outbox, payments_created, reorgs
from tests.support.facts import CHAIN, FactRow, add, block_hash, confirmed, created, hash_of


def payment(number: int, branch: str = "") -> PaymentId:
    return PaymentId(hash_of(f"payment {number}{branch}"))


def mined(number: int, branch: str = "") -> list[FactRow]:
    """One payment created and confirmed in one block."""
    made = created(number, 0, payment(number, branch))
    sealed = confirmed(number, 1, payment(number, branch))
    for _, values in (made, sealed):
        values["block_hash"] = block_hash(number, branch)
    return [made, sealed]


def write(connection: Connection, low: int, *rows: FactRow, high: int | None = None) -> None:
    """What the writer commits for a range."""
    add(connection, *rows)
    announce(connection, "added", low, low if high is None else high)


def announce(
    connection: Connection, action: str, low: int, high: int, reorg_id: int | None = None
) -> None:
    revision = select(func.count() + 1).select_from(reorgs).scalar_subquery()
    connection.execute(
        insert(outbox).values(
            chain_id=CHAIN, action=action, low=low, high=high, revision=revision, reorg_id=reorg_id
        )
    )


def reorganise(
    connection: Connection, ancestor: int, tip: int, *, unclaimed: int | None = None
) -> None:
    """What the writer commits when blocks go, and a late claim of a block that stays."""
    reorg_id = _record_reorg(connection, ancestor, tip)
    for table in FACTS:
        goes = table.c.block_number > ancestor
        move_to_orphans(connection, table, goes | (table.c.block_number == unclaimed), reorg_id)
    announce(connection, "removed", ancestor + 1, tip, reorg_id)


def repair(connection: Connection, number: int, *, amount: int) -> None:
    """What the writer commits when the stored amount of a block's payment is false."""
    reorg_id = _record_reorg(connection, number - 1, number)
    of_block = payments_created.c.block_number == number
    right = dict(connection.execute(select(payments_created).where(of_block)).mappings().one())
    move_to_orphans(connection, payments_created, of_block, reorg_id)
    add(connection, (payments_created, right | {"amount": amount}))
    announce(connection, "amended", number, number, reorg_id)


def _record_reorg(connection: Connection, ancestor: int, tip: int) -> int:
    return int(
        connection.execute(
            insert(reorgs)
            .values(
                chain_id=CHAIN,
                ancestor_number=ancestor,
                orphaned_tip_number=tip,
                orphaned_tip_hash=block_hash(tip),
            )
            .returning(reorgs.c.id)
        ).scalar_one()
    )
