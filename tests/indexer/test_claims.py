"""A contract that becomes known late is there as if it had always been known."""

import pytest
from sqlalchemy import Engine

from indexer.chain.deployments import Deployment, OtherContracts
from indexer.chain.types import Address, PaymentId, to_hex
from indexer.events import PAYMENT_BATCH_CONFIRMED
from indexer.follow import Follower
from indexer.tables import logs, outbox, payments_confirmed, payments_created, unclaimed_logs
from indexer.views import payments
from tests.support.fake_chain import FakeChain
from tests.support.indexing import CHAIN, NETWORK, catch_up, forget_all, rows_of, state_of
from tests.support.protocol_logs import (
    address,
    batch_confirmed,
    campaign_created,
    deployment,
    payment_confirmed,
    payment_created,
    treasury_deployed,
)

OAK_CAMPAIGNS, OAK_TREASURIES = address("oak campaigns"), address("oak treasuries")
CAMPAIGN, TREASURY = address("oak campaign"), address("oak treasury")
PAYMENT = PaymentId(b"p" * 32)


def record(chain: FakeChain, *, with_oak: bool) -> Deployment:
    ours = deployment(chain.blocks[0].header.hash)
    oak = OtherContracts.model_validate(
        {
            "name": "oak",
            "campaign_info_factory": to_hex(OAK_CAMPAIGNS),
            "treasury_factory": to_hex(OAK_TREASURIES),
        }
    )
    return ours.model_copy(update={"others": (oak,) if with_oak else ()})


def follow(engine: Engine, chain: FakeChain, *, with_oak: bool) -> None:
    follower = Follower(engine, chain, network=NETWORK, deployment=record(chain, with_oak=with_oak))
    follower.start()
    catch_up(follower)


@pytest.fixture
def chain() -> FakeChain:
    built = FakeChain(finality_lag=4)
    built.mine([payment_created(TREASURY, PaymentId(b"e" * 32))])  # before it is anybody's
    built.mine(
        [campaign_created(CAMPAIGN, b"i" * 32, emitter=OAK_CAMPAIGNS)],
        [treasury_deployed(TREASURY, CAMPAIGN, emitter=OAK_TREASURIES)],
    )
    built.mine([payment_created(TREASURY, PAYMENT)], [payment_confirmed(TREASURY, PAYMENT)])
    built.mine([payment_confirmed(address("stranger"), PAYMENT)])
    for _ in range(6):
        built.mine()
    return built


def test_a_factory_added_to_the_record_brings_its_history_without_asking_a_node(
    engine: Engine, chain: FakeChain
) -> None:
    follow(engine, chain, with_oak=False)
    assert not rows_of(engine, payments_created)
    assert len(rows_of(engine, unclaimed_logs)) == 6

    chain.asked.clear()
    follow(engine, chain, with_oak=True)
    assert "receipts" not in chain.asked
    late = state_of(engine)
    assert {row["state"]: row["created_block"] for row in rows_of(engine, payments)} == {
        "created": 1,
        "confirmed": 3,
    }
    assert [row["action"] for row in rows_of(engine, outbox)][-1] == "amended"

    forget_all(engine)
    follow(engine, chain, with_oak=True)
    assert late == state_of(engine)


def test_starting_again_claims_nothing_twice(engine: Engine, chain: FakeChain) -> None:
    follow(engine, chain, with_oak=True)
    before = (state_of(engine), len(rows_of(engine, outbox)))
    follow(engine, chain, with_oak=True)
    assert (state_of(engine), len(rows_of(engine, outbox))) == before


def test_an_empty_batch_is_kept_as_a_log(engine: Engine) -> None:
    chain = FakeChain(finality_lag=4)
    chain.mine([campaign_created(CAMPAIGN, b"i" * 32)], [treasury_deployed(TREASURY, CAMPAIGN)])
    chain.mine([batch_confirmed(Address(TREASURY))])
    follow(engine, chain, with_oak=False)
    assert not rows_of(engine, payments_confirmed)
    assert PAYMENT_BATCH_CONFIRMED.name in {row["event"] for row in rows_of(engine, logs)}
    assert {row["chain_id"] for row in rows_of(engine, logs)} == {CHAIN}
