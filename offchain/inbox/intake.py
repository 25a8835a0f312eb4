"""Everything between a verified webhook and its answer, as one thing that runs with the app."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
from sqlalchemy import Engine

from indexer.db.base import ROLES
from indexer.db.session import open_connection
from offchain.inbox.group import ANSWER_WITHIN_S, GroupWriter
from offchain.inbox.refusals import Refusal, Refusals
from offchain.inbox.store import Arrival
from offchain.jobs.bell import Bell
from offchain.jobs.ringing import Ringer

_DURABLE = """
SELECT set_config('synchronous_commit', 'on', false)
WHERE current_setting('synchronous_commit') = 'off'
"""
"""A server that does not wait for its disk by default does for webhooks: 2xx means it is kept."""


class Intake:
    """Keeps verified webhooks, counts refused ones, and has the bell rung."""

    def __init__(
        self,
        engine: Engine,
        bell: Bell,
        *,
        waiting_max: int,
        answer_within_s: float = ANSWER_WITHIN_S,
    ) -> None:
        """Make an intake; it works while ``running`` runs.

        Args:
            engine: Names the database; connections are the intake's own.
            bell: What rings for new webhooks.
            waiting_max: Webhooks that may wait for their commit.
            answer_within_s: How long one waits.
        """
        self._engine = engine
        self._refusals = Refusals(self._connect)
        self._ringer = Ringer(bell)
        self._writer = GroupWriter(
            self._connect,
            waiting_max=waiting_max,
            on_stored=self._ringer.ring,
            answer_within_s=answer_within_s,
        )

    @property
    def is_full(self) -> bool:
        """Whether the next webhook would be refused."""
        return self._writer.is_full

    async def keep(self, arrival: Arrival) -> bool:
        """Commit a webhook; True when it is new, False when it was stored before.

        Raises:
            Overloaded: Too many wait; it was not taken.
            StoreUnavailable: Postgres is away or slow.
            Unstorable: Postgres cannot hold it.
        """
        return await self._writer.keep(arrival)

    def refuse(self, gateway: str, reason: Refusal) -> None:
        """Count a refused delivery; the answer does not depend on whether that works."""
        self._refusals.count(gateway, reason)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Work until the block ends; what was accepted before that is written first."""
        self._ringer.start()
        try:
            async with self._refusals.running(), self._writer.running():
                yield
        finally:
            await asyncio.to_thread(self._ringer.stop)

    def _connect(self) -> psycopg.Connection:
        connection = open_connection(self._engine.url, role=ROLES["offchain"])
        try:
            connection.execute(_DURABLE)
        except BaseException:
            connection.close()
            raise
        return connection
