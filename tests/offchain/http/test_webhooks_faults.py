"""Processes and servers that die under webhooks."""

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from threading import Event, Lock

import httpx
import pytest
from sqlalchemy import Engine, create_engine, select

from indexer.db.session import database_url as driver_url
from migrations.run import migrate
from offchain.http.app import create_app
from offchain.tables import inbox
from stack.ports import free_port
from stack.postgres import EmbeddedPostgres
from stack.valkey import EmbeddedValkey
from tests.conftest import FAST_NOT_DURABLE
from tests.offchain.http.test_webhooks import URL, body_of, signed
from tests.support.asgi import serving
from tests.support.crowdsplit import WEBHOOK_SECRET
from tests.support.offchain import environment, http_settings
from tests.support.servers import running
from tests.support.waiting import eventually

HTTP = "from offchain.__main__ import main; main(['http'])"
DIES_BEFORE_IT_ANSWERS = """
import os, signal
from offchain.inbox.group import GroupWriter
GroupWriter._answer = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
"""
SENDERS = 4


def events(engine: Engine) -> set[str]:
    with engine.connect() as connection:
        return set(connection.execute(select(inbox.c.event_key)).scalars())


@contextmanager
def process(program: str, variables: dict[str, str], log: Path) -> Iterator[httpx.Client]:
    """The write API as a process of its own."""
    port = free_port()
    with (
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10) as client,
        pytest.MonkeyPatch.context() as patch,
    ):

        def answers() -> bool:
            try:
                return client.get("/readyz").is_success
            except httpx.HTTPError:
                return False

        for name, value in {**variables, "LASTRO_HTTP_PORT": str(port)}.items():
            patch.setenv(name, value)
        with running([sys.executable, "-c", program], answers=answers, log=log):
            yield client


def test_repeat_is_a_duplicate_when_the_process_is_killed_between_commit_and_answer(
    database_url: str, valkey: EmbeddedValkey, engine: Engine, tmp_path: Path
) -> None:
    variables = environment(database_url, valkey.url, CROWDSPLIT_WEBHOOK_SECRETS=WEBHOOK_SECRET)
    body = body_of()
    with (
        process(DIES_BEFORE_IT_ANSWERS + HTTP, variables, tmp_path / "first.log") as client,
        pytest.raises(httpx.HTTPError),
    ):
        client.post(URL, content=body, headers=signed(body))
    assert events(engine) == {"evt-1"}
    with process(HTTP, variables, tmp_path / "second.log") as client:
        again = client.post(URL, content=body, headers=signed(body))
    assert again.json() == {"received": True, "duplicate": True}
    assert events(engine) == {"evt-1"}


class Senders:
    """Post new webhooks until stopped; a webhook that is not acknowledged is posted again."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client
        self._numbers = count()
        self._lock = Lock()
        self.stopped = Event()
        self.acknowledged: set[str] = set()
        self.refused: list[httpx.Response] = []

    def run(self) -> None:
        while not self.stopped.is_set():
            with self._lock:
                event_id = f"evt-{next(self._numbers)}"
            while not self._is_acknowledged(event_id):
                if self.stopped.is_set():
                    return

    def _is_acknowledged(self, event_id: str) -> bool:
        body = body_of(event_id)
        answer = self._client.post(URL, content=body, headers=signed(body))
        with self._lock:
            if answer.status_code == httpx.codes.OK:
                self.acknowledged.add(event_id)
                return True
            self.refused.append(answer)
        return False


def acknowledges_more(senders: Senders) -> bool:
    """Whether webhooks come through from now on."""
    before = len(senders.acknowledged)
    eventually(lambda: len(senders.acknowledged) > before + 2 * SENDERS)
    return True


def test_no_acknowledged_webhook_is_lost_when_postgres_is_restarted_under_them(
    valkey: EmbeddedValkey, tmp_path: Path
) -> None:
    server = EmbeddedPostgres(tmp_path / "postgres", free_port())
    tmp_path.chmod(0o755)
    server.initialize()

    @contextmanager
    def postgres(number: int) -> Iterator[None]:
        log = tmp_path / f"postgres-{number}.log"
        with running(server.command(FAST_NOT_DURABLE), answers=server.answers, log=log):
            yield

    with ThreadPoolExecutor(SENDERS) as threads, ExitStack() as stack:
        with postgres(0):
            server.create_database()
            migrate(server.url())
            settings = http_settings(server.url(), valkey.url)
            client = stack.enter_context(serving(create_app(settings)))
            senders = Senders(client)
            stack.callback(senders.stopped.set)
            running_senders = [threads.submit(senders.run) for _ in range(SENDERS)]
            assert acknowledges_more(senders)
        eventually(lambda: len(senders.refused) > SENDERS)
        with postgres(1):
            assert acknowledges_more(senders)
            senders.stopped.set()
            for sender in running_senders:
                sender.result()
            engine = create_engine(driver_url(server.url()))
            assert senders.acknowledged <= events(engine)
            engine.dispose()
    assert {(r.status_code, r.headers["retry-after"]) for r in senders.refused} == {(503, "2")}
