"""Whose word counts: logs of the protocol's contracts, and of others that look like them."""

from sqlalchemy import Engine

from indexer.events import PROTOCOL_EVENTS
from indexer.tables import unclaimed_logs
from tests.support.fake_blocks import FakeLog
from tests.support.fake_chain import FakeChain
from tests.support.indexing import (
    CAMPAIGN,
    PAYMENT,
    TREASURY,
    catch_up,
    claimed_of,
    follower_of,
    mine_treasury,
    present_of,
    rows_of,
)
from tests.support.protocol_logs import (
    REFUND_ESCROW,
    TOKEN,
    address,
    log_of,
    payment_confirmed,
    payment_created,
    treasury_deployed,
)


def test_refund_escrow_is_believed_and_its_lookalike_is_not(
    engine: Engine, chain: FakeChain
) -> None:
    event = next(one for one in PROTOCOL_EVENTS if one.name == "RefundDeposited")
    owed = {"treasury": TREASURY, "paymentId": PAYMENT, "token": TOKEN, "amount": 5}
    chain.mine([log_of(event, REFUND_ESCROW, **owed), log_of(event, address("lookalike"), **owed)])
    catch_up(follower_of(engine, chain))
    assert claimed_of(engine) == {(1, 0): True, (1, 1): False}


def test_log_is_kept_as_undecodable_when_its_string_holds_nul(
    engine: Engine, chain: FakeChain
) -> None:
    """Anybody may emit it, and Postgres stores no NUL in text or JSON."""
    event = next(one for one in PROTOCOL_EVENTS if one.name == "PlatformLineItemTypeSet")
    flags = ("countsTowardGoal", "applyProtocolFee", "canRefund", "instantTransfer")
    chain.mine(
        [
            log_of(
                event,
                address("stranger"),
                platformHash=bytes(32),
                typeId=bytes(32),
                label="a\0b",
                **dict.fromkeys(flags, True),
            )
        ]
    )
    catch_up(follower_of(engine, chain))
    (row,) = rows_of(engine, unclaimed_logs)
    assert row["claimed_block"] is None


def test_logs_are_claimed_later_when_their_treasury_becomes_known(
    engine: Engine, chain: FakeChain
) -> None:
    follower = follower_of(engine, chain)
    chain.mine([payment_created(TREASURY, PAYMENT)])
    catch_up(follower)
    assert claimed_of(engine) == {(1, 0): False}
    assert present_of(engine) == []
    mine_treasury(chain)
    catch_up(follower)
    assert all(claimed_of(engine).values())
    assert [row["claimed_block"] for row in rows_of(engine, unclaimed_logs)] == [2]
    assert [row["state"] for row in present_of(engine)] == ["created"]


def test_claims_are_taken_back_when_the_deployment_is_orphaned(
    engine: Engine, chain: FakeChain
) -> None:
    follower = follower_of(engine, chain)
    chain.mine([payment_created(TREASURY, PAYMENT)])
    mine_treasury(chain)
    catch_up(follower)
    chain.fork(1)
    chain.mine()
    catch_up(follower)
    assert claimed_of(engine) == {(1, 0): False}
    assert present_of(engine) == []


def test_lookalikes_stay_unclaimed_when_an_unknown_factory_deploys(
    engine: Engine, chain: FakeChain
) -> None:
    stranger = address("stranger")
    chain.mine([treasury_deployed(TREASURY, CAMPAIGN, emitter=stranger)])
    chain.mine([payment_created(TREASURY, PAYMENT)])
    chain.mine([FakeLog(TREASURY, payment_confirmed(TREASURY, PAYMENT).topics[:1])])
    catch_up(follower_of(engine, chain))
    assert claimed_of(engine) == {(1, 0): False, (2, 0): False, (3, 0): False}
    assert present_of(engine) == []
