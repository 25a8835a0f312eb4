"""Consumers of the outbox of the real follower and of real repairs hold what the tables hold."""

from threading import Event

import pytest
from sqlalchemy import Engine, insert, select

from indexer.backfill.run import Backfill
from indexer.chain.deployments import Deployment, OtherContracts
from indexer.chain.types import BlockNumber, PaymentId, to_hex
from indexer.cursor import open_marks
from indexer.follow import Follower
from indexer.known import KnownContracts
from indexer.maintenance import rewind
from indexer.outbox_telling import Delivery
from indexer.tables import payments_confirmed
from tests.support.fake_chain import FakeChain
from tests.support.indexing import (
    CAMPAIGN,
    CHAIN,
    IDENTIFIER,
    NETWORK,
    PAYMENT,
    TREASURY,
    catch_up,
    follower_of,
    mine_empty,
    mine_treasury,
)
from tests.support.outbox_consumer import Consumer
from tests.support.protocol_logs import (
    address,
    campaign_created,
    deployment,
    payment_created,
    settled,
    treasury_deployed,
)
from tests.support.repairing import genesis_of, repair

OAK_CAMPAIGNS, OAK_TREASURIES = address("oak campaigns"), address("oak treasuries")
EARLY = PaymentId(b"e" * 32)


@pytest.mark.parametrize("limit", [1, 2, 100])
def test_latest_holds_what_stands_after_a_reorg_across_a_deployment_with_late_claims(
    engine: Engine, limit: int
) -> None:
    """Survives: the block that made an old payment count goes, and newer payments with it."""
    chain = FakeChain(finality_lag=50)
    consumer = Consumer(engine, limit=limit)
    mine_treasury(chain)
    late = address("late treasury")
    chain.mine([payment_created(late, EARLY)])  # before its treasury is anybody's
    chain.mine(settled(TREASURY, PAYMENT))
    catch_up(follower_of(engine, chain))
    consumer.read_all()
    chain.mine([treasury_deployed(late, CAMPAIGN)])
    catch_up(follower_of(engine, chain))
    consumer.read()
    chain.fork(2)
    mine_empty(chain, 3)
    catch_up(follower_of(engine, chain))
    consumer.read_all()
    assert consumer.differences() == []
    assert "retract" in {one.kind for one in consumer.heard}


def test_finalized_takes_back_a_late_claim_when_the_block_that_made_it_goes(
    engine: Engine,
) -> None:
    """Survives: a reorg above the finalized mark that takes away whom a final log was of."""
    chain = FakeChain(finality_lag=4)
    consumer = Consumer(engine, "finalized")
    mine_treasury(chain)
    late = address("late treasury")
    chain.mine([payment_created(late, EARLY)], settled(TREASURY, PAYMENT))
    mine_empty(chain, 8)
    chain.mine([treasury_deployed(late, CAMPAIGN)])
    catch_up(follower_of(engine, chain))
    consumer.read_all()
    assert EARLY.hex() in str(consumer.holds)
    chain.fork(1)
    mine_empty(chain, 2)
    catch_up(follower_of(engine, chain))
    consumer.read_all()
    assert EARLY.hex() not in str(consumer.holds)
    assert consumer.differences() == []


@pytest.mark.parametrize("delivery", ["latest", "finalized"])
def test_what_a_repair_found_false_is_taken_back(engine: Engine, delivery: Delivery) -> None:
    chain = FakeChain()
    mine_treasury(chain)
    chain.mine(settled(TREASURY, PAYMENT))
    mine_empty(chain, 20)
    catch_up(follower_of(engine, chain))
    with engine.begin() as connection:
        row = connection.execute(select(payments_confirmed).limit(1)).mappings().one()
        invented = {
            "block_number": 3,
            "payment_id": EARLY,
            "block_hash": chain.blocks[3].header.hash,
        }
        connection.execute(insert(payments_confirmed).values(dict(row) | invented))
    consumer = Consumer(engine, delivery)
    consumer.read_all()
    assert EARLY.hex() in str(consumer.holds)
    repair(engine, chain, 1, 10, genesis=genesis_of(chain))
    assert consumer.read()[0].kind == "retract"
    consumer.read_all()
    assert consumer.differences() == []


@pytest.mark.parametrize("delivery", ["latest", "finalized"])
@pytest.mark.parametrize("to", [1, 6])
def test_consumers_follow_a_rewind_below_the_finalized_mark(
    engine: Engine, delivery: Delivery, to: int
) -> None:
    chain = FakeChain(finality_lag=4)
    mine_treasury(chain)
    for number in range(12):
        chain.mine(settled(TREASURY, PaymentId(bytes([number]) * 32)))
    catch_up(follower_of(engine, chain))
    consumer = Consumer(engine, delivery)
    consumer.read_all()
    with engine.begin() as connection:
        rewind(connection, CHAIN, BlockNumber(to), below_finalized=True)
    consumer.read_all()
    assert consumer.differences() == []
    catch_up(follower_of(engine, chain))
    consumer.read_all()
    assert consumer.differences() == []


def test_latest_hears_of_claims_in_blocks_without_projections(engine: Engine) -> None:
    """Survives: a kill within a backfill, and a start with a record that names more factories."""
    chain = FakeChain(finality_lag=4)
    chain.mine(
        [campaign_created(CAMPAIGN, IDENTIFIER, emitter=OAK_CAMPAIGNS)],
        [treasury_deployed(TREASURY, CAMPAIGN, emitter=OAK_TREASURIES)],
    )
    chain.mine(settled(TREASURY, PAYMENT))
    chain.mine([campaign_created(address("our campaign"), b"j" * 32)])
    mine_empty(chain, 8)
    backfill(engine, chain, record(chain, with_oak=False), high=7)
    consumer = Consumer(engine)
    consumer.read_all()
    follower = Follower(engine, chain, network=NETWORK, deployment=record(chain, with_oak=True))
    follower.start()
    catch_up(follower)
    consumer.read_all()
    assert consumer.differences() == []


def record(chain: FakeChain, *, with_oak: bool) -> Deployment:
    """The deployment, with or without another's factories."""
    oak = OtherContracts.model_validate(
        {
            "name": "oak",
            "campaign_info_factory": to_hex(OAK_CAMPAIGNS),
            "treasury_factory": to_hex(OAK_TREASURIES),
        }
    )
    ours = deployment(genesis_of(chain))
    return ours.model_copy(update={"others": (oak,) if with_oak else ()})


def backfill(engine: Engine, chain: FakeChain, named: Deployment, *, high: int) -> None:
    """Read history and die before it is projected."""
    with engine.begin() as connection:
        open_marks(
            connection, NETWORK, first_block=named.first_block, genesis_hash=genesis_of(chain)
        )
    deployed = KnownContracts.of_deployment(named)
    reader = Backfill(engine, chain, network=NETWORK, deployed=deployed, depth="proven")
    reader.run(BlockNumber(1), BlockNumber(high), deployed, stop=Event())
