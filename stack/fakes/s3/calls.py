"""A call as it arrived: its raw path and query, its headers, and the bucket and key it is about."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

from starlette.datastructures import Headers
from starlette.types import Scope

from stack.fakes.s3.words import Refused, bad_request

KEY_BYTES_MAX: Final = 1024
"""S3 User Guide, "Naming Amazon S3 objects"."""
LOCAL_DOMAIN: Final = ".localhost"
"""A name below it is a bucket's, known or not: ``http://{bucket}.localhost:{port}/{key}``."""
AMZ: Final = "x-amz-"


@dataclass(frozen=True, slots=True)
class Call:
    """One call.

    Attributes:
        method: In capitals.
        path: As sent, percent-encoded.
        query: Names and values, decoded once, in the order sent. ``+`` is a plus sign.
        headers: Names in lower case.
        bucket: Empty for the service itself.
        key: Empty for the bucket itself.
    """

    method: str
    path: str
    query: Sequence[tuple[str, str]]
    headers: Headers
    bucket: str
    key: str

    def asked(self, name: str) -> str | None:
        """The first query parameter of that name."""
        return next((value for known, value in self.query if known == name), None)

    def header(self, name: str) -> str | None:
        """A header's values, joined; of ``x-amz-`` ones, a query parameter stands in.

        A presigned URL may carry them there, signed with the rest of the query.
        """
        values = self.headers.getlist(name)
        if values:
            return ",".join(values)
        return self.asked(name) if name.startswith(AMZ) else None

    def amz_names(self) -> set[str]:
        """Every ``x-amz-`` header, and parameters in their place; not the signature's own."""
        in_query = {name for name, _ in self.query if name.startswith(AMZ)}
        return in_query | {name for name in self.headers if name.startswith(AMZ)}


def read_call(scope: Scope, buckets: Sequence[str]) -> Call:
    """Understand a request's line and headers.

    Args:
        scope: ASGI's.
        buckets: Those that exist; a host name that starts with one is that bucket's.

    Raises:
        Refused: It is not a URL of S3.
    """
    headers = Headers(scope=scope)
    try:
        path = scope["raw_path"].decode("ascii")
        query = [
            _decoded(part.partition("="))
            for part in scope["query_string"].decode().split("&")
            if part
        ]
        resource = unquote(path, errors="strict")
    except UnicodeDecodeError:
        raise bad_request("Couldn't parse the specified URI.", "InvalidURI") from None
    bucket = _bucket_of_host(headers.get("host", ""), buckets)
    if bucket is None:
        bucket, _, key = resource.removeprefix("/").partition("/")
    else:
        key = resource.removeprefix("/")
    if len(key.encode()) > KEY_BYTES_MAX:
        raise bad_request("Your key is too long", "KeyTooLongError")
    if "\0" in key or "\0" in bucket:
        raise bad_request("Couldn't parse the specified URI.", "InvalidURI")
    return Call(scope["method"], path, query, headers, bucket, key)


def _decoded(part: tuple[str, str, str]) -> tuple[str, str]:
    name, _, value = part
    return unquote(name, errors="strict"), unquote(value, errors="strict")


def _bucket_of_host(host: str, buckets: Sequence[str]) -> str | None:
    """The bucket of a virtual-host-style call; None where the path names it."""
    name = host.rpartition(":")[0] if ":" in host else host
    if name.endswith(LOCAL_DOMAIN):
        return name.removesuffix(LOCAL_DOMAIN)
    return next((bucket for bucket in buckets if name.startswith(f"{bucket}.")), None)


def read_number(text: str | None, *, of: str, at_most: int) -> int:
    """A count that a parameter gives; without one, the most.

    Raises:
        Refused: It is not a number, or below zero.
    """
    if text is None:
        return at_most
    if not (text.isascii() and text.isdigit()) or len(text) > 10:  # noqa: PLR2004 - int32
        raise Refused(400, "InvalidArgument", f"Argument {of} must be an integer", ArgumentName=of)
    return min(int(text), at_most)
