"""Nodes that say what a test wants, over real HTTP."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import msgspec
from typing_extensions import override

from stack.ports import LOOPBACK

Calls = list[dict[str, Any]]


@dataclass(slots=True)
class Reply:
    """What a scripted node answers; a body that is no bytes is sent as JSON."""

    body: Any
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Scripted:
    """A node, and what it was asked."""

    url: str = ""
    asked: list[Any] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)


Script = Callable[[Any], Reply]
"""Request body, parsed → reply."""


@contextmanager
def scripting() -> Iterator[Callable[[Script], Scripted]]:
    """Start scripted nodes until the block ends."""
    servers: list[ThreadingHTTPServer] = []

    def start(script: Script) -> Scripted:
        node = Scripted()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers["Content-Length"]))
                node.asked.append(msgspec.json.decode(raw))
                node.headers.append(dict(self.headers))
                reply = script(node.asked[-1])
                body = reply.body if isinstance(reply.body, bytes) else encode(reply.body)
                self.send_response(reply.status)
                self.send_header("Content-Length", str(len(body)))
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            @override
            def log_message(self, format: str, *args: object) -> None:
                """Stay silent."""

        server = ThreadingHTTPServer((LOOPBACK, 0), Handler)
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        servers.append(server)
        node.url = f"http://{LOOPBACK}:{server.server_port}"
        return node

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def encode(value: object) -> bytes:
    return msgspec.json.encode(value)


def answer(call: dict[str, Any], result: object = "0x1") -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": call["id"], "result": result}


def refuse(code: int, message: str, *, id: int | None = None) -> dict[str, Any]:  # noqa: A002 - its name in JSON-RPC
    return {"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": message}}
