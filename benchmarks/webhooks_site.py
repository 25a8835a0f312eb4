"""What webhooks are measured on: the write API as a process of its own, and pgbench beside it."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen
from uuid import uuid4

import orjson
import psycopg

from benchmarks.chain import BenchmarkError
from benchmarks.ground import Ground
from benchmarks.webhooks_load import Delivery
from stack.fakes.crowdsplit.webhooks import envelope, sign
from stack.fakes.delivery import Signing
from stack.ports import LOOPBACK, free_port
from stack.postgres import clean_environment
from stack.valkey import EmbeddedValkey
from tests.support.crowdsplit import WEBHOOK_SECRET
from tests.support.offchain import environment
from tests.support.servers import running

CHECKOUT = Path(__file__).resolve().parents[1]
PATH = "/v1/webhooks/crowdsplit"
START_S = 30.0
PGBENCH_CLIENTS = 8
PGBENCH_THREADS = 2
_TPS = re.compile(r"^tps = ([0-9.]+)", re.MULTILINE)
_SAME_TABLE = """
CREATE SCHEMA bench;
CREATE TABLE bench.inbox (LIKE offchain.inbox INCLUDING ALL);
"""
_ONE_ROW = """
INSERT INTO bench.inbox (gateway, event_key, body, headers)
VALUES ('crowdsplit', gen_random_uuid()::text, '\\x{body}'::bytea, '{headers}'::jsonb);
"""


@dataclass(frozen=True, slots=True)
class Api:
    """The write API as it runs in production, on a database of its own."""

    port: int
    pid: int
    database: str
    """URL."""

    def cpu_s(self) -> float:
        """Processor time that it has used so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def serving(base: Ground, home: Path) -> Iterator[Api]:
    """Run ``python -m offchain http`` with a Redis that bells are rung at, until the block ends.

    No worker runs: what is measured is how fast webhooks are taken, not how fast gateways answer.
    """
    database = base.database()
    valkey = EmbeddedValkey(home / "valkey", free_port())
    with running(valkey.command(), answers=valkey.answers, log=home / "valkey.log"):
        port = free_port()
        variables = environment(
            database,
            valkey.url,
            LASTRO_HTTP_PORT=str(port),
            CROWDSPLIT_WEBHOOK_SECRETS=WEBHOOK_SECRET,
        )
        with (home / "http.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "offchain", "http"],
                cwd=CHECKOUT,
                env={**clean_environment(), **variables},
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            _await_ready(port, process)
            yield Api(port, process.pid, database)
        finally:
            process.terminate()
            process.wait()


def _await_ready(port: int, process: subprocess.Popen[bytes]) -> None:
    give_up = time.monotonic() + START_S
    while time.monotonic() < give_up and process.poll() is None:
        try:
            with urlopen(f"http://{LOOPBACK}:{port}/readyz"):
                return
        except (URLError, ConnectionError):
            time.sleep(0.05)
    raise BenchmarkError("the write API did not start")


class Pgbench:
    """Rows like those of the inbox, inserted one a transaction by eight clients."""

    def __init__(self, base: Ground, api: Api, home: Path) -> None:
        """Make the table, with the inbox's columns, defaults, checks and indexes."""
        self._program = base.postgres.binaries / "pgbench"
        self._database = api.database
        self._script = home / "insert.sql"
        body, headers = _genuine(str(uuid4()))
        script = _ONE_ROW.format(body=body.hex(), headers=orjson.dumps(_kept(headers)).decode())
        self._script.write_text(" ".join(script.split()) + "\n")
        with psycopg.connect(self._database, autocommit=True) as connection:
            connection.execute(_SAME_TABLE)

    def rows_per_s(self, seconds: float) -> float:
        """Insert for a while.

        Raises:
            BenchmarkError: pgbench failed.
        """
        done = subprocess.run(
            [
                *(str(self._program), "-n", "-M", "prepared"),
                *("-c", str(PGBENCH_CLIENTS), "-j", str(PGBENCH_THREADS)),
                *("-T", str(max(1, round(seconds))), "-f", str(self._script), self._database),
            ],
            env=clean_environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        found = _TPS.search(done.stdout)
        if done.returncode != 0 or found is None:
            raise BenchmarkError(f"pgbench failed: {done.stderr.strip()[-500:]}")
        return float(found.group(1))


def deliveries(count: int) -> list[Delivery]:
    """Genuine webhooks about as many payments, signed now."""
    return [_delivery(str(uuid4())) for _ in range(count)]


def body_bytes() -> int:
    """How long the body of each is."""
    return len(_genuine(str(uuid4()))[0])


@contextmanager
def held_up(database: str, *, after_s: float, seconds: float) -> Iterator[None]:
    """For a while during the block, nothing can be stored in the inbox."""

    def hold() -> None:
        time.sleep(after_s)
        with psycopg.connect(database) as connection:
            connection.execute("LOCK TABLE offchain.inbox IN SHARE MODE")
            time.sleep(seconds)

    with ThreadPoolExecutor(1) as thread:
        holding = thread.submit(hold)
        yield
        holding.result()


def stored_keys(database: str) -> set[str]:
    """The event keys in the inbox."""
    with psycopg.connect(database) as connection:
        return {row[0] for row in connection.execute("SELECT event_key FROM offchain.inbox")}


def _delivery(event_key: str) -> Delivery:
    body, headers = _genuine(event_key)
    lines = [
        f"POST {PATH} HTTP/1.1",
        f"Host: {LOOPBACK}",
        "User-Agent: CrowdSplit-Webhooks/3",
        "Accept: */*",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    return Delivery(event_key, "\r\n".join(lines).encode() + b"\r\n\r\n" + body)


def _genuine(event_key: str) -> tuple[bytes, dict[str, str]]:
    """A capture as CrowdSplit tells of it, and its signature."""
    payment = {
        "id": f"pay_{uuid4()}",
        "type": "payment",
        "provider": "pagar_me",
        "status": "captured",
        "version": 3,
        "source": {
            "amount": 5000,
            "currency": "brl",
            "customer": {"id": str(uuid4())},
            "payment_method": {"type": "pix"},
        },
        "confirm": True,
        "metadata": {"lastro_attempt_id": str(uuid4()), "campaign": "festa-junina"},
        "created_at": "2026-01-01T12:00:00.000Z",
        "updated_at": "2026-01-01T12:00:41.000Z",
    }
    body = envelope(f"evt_{event_key}", "payment.captured", payment)
    signing = Signing(WEBHOOK_SECRET, int(time.time()), is_forged=False)
    return body, sign(body, signing)


def _kept(headers: dict[str, str]) -> dict[str, str]:
    """The headers as the inbox keeps them."""
    return {name.lower(): value for name, value in headers.items()}
