"""What an index is held against: another of the same chain, which saw nothing but its end.

Each index has a chain id of its own, so that one database serves many.
"""

import itertools
from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import Engine, text

from indexer.chain.networks import Network
from indexer.chain.types import ChainId
from tests.support.fake_chain import FakeChain
from tests.support.indexing import CHAIN, NETWORK, catch_up, follower_on, state_of
from tests.support.random_logs import expected_claims

_chain_ids = itertools.count(1_000_000)


def new_network() -> Network:
    """The local network under a chain id that no other index has."""
    return replace(NETWORK, chain_id=ChainId(next(_chain_ids)))


def differences_from_fresh(
    engine: Engine, chain: FakeChain, chain_id: ChainId = CHAIN
) -> list[str]:
    """Index the chain anew, and compare the rows of another index with that."""
    lived = state_of(engine, chain_id)
    fresh = new_network()
    catch_up(follower_on(engine, chain, fresh, genesis=chain.blocks[0].header.hash))
    return differences(lived, state_of(engine, fresh.chain_id))


def assert_fresh(engine: Engine, chain: FakeChain) -> None:
    """The rows are those of an index that saw only this chain."""
    assert differences_from_fresh(engine, chain) == []


def differences(lived: Sequence[str], fresh: Sequence[str]) -> list[str]:
    """Rows that only one of two indexes holds."""
    return [f"only lived through: {row}" for row in sorted(set(lived) - set(fresh))] + [
        f"only in a fresh index: {row}" for row in sorted(set(fresh) - set(lived))
    ]


def false_claims(engine: Engine, chain: FakeChain, chain_id: ChainId) -> list[str]:
    """Logs that are missing, doubled in meaning, or believed though they should not be."""
    statement = text(
        "SELECT encode(block_hash, 'hex') AS hash, log_index, true AS claimed"
        " FROM chain.payments_created WHERE chain_id = :chain_id"
        " UNION SELECT encode(block_hash, 'hex'), log_index, true"
        " FROM chain.payments_confirmed WHERE chain_id = :chain_id"
        " UNION SELECT encode(block_hash, 'hex'), log_index, true"
        " FROM chain.logs WHERE chain_id = :chain_id"
        " UNION SELECT encode(block_hash, 'hex'), log_index, false"
        " FROM chain.unclaimed_logs WHERE chain_id = :chain_id AND claimed_block IS NULL"
    )
    with engine.connect() as connection:
        rows = connection.execute(statement, {"chain_id": chain_id}).all()
    stored = {f"{row.hash} {row.log_index} claimed={row.claimed}" for row in rows}
    mined = {
        f"{block} {place} claimed={claimed}"
        for (block, place), claimed in expected_claims(chain).items()
    }
    return [f"stored, not mined: {one}" for one in sorted(stored - mined)] + [
        f"mined, not stored: {one}" for one in sorted(mined - stored)
    ]
