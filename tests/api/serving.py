"""One real HTTP server a session; each test puts its own app, on its own database, behind it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import uvicorn
from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from stack.ports import LOOPBACK, free_port
from tests.support.waiting import eventually

STOP_TIMEOUT_S = 10


class Stage:
    """An ASGI app that hands every request to the one being shown."""

    def __init__(self, client: httpx.Client) -> None:
        self.client = client
        self.shown: FastAPI | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert self.shown is not None
        await self.shown(scope, receive, send)

    @contextmanager
    def showing(self, app: FastAPI) -> Iterator[httpx.Client]:
        """Serve ``app`` until the block ends, then close its connections."""
        self.shown = app
        try:
            yield self.client
        finally:
            self.shown = None
            app.state.reader.engine.dispose()


@contextmanager
def serving() -> Iterator[Stage]:
    """Run the server in a thread until the block ends."""
    port = free_port()
    with httpx.Client(base_url=f"http://{LOOPBACK}:{port}") as client:
        stage = Stage(client)
        config = uvicorn.Config(
            stage, host=LOOPBACK, port=port, log_config=None, access_log=False, lifespan="off"
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run)
        thread.start()
        try:
            eventually(lambda: server.started or not thread.is_alive(), what="uvicorn to start")
            yield stage
        finally:
            server.should_exit = True
            thread.join(STOP_TIMEOUT_S)
