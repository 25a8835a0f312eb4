"""What can be done with a bucket: make, look, list, configure."""

import re
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from stack.fakes.s3.calls import Call
from stack.fakes.s3.claims import Signature
from stack.fakes.s3.digests import Digests
from stack.fakes.s3.keeping import Shelf
from stack.fakes.s3.listing import list_objects
from stack.fakes.s3.moto_side import Moto
from stack.fakes.s3.objects import no_such_bucket
from stack.fakes.s3.words import XML, bad_request, not_implemented

BODY_BYTES_MAX: Final = 1024 * 1024
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
"""S3 User Guide, "Bucket naming rules"."""
_CONFIGURATION: Final = {
    ("cors", "GET"),
    ("cors", "PUT"),
    ("cors", "DELETE"),
    ("location", "GET"),
    ("notification", "GET"),
    ("notification", "PUT"),
    ("versioning", "GET"),
}
"""What of a bucket can be read and changed; moto keeps it, until the process ends."""


class Buckets:
    """The buckets of a shelf, and what moto knows of them."""

    def __init__(self, shelf: Shelf, moto: Moto) -> None:
        self._shelf = shelf
        self._moto = moto

    async def serve(self, call: Call, signature: Signature, request: Request) -> Response:
        """Do what an authorized call asks of its bucket.

        Raises:
            Refused: It cannot be done.
        """
        body = await read_body(request, call, signature)
        return await run_in_threadpool(self._serve, call, body)

    def _serve(self, call: Call, body: bytes) -> Response:
        names = [name for name, _ in call.query if name != "x-id" and not name.startswith("X-Amz-")]
        if not call.bucket:
            if call.method != "GET" or names:
                raise not_implemented(call.method)
            return self._moto.answer("s3", call, b"")
        if call.method == "PUT" and not names:
            return self._make(call, body)
        if call.bucket not in self._shelf.buckets:
            raise no_such_bucket(call.bucket)
        if not names and call.method == "HEAD":
            return self._moto.answer("s3", call, b"")
        if call.method == "GET" and call.asked("list-type") == "2":
            return Response(list_objects(call, self._shelf.all(call.bucket)), media_type=XML)
        if len(names) == 1 and (names[0], call.method) in _CONFIGURATION:
            return self._moto.answer("s3", call, body)
        raise not_implemented(f"{call.method} of a bucket: {', '.join(names) or 'as it is'}")

    def _make(self, call: Call, body: bytes) -> Response:
        if _NAME.fullmatch(call.bucket) is None:
            raise bad_request(
                "The specified bucket is not valid.", "InvalidBucketName", BucketName=call.bucket
            )
        answer = self._moto.answer("s3", call, body)
        if answer.status_code == 200:  # noqa: PLR2004 - OK
            self._shelf.add_bucket(call.bucket)
        return answer


async def read_body(request: Request, call: Call, signature: Signature | None) -> bytes:
    """A small body, held against what is promised of it.

    Raises:
        Refused: It is large, or another.
    """
    digests = Digests(call, signature)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_BYTES_MAX:
            raise bad_request("Your request was too big.", "MaxMessageLengthExceeded")
        digests.update(chunk)
    digests.check()
    return bytes(body)
