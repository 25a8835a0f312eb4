"""The follower killed, doubled or pointed at another chain: real Postgres, fake chain."""

import itertools
from contextlib import suppress
from functools import partial
from threading import Thread

import pytest
from sqlalchemy import Engine, event, select, text
from sqlalchemy.engine import Connection

import indexer.unprojected
from indexer.chain.types import BlockHash, PaymentId
from indexer.errors import ConfigurationError, InvariantError
from indexer.follow import Follower
from indexer.tables import blocks
from tests.support.dying import dying_at
from tests.support.fake_chain import FakeChain
from tests.support.fresh_index import new_network
from tests.support.indexing import (
    NETWORK,
    PAYMENT,
    TREASURY,
    catch_up,
    claimed_of,
    follower_of,
    follower_on,
    forget_all,
    marks_of,
    mine_empty,
    mine_treasury,
    present_of,
    state_of,
)
from tests.support.protocol_logs import (
    deployment,
    payment_confirmed,
    payment_created,
    settled,
)
from tests.support.waiting import eventually

WAITING = text("SELECT count(*) FROM pg_locks WHERE NOT granted")


def test_nothing_is_lost_or_doubled_when_killed_before_any_statement_or_after_any_commit(
    engine: Engine,
) -> None:
    """Blocks are written, then a branch replaces them; the process dies everywhere in between."""
    expected: list[str] = []
    for statement in itertools.count():
        chain, network = FakeChain(finality_lag=2), new_network()
        start = partial(follower_on, engine, chain, genesis=chain.blocks[0].header.hash)
        mine_treasury(chain)
        chain.mine([payment_created(TREASURY, PAYMENT), payment_confirmed(TREASURY, PAYMENT)])
        chain.mine()
        survived = False
        with suppress(KeyboardInterrupt), dying_at(engine, statement):
            follower = start(network)
            catch_up(follower)
            replace_branch(chain)
            catch_up(follower)
            survived = True
        if chain.height == 3:
            replace_branch(chain)
        catch_up(start(network))
        if statement == 0:  # the chain is the same every time
            fresh = new_network()
            catch_up(start(fresh))
            expected = state_of(engine, fresh.chain_id)
        assert state_of(engine, network.chain_id) == expected, f"killed at {statement}"
        if survived:
            assert statement > 40
            return


def replace_branch(chain: FakeChain) -> None:
    chain.fork(2)
    chain.mine([payment_created(TREASURY, PAYMENT)])
    mine_empty(chain, 3)


def test_follower_continues_from_the_database_when_the_commit_answer_was_lost(
    engine: Engine, chain: FakeChain
) -> None:
    """The transaction committed, the connection died before the process learnt of it."""
    mine_treasury(chain)
    follower = follower_of(engine, chain)
    lost: list[bool] = []

    def lose_answer(_connection: Connection) -> None:
        if not lost and _connection.scalar(select(blocks.c.number)) is not None:
            lost.append(True)
            _connection.connection.commit()
            raise ConnectionResetError

    event.listen(engine, "commit", lose_answer)
    with pytest.raises(ConnectionResetError) as caught:
        follower.step()
    follower.recover(caught.value)
    chain.mine()
    catch_up(follower)
    assert len(claimed_of(engine)) == 2


def test_start_waits_for_a_commit_that_a_killed_writer_had_sent(
    engine: Engine, chain: FakeChain
) -> None:
    """Survives: the lock is free at once, but the last transaction of its holder still commits."""
    chain.mine()
    first = follower_of(engine, chain)
    second_started: list[Follower] = []
    starting = Thread(target=lambda: second_started.append(follower_of(engine, chain)))

    def start_second(committing: Connection) -> None:
        if not starting.ident and committing.scalar(select(blocks.c.number)) is not None:
            starting.start()
            with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as other:
                eventually(lambda: other.scalar(WAITING), what="the second waits for the row")

    event.listen(engine, "commit", start_second)
    first.step()
    starting.join(30)
    assert second_started[0].marks.indexed == chain.head.stamp
    chain.mine()
    catch_up(second_started[0])


def test_rest_is_projected_when_killed_in_a_backfill_before_its_projections(
    engine: Engine, chain: FakeChain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexer.unprojected, "BLOCKS_PER_SLICE", 2)
    mine_treasury(chain)
    for number in range(6):
        chain.mine(settled(TREASURY, PaymentId(bytes([number]) * 32)))
    mine_empty(chain, 20)
    follower_of(engine, chain, header_scan_blocks_max=0).step()  # and dies
    before = marks_of(engine)
    assert before.indexed is None
    assert len(claimed_of(engine)) == 2 + 6 * 2

    seen = []
    follower = follower_of(engine, chain)
    while follower.step():
        indexed = follower.marks.indexed
        assert indexed is not None
        seen.append((indexed.number, len(present_of(engine))))
    assert seen[:3] == [(2, 1), (4, 3), (6, 5)]
    lived = state_of(engine)
    forget_all(engine)
    catch_up(follower_of(engine, chain, header_scan_blocks_max=10**6))
    assert lived == state_of(engine)


def test_second_writer_stops_when_the_first_moved_the_cursor(
    engine: Engine, chain: FakeChain
) -> None:
    first, second = follower_of(engine, chain), follower_of(engine, chain)
    chain.mine()
    catch_up(first)
    with pytest.raises(InvariantError, match="another writer"):
        second.step()


def test_start_refuses_when_the_record_is_of_another_chain(
    engine: Engine, chain: FakeChain
) -> None:
    other = deployment(BlockHash(b"g" * 32))
    follower = Follower(engine, chain, network=NETWORK, deployment=other)
    with pytest.raises(ConfigurationError, match="record of celo-local is of another chain"):
        follower.start()


def test_start_refuses_when_the_database_follows_another_chain(engine: Engine) -> None:
    follower_of(engine, FakeChain(seed=1))
    with pytest.raises(ConfigurationError, match="the database follows another chain"):
        follower_of(engine, FakeChain(seed=2))
