"""The follower killed, doubled or pointed at another chain: real Postgres, fake chain."""

import pytest
from sqlalchemy import Engine, event, select
from sqlalchemy.engine import Connection

import indexer.write
from indexer.chain.types import BlockHash
from indexer.errors import ConfigurationError, InvariantError
from indexer.follow import Follower
from indexer.tables import blocks, logs, payments
from tests.support.fake_chain import FakeChain
from tests.support.indexing import (
    NETWORK,
    PAYMENT,
    TREASURY,
    catch_up,
    follower_of,
    mine_treasury,
    rows_of,
)
from tests.support.protocol_logs import (
    deployment,
    payment_confirmed,
    payment_created,
)


@pytest.mark.parametrize("crash_point", ["move_cursor", "_insert_facts", "rebuild_payments"])
def test_nothing_is_lost_or_doubled_when_killed_before_commit_at(
    engine: Engine, chain: FakeChain, monkeypatch: pytest.MonkeyPatch, crash_point: str
) -> None:
    mine_treasury(chain)
    chain.mine([payment_created(TREASURY, PAYMENT), payment_confirmed(TREASURY, PAYMENT)])

    def die(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(indexer.write, crash_point, die)
        with pytest.raises(KeyboardInterrupt):
            follower_of(engine, chain).step()
    assert rows_of(engine, blocks) == []

    catch_up(follower_of(engine, chain))
    assert [row["state"] for row in rows_of(engine, payments)] == ["confirmed"]


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
    assert len(rows_of(engine, logs)) == 2


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
