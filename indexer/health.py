"""``/livez`` and ``/readyz`` of an indexer: what the database says, not what the process hopes."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError
from typing_extensions import override

from indexer.chain.networks import network_by_name
from indexer.chain.types import ChainId
from indexer.queries import Marks, read_marks

HOST = "127.0.0.1"
LAG_BLOCKS_MAX = 60
"""Blocks behind the head from which on readers should look elsewhere."""
SILENCE_BLOCK_TIMES_MAX = 30
SILENCE_MIN = timedelta(seconds=60)
"""How long no look at the head may succeed: the longer of the two."""

Report = tuple[HTTPStatus, dict[str, object]]


def readiness(marks: Marks | None, *, now: datetime) -> Report:
    """Judge the marks: ready when following closely, of late, and not halted. Pure.

    Args:
        marks: As stored; None when there are none.
        now: Aware UTC.
    """
    if marks is None or marks.indexed is None or marks.head_number is None:
        return HTTPStatus.SERVICE_UNAVAILABLE, {"ready": False, "reason": "nothing indexed yet"}
    lag = max(marks.head_number - marks.indexed.number, 0)
    reason = marks.degraded_reason
    if reason is None and lag > LAG_BLOCKS_MAX:
        reason = f"{lag} blocks behind"
    if reason is None and marks.updated_at is not None:
        silence = now - marks.updated_at
        if silence > silence_max(network_by_name(marks.network).block_time_s):
            reason = f"the head was last seen {int(silence.total_seconds())} s ago"
    body: dict[str, object] = {
        "ready": reason is None,
        "reason": reason,
        "network": marks.network,
        "head": marks.head_number,
        "indexed": marks.indexed.number,
        "finalized": None if marks.finalized is None else marks.finalized.number,
        "lag_blocks": lag,
    }
    return HTTPStatus.OK if reason is None else HTTPStatus.SERVICE_UNAVAILABLE, body


def silence_max(block_time_s: int) -> timedelta:
    """How old the marks of a chain may be before they say nothing of now. Pure."""
    return max(timedelta(seconds=SILENCE_BLOCK_TIMES_MAX * block_time_s), SILENCE_MIN)


@contextmanager
def serving(engine: Engine, chain_id: ChainId, *, port: int) -> Iterator[None]:
    """Serve both endpoints on the loopback until the block ends; port 0 serves none."""
    if port == 0:
        yield
        return

    class Endpoints(BaseHTTPRequestHandler):
        """Answers from the database, each request anew."""

        def do_GET(self) -> None:
            """Answer ``/livez`` and ``/readyz``; anything else is not found."""
            if self.path == "/livez":
                self._answer(HTTPStatus.OK, {"live": True})
            elif self.path == "/readyz":
                self._answer(*_read_readiness(engine, chain_id))
            else:
                self._answer(HTTPStatus.NOT_FOUND, {"reason": "try /livez or /readyz"})

        def _answer(self, status: HTTPStatus, body: dict[str, object]) -> None:
            payload = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        @override
        def log_message(self, format: str, *args: object) -> None:
            """Probes are not worth a line each."""

    server = ThreadingHTTPServer((HOST, port), Endpoints)
    thread = Thread(target=server.serve_forever, args=(0.1,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _read_readiness(engine: Engine, chain_id: ChainId) -> Report:
    try:
        with engine.connect() as connection:
            return readiness(read_marks(connection, chain_id), now=datetime.now(UTC))
    except OperationalError:
        reason = "Postgres does not answer"
        return HTTPStatus.SERVICE_UNAVAILABLE, {"ready": False, "reason": reason}
