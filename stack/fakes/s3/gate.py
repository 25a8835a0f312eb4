"""The gate: who may do what, then the object, bucket or queue; and what browsers are told."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import structlog
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from stack.fakes.s3.buckets import Buckets
from stack.fakes.s3.calls import Call, read_call
from stack.fakes.s3.claims import Account
from stack.fakes.s3.keeping import Shelf
from stack.fakes.s3.moto_side import Moto
from stack.fakes.s3.objects import Objects, no_such_bucket
from stack.fakes.s3.queue import TARGET, Queues
from stack.fakes.s3.sharing import preflight, shared_headers
from stack.fakes.s3.signatures import verify
from stack.fakes.s3.words import XML, Refused, access_denied

_BODILESS: Final = "HEAD"
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class PublicPart:
    """What anybody may read: the bucket policy of a public media prefix."""

    bucket: str
    prefix: str

    def holds(self, call: Call) -> bool:
        """Whether a call only reads an object of it."""
        return (
            call.method in {"GET", "HEAD"}
            and call.bucket == self.bucket
            and call.key.startswith(self.prefix)
        )


class Gate:
    """ASGI application."""

    def __init__(
        self,
        account: Account,
        shelf: Shelf,
        moto: Moto,
        now: Callable[[], datetime],
        public: PublicPart,
    ) -> None:
        self._account = account
        self._shelf = shelf
        self._moto = moto
        self._now = now
        self._public = public
        self._objects = Objects(shelf, now, moto.announce)
        self._buckets = Buckets(shelf, moto)
        self._queues = Queues(account, moto, now)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one call; whatever it holds, the answer is S3's."""
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        request_id = secrets.token_hex(8).upper()
        try:
            answer = await self._answer(request)
        except Refused as refused:
            answer = _error(refused, request, request_id)
        except ClientDisconnect:
            return
        except Exception:  # noqa: BLE001 - the one place where a fault of ours becomes an answer
            _log.exception("call_failed", method=request.method, request_id=request_id)
            broken = Refused(500, "InternalError", "We encountered an internal error.")
            answer = _error(broken, request, request_id)
        told = {
            "server": "AmazonS3",
            "x-amz-request-id": request_id,
            "x-content-type-options": "nosniff",  # as a CDN's response headers policy says it
        }
        if "origin" in request.headers and request.method != "OPTIONS":
            told |= await run_in_threadpool(self._shared, request)
        for name, value in told.items():
            answer.headers[name] = value
        await answer(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        call = read_call(request.scope, self._shelf.buckets)
        if call.headers.get("x-amz-target", "").startswith(TARGET):
            return await self._queues.serve(call, request)
        if call.method == "OPTIONS":
            rules = await run_in_threadpool(self._moto.rules, call.bucket)
            return Response(status_code=200, headers=preflight(rules, call.headers))
        signature = verify(call, self._account, self._now())
        if signature is not None and signature.scope.service != "s3":
            raise access_denied()
        if signature is None and not self._public.holds(call):
            raise access_denied()
        if not call.key:
            if signature is None:
                raise access_denied()
            return await self._buckets.serve(call, signature, request)
        if call.bucket not in self._shelf.buckets:
            raise no_such_bucket(call.bucket)
        return await self._objects.serve(call, signature, request)

    def _shared(self, request: Request) -> dict[str, str]:
        """What a page in a browser may see of an answer, refusals too."""
        try:
            bucket = read_call(request.scope, self._shelf.buckets).bucket
        except Refused:
            return {}
        return shared_headers(self._moto.rules(bucket), request.headers, request.method)


def _error(refused: Refused, request: Request, request_id: str) -> Response:
    if request.method == _BODILESS:
        return Response(status_code=refused.status, media_type=XML)
    document = refused.document(request.scope["path"], request_id)
    return Response(document, refused.status, media_type=XML)
