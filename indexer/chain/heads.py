"""A bell that rings at new heads, where a node offers ``newHeads``; else it never does.

Only a bell: what it announces is read again over HTTP, and who waits for it also looks by himself
from time to time. A node without subscriptions, a lost connection and no URL are all the same.
"""

import json
import threading
from types import TracebackType
from typing import Self

import structlog
from websockets.exceptions import InvalidURI, WebSocketException
from websockets.sync.client import ClientConnection, connect

from indexer.chain.urls import public_url

OPEN_TIMEOUT_S = 5.0
BACKOFF_S = 0.5
BACKOFF_MAX_S = 60.0
_SUBSCRIBE = json.dumps(
    {"jsonrpc": "2.0", "id": 1, "method": "eth_subscribe", "params": ["newHeads"]}
)

log = structlog.get_logger()


class HeadBell:
    """Wakes whoever waits for the next head. Use as a context manager."""

    def __init__(self, ws_url: str | None) -> None:
        """Prepare; nothing is opened yet.

        Args:
            ws_url: ``ws://`` or ``wss://`` URL of a node; None never rings.
        """
        self._url = ws_url
        self._rung = threading.Event()
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._connection: ClientConnection | None = None
        self._thread: threading.Thread | None = None
        self._subscribed = threading.Event()

    def __enter__(self) -> Self:
        """Start listening in the background."""
        if self._url is not None:
            self._thread = threading.Thread(target=self._listen, args=(self._url,), daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop listening; whoever waits is woken."""
        self._closed.set()
        self._rung.set()
        with self._lock:
            connection = self._connection
        if connection is not None:
            connection.close()
        if self._thread is not None:
            self._thread.join(2 * OPEN_TIMEOUT_S)

    @property
    def is_subscribed(self) -> bool:
        """Whether a node announces its heads now."""
        return self._subscribed.is_set()

    def ring(self) -> None:
        """Wake whoever waits, for another reason than a head."""
        self._rung.set()

    def wait(self, timeout_s: float) -> bool:
        """Wait for a head that was announced since the last wait, or for the time to pass.

        Args:
            timeout_s: Seconds; what polling would wait.

        Returns:
            Whether it rang.
        """
        rang = self._rung.wait(timeout_s)
        self._rung.clear()
        return rang

    def _listen(self, url: str) -> None:
        backoff_s = BACKOFF_S
        while not self._closed.is_set():
            try:
                with connect(
                    url, open_timeout=OPEN_TIMEOUT_S, close_timeout=1, compression=None
                ) as connection:
                    self._hold(connection)
                    if _accepts(connection):
                        backoff_s = BACKOFF_S
                        self._follow(connection, url)
            except InvalidURI:
                log.warning("heads_not_announced", provider=public_url(url), reason="invalid URL")
                return
            except (WebSocketException, OSError, ValueError) as trouble:
                log.debug(
                    "heads_unannounced", provider=public_url(url), reason=type(trouble).__name__
                )
            finally:
                self._subscribed.clear()
            self._closed.wait(backoff_s)
            backoff_s = min(2 * backoff_s, BACKOFF_MAX_S)

    def _hold(self, connection: ClientConnection) -> None:
        """Let ``__exit__`` close the connection, even when it came first."""
        with self._lock:
            self._connection = connection
        if self._closed.is_set():
            connection.close()

    def _follow(self, connection: ClientConnection, url: str) -> None:
        log.info("heads_announced", provider=public_url(url))
        self._subscribed.set()
        self._rung.set()  # heads may have passed while nobody listened
        for _ in connection:
            self._rung.set()


def _accepts(connection: ClientConnection) -> bool:
    """Subscribe; whether the node offers that."""
    connection.send(_SUBSCRIBE)
    answer = json.loads(connection.recv(timeout=OPEN_TIMEOUT_S))
    return isinstance(answer, dict) and "result" in answer
