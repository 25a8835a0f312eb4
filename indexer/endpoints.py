"""A few pages on the loopback, for the probes and the Prometheus of the machine they run on."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Final

from typing_extensions import override

from indexer.errors import ConfigurationError
from indexer.plain import plain

HOST: Final = "127.0.0.1"
POLL_S: Final = 0.1
"""How soon the server notices that it is to end."""

Report = tuple[HTTPStatus, dict[str, object]]
"""A status and a JSON object."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a page says now."""

    status: HTTPStatus
    payload: bytes
    content_type: str


Page = Callable[[], Answer]
"""Asked at each request, from a thread of its own."""


def told(status: HTTPStatus, body: Mapping[str, object]) -> Answer:
    """Answer with a JSON object; what JSON has no form for is told as text."""
    return Answer(status, json.dumps(body, default=plain).encode(), "application/json")


LIVE: Final = told(HTTPStatus.OK, {"live": True})
POSTGRES_SILENT: Final[Report] = (
    HTTPStatus.SERVICE_UNAVAILABLE,
    {"ready": False, "reason": "Postgres does not answer"},
)


@contextmanager
def answering(pages: Mapping[str, Page], *, port: int, setting: str) -> Iterator[None]:
    """Serve pages until the block ends; port 0 serves none.

    Args:
        pages: By path; anything else is not found.
        port: Where to listen.
        setting: Name of the variable that chose the port.

    Raises:
        ConfigurationError: Nobody can listen there.
    """
    if port == 0:
        yield
        return
    nowhere = told(HTTPStatus.NOT_FOUND, {"reason": f"try {', '.join(pages)}"})

    class Endpoints(BaseHTTPRequestHandler):
        """Answers each request anew."""

        def do_GET(self) -> None:
            """Answer a page; anything else is not found."""
            answer = pages.get(self.path, lambda: nowhere)()
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.content_type)
            self.send_header("Content-Length", str(len(answer.payload)))
            self.end_headers()
            self.wfile.write(answer.payload)

        @override
        def log_message(self, format: str, *args: object) -> None:
            """Probes are not worth a line each."""

    server = _listening(port, Endpoints, setting)
    thread = Thread(target=server.serve_forever, args=(POLL_S,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _listening(
    port: int, endpoints: type[BaseHTTPRequestHandler], setting: str
) -> ThreadingHTTPServer:
    try:
        return ThreadingHTTPServer((HOST, port), endpoints)
    except OSError as error:
        raise ConfigurationError(
            f"nobody can listen on port {port} of {HOST} ({error.strerror}): choose another "
            f"{setting}, or stop who has it"
        ) from error
