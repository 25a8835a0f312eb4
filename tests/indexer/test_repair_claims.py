"""Whose word counts, and from which block, after blocks that make contracts known were mended."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from sqlalchemy import Engine, text, update
from typing_extensions import override

from indexer.chain.blocks import Log
from indexer.chain.types import Address, BlockNumber
from indexer.events import FILTER_ID
from indexer.ledger import holes
from indexer.tables import orphans, payments_created, unclaimed_logs
from tests.support.fake_chain import FakeChain
from tests.support.fresh_index import differences_from_fresh
from tests.support.indexing import (
    CAMPAIGN,
    CHAIN,
    PAYMENT,
    TREASURY,
    catch_up,
    claimed_of,
    follower_of,
    marks_of,
    mine_empty,
    mine_treasury,
    rows_of,
    state_of,
)
from tests.support.protocol_logs import (
    address,
    campaign_created,
    payment_created,
    settled,
    treasury_deployed,
)
from tests.support.repairing import Dropping, counts, do_idle_work, genesis_of, repair


def finalized_payments(engine: Engine) -> int:
    with engine.connect() as connection:
        count = text("SELECT count(*) FROM chain.payments_finalized")
        return int(connection.execute(count).scalar_one())


def test_finalized_mark_passes_no_hole_when_a_repair_made_a_treasury_known(engine: Engine) -> None:
    chain = Dropping()
    chain.dropped = 1
    mine_treasury(chain)
    mine_empty(chain, 30)
    follower = follower_of(engine, chain, header_scan_blocks_max=5)
    catch_up(follower)
    chain.mine(settled(TREASURY, PAYMENT))  # above the finalized mark, by a treasury nobody knows
    catch_up(follower)
    chain.dropped = None
    repair(engine, chain, 1, 1, genesis=genesis_of(chain))
    marks = marks_of(engine)
    assert marks.indexed == marks.finalized, "what follows is read again"

    follower.reload()
    mine_empty(chain, 12)
    catch_up(follower)
    final = marks_of(engine).finalized
    assert final is not None
    assert final.number >= 32
    assert finalized_payments(engine) == 1
    with engine.connect() as connection:
        open_ones = holes(connection, CHAIN, FILTER_ID, BlockNumber(1), final.number)
    assert marks.finalized is not None
    assert open_ones == [(2, marks.finalized.number)], "what was final then, and is read by itself"


def test_rows_are_those_of_a_fresh_index_when_a_reorg_follows_such_a_repair(
    engine: Engine,
) -> None:
    chain = Dropping()
    chain.dropped = 1
    mine_treasury(chain)
    mine_empty(chain, 30)
    follower = follower_of(engine, chain, header_scan_blocks_max=5)
    catch_up(follower)
    chain.mine(settled(TREASURY, PAYMENT))
    catch_up(follower)
    chain.dropped = None
    repair(engine, chain, 1, 1, genesis=genesis_of(chain))
    follower.reload()
    chain.mine(settled(TREASURY, b"2" * 32))
    mine_empty(chain, 1)
    catch_up(follower)
    chain.fork(2)
    mine_empty(chain, 15)
    catch_up(follower)
    do_idle_work(engine, chain, genesis_of(chain))
    catch_up(follower)
    assert differences_from_fresh(engine, chain) == []


@pytest.fixture
def early(engine: Engine, chain: FakeChain) -> list[str]:
    """A payment of block 2, whose treasury block 4 makes known."""
    chain.mine([campaign_created(CAMPAIGN, b"i" * 32)])
    chain.mine([payment_created(TREASURY, PAYMENT)])
    chain.mine()
    chain.mine([treasury_deployed(TREASURY, CAMPAIGN)])
    mine_empty(chain, 30)
    catch_up(follower_of(engine, chain))
    return state_of(engine)


def test_early_log_is_claimed_when_its_treasury_turns_up_in_the_same_slice(engine: Engine) -> None:
    chain = Dropping()
    chain.dropped = 4
    chain.mine([campaign_created(CAMPAIGN, b"i" * 32)])
    chain.mine([payment_created(TREASURY, PAYMENT)])
    chain.mine()
    chain.mine([treasury_deployed(TREASURY, CAMPAIGN)])
    mine_empty(chain, 30)
    follower = follower_of(engine, chain, header_scan_blocks_max=5)
    catch_up(follower)
    assert [row["claimed_block"] for row in rows_of(engine, unclaimed_logs)] == [None]
    chain.dropped = None
    repair(engine, chain, 1, 10, genesis=genesis_of(chain))
    follower.reload()
    do_idle_work(engine, chain, genesis_of(chain))
    catch_up(follower)
    assert [row["claimed_block"] for row in rows_of(engine, unclaimed_logs)] == [4]
    assert claimed_of(engine)[2, 0]
    assert differences_from_fresh(engine, chain) == []


@pytest.mark.parametrize("wrong", [None, 3])
def test_claim_is_mended_and_nobody_charged_when_only_its_block_was_wrong(
    engine: Engine, chain: FakeChain, early: list[str], wrong: int | None
) -> None:
    with engine.begin() as connection:
        connection.execute(update(unclaimed_logs).values(claimed_block=wrong))
    outcome = repair(engine, chain, 1, 10, genesis=genesis_of(chain))
    assert counts(outcome) == {"unclaimed_logs": (1, 0, 0, 1)}
    assert [one.reclaimed for one in outcome.changes if one.is_change] == [1]
    assert outcome.charged == ()
    assert [row["claimed_block"] for row in rows_of(engine, unclaimed_logs)] == [4]
    assert state_of(engine) == early


def test_early_claims_are_taken_back_when_their_treasury_was_an_invention(engine: Engine) -> None:
    chain = Inventing()
    chain.mine([campaign_created(CAMPAIGN, b"i" * 32)])
    chain.mine(settled(TREASURY, PAYMENT))  # nobody's, for ever
    mine_empty(chain, 1)
    chain.mine([payment_created(address("stranger"), PAYMENT)])
    mine_empty(chain, 30)
    chain.invents = True
    follower = follower_of(engine, chain, header_scan_blocks_max=5, depth="checked")
    catch_up(follower)
    assert len(rows_of(engine, payments_created)) == 1

    chain.invents = False
    repair(engine, chain, 4, 4, genesis=genesis_of(chain))
    assert rows_of(engine, payments_created) == []
    assert {row["fact"] for row in rows_of(engine, orphans)} == {
        "payments_created",
        "payments_confirmed",
        "logs",
    }
    follower.reload()
    do_idle_work(engine, chain, genesis_of(chain))
    catch_up(follower)
    assert differences_from_fresh(engine, chain) == []


class Inventing(FakeChain):
    """A node that lists a deployment of our factory in the place of a stranger's log."""

    invents = False

    @override
    def logs(
        self,
        low: BlockNumber,
        high: BlockNumber,
        topics: Sequence[Sequence[bytes] | None],
        addresses: Sequence[Address] | None = None,
    ) -> list[Log]:
        found = super().logs(low, high, topics, addresses)
        told = treasury_deployed(TREASURY, CAMPAIGN)
        return [
            replace(one, address=told.address, topics=told.topics, data=told.data)
            if self.invents and one.block_number == 4
            else one
            for one in found
        ]
