"""The connection over which webhooks are stored: opened when it is needed, replaced when lost."""

import time
from collections.abc import Mapping, Sequence

import psycopg

from offchain.inbox.store import Arrival, Connect, EventName, InboxId, store

RECONNECT_PAUSE_S = 0.1
_SHUT_DOWN = "57P"
"""Start of the codes with which Postgres ends a session (errcodes, class 57)."""


class Link:
    """One thread's way to the inbox.

    Rows of a lost connection are sent once more: a row is stored once however often it is sent.
    """

    def __init__(self, connect: Connect) -> None:
        self._connect = connect
        self._connection: psycopg.Connection | None = None
        self._connect_again_at = 0.0

    def store(self, arrivals: Sequence[Arrival]) -> Mapping[EventName, InboxId]:
        """Store events; raises as ``offchain.inbox.store.store`` does."""
        if self._connection is not None:
            try:
                return store(self._connection, arrivals)
            except psycopg.OperationalError as error:
                if not self._connection.closed and not _is_shut_down(error):
                    raise
                self.close()
        try:
            return store(self._open(), arrivals)
        except psycopg.OperationalError:
            self.close()
            raise

    def close(self) -> None:
        """Close the connection; the next store opens another one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _open(self) -> psycopg.Connection:
        """Connect; while Postgres is away, webhooks gather between two tries."""
        time.sleep(max(0.0, self._connect_again_at - time.monotonic()))
        try:
            self._connection = self._connect()
        finally:
            self._connect_again_at = time.monotonic() + RECONNECT_PAUSE_S
        return self._connection


def _is_shut_down(error: psycopg.Error) -> bool:
    return error.sqlstate is not None and error.sqlstate.startswith(_SHUT_DOWN)
