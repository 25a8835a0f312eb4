"""Serve an ASGI app over real HTTP from a thread of the test."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

import httpx
import uvicorn
from starlette.types import ASGIApp

from tests.support.waiting import eventually

TIMEOUT_S = 10


@contextmanager
def serving(app: ASGIApp) -> Iterator[httpx.Client]:
    """A client of the app, which runs until the block ends."""
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    config = uvicorn.Config(app, log_config=None, log_level="critical", lifespan="on")
    server = uvicorn.Server(config)
    thread = Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        eventually(lambda: server.started or not thread.is_alive())
        port = listening.getsockname()[1]
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=TIMEOUT_S) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join(TIMEOUT_S)
        listening.close()
