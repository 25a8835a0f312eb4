"""The proxy as an HTTP server on threads: forwards, and lets the faults strike."""

import http.client
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar
from urllib.parse import urlsplit

import msgspec
from typing_extensions import override

from stack.fakes.chain_proxy import alter
from stack.fakes.chain_proxy.alter import Marks
from stack.fakes.chain_proxy.calls import (
    Asked,
    CallAsked,
    block_answered,
    hold_to_limits,
    read_request,
)
from stack.fakes.chain_proxy.faults import Fault, Faults, Kind
from stack.ports import LOOPBACK

UPSTREAM_TIMEOUT_S = 60
_POLL_S = 0.01
_WHOLE_REQUEST: frozenset[Kind] = frozenset(
    {"latency", "timeout", "http_429", "batch_refused", "truncated_json"}
)
"""Kinds that strike a request as it is sent, whatever its calls ask."""
_NO_ANSWER = 502
_TOO_MANY = 429


class NodeSilent(Exception):  # noqa: N818 - reads as a state
    """The node behind the proxy does not answer."""


@dataclass(frozen=True, slots=True)
class Proxy:
    """A running proxy."""

    url: str
    faults: Faults


@contextmanager
def running_proxy(target_url: str, *, port: int = 0, seed: int = 0) -> Iterator[Proxy]:
    """Serve a proxy in front of a node until the block ends.

    Args:
        target_url: HTTP URL of the node.
        port: Where to listen on this machine; 0 chooses a free one.
        seed: Makes the strikes repeatable.
    """
    faults = Faults(seed=seed)
    server = _Server((LOOPBACK, port), target_url, faults)
    thread = threading.Thread(target=server.serve_forever, args=(_POLL_S,), daemon=True)
    thread.start()
    try:
        yield Proxy(f"http://{LOOPBACK}:{server.server_port}", faults)
    finally:
        server.stop()
        thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = False
    """Ending waits for every answer under way: nothing is left running."""
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], target_url: str, faults: Faults) -> None:
        self.target_url = target_url
        self.faults = faults
        self.stopping = threading.Event()
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        super().__init__(address, _Handler)

    def stop(self) -> None:
        """End, and cut every connection kept alive."""
        self.stopping.set()
        self.shutdown()
        with self._lock:
            for connection in self._open:
                _cut(connection)
        self.server_close()

    def opened(self, connection: socket.socket) -> None:
        """Note a connection."""
        with self._lock:
            self._open.add(connection)

    def closed(self, connection: socket.socket) -> None:
        """Forget a connection."""
        with self._lock:
            self._open.discard(connection)


class _Handler(BaseHTTPRequestHandler):
    """One connection of a client, kept alive, with its own connections to the nodes."""

    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    _plain: ClassVar[dict[str, str]] = {"Content-Type": "application/json"}

    @override
    def setup(self) -> None:
        super().setup()
        self._upstream: dict[str, http.client.HTTPConnection] = {}
        self.server.opened(self.connection)

    @override
    def finish(self) -> None:
        self.server.closed(self.connection)
        for connection in self._upstream.values():
            connection.close()
        super().finish()

    def do_POST(self) -> None:
        """Answer one request; 502 when the node behind does not."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        try:
            self._serve(body)
        except NodeSilent:
            self._send(_NO_ANSWER, b"{}")

    def _serve(self, body: bytes) -> None:
        try:
            asked = read_request(body)
        except ValueError:
            self._send(*self._forward(self.server.target_url, body))
            return
        faults = self.server.faults.choose([call.method for call in asked.calls])
        if self._struck_as_a_whole(faults, asked):
            return
        by_call = [fault for fault in faults if fault.kind not in _WHOLE_REQUEST]
        for call in asked.calls:
            hold_to_limits(call)
        if by_call or any(call.answer is not None for call in asked.calls):
            status, answer = 200, self._answer(by_call, asked)
        else:
            status, answer = self._forward(self.server.target_url, body)
        cut = next((fault for fault in faults if fault.kind == "truncated_json"), None)
        if cut is not None:
            self.server.faults.note(cut)
            answer = answer[: len(answer) // 2]
        self._send(status, answer)

    @override
    def log_message(self, format: str, *args: object) -> None:
        """Stay silent."""

    def _struck_as_a_whole(self, faults: Sequence[Fault], asked: Asked) -> bool:
        """Delay the request, or answer it without asking the node; whether that is all."""
        registry = self.server.faults
        for fault in faults:
            if fault.kind in {"latency", "timeout"}:
                registry.note(fault)
                self.server.stopping.wait(fault.seconds)
            if fault.kind == "timeout":
                self.close_connection = True
                return True
            if fault.kind == "http_429":
                registry.note(fault)
                self._send(_TOO_MANY, b"{}", retry_after=f"{fault.seconds:g}")
                return True
            if fault.kind == "batch_refused" and asked.is_batch:
                registry.note(fault)
                refused = CallAsked(None, "", [])
                refused.refuse(-32600, "batch requests are not supported")
                self._send(200, msgspec.json.encode(refused.answer))
                return True
        return False

    def _answer(self, faults: Sequence[Fault], asked: Asked) -> bytes:
        """Answer the calls one by one, each as its faults want it."""
        marks = self._marks() if any(map(alter.needs_marks, faults)) else Marks()
        struck: set[int] = set()
        by_target: dict[str, list[CallAsked]] = {}
        for call in asked.calls:
            target = self._target(faults, call, marks=marks, struck=struck)
            if call.answer is None:
                by_target.setdefault(target, []).append(call)
        for target, calls in by_target.items():
            self._ask(target, calls)
        registry = self.server.faults
        for call in asked.calls:
            for fault in _concerned(faults, call):
                if alter.after(fault, call, marks=marks, pick=registry.pick):
                    struck.add(id(fault))
        for fault in faults:
            if id(fault) in struck:
                registry.note(fault)
        answers = [call.answer for call in asked.calls]
        return msgspec.json.encode(answers if asked.is_batch else answers[0])

    def _target(
        self, faults: Sequence[Fault], call: CallAsked, *, marks: Marks, struck: set[int]
    ) -> str:
        """Let faults answer or rewrite a call; returns the node to ask if none answered it."""
        target = self.server.target_url
        for fault in _concerned(faults, call):
            if fault.kind == "mixed_forks":
                target = fault.target_url
                struck.add(id(fault))
            elif alter.before(fault, call, marks=marks):
                struck.add(id(fault))
        return target

    def _ask(self, target: str, calls: Sequence[CallAsked]) -> None:
        """Ask a node, and give each call its answer."""
        bodies = [{**call.body(), "id": index} for index, call in enumerate(calls)]
        _, raw = self._forward(target, msgspec.json.encode(bodies))
        answers = {one["id"]: one for one in msgspec.json.decode(raw)}
        for index, call in enumerate(calls):
            call.answer = {**answers[index], "id": call.id}

    def _marks(self) -> Marks:
        tags = ("latest", "safe", "finalized")
        calls = [CallAsked(None, "eth_getBlockByNumber", [tag, False]) for tag in tags]
        self._ask(self.server.target_url, calls)
        return Marks(*(block_answered(call) or 0 for call in calls))

    def _forward(self, target: str, body: bytes) -> tuple[int, bytes]:
        """Send bytes to a node; a connection that it closed meanwhile is opened again once."""
        for _ in range(2):
            connection = self._upstream.get(target)
            if connection is None:
                parts = urlsplit(target)
                connection = http.client.HTTPConnection(
                    parts.hostname or LOOPBACK, parts.port, timeout=UPSTREAM_TIMEOUT_S
                )
                self._upstream[target] = connection
            try:
                connection.request("POST", urlsplit(target).path or "/", body, self._plain)
                response = connection.getresponse()
                return response.status, response.read()
            except (OSError, http.client.HTTPException):
                self._upstream.pop(target).close()
        raise NodeSilent(target)

    def _send(self, status: int, body: bytes, *, retry_after: str | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if retry_after is not None:
            self.send_header("Retry-After", retry_after)
        self.end_headers()
        try:
            self.wfile.write(body)
            self.wfile.flush()
        except OSError:  # the client went away: that is what a time-out looks like from here
            self.close_connection = True


def _concerned(faults: Sequence[Fault], call: CallAsked) -> list[Fault]:
    return [fault for fault in faults if fault.concerns(call.method)]


def _cut(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # the client was faster
