"""A contract that becomes known late is there as if it had always been known."""

import pytest
from sqlalchemy import Engine

from indexer.chain.deployments import Deployment, OtherContracts
from indexer.chain.types import Address, PaymentId, to_hex
from indexer.events import PAYMENT_BATCH_CONFIRMED
from indexer.follow import Follower
from indexer.repair import repair_hole
from indexer.tables import (
    logs,
    outbox,
    payments_confirmed,
    payments_created,
    token_transfers,
    unclaimed_logs,
)
from indexer.views import payments
from tests.support.fake_chain import FakeChain
from tests.support.indexing import NETWORK, catch_up, forget_all, rows_of, state_of
from tests.support.protocol_logs import (
    address,
    batch_confirmed,
    campaign_created,
    deployment,
    payment_confirmed,
    payment_created,
    transfer,
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


def start(engine: Engine, chain: FakeChain, named: Deployment) -> Follower:
    follower = Follower(engine, chain, network=NETWORK, deployment=named)
    follower.start()
    return follower


def follow(engine: Engine, chain: FakeChain, named: Deployment) -> None:
    """Follow to the head, and fill what holes there are."""
    catch_up(start(engine, chain, named))
    while repair_hole(engine, chain, NETWORK, named) is not None:
        catch_up(start(engine, chain, named))


@pytest.fixture
def chain() -> FakeChain:
    built = FakeChain(finality_lag=4)
    built.mine([payment_created(TREASURY, PaymentId(b"e" * 32))])  # before it is anybody's
    built.mine(
        [campaign_created(CAMPAIGN, b"i" * 32, emitter=OAK_CAMPAIGNS)],
        [treasury_deployed(TREASURY, CAMPAIGN, emitter=OAK_TREASURIES)],
    )
    built.mine([payment_created(TREASURY, PAYMENT)], [payment_confirmed(TREASURY, PAYMENT)])
    built.mine([payment_confirmed(address("stranger"), PAYMENT)], [transfer(TREASURY, 5)])
    for _ in range(6):
        built.mine()
    built.mine([transfer(TREASURY, 7)])
    return built


def test_a_factory_added_to_the_record_brings_its_history_without_asking_a_node(
    engine: Engine, chain: FakeChain
) -> None:
    follow(engine, chain, record(chain, with_oak=False))
    assert not rows_of(engine, payments_created)
    assert len(rows_of(engine, unclaimed_logs)) == 6

    chain.asked.clear()
    start(engine, chain, record(chain, with_oak=True))
    assert "receipts" not in chain.asked
    assert {row["state"]: row["created_block"] for row in rows_of(engine, payments)} == {
        "created": 1,
        "confirmed": 3,
    }
    assert "amended" in {row["action"] for row in rows_of(engine, outbox)}


@pytest.mark.parametrize("added", ["factory", "token"])
def test_what_is_added_to_the_record_ends_as_if_it_had_always_stood_there(
    engine: Engine, chain: FakeChain, added: str
) -> None:
    whole = record(chain, with_oak=True)
    less = record(chain, with_oak=False)
    if added == "token":
        less = whole.model_copy(update={"tokens": ()})
    follow(engine, chain, less)
    assert not rows_of(engine, token_transfers)
    follow(engine, chain, whole)
    late = state_of(engine)
    assert len(rows_of(engine, token_transfers)) == 2

    forget_all(engine)
    follow(engine, chain, whole)
    assert late == state_of(engine)


def test_starting_again_claims_nothing_twice(engine: Engine, chain: FakeChain) -> None:
    named = record(chain, with_oak=True)
    follow(engine, chain, named)
    before = (state_of(engine), len(rows_of(engine, outbox)))
    follow(engine, chain, named)
    assert (state_of(engine), len(rows_of(engine, outbox))) == before


def test_an_empty_batch_is_kept_as_a_log(engine: Engine) -> None:
    chain = FakeChain(finality_lag=4)
    chain.mine([campaign_created(CAMPAIGN, b"i" * 32)], [treasury_deployed(TREASURY, CAMPAIGN)])
    chain.mine([batch_confirmed(Address(TREASURY))])
    follow(engine, chain, record(chain, with_oak=False))
    assert not rows_of(engine, payments_confirmed)
    assert PAYMENT_BATCH_CONFIRMED.name in {row["event"] for row in rows_of(engine, logs)}
