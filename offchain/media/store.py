"""Creators' files in an S3-compatible store, through boto3.

Sources: Amazon S3 API reference, ``PutObject`` and ``CopyObject`` (conditional writes), "Signature
calculations: query parameters" (what is signed must be sent); boto3 guide, "Data integrity
protections" (checksums only where S3 requires them, as other stores know none).

The role needs ``s3:GetObject``, ``s3:PutObject``, ``s3:DeleteObject`` on ``media/*`` and
``quarantine/*``, and ``s3:ListBucket``: without the last S3 answers 403 and not 404 for an object
that is not there. The public may read ``media/*`` and nothing else.
"""

import base64
import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from offchain.media.calls import ClientMaker, StoreAway, ask
from offchain.media.kinds import Kind

SHORT_CACHE: Final = "public, max-age=60"
"""Of what a browser uploads: it may be replaced by a smaller picture, or removed."""
LONG_CACHE: Final = "public, max-age=31536000, immutable"
"""Of what is decided: its URL names its version."""
FETCH_SECONDS_MAX: Final = 15

_SOURCE = "lastro-source"
_CHUNK_BYTES = 256 * 1024
_CHANGED = frozenset(
    {"PreconditionFailed", "412", "ConditionalRequestConflict", "409", "NoSuchKey", "404"}
)
_MISSING = frozenset({"NoSuchKey", "404"})
_QUICK = frozenset({"head_object", "head_bucket", "delete_object"})
_HEADERS = {
    "ContentType": "Content-Type",
    "CacheControl": "Cache-Control",
    "IfNoneMatch": "If-None-Match",
    "ContentDisposition": "Content-Disposition",
    "ChecksumSHA256": "x-amz-checksum-sha256",
}


@dataclass(frozen=True, slots=True)
class Put:
    """One upload to sign: exactly this object, of this size and type, once."""

    key: str
    kind: Kind
    size_bytes: int
    sha256: bytes | None


@dataclass(frozen=True, slots=True)
class SignedPut:
    """A request that a browser may send; its URL is as good as a key, so never log it."""

    url: str = field(repr=False)
    headers: Mapping[str, str]
    """All that must be sent besides the length, which browsers send by themselves."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What the store says of an object."""

    etag: str
    size_bytes: int
    content_type: str
    cache_control: str
    source_etag: str | None
    """Of our own smaller picture: the ETag of what it was made of."""


@dataclass(frozen=True, slots=True)
class Changed:
    """The object is no longer the one that was looked at; nothing was written."""


@dataclass(frozen=True, slots=True)
class TooLong:
    """More bytes came than were to be expected; the rest was not read."""


class MediaStore:
    """One bucket, at two addresses: ours and the browsers'. Safe to share between threads."""

    def __init__(
        self, bucket: str, *, inside: ClientMaker, quick: ClientMaker, outside: ClientMaker
    ) -> None:
        """Open nothing yet.

        Args:
            bucket: Its name.
            inside: Client for our own work on whole files.
            quick: Client for what takes the store no time: it gives up soon.
            outside: Client that signs for browsers: the host is a part of every signature.
        """
        self._bucket = bucket
        self._inside = inside
        self._quick = quick
        self._outside = outside

    def sign_put(self, put: Put, *, life: timedelta) -> SignedPut:
        """Sign an upload. Nothing is asked of the store.

        Raises:
            ConfigurationError: There are no credentials.
            StoreAway: They could not be fetched.
        """
        signed = _shown_as(put.kind, SHORT_CACHE) | {"IfNoneMatch": "*"}
        if put.sha256 is not None:
            signed["ChecksumSHA256"] = base64.b64encode(put.sha256).decode()
        client = self._outside.get()
        url = ask(
            client.generate_presigned_url,
            ClientMethod="put_object",
            Params={
                "Bucket": self._bucket,
                "Key": put.key,
                "ContentLength": put.size_bytes,
                **signed,
            },
            ExpiresIn=int(life.total_seconds()),
            HttpMethod="PUT",
        )
        return SignedPut(str(url), {_HEADERS[name]: value for name, value in signed.items()})

    def head(self, key: str) -> Seen | None:
        """Look at an object; None when there is none.

        Raises:
            StoreAway: The store does not answer.
            StoreRefused: It refused.
        """
        answer = self._ask("head_object", Key=key, but=_MISSING)
        if answer is None:
            return None
        return Seen(
            etag=_etag_of(answer),
            size_bytes=int(answer.get("ContentLength", 0)),
            content_type=str(answer.get("ContentType", "")),
            cache_control=str(answer.get("CacheControl", "")),
            source_etag=answer.get("Metadata", {}).get(_SOURCE),
        )

    def fetch(
        self, key: str, etag: str, target: Path, *, bytes_max: int
    ) -> bytes | Changed | TooLong:
        """Write an object to a file; its SHA-256.

        Args:
            key: Which.
            etag: As it was seen.
            target: Where to.
            bytes_max: More are not read.

        Raises:
            StoreAway: The store does not answer, or not in time.
            StoreRefused: It refused.
        """
        answer = self._ask("get_object", Key=key, IfMatch=_quoted(etag), but=_CHANGED)
        if answer is None:
            return Changed()
        until = time.monotonic() + FETCH_SECONDS_MAX
        digest, left = hashlib.sha256(), bytes_max
        body = answer["Body"]
        with target.open("wb") as file:
            while chunk := ask(body.read, _CHUNK_BYTES):
                left -= len(chunk)
                if left < 0:
                    body.close()
                    return TooLong()
                if time.monotonic() > until:
                    body.close()
                    raise StoreAway(f"the store was slower than {FETCH_SECONDS_MAX} s")
                digest.update(chunk)
                file.write(chunk)
        return digest.digest()

    def replace(self, key: str, source: Path, kind: Kind, *, etag: str) -> str | Changed:
        """Write our smaller picture over the object it was made of, and say in it what that was.

        Returns:
            The new ETag; ``Changed`` when the object is not that one any more.

        Raises:
            StoreAway: The store does not answer: it may have been written.
            StoreRefused: It refused.
        """
        with source.open("rb") as file:
            answer = self._ask(
                "put_object",
                Key=key,
                Body=file,
                IfMatch=_quoted(etag),
                Metadata={_SOURCE: etag},
                **_shown_as(kind),
                but=_CHANGED,
            )
        return Changed() if answer is None else _etag_of(answer)

    def put(self, key: str, source: Path, content_type: str) -> None:
        """Write a further form of a picture, over whatever an earlier try left there.

        Raises:
            StoreAway: The store does not answer.
            StoreRefused: It refused.
        """
        with source.open("rb") as file:
            self._ask(
                "put_object",
                Key=key,
                Body=file,
                ContentType=content_type,
                CacheControl=LONG_CACHE,
            )

    def keep(self, key: str, kind: Kind, *, etag: str) -> str | Changed:
        """Let caches keep an object that stays as it is: copy it onto itself with that header.

        Returns:
            The ETag it has then; ``Changed`` when it is not that one any more.

        Raises:
            StoreAway: The store does not answer: it may have been written.
            StoreRefused: It refused.
        """
        answer = self._ask(
            "copy_object",
            Key=key,
            CopySource={"Bucket": self._bucket, "Key": key},
            CopySourceIfMatch=_quoted(etag),
            MetadataDirective="REPLACE",
            **_shown_as(kind),
            but=_CHANGED,
        )
        return Changed() if answer is None else _etag_of(answer.get("CopyObjectResult", {}))

    def copy(self, key: str, target: str, *, etag: str) -> bool:
        """Copy an object as it is, if it is still the one that was looked at.

        Returns:
            Whether it was; repeated, it changes nothing.

        Raises:
            StoreAway: The store does not answer: it may have been written.
            StoreRefused: It refused.
        """
        answer = self._ask(
            "copy_object",
            Key=target,
            CopySource={"Bucket": self._bucket, "Key": key},
            CopySourceIfMatch=_quoted(etag),
            but=_CHANGED,
        )
        return answer is not None

    def check_bucket(self) -> None:
        """Make sure that there is a bucket: without one, every object looks as if it never came.

        Raises:
            StoreAway: The store does not answer.
            StoreRefused: There is none, or it is not ours.
        """
        self._ask("head_bucket")

    def remove(self, key: str) -> None:
        """Remove an object, if there is one.

        Raises:
            StoreAway: The store does not answer.
            StoreRefused: It refused.
        """
        self._ask("delete_object", Key=key)

    def close(self) -> None:
        """Close every client."""
        self._inside.close()
        self._quick.close()
        self._outside.close()

    def _ask(
        self, call: str, *, but: frozenset[str] = frozenset(), **arguments: object
    ) -> Mapping[str, Any] | None:
        """Call the store; None for an error whose code is among ``but``."""
        maker = self._quick if call in _QUICK else self._inside
        method: Callable[..., Any] = getattr(maker.get(), call)
        answer: Mapping[str, Any] | None = ask(method, Bucket=self._bucket, **arguments, but=but)
        return answer


def _shown_as(kind: Kind, cache_control: str = LONG_CACHE) -> dict[str, str]:
    shown = {"ContentType": kind.content_type, "CacheControl": cache_control}
    if kind.disposition is not None:
        shown["ContentDisposition"] = kind.disposition
    return shown


def _etag_of(answer: Mapping[str, Any]) -> str:
    """The bare ETag of an answer; something between us and the store may answer without one."""
    etag = str(answer.get("ETag", "")).strip('"')
    if not etag:
        raise StoreAway("the store answered without an ETag")
    return etag


def _quoted(etag: str) -> str:
    return f'"{etag}"'
