"""Webhooks that share a commit, wait too long or are too many."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from threading import Event

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import Engine, select, text
from typing_extensions import override

from offchain.http.app import create_app
from offchain.inbox.store import InboxId
from offchain.jobs.bell import Bell
from offchain.services import Services
from offchain.settings import HttpSettings
from offchain.tables import inbox
from stack.valkey import EmbeddedValkey
from tests.offchain.http.test_webhooks import URL, assert_refused, body_of, signed
from tests.support.asgi import serving
from tests.support.offchain import environment
from tests.support.waiting import eventually


class StuckBell(Bell):
    """A bell whose Redis takes for ever."""

    def __init__(self) -> None:
        self.freed = Event()
        self.rung: list[InboxId] = []

    @override
    def ring(self, inbox_id: InboxId) -> None:
        self.rung.append(inbox_id)
        self.freed.wait(30)


@dataclass(frozen=True, slots=True)
class Sender:
    """Posts genuine webhooks by their ids, each from a thread of its own."""

    app: FastAPI
    client: httpx.Client
    threads: ThreadPoolExecutor

    def post(self, event_id: str) -> Future[httpx.Response]:
        body = body_of(event_id)
        return self.threads.submit(self.client.post, URL, content=body, headers=signed(body))

    def waiting(self) -> int:
        """How many the server has taken and not answered."""
        return int(self.app.state.lastro.intake._writer._unanswered)

    def post_all(self, event_ids: Sequence[str]) -> "list[Future[httpx.Response]]":
        """Post, and wait until the server has taken them."""
        before = self.waiting()
        posted = [self.post(event_id) for event_id in event_ids]
        eventually(lambda: self.waiting() == before + len(event_ids))
        return posted


Sending = Callable[..., Sender]


@pytest.fixture
def sending(services: Services, database_url: str, valkey: EmbeddedValkey) -> Iterator[Sending]:
    """Start the API with more settings."""
    with ThreadPoolExecutor(max_workers=50) as threads, ExitStack() as opened:

        def start(bell: Bell | None = None, **more: str) -> Sender:
            settings = HttpSettings.model_validate(environment(database_url, valkey.url, **more))
            app = create_app(settings, services=services, bell=bell)
            return Sender(app, opened.enter_context(serving(app)), threads)

        yield start


@contextmanager
def held_up(engine: Engine) -> Iterator[None]:
    """Whoever inserts into the inbox waits until the block ends."""
    with engine.connect() as connection:
        connection.execute(text("LOCK TABLE offchain.inbox IN SHARE MODE"))
        yield
        connection.rollback()


def is_inserting(engine: Engine) -> bool:
    """Whether an insert waits for that."""
    query = text("SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'relation'")
    with engine.connect() as connection:
        return bool(connection.execute(query).scalar_one())


def events(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        return sorted(connection.execute(select(inbox.c.event_key)).scalars())


def test_webhooks_share_one_commit_when_they_arrive_during_another(
    sending: Sending, login_engine: Engine
) -> None:
    sender = sending()
    with held_up(login_engine):
        answers = sender.post_all(["first"])
        eventually(lambda: is_inserting(login_engine))
        answers += sender.post_all([f"evt-{number:02}" for number in range(20)])
        assert not any(answer.done() for answer in answers)
    assert {answer.result().status_code for answer in answers} == {200}
    assert len(events(login_engine)) == 21
    with login_engine.connect() as connection:
        commits = text("SELECT count(DISTINCT xmin::text) FROM offchain.inbox")
        assert connection.execute(commits).scalar_one() == 2


def test_webhook_is_stored_once_when_it_comes_twice_in_one_batch(
    sending: Sending, login_engine: Engine
) -> None:
    sender = sending()
    with held_up(login_engine):
        first = sender.post_all(["first"])
        eventually(lambda: is_inserting(login_engine))
        twins = sender.post_all(["twin", "twin", "first"])
    assert first[0].result().json() == {"received": True, "duplicate": False}
    duplicates = [answer.result().json()["duplicate"] for answer in twins]
    assert sorted(duplicates[:2]) == [False, True]
    assert duplicates[2] is True
    assert events(login_engine) == ["first", "twin"]


def test_webhooks_are_told_to_come_again_when_as_many_wait_as_may(
    sending: Sending, login_engine: Engine
) -> None:
    sender = sending(LASTRO_WEBHOOK_QUEUE_MAX="3")
    with held_up(login_engine):
        taken = sender.post_all(["a", "b", "c"])
        shed = [sender.post(event_id).result() for event_id in ("d", "e")]
    for answer in shed:
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["type"] == "urn:problem-type:lastro:overloaded"
    assert {answer.result().status_code for answer in taken} == {200}
    assert events(login_engine) == ["a", "b", "c"]
    assert_refused(login_engine, "overloaded", "overloaded")
    assert sender.post("d").result().json()["duplicate"] is False


def test_webhook_is_acknowledged_when_the_bell_hangs(
    sending: Sending, login_engine: Engine
) -> None:
    bell = StuckBell()
    sender = sending(bell)
    try:
        for event_id in ("a", "b"):
            assert sender.post(event_id).result().status_code == 200
        eventually(lambda: bell.rung)
        assert events(login_engine) == ["a", "b"]
    finally:
        bell.freed.set()
