"""The proxy as an HTTP server on threads: forwards, and lets the faults strike."""

import socket
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import msgspec
from typing_extensions import override

from stack.fakes.chain_proxy import alter
from stack.fakes.chain_proxy.alter import Marks
from stack.fakes.chain_proxy.calls import (
    Asked,
    CallAsked,
    hold_to_limits,
    raw_transaction,
    read_request,
)
from stack.fakes.chain_proxy.faults import Fault, Faults, Kind
from stack.fakes.chain_proxy.pool import Offer, Pool, is_underpriced, read_offer
from stack.fakes.chain_proxy.upstream import NodeSilent, Upstream
from stack.ports import LOOPBACK

_POLL_S = 0.01
_WHOLE_REQUEST: frozenset[Kind] = frozenset(
    {"latency", "timeout", "http_429", "batch_refused", "truncated_json", "garbage"}
)
"""Kinds that strike a request as it is sent, whatever its calls ask."""
UNDERPRICED = (-32000, "replacement transaction underpriced")
_NO_ANSWER = 502
_TOO_MANY = 429


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
        self.pool = Pool()
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

    @override
    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that went away, or were killed: that is what a proxy sees."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]

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

    @override
    def setup(self) -> None:
        super().setup()
        self._upstream = Upstream()
        self.server.opened(self.connection)

    @override
    def finish(self) -> None:
        self.server.closed(self.connection)
        self._upstream.close()
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
            self._send(*self._upstream.forward(self.server.target_url, body))
            return
        faults = self.server.faults.choose([call.method for call in asked.calls])
        if self._struck_as_a_whole(faults, asked):
            return
        by_call = [fault for fault in faults if fault.kind not in _WHOLE_REQUEST]
        for call in asked.calls:
            hold_to_limits(call)
        if by_call or any(
            call.answer is not None or raw_transaction(call) is not None for call in asked.calls
        ):
            status, answer = 200, self._answer(by_call, asked)
        else:
            status, answer = self._upstream.forward(self.server.target_url, body)
        for fault in faults:
            if fault.kind in {"truncated_json", "garbage"}:
                answer = alter.spoilt(fault, answer, pick=self.server.faults.pick)
                self.server.faults.note(fault)
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
        marks = (
            self._upstream.marks(self.server.target_url)
            if any(map(alter.needs_marks, faults))
            else Marks()
        )
        struck: set[int] = set()
        by_target: dict[str, list[CallAsked]] = {}
        for call in asked.calls:
            if call.answer is not None:
                continue
            target = self._target(faults, call, marks=marks, struck=struck)
            if call.answer is None:
                by_target.setdefault(target, []).append(call)
        for target, calls in by_target.items():
            self._pass_on(target, calls)
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

    def _pass_on(self, target: str, calls: Sequence[CallAsked]) -> None:
        """Ask a node; what is sent to it one by one, as a pool that knows what it holds."""
        sends = [call for call in calls if raw_transaction(call) is not None]
        others = [call for call in calls if raw_transaction(call) is None]
        if others:
            self._upstream.ask(target, others)
        for call in sends:
            offer = read_offer(raw_transaction(call) or b"")
            with self.server.pool.lock:
                if offer is not None and self._is_outbid(target, offer):
                    call.refuse(*UNDERPRICED)
                    continue
                self._upstream.ask(target, [call])
                if offer is not None and call.result is not None:
                    self.server.pool.hold(offer)

    def _is_outbid(self, target: str, offer: Offer) -> bool:
        """Whether the node still holds a rival that this offer does not outbid."""
        rival = self.server.pool.rival(offer)
        if rival is None:
            return False
        if not self._upstream.is_pending(target, rival.tx_hash):
            self.server.pool.forget(rival)
            return False
        return is_underpriced(offer, rival)

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
