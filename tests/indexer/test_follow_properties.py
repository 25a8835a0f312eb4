"""Whatever chain and process do, the rows equal those of a fresh index of the same chain."""

import random
from contextlib import suppress
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

import indexer.write
from indexer.chain.types import PaymentId
from indexer.errors import ChainContradiction
from indexer.events import (
    PAYMENT_BATCH_CONFIRMED,
    PROTOCOL_TOPICS,
    TRANSFER,
    TREASURY_DEPLOYED,
)
from indexer.follow import Follower
from indexer.payment_keys import crypto_key
from indexer.tables import blocks, logs
from tests.support.fake_chain import FakeChain, FakeLog
from tests.support.indexing import catch_up, follower_of, forget_all, rows_of, state_of
from tests.support.protocol_logs import (
    CAMPAIGN_FACTORY,
    TOKEN,
    TREASURY_FACTORY,
    address,
    batch_confirmed,
    campaign_created,
    payment_cancelled,
    payment_confirmed,
    payment_created,
    refund_claimed,
    settled,
    surplus_swept,
    transfer,
    treasury_deployed,
)

TREASURIES = (address("treasury 0"), address("treasury 1"))
CAMPAIGNS = (address("campaign 0"), address("campaign 1"))
BUYERS = (address("buyer 0"), address("buyer 1"))
PAYMENTS = tuple(PaymentId(bytes([n]) * 32) for n in range(3))
NAMES = (*PAYMENTS, *(crypto_key(PAYMENTS[0], buyer) for buyer in BUYERS))
"""What an event may name: ids, and keys of crypto payments."""
FINALITY_LAG = 4


@dataclass(frozen=True, slots=True)
class Action:
    kind: str
    seed: int


ACTIONS = st.lists(
    st.builds(
        Action,
        kind=st.sampled_from(
            (
                "mine",
                "mine",
                "mine",
                "fork",
                "step",
                "step",
                "restart",
                "away",
                "crash",
                "lag",
                "lie",
            )
        ),
        seed=st.integers(0, 2**32),
    ),
    min_size=4,
    max_size=14,
)


def deployed_treasuries(chain: FakeChain) -> set[bytes]:
    return {
        log.data[-20:]
        for log in chain.canonical_logs()
        if log.address == TREASURY_FACTORY and log.topics[0] == TREASURY_DEPLOYED.topic0
    }


def random_logs(chain: FakeChain, dice: random.Random) -> list[FakeLog]:
    """Logs in any order, sensible or not; a treasury is deployed once per canonical chain."""
    deployed = deployed_treasuries(chain)
    found: list[FakeLog] = []
    for _ in range(dice.randrange(5)):
        which = dice.randrange(2)
        treasury, payment = TREASURIES[which], dice.choice(NAMES)
        match dice.randrange(11):
            case 0 if treasury not in deployed:
                deployed.add(treasury)
                found.append(campaign_created(CAMPAIGNS[which], bytes([which]) * 32))
                found.append(treasury_deployed(treasury, CAMPAIGNS[which]))
            case 1 | 2:
                crypto = dice.random() < 0.4
                found.append(
                    payment_created(
                        treasury,
                        payment,
                        amount=dice.randrange(1, 100),
                        is_crypto=crypto,
                        buyer=dice.choice(BUYERS),
                    )
                )
            case 3:
                found.append(payment_confirmed(treasury, payment))
            case 4:
                both = dice.sample(PAYMENTS, 2)
                found += dice.choice(([batch_confirmed(treasury, *both)], settled(treasury, *both)))
            case 5:
                found.append(payment_cancelled(treasury, payment))
            case 6:
                found.append(refund_claimed(treasury, payment))
            case 7:
                recipient = dice.choice((*TREASURIES, address("stranger")))
                token = dice.choice((TOKEN, address("other token")))
                found.append(transfer(recipient, dice.randrange(100), token=token))
            case 8:
                found.append(surplus_swept(treasury, dice.randrange(100)))
            case _:
                found.append(FakeLog(treasury, payment_confirmed(treasury, payment).topics[:1]))
    return found


def perform(action: Action, chain: FakeChain, follower: Follower, engine: Engine) -> Follower:
    """Do one thing to the chain or the process; the follower to go on with is returned."""
    dice = random.Random(action.seed)  # noqa: S311 - reproducible, not secret
    match action.kind:
        case "mine":
            for _ in range(dice.randrange(1, 4)):
                mined = random_logs(chain, dice)
                chain.mine(mined[:2], [], mined[2:])
        case "fork":
            fork(chain, dice)
        case "step":
            follower.step()
        case "restart":
            return follower_of(engine, chain, header_scan_blocks_max=dice.choice((0, 3, 100)))
        case "away":
            return away(chain, dice, engine)
        case "crash":
            crash(follower, dice.choice(("move_cursor", "_insert_facts", "rebuild_payments")))
            return follower_of(engine, chain)
        case "lag":
            chain.lag = dice.randrange(chain.height + 1)
            with suppress(ChainContradiction):
                follower.step()
            chain.lag = 0
        case _:
            lie(chain, follower)
    return follower


def fork(chain: FakeChain, dice: random.Random) -> None:
    depth = dice.randrange(chain.height - chain.finalized_height + 1)
    if depth:
        chain.fork(depth)
        for _ in range(dice.randrange(3)):
            chain.mine(random_logs(chain, dice))


def away(chain: FakeChain, dice: random.Random, engine: Engine) -> Follower:
    """The process is down for long: our tip is orphaned, and finality passes its height."""
    fork(chain, dice)
    for _ in range(FINALITY_LAG + dice.randrange(1, 6)):
        chain.mine(random_logs(chain, dice))
    return follower_of(engine, chain, header_scan_blocks_max=dice.choice((0, 2)))


def lie(chain: FakeChain, follower: Follower) -> None:
    chain.drops_log_from_receipts = True
    try:
        follower.step()
    except ChainContradiction as finding:
        follower.recover(finding)
    chain.drops_log_from_receipts = False


def crash(follower: Follower, point: str) -> None:
    """Die in the middle of the write, if this step writes at all."""

    def die(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patched, suppress(KeyboardInterrupt):
        patched.setattr(indexer.write, point, die)
        follower.step()


def expected_claims(chain: FakeChain) -> dict[tuple[bytes, int], bool]:
    """Straight from the chain: which protocol logs there are, and whether their emitter counts."""
    mined = [log for log in chain.canonical_logs() if log.topics[0] in PROTOCOL_TOPICS]
    ours = {TREASURY_FACTORY, CAMPAIGN_FACTORY, *deployed_treasuries(chain)}
    return {
        (log.block_hash, log.log_index): log.address in ours
        and (len(log.topics) > 1 or log.topics[0] == PAYMENT_BATCH_CONFIRMED.topic0)
        for log in mined
    }


def claims_of(engine: Engine) -> dict[tuple[bytes, int], bool]:
    return {
        (row["block_hash"], row["log_index"]): row["claimed"]
        for row in rows_of(engine, logs)
        if row["event"] != TRANSFER.name
    }


@settings(
    max_examples=80,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(actions=ACTIONS)
def test_rows_equal_a_fresh_index_after_any_forks_crashes_and_restarts(
    engine: Engine, actions: list[Action]
) -> None:
    forget_all(engine)
    chain = FakeChain(finality_lag=FINALITY_LAG)
    follower = follower_of(engine, chain)
    for action in actions:
        follower = perform(action, chain, follower, engine)
    chain.mine()
    catch_up(follower)
    lived_through = state_of(engine)

    assert claims_of(engine) == expected_claims(chain)

    forget_all(engine)
    catch_up(follower_of(engine, chain, header_scan_blocks_max=0))
    fresh = state_of(engine)
    assert lived_through == fresh
    assert {row["number"] for row in rows_of(engine, blocks)} >= {chain.height}
