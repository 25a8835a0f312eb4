"""Ways to die and nodes that lie."""

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal, cast

import httpx
from sqlalchemy import Connection, Engine, text
from typing_extensions import override

Lie = Literal["error_after_accept", "accept_then_drop"]


class Crash(Exception):  # noqa: N818 - it stands for a killed process, not for an error
    """The process dies here."""


Moment = Literal["before", "after"]


class DyingEngine:
    """An engine whose process is killed just before or after its n-th commit that writes."""

    def __init__(self, engine: Engine, *, commit: int, moment: Moment) -> None:
        self._engine = engine
        self._left = commit
        self._moment = moment

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        with self._engine.begin() as connection:
            yield connection
            wrote = connection.execute(text("SELECT pg_current_xact_id_if_assigned()")).scalar()
            self._left -= wrote is not None
            dies = wrote is not None and self._left == 0
            if dies and self._moment == "before":
                raise Crash
        if dies:
            raise Crash

    def connect(self) -> Connection:
        return self._engine.connect()


def dying(engine: Engine, *, commit: int, moment: Moment) -> Engine:
    return cast("Engine", DyingEngine(engine, commit=commit, moment=moment))


@contextmanager
def lying_node(url: str, lie: Callable[[], Lie | None]) -> Iterator[tuple[str, Counter[str]]]:
    """A node in front of the real one that lies about sends; yields its URL and what it did.

    Args:
        url: The real node.
        lie: Asked at each send how to lie; None to be honest.
    """
    done: Counter[str] = Counter()
    lock = threading.Lock()
    real = httpx.Client(headers={"Content-Type": "application/json"}, timeout=10)

    def forward(body: bytes) -> bytes:
        return real.post(url, content=body).content

    class Node(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # one packet an answer: else Nagle and delayed ACK cost 40 ms

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            asked = json.loads(body)
            if isinstance(asked, dict) and asked["method"] == "eth_sendRawTransaction":
                with lock:
                    chosen = lie()
                    done[chosen or "honest"] += 1
                self._send(body, asked, chosen)
                return
            self._answer(forward(body))

        def _send(self, body: bytes, asked: dict[str, object], chosen: Lie | None) -> None:
            failure = {"code": -32603, "message": "internal error"}
            match chosen:
                case "error_after_accept":
                    forward(body)
                    self._answer(_json(asked, error=failure))
                case "accept_then_drop":
                    self._answer(_json(asked, result="0x" + "ab" * 32))
                case _:
                    self._answer(forward(body))

        def _answer(self, body: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        @override
        def log_message(self, *_arguments: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Node)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", done
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
        real.close()


def _json(asked: dict[str, object], **answer: object) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": asked["id"], **answer}).encode()
