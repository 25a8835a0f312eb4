"""One S3 put together: what it keeps, what stands before it, and what tests may do to it."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from fastapi import FastAPI
from pydantic import TypeAdapter
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from stack.fakes.clock import Clock
from stack.fakes.edge import CONTROL, Fault, FaultyEdge
from stack.fakes.s3.claims import Account
from stack.fakes.s3.gate import Gate, PublicPart
from stack.fakes.s3.keeping import Shelf
from stack.fakes.s3.moto_side import Moto
from stack.fakes.s3.sharing import Rule

Json = dict[str, object]
METHODS: Final = ("GET", "HEAD", "PUT")
CORS_MAX_AGE_S: Final = 300


@dataclass(frozen=True, slots=True)
class Place:
    """What the store has from the start.

    Attributes:
        directory: Where objects are kept.
        bucket: Made unless it is there.
        queue: Told of every object written to the bucket.
        public_prefix: Keys below it can be read by anybody.
        origins: Of the web pages that may call the bucket.
    """

    directory: Path
    bucket: str
    queue: str
    public_prefix: str
    origins: Sequence[str] = ()


class HangUp:
    """ASGI middleware: ends a connection whose caller still holds back a refused body.

    Such a caller (``Expect: 100-continue``, as boto3) sends no body after a refusal; the server
    would take its next call for that body (RFC 9110, section 10.1.1).
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one call."""
        holds_back = scope["type"] == "http" and "expect" in Headers(scope=scope)

        async def receive_and_note() -> Message:
            nonlocal holds_back
            holds_back = False
            return await receive()

        async def send_and_end(message: Message) -> None:
            if holds_back and message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"connection", b"close")]
            await send(message)

        await self._app(scope, receive_and_note, send_and_end)


def create_fake(account: Account, place: Place) -> ASGIApp:
    """Build the ASGI app; the control API is beside S3's own, where no bucket can be."""
    clock = Clock()
    shelf, moto = Shelf(place.directory), Moto(account)
    shelf.add_bucket(place.bucket)
    for bucket in shelf.buckets:
        moto.add_bucket(bucket)
    moto.add_queue(place.queue, bucket=place.bucket)
    if place.origins:
        rule = Rule(place.origins, METHODS, ("*",), ("ETag",), CORS_MAX_AGE_S)
        moto.share(place.bucket, rule)
    public = PublicPart(place.bucket, place.public_prefix)
    gate = Gate(account, shelf, moto, clock.now, public)
    app = FastAPI(openapi_url=None)
    edge = FaultyEdge(app, clock, base_path="", error_body=_fault_body)
    _add_controls(app, edge, clock)
    app.mount("/", gate)
    return HangUp(edge)


def _add_controls(app: FastAPI, edge: FaultyEdge, clock: Clock) -> None:
    @app.get(f"{CONTROL}/calls")
    def calls() -> Json:
        return {"calls": [asdict(call) for call in list(edge.calls)]}

    @app.post(f"{CONTROL}/clock")
    def advance(body: Json) -> Json:
        clock.advance(TypeAdapter(float).validate_python(body["advance_s"]))
        return {"now": clock.now().isoformat()}

    @app.post(f"{CONTROL}/faults")
    def add_fault(body: Json) -> Json:
        fault = TypeAdapter(Fault).validate_python(body)
        edge.faults.append(fault)
        return {"fault": asdict(fault)}

    @app.delete(f"{CONTROL}/faults")
    def remove_faults() -> Json:
        edge.faults.clear()
        return {}


def _fault_body(status: int, message: str) -> Json:
    return {"status": status, "message": message}
