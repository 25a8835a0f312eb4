"""What can be done with one object: put, get, head, delete, copy."""

import hashlib
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial
from typing import IO, Final
from urllib.parse import unquote
from xml.etree.ElementTree import Element, SubElement

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from stack.fakes.s3.calls import Call
from stack.fakes.s3.claims import Signature
from stack.fakes.s3.conditions import NotModified, asked_range, check_read, check_write
from stack.fakes.s3.described import (
    kept_headers,
    refuse_unknown,
    told_headers,
    unsupported_parameters,
)
from stack.fakes.s3.digests import Digests
from stack.fakes.s3.keeping import Shelf, Stored
from stack.fakes.s3.words import (
    XML,
    Refused,
    access_denied,
    bad_request,
    no_such_key,
    not_implemented,
    precondition_failed,
    render,
)

BODY_BYTES_MAX: Final = 64 * 1024 * 1024
"""S3 takes 5 GiB in one piece; nothing of ours is a third of this."""
_CHUNK_BYTES: Final = 256 * 1024
_COPY: Final = "x-amz-copy-source"
_VERSION_TAG: Final = "v"
"""Makes a new URL of a changed object, for caches; to S3 it is a parameter without meaning."""

Announce = Callable[[str, str, Stored], None]
"""Told of each change: S3's name of the event, the bucket, the object."""


class Objects:
    """The objects of a shelf, as S3 serves them."""

    def __init__(self, shelf: Shelf, now: Callable[[], datetime], announce: Announce) -> None:
        self._shelf = shelf
        self._now = now
        self._announce = announce

    async def serve(self, call: Call, signature: Signature | None, request: Request) -> Response:
        """Do what an authorized call asks of its object.

        Raises:
            Refused: It cannot be done.
        """
        unsupported_parameters(call, (_VERSION_TAG,) if call.method in {"GET", "HEAD"} else ())
        refuse_unknown(call)
        if call.method == "PUT":
            if call.header(_COPY) is not None:
                return await run_in_threadpool(self._copy, call)
            return await self._put(call, signature, request)
        if call.method == "DELETE":
            return await run_in_threadpool(self._delete, call)
        if call.method in {"GET", "HEAD"}:
            is_anonymous = signature is None
            return await run_in_threadpool(self._get, call, is_anonymous=is_anonymous)
        raise Refused(
            405,
            "MethodNotAllowed",
            "The specified method is not allowed against this resource.",
            Method=call.method,
        )

    async def _put(self, call: Call, signature: Signature | None, request: Request) -> Response:
        length = _length(call)
        headers = kept_headers(call)
        digests = Digests(call, signature)
        with self._shelf.incoming() as body:
            received = 0
            async for chunk in request.stream():
                received += len(chunk)
                if received > BODY_BYTES_MAX:
                    raise _too_large(received)
                digests.update(chunk)
                body.write(chunk)
            if received != length:
                raise bad_request(
                    "You did not provide the number of bytes specified by the Content-Length "
                    "HTTP header",
                    "IncompleteBody",
                )
            digests.check()
            stored = Stored(
                key=call.key,
                etag=digests.etag,
                size_bytes=received,
                modified=self._now().replace(microsecond=0),
                headers=headers,
                checksums=digests.checksums,
            )
            await run_in_threadpool(self._keep, call, stored, body)
        told = {"etag": stored.quoted_etag, "x-amz-server-side-encryption": "AES256"}
        return Response(status_code=200, headers=told | digests.checksums)

    def _keep(self, call: Call, stored: Stored, body: IO[bytes], event: str = "Put") -> None:
        check = partial(
            check_write,
            key=call.key,
            if_match=call.headers.get("if-match"),
            if_none_match=call.headers.get("if-none-match"),
        )
        self._shelf.put(call.bucket, stored, body, check)
        self._announce(f"s3:ObjectCreated:{event}", call.bucket, stored)

    def _get(self, call: Call, *, is_anonymous: bool) -> Response:
        found = self._shelf.open(call.bucket, call.key)
        if found is None:
            # Without leave to list a bucket nobody learns what is not in it.
            raise access_denied() if is_anonymous else no_such_key(call.key)
        stored, body = found
        try:
            told = told_headers(stored, call, is_anonymous=is_anonymous)
            check_read(stored, call.headers)
            part = asked_range(stored, call.headers)
        except NotModified:
            body.close()
            gone = {"content-type", "accept-ranges"}
            told = {name: value for name, value in told.items() if name not in gone}
            return Response(status_code=304, headers=told)
        except Refused:
            body.close()
            raise
        status, first, last = 200, 0, stored.size_bytes - 1
        if part is not None:
            status, (first, last) = 206, part
            told["content-range"] = f"bytes {first}-{last}/{stored.size_bytes}"
            told = {name: value for name, value in told.items() if name not in stored.checksums}
        told["content-length"] = str(last - first + 1)
        if call.method == "HEAD":
            body.close()
            return Response(status_code=status, headers=told)
        return StreamingResponse(_read(body, first, last), status, told)

    def _delete(self, call: Call) -> Response:
        there = self._shelf.find(call.bucket, call.key)
        check = partial(
            check_write,
            key=call.key,
            if_match=call.headers.get("if-match"),
            if_none_match=None,
        )
        if self._shelf.delete(call.bucket, call.key, check) and there is not None:
            self._announce("s3:ObjectRemoved:Delete", call.bucket, there)
        return Response(status_code=204)

    def _copy(self, call: Call) -> Response:
        bucket, key = self._source(call)
        replaces = call.header("x-amz-metadata-directive") == "REPLACE"
        if (bucket, key) == (call.bucket, call.key) and not replaces:
            raise bad_request(
                "This copy request is illegal because it is trying to copy an object to itself "
                "without changing the object's metadata, storage class, website redirect location "
                "or encryption attributes."
            )
        found = self._shelf.open(bucket, key)
        if found is None:
            raise no_such_key(key)
        source, body = found
        with body, self._shelf.incoming() as copy:
            try:
                check_read(source, call.headers, prefix=f"{_COPY}-")
            except NotModified:
                raise precondition_failed(f"{_COPY}-If-None-Match") from None
            md5 = hashlib.md5(usedforsecurity=False)
            for chunk in _read(body, 0, source.size_bytes - 1):
                md5.update(chunk)
                copy.write(chunk)
            stored = Stored(
                key=call.key,
                etag=md5.hexdigest(),
                size_bytes=source.size_bytes,
                modified=self._now().replace(microsecond=0),
                headers=kept_headers(call) if replaces else source.headers,
                checksums=source.checksums,
            )
            self._keep(call, stored, copy, "Copy")
        root = Element("CopyObjectResult", xmlns="http://s3.amazonaws.com/doc/2006-03-01/")
        SubElement(root, "ETag").text = stored.quoted_etag
        SubElement(root, "LastModified").text = stored.modified.strftime("%Y-%m-%dT%H:%M:%S.000Z")
        return Response(render(root), media_type=XML)

    def _source(self, call: Call) -> tuple[str, str]:
        path, _, version = (call.header(_COPY) or "").removeprefix("/").partition("?")
        if version:
            raise not_implemented(f"{_COPY}: {version}")
        bucket, _, key = unquote(path).partition("/")
        if not bucket or not key:
            raise bad_request(
                "Copy Source must mention the source bucket and key: sourcebucket/sourcekey",
                "InvalidArgument",
                ArgumentName=_COPY,
            )
        if bucket not in self._shelf.buckets:
            raise no_such_bucket(bucket)
        return bucket, key


def no_such_bucket(name: str) -> Refused:
    """There is no such bucket."""
    return Refused(404, "NoSuchBucket", "The specified bucket does not exist", BucketName=name)


def _length(call: Call) -> int:
    """Bytes that a write announces.

    Raises:
        Refused: None, or too many.
    """
    text = call.headers.get("content-length")
    if text is None:
        raise Refused(
            411, "MissingContentLength", "You must provide the Content-Length HTTP header."
        )
    length = int(text)  # the server has refused what is no number
    if length > BODY_BYTES_MAX:
        raise _too_large(length)
    return length


def _too_large(size_bytes: int) -> Refused:
    return bad_request(
        "Your proposed upload exceeds the maximum allowed size",
        "EntityTooLarge",
        ProposedSize=str(size_bytes),
        MaxSizeAllowed=str(BODY_BYTES_MAX),
    )


def _read(body: IO[bytes], first: int, last: int) -> Iterator[bytes]:
    """A part of a body, in chunks."""
    with body:
        body.seek(first)
        left = last - first + 1
        while left > 0:
            chunk = body.read(min(_CHUNK_BYTES, left))
            if not chunk:
                return  # cut from outside; the server sees that it sent too little
            yield chunk
            left -= len(chunk)
