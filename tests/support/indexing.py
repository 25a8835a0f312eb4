"""Drive a follower over a fake chain and look at what it wrote."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Engine, Table, select

from indexer.chain.networks import network_by_name
from indexer.chain.types import PaymentId
from indexer.follow import HEADER_SCAN_BLOCKS_MAX, Follower
from indexer.queries import Marks, read_marks
from indexer.tables import (
    blocks,
    campaigns,
    logs,
    marks,
    payments,
    payments_confirmed,
    payments_created,
    payments_ended,
    ranges,
    reorgs,
    surplus_sweeps,
    token_transfers,
    treasuries,
)
from tests.support.fake_chain import FakeChain
from tests.support.protocol_logs import (
    address,
    campaign_created,
    deployment,
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
    logs,
    campaigns,
    treasuries,
    payments_created,
    payments_confirmed,
    payments_ended,
    token_transfers,
    surplus_sweeps,
    payments,
)
"""Everything that two indexers of one chain must agree on."""
ALL_TABLES = (*STATE_TABLES, marks, ranges, reorgs)


def follower_of(
    engine: Engine, chain: FakeChain, *, header_scan_blocks_max: int = HEADER_SCAN_BLOCKS_MAX
) -> Follower:
    """A started follower, as a new process would have it."""
    follower = Follower(
        engine,
        chain,
        network=NETWORK,
        deployment=deployment(chain.blocks[0].header.hash),
        header_scan_blocks_max=header_scan_blocks_max,
    )
    follower.start()
    return follower


def mine_treasury(chain: FakeChain) -> None:
    """Mine a campaign and its treasury, in one block."""
    chain.mine([campaign_created(CAMPAIGN, IDENTIFIER)], [treasury_deployed(TREASURY, CAMPAIGN)])


def mine_empty(chain: FakeChain, count: int) -> None:
    """Mine blocks without logs."""
    for _ in range(count):
        chain.mine()


def catch_up(follower: Follower, *, steps_max: int = 200) -> None:
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


def state_of(engine: Engine) -> dict[str, Sequence[dict[str, Any]]]:
    """Every row that two indexers of one chain must agree on."""
    return {table.name: rows_of(engine, table) for table in STATE_TABLES}


def forget_all(engine: Engine) -> None:
    """Empty schema ``chain``."""
    with engine.begin() as connection:
        for table in ALL_TABLES:
            connection.execute(table.delete())
