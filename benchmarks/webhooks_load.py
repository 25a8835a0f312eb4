"""A lean sender of webhooks: one loop, raw connections kept alive, answers only counted.

Requests are built and signed before the clock runs. What the sender itself takes of a processor is
measured with every run, because on a small machine it takes it from the server.
"""

import asyncio
import gc
import time
from collections import Counter, deque
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import cast

import uvloop
from typing_extensions import override

from stack.ports import LOOPBACK

WARM_UP_S = 1.0
TICK_S = 0.001
LATE_ANSWERS_S = 15.0
"""How long answers are waited for after the last request."""
ACCEPTED = 200
_END_OF_HEAD = b"\r\n\r\n"
_LENGTH = b"content-length: "
_RETRY_AFTER = b"retry-after: "


@dataclass(frozen=True, slots=True)
class Delivery:
    """One signed webhook, ready to be sent."""

    event_key: str
    """What it must be stored under if it is accepted."""
    request: bytes


@dataclass(slots=True)
class Sent:
    """What became of the requests of one run."""

    seconds: float
    """How long it was measured, after its warm-up."""
    offered: int = 0
    answers: Counter[int] = field(default_factory=Counter)
    """By HTTP status."""
    accepted: set[str] = field(default_factory=set)
    """Event keys answered 200."""
    latencies_s: list[float] = field(default_factory=list)
    """Of those accepted while it was measured."""
    without_advice: int = 0
    """Not accepted, and without Retry-After."""
    unsent: int = 0
    """Due while no connection was free and none could be opened."""
    connections: int = 0
    """Opened."""
    hung_up: int = 0
    """Connections that the server closed."""
    cpu_share: float = 0.0
    """Of one processor, taken by the sender."""

    @property
    def accepted_per_s(self) -> float:
        """Accepted while it was measured."""
        return len(self.latencies_s) / self.seconds

    def latency_ms(self, share: float) -> float:
        """The latency that a share of the measured ones did not exceed."""
        ranked = sorted(self.latencies_s) or [0.0]
        return round(ranked[min(int(len(ranked) * share), len(ranked) - 1)] * 1000, 2)


def saturate(port: int, supply: Sequence[Delivery], *, connections: int, seconds: float) -> Sent:
    """Send as fast as answers come: every connection sends again when it has its answer."""
    run = _Run(port, supply, Sent(seconds))

    async def send() -> None:
        for _ in range(connections):
            await run.connect()
        until = run.measure(warm_up_s=WARM_UP_S)

        def again(connection: _Connection) -> None:
            if time.perf_counter() < until:
                run.send(connection)

        run.when_free = again
        for connection in run.connections:
            run.send(connection)
        await asyncio.sleep(until - time.perf_counter())

    return run.made(send())


def overload(
    port: int, supply: Sequence[Delivery], *, connections: int, rate_per_s: float, seconds: float
) -> Sent:
    """Send when it is due, at a fixed rate, whether or not earlier ones are answered.

    Connections are opened as they are needed, up to a number.
    """
    run = _Run(port, supply, Sent(seconds))

    async def send() -> None:
        free: deque[_Connection] = deque()
        run.when_free = free.append
        until, begun, due_before = run.measure(), time.perf_counter(), 0
        opening: set[asyncio.Task[None]] = set()
        while (now := time.perf_counter()) < until:
            due = int((now - begun) * rate_per_s)
            for _ in range(due - due_before):
                if free:
                    run.send(free.popleft())
                elif len(run.connections) + len(opening) < connections:
                    task = asyncio.create_task(run.send_anew())
                    opening.add(task)
                    task.add_done_callback(opening.discard)
                else:
                    run.sent.unsent += 1
            due_before = due
            await asyncio.sleep(TICK_S)
        await asyncio.gather(*opening)

    return run.made(send())


class _Connection(asyncio.Protocol):
    """A connection with at most one request on its way."""

    def __init__(self, run: "_Run") -> None:
        self._run = run
        self._received = b""
        self.transport: asyncio.Transport | None = None
        self.event_key = ""
        self.sent_at = 0.0

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is registered as none

    @override
    def data_received(self, data: bytes) -> None:
        answer = self._received + data if self._received else data
        head, end, body = answer.partition(_END_OF_HEAD)
        if not end or len(body) < int(head.partition(_LENGTH)[2].partition(b"\r\n")[0]):
            self._received = answer
            return
        self._received = b""
        self._run.answered(self, int(head[9:12]), has_advice=_RETRY_AFTER in head)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._run.lost(self)


class _Run:
    """The connections of one run and the count of what they send and hear."""

    def __init__(self, port: int, supply: Sequence[Delivery], sent: Sent) -> None:
        self.sent = sent
        self.connections: set[_Connection] = set()
        self.when_free: Callable[[_Connection], None] = lambda _connection: None
        self._port = port
        self._supply = supply
        self._waiting = 0
        self._all_heard = asyncio.Event()
        self._measured_from = self._measured_until = 0.0
        self._is_over = False

    def made(self, sending: Coroutine[None, None, None]) -> Sent:
        """Run it on a loop of its own, then wait for the answers that are still on their way."""

        async def run() -> None:
            begun, cpu = time.perf_counter(), time.process_time()
            await sending
            self.sent.cpu_share = (time.process_time() - cpu) / (time.perf_counter() - begun)
            with suppress(TimeoutError):
                async with asyncio.timeout(LATE_ANSWERS_S):
                    await self._late_answers()
            self._is_over = True
            self.sent.connections = len(self.connections)
            for connection in self.connections:
                if connection.transport is not None:
                    connection.transport.close()

        gc.collect()
        gc.freeze()  # the supply is large: the collector would hold the clock up over it
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(run())
        finally:
            gc.unfreeze()
        return self.sent

    async def _late_answers(self) -> None:
        self._all_heard = asyncio.Event()
        if self._waiting:
            await self._all_heard.wait()

    async def connect(self) -> _Connection:
        """Open one more connection."""
        _, connection = await asyncio.get_running_loop().create_connection(
            lambda: _Connection(self), LOOPBACK, self._port
        )
        self.connections.add(connection)
        return connection

    async def send_anew(self) -> None:
        """Send the next webhook over a new connection, unless it is refused."""
        try:
            self.send(await self.connect())
        except OSError:
            self.sent.unsent += 1

    def measure(self, *, warm_up_s: float = 0.0) -> float:
        """Measure from now, or soon, on; returns until when."""
        self._measured_from = time.perf_counter() + warm_up_s
        self._measured_until = self._measured_from + self.sent.seconds
        return self._measured_until

    def send(self, connection: _Connection) -> None:
        """Send the next webhook; nothing when all are sent."""
        if self.sent.offered == len(self._supply) or connection.transport is None:
            return
        delivery = self._supply[self.sent.offered]
        self.sent.offered += 1
        self._waiting += 1
        connection.event_key = delivery.event_key
        connection.sent_at = time.perf_counter()
        connection.transport.write(delivery.request)

    def answered(self, connection: _Connection, status: int, *, has_advice: bool) -> None:
        """Count one answer."""
        now, sent = time.perf_counter(), self.sent
        self._waiting -= 1
        if not self._waiting:
            self._all_heard.set()
        sent.answers[status] += 1
        if status == ACCEPTED:
            sent.accepted.add(connection.event_key)
            if self._measured_from <= now < self._measured_until:
                sent.latencies_s.append(now - connection.sent_at)
        elif not has_advice:
            sent.without_advice += 1
        self.when_free(connection)

    def lost(self, connection: _Connection) -> None:
        """Count a connection that the server closed."""
        if not self._is_over:
            self.sent.hung_up += 1
            connection.transport = None
