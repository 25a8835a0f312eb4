"""Drive a follower over a fake chain and look at what it wrote."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Engine, Table, select, text

from indexer.backfill.ranges import Depth
from indexer.backfill.run import Backfill
from indexer.chain.networks import Network, network_by_name
from indexer.chain.types import BlockHash, ChainId, PaymentId
from indexer.follow import HEADER_SCAN_BLOCKS_MAX, Follower
from indexer.known import KnownContracts
from indexer.projection_tables import campaigns, payment_lives, transactions, treasuries
from indexer.queries import Marks, read_marks
from indexer.tables import (
    blocks,
    logs,
    payments_confirmed,
    payments_created,
    reorgs,
    token_transfers,
    unclaimed_logs,
)
from indexer.views import payments
from tests.support.fake_chain import FakeChain
from tests.support.fake_nodes import FakeNodes
from tests.support.protocol_logs import (
    address,
    campaign_created,
    deployment,
    settled,
    treasury_deployed,
)

NETWORK = network_by_name("celo-local")
CHAIN = NETWORK.chain_id
CAMPAIGN = address("campaign")
TREASURY = address("treasury")
IDENTIFIER = b"i" * 32
PAYMENT = PaymentId(b"p" * 32)

STATE_TABLES = (
    blocks,
    payments_created,
    payments_confirmed,
    token_transfers,
    logs,
    campaigns,
    treasuries,
    transactions,
    payment_lives,
)
STATE_VIEWS = (
    "payments_latest",
    "payments_finalized",
    "events_latest",
    "events_finalized",
    "daily_totals_latest",
    "daily_totals_finalized",
    "treasury_totals_latest",
    "treasury_totals_finalized",
    "campaign_totals_latest",
    "campaign_totals_finalized",
)
"""With the tables and the marks, everything that two indexers of one chain must agree on.

How surely a block is known is none of it: one may have proven what the other took from logs.
"""
_NOT_COMPARED = "- 'chain_id' - 'proven' - 'confirmed_proven' - 'claimed_block' - 'updated_at'"


_UNCLAIMED = (
    f"SELECT 'unclaimed ' || (to_jsonb(t) {_NOT_COMPARED})::text"  # noqa: S608 - names of ours
    f" FROM chain.{unclaimed_logs.name} AS t WHERE chain_id = :chain_id AND claimed_block IS NULL"
)
_MARKS = (
    "SELECT 'mark ' || concat_ws(' ', head_number, fetched_number, indexed_number, indexed_hash,"
    " finalized_number, finalized_hash, degraded_reason)"
    " FROM chain.marks WHERE chain_id = :chain_id"
)
_LEDGER = (
    "SELECT 'read ' || concat_ws(' ', filter, range_agg(int8range(low, high, '[]')))"
    " FROM chain.ranges WHERE chain_id = :chain_id GROUP BY filter"
)


def _state_query() -> str:
    rows = [
        f"SELECT '{name} ' || (to_jsonb(t) {_NOT_COMPARED})::text"  # noqa: S608 - names of ours
        f" FROM chain.{name} AS t WHERE chain_id = :chain_id"
        for name in (*(table.name for table in STATE_TABLES), *STATE_VIEWS)
    ]
    return " UNION ALL ".join([*rows, _UNCLAIMED, _MARKS, _LEDGER])


_STATE = text(_state_query())


def follower_on(
    engine: Engine,
    source: FakeChain | FakeNodes,
    network: Network,
    *,
    genesis: BlockHash,
    history_from: int | None = None,
    depth: Depth = "proven",
) -> Follower:
    """A started follower, as a new process would have it.

    Args:
        engine: The database.
        source: Whom to ask.
        network: The chain; its id tells its rows from those of others.
        genesis: Hash of the chain's first block.
        history_from: Distance to the finalized block from which history is read by a backfill;
            None for never.
        depth: How far that is verified while it is read.
    """
    record = deployment(genesis)
    backfill = Backfill(
        engine,
        source,
        network=network,
        deployed=KnownContracts.of_deployment(record),
        depth=depth,
    )
    follower = Follower(
        engine,
        source,
        network=network,
        deployment=record,
        history=None if history_from is None else backfill,
        header_scan_blocks_max=history_from or 0,
    )
    follower.start()
    return follower


def follower_of(
    engine: Engine,
    chain: FakeChain,
    *,
    header_scan_blocks_max: int = HEADER_SCAN_BLOCKS_MAX,
    depth: Depth = "listed",
) -> Follower:
    """A started follower of one node of the local chain."""
    return follower_on(
        engine,
        chain,
        NETWORK,
        genesis=chain.blocks[0].header.hash,
        history_from=header_scan_blocks_max,
        depth=depth,
    )


def mine_treasury(chain: FakeChain) -> None:
    """Mine a campaign and its treasury, in one block."""
    chain.mine([campaign_created(CAMPAIGN, IDENTIFIER)], [treasury_deployed(TREASURY, CAMPAIGN)])


def mine_empty(chain: FakeChain, count: int) -> None:
    """Mine blocks without logs."""
    for _ in range(count):
        chain.mine()


def payment_numbered(number: int) -> PaymentId:
    """The payment of that number."""
    return PaymentId(number.to_bytes(32, "big"))


def mine_payments(chain: FakeChain, count: int, *, first: int = 0, every: int = 1) -> None:
    """Mine ``count`` blocks; each whose number is divisible by ``every`` settles a payment."""
    for number in range(first, first + count):
        chain.mine(*([settled(TREASURY, payment_numbered(number))] if number % every == 0 else []))


def catch_up(follower: Follower, *, steps_max: int = 1_000) -> None:
    """Step until there is nothing left to do."""
    for _ in range(steps_max):
        if not follower.step():
            return
    raise AssertionError(f"still busy after {steps_max} steps")


def marks_of(engine: Engine) -> Marks:
    """The marks as stored; there must be some."""
    with engine.connect() as connection:
        seen = read_marks(connection, CHAIN)
    assert seen is not None
    return seen


def rows_of(engine: Engine, table: Table) -> Sequence[dict[str, Any]]:
    """All rows, in the order of their key."""
    with engine.connect() as connection:
        found = connection.execute(select(table).order_by(*table.primary_key.columns))
        return [dict(row._mapping) for row in found]


def claimed_of(engine: Engine) -> dict[tuple[int, int], bool]:
    """Every log that has a row, by block and place, and whether its contract's word counts."""
    query = text("SELECT block_number, log_index, claimed FROM chain.events_latest ORDER BY 1, 2")
    with engine.connect() as connection:
        rows = connection.execute(query).all()
    assert len({(row.block_number, row.log_index) for row in rows}) == len(rows)
    return {(row.block_number, row.log_index): row.claimed for row in rows}


def reorg_depths(engine: Engine) -> list[int]:
    """How many blocks each reorg undid, in order."""
    return [row["orphaned_tip_number"] - row["ancestor_number"] for row in rows_of(engine, reorgs)]


def present_of(engine: Engine, chain_id: ChainId = CHAIN) -> Sequence[dict[str, Any]]:
    """The present life of every payment, in the order of treasury and id."""
    query = select(payments).where(payments.c.chain_id == chain_id)
    with engine.connect() as connection:
        found = connection.execute(query.order_by(payments.c.treasury, payments.c.payment_id))
        return [dict(row._mapping) for row in found]


def state_of(engine: Engine, chain_id: ChainId = CHAIN) -> list[str]:
    """Every row that two indexers of one chain must agree on, as text, in order."""
    with engine.connect() as connection:
        return sorted(connection.execute(_STATE, {"chain_id": chain_id}).scalars())


def rows_written(engine: Engine) -> list[str]:
    """As ``state_of``, without the marks: what a step that fails may not change."""
    return [row for row in state_of(engine) if not row.startswith("mark ")]


def forget_all(engine: Engine) -> None:
    """Empty schema ``chain``."""
    with engine.begin() as connection:
        names = connection.execute(
            text("SELECT tablename FROM pg_tables WHERE schemaname = 'chain'")
        ).scalars()
        for name in names:
            connection.execute(text(f'DELETE FROM chain."{name}"'))  # noqa: S608 - from the catalog
