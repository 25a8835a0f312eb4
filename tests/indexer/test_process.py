"""The indexer as its own process: what it tells while it waits, is halted, or is to end."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from sqlalchemy import Engine

from indexer.queries import read_marks
from stack.ports import free_port
from tests.support.environment import bare_environment
from tests.support.indexed_site import CHAIN, TIP, Chain, Site, mined
from tests.support.waiting import eventually

STOPS_WITHIN_S = 5


@dataclass(frozen=True, slots=True)
class Process:
    """One indexer, its port and its log."""

    popen: subprocess.Popen[bytes]
    port: int
    log: Path

    def get(self, path: str) -> httpx.Response | None:
        """None while nobody listens; the process must run."""
        assert self.popen.poll() is None, self.said()
        try:
            return httpx.get(f"http://127.0.0.1:{self.port}{path}")
        except httpx.HTTPError:
            return None

    def is_ready(self) -> bool:
        answer = self.get("/readyz")
        return answer is not None and answer.status_code == 200

    def shows(self, sample: str) -> bool:
        answer = self.get("/metrics")
        return answer is not None and f"\n{sample}\n" in answer.text

    def has_halted(self) -> bool:
        return "writer_halted" in self.said()

    def said(self) -> str:
        return self.log.read_text()

    def stop(self) -> int:
        self.popen.send_signal(signal.SIGTERM)
        return self.popen.wait(STOPS_WITHIN_S)


Start = Callable[..., Process]


@pytest.fixture
def chain(tmp_path: Path) -> Iterator[Chain]:
    with mined(tmp_path) as own:
        yield own


@pytest.fixture
def start(chain: Chain, database_url: str, tmp_path: Path) -> Iterator[Start]:
    started: list[subprocess.Popen[bytes]] = []

    def begin(name: str, **settings: str) -> Process:
        port = int(settings.get("LASTRO_INDEXER_PORT", free_port()))
        environment = Site(chain, database_url).environment | {
            "LASTRO_CHAIN": "celo-local",
            "LASTRO_INDEXER_PORT": str(port),
            "LASTRO_INDEXER_POLL_INTERVAL_S": "0.05",
            "PYTHONPATH": os.pathsep.join(sys.path),
        }
        log = tmp_path / f"{name}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "indexer"],
                env=bare_environment(**environment | settings),
                stderr=output,
            )
        started.append(process)
        return Process(process, port, log)

    yield begin
    for process in started:
        process.kill()
        process.wait()


def indexed(engine: Engine) -> int:
    with engine.connect() as connection:
        marks = read_marks(connection, CHAIN)
    return 0 if marks is None or marks.indexed is None else marks.indexed.number


HALTED = 'lastro_indexer_degraded{network="celo-local"} 1.0'


def test_halted_process_and_its_standby_go_on_telling_why_and_follow_once_resumed(
    start: Start, chain: Chain, engine: Engine, database_url: str
) -> None:
    first = start("first")
    eventually(first.is_ready, timeout_s=60, what="the first follows")
    second = start("second")
    eventually(lambda: "writer_lock_awaited" in second.said(), timeout_s=60, what="it waits")
    chain.anvil.call("anvil_reorg", 8, [])
    chain.anvil.call("anvil_mine", hex(3))

    for process in (first, second):
        eventually(process.has_halted, what="it finds the halt")
        assert process.shows(HALTED)
        answer = process.get("/readyz")
        assert answer is not None
        assert answer.status_code == 503
        assert "finalized block 10 changed" in answer.json()["reason"]
    assert indexed(engine) == TIP

    assert first.stop() == 2
    assert "indexer: finalized block 10 changed" in first.said()
    assert "Traceback" not in first.said()

    site = Site(chain, database_url)
    code, _ = site.run("rewind", "--to", "4", "--below-finalized", "--yes")
    assert code == 0  # nobody holds the lock
    assert second.shows(HALTED)
    assert site.run("resume")[0] == 0
    eventually(lambda: indexed(engine) == TIP + 3, what="the standby goes on by itself")
    eventually(second.is_ready, what="it is ready")
    assert second.stop() == 0


def test_process_that_starts_while_halted_serves_until_told_to_stop(
    start: Start, login_engine: Engine, engine: Engine
) -> None:
    first = start("first")
    eventually(first.is_ready, timeout_s=60, what="it follows")
    assert first.stop() == 0
    with login_engine.begin() as connection:
        connection.exec_driver_sql("UPDATE chain.marks SET degraded_reason = 'block 5 changed'")
    second = start("second")
    eventually(lambda: second.shows(HALTED), timeout_s=60, what="it serves")
    eventually(second.has_halted, what="it found the reason")
    assert indexed(engine) == TIP
    assert second.stop() == 2
    assert "indexer: the indexer halted earlier: block 5 changed" in second.said()


def test_process_ends_at_once_when_told_while_it_waits_for_a_distant_head(
    start: Start, chain: Chain
) -> None:
    process = start(
        "waiting",
        LASTRO_RPC_WS_URL=chain.anvil.url.replace("http", "ws"),
        LASTRO_INDEXER_POLL_INTERVAL_S="60",
        LASTRO_LOG_LEVEL="DEBUG",
    )
    eventually(process.is_ready, timeout_s=60, what="it follows")
    eventually(lambda: "heads_announced" in process.said(), what="it listens")
    assert process.stop() == 0


def test_endpoints_say_what_is_awaited_when_no_node_answers(start: Start) -> None:
    process = start("awaiting", LASTRO_RPC_URLS=f"http://127.0.0.1:{free_port()}")
    eventually(lambda: "node_awaited" in process.said(), timeout_s=60, what="it awaits the node")
    live, ready = process.get("/livez"), process.get("/readyz")
    assert live is not None
    assert live.status_code == 200
    assert ready is not None
    assert ready.status_code == 503
    assert ready.json()["reason"].startswith("nothing indexed yet; this process awaits a node: ")
    assert process.shows('lastro_indexer_database_up{network="celo-local"} 1.0')
    assert process.stop() == 0


def test_process_refuses_when_its_port_is_in_use(start: Start) -> None:
    first = start("first")
    eventually(lambda: first.get("/livez"), timeout_s=60, what="the first listens")
    second = start("second", LASTRO_INDEXER_PORT=str(first.port))
    assert second.popen.wait(60) == 2
    assert f"nobody can listen on port {first.port}" in second.said()
    assert "Traceback" not in second.said()
