"""Refused webhooks are counted in memory and written now and then: a flood costs Postgres nothing.

There are as many counts as gateways times reasons: nothing that a sender chooses is a key. A
process that is killed loses at most the last second of them.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Literal

import psycopg
import structlog

from offchain.gateways.types import SignatureRefusal
from offchain.inbox.store import Connect, count_refusals

Refusal = (
    SignatureRefusal
    | Literal[
        "unknown_gateway", "too_large", "unreadable", "unstorable", "overloaded", "unavailable"
    ]
)
UNKNOWN_GATEWAY = "unknown"
"""What deliveries to a gateway that we do not have are counted under, whatever they called it."""
FLUSH_EVERY_S = 1.0
CLOSE_WITHIN_S = 5.0

_log = structlog.get_logger(__name__)


class Refusals:
    """Counts of one process that are not written yet."""

    def __init__(self, connect: Connect) -> None:
        """Count; the counts are written while ``running`` runs.

        Args:
            connect: Opens a connection in autocommit mode.
        """
        self._connect = connect
        self._counts: Counter[tuple[str, str]] = Counter()
        self._wake = asyncio.Event()
        self._closing = asyncio.Event()

    def count(self, gateway: str, reason: Refusal) -> None:
        """Count one refused delivery."""
        self._counts[gateway, reason] += 1
        self._wake.set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Write until the block ends, and then what is left."""
        writing = asyncio.create_task(self._run())
        try:
            yield
        finally:
            self._closing.set()
            self._wake.set()
            await asyncio.wait([writing], timeout=CLOSE_WITHIN_S)

    async def _run(self) -> None:
        """Write the first count at once, then at most every second."""
        while not self._closing.is_set():
            await self._wake.wait()
            await self._flush()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), FLUSH_EVERY_S)
        await self._flush()

    async def _flush(self) -> None:
        """Write what was counted; what cannot be written stays for the next time."""
        self._wake.clear()
        counts, self._counts = self._counts, Counter()
        if not counts:
            return
        try:
            await asyncio.to_thread(self._write, counts)
        except (psycopg.Error, OSError) as error:
            self._counts.update(counts)
            self._wake.set()
            _log.warning("refusals_not_counted", error=type(error).__name__)
            return
        for (gateway, reason), count in sorted(counts.items()):
            _log.warning("webhooks_refused", gateway=gateway, reason=reason, count=count)

    def _write(self, counts: Mapping[tuple[str, str], int]) -> None:
        with self._connect() as connection:
            count_refusals(connection, counts)
