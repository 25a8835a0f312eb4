"""The writer behind the webhooks, without HTTP: what it stores, refuses and survives."""

import asyncio
from secrets import token_hex

import psycopg
import pytest
from sqlalchemy import Engine, text
from typing_extensions import override

from indexer.db.base import ROLES
from indexer.db.session import open_connection
from offchain.inbox import group
from offchain.inbox.group import Overloaded, StoreUnavailable, Unstorable
from offchain.inbox.intake import Intake
from offchain.inbox.refusals import Refusals
from offchain.inbox.store import Arrival, InboxId
from offchain.jobs.bell import Bell
from offchain.jobs.ringing import Ringer
from tests.offchain.http.test_webhooks import refusals
from tests.offchain.http.test_webhooks_group import events, held_up


class SilentBell(Bell):
    """A bell without a Redis."""

    def __init__(self) -> None:
        self.rung: list[InboxId] = []

    @override
    def ring(self, inbox_id: InboxId) -> None:
        self.rung.append(inbox_id)


def arrival(event_key: str) -> Arrival:
    return Arrival("crowdsplit", event_key, b"{}", {})


def keep(intake: Intake, *event_keys: str) -> "list[asyncio.Task[bool]]":
    return [asyncio.create_task(intake.keep(arrival(event_key))) for event_key in event_keys]


def test_neighbours_are_stored_when_one_of_a_batch_cannot_be(engine: Engine) -> None:
    odd = ("a\0", "\ud800", token_hex(50_000))  # the last is too long for an index

    async def scenario() -> list[bool | BaseException]:
        intake = Intake(engine, SilentBell(), waiting_max=100)
        async with intake.running():
            tasks = keep(intake, "a", odd[0], "b", odd[1], "c", odd[2], "d")
            return await asyncio.gather(*tasks, return_exceptions=True)

    outcomes = asyncio.run(scenario())
    assert [type(outcome) for outcome in outcomes[1::2]] == [Unstorable] * 3
    assert outcomes[::2] == [True] * 4
    assert events(engine) == ["a", "b", "c", "d"]


def test_webhook_is_refused_when_its_commit_takes_too_long_and_is_kept_once_when_repeated(
    engine: Engine, login_engine: Engine
) -> None:
    async def scenario() -> bool:
        intake = Intake(engine, SilentBell(), waiting_max=100, answer_within_s=0.2)
        async with intake.running():
            with held_up(login_engine):
                late = await asyncio.gather(*keep(intake, "a"), return_exceptions=True)
            assert isinstance(late[0], StoreUnavailable)
        again = Intake(engine, SilentBell(), waiting_max=100)
        async with again.running():
            return await again.keep(arrival("a"))

    is_new = asyncio.run(scenario())
    assert not is_new  # it was committed after all
    assert events(engine) == ["a"]


def test_what_was_accepted_is_stored_and_counted_when_the_process_is_told_to_end(
    engine: Engine,
) -> None:
    async def scenario() -> list[bool]:
        intake = Intake(engine, SilentBell(), waiting_max=100)
        async with intake.running():
            tasks = keep(intake, "a", "b", "a")
            await asyncio.sleep(0)  # they are taken, and nothing is written yet
            for _ in range(3):
                intake.refuse("crowdsplit", "too_large")
        return await asyncio.gather(*tasks)

    assert asyncio.run(scenario()) == [True, True, False]
    assert events(engine) == ["a", "b"]
    assert refusals(engine) == {("crowdsplit", "too_large"): 3}


def test_flood_of_refusals_is_written_in_a_few_transactions(engine: Engine) -> None:
    opened = 0

    def connect() -> psycopg.Connection:
        nonlocal opened
        opened += 1
        return open_connection(engine.url, role=ROLES["offchain"])

    async def scenario() -> None:
        counter = Refusals(connect)
        async with counter.running():
            for _ in range(100):
                for _ in range(100):
                    counter.count("crowdsplit", "forged")
                await asyncio.sleep(0)

    asyncio.run(scenario())
    assert refusals(engine) == {("crowdsplit", "forged"): 10_000}
    assert opened <= 3


def test_commit_waits_for_the_disk_when_the_server_does_not_by_default(engine: Engine) -> None:
    setting = text("SHOW synchronous_commit")
    with engine.connect() as connection:
        assert connection.execute(setting).scalar_one() == "off"
    with Intake(engine, SilentBell(), waiting_max=1)._connect() as connection:
        assert connection.execute("SHOW synchronous_commit").fetchone() == ("on",)


def test_lost_connection_is_noticed_by_no_sender_when_postgres_is_there(
    engine: Engine, login_engine: Engine
) -> None:
    others = text(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
        " AND datname = current_database() AND query LIKE '%INSERT INTO offchain.inbox%'"
    )

    async def scenario() -> tuple[int, list[bool]]:
        intake = Intake(engine, SilentBell(), waiting_max=100)
        async with intake.running():
            before = await intake.keep(arrival("a"))
            with login_engine.begin() as connection:
                ended = len(connection.execute(others).all())
            return ended, [before, await intake.keep(arrival("b")), await intake.keep(arrival("a"))]

    assert asyncio.run(scenario()) == (1, [True, True, False])


def test_two_processes_never_wait_for_each_other_when_they_receive_the_same_events(
    engine: Engine,
) -> None:
    async def scenario() -> list[bool]:
        one = Intake(engine, SilentBell(), waiting_max=1000)
        other = Intake(engine, SilentBell(), waiting_max=1000)
        kept: list[bool] = []
        async with one.running(), other.running():
            for turn in range(10):
                keys = [f"{turn}-{number:03}" for number in range(400)]
                tasks = keep(one, *keys) + keep(other, *reversed(keys))
                kept += await asyncio.gather(*tasks)
        return kept

    kept = asyncio.run(scenario())
    assert (kept.count(True), kept.count(False)) == (4000, 4000)
    assert len(events(engine)) == 4000


def test_webhook_is_not_taken_when_those_that_wait_are_too_long(
    engine: Engine, login_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group, "WAITING_BYTES_MAX", 100)
    long = Arrival("crowdsplit", "long", bytes(101), {})

    async def scenario() -> bool:
        intake = Intake(engine, SilentBell(), waiting_max=100)
        async with intake.running():
            with held_up(login_engine):
                waiting = asyncio.create_task(intake.keep(long))
                await asyncio.sleep(0)
                with pytest.raises(Overloaded):
                    await intake.keep(arrival("short"))
            assert await waiting
            return await intake.keep(arrival("short"))

    assert asyncio.run(scenario())


@pytest.mark.parametrize(
    ("stored", "rung"), [([], []), ([1, 2, 3], [1, 2, 3]), ([*range(500)], [499])]
)
def test_bell_is_rung_for_each_webhook_and_once_for_a_burst(
    stored: list[InboxId], rung: list[InboxId]
) -> None:
    bell = SilentBell()
    ringer = Ringer(bell)
    ringer.ring(stored)
    ringer.start()
    ringer.stop()
    assert bell.rung == rung
