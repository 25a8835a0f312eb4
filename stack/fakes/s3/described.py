"""The headers that describe an object: which are kept, which are told, which are refused."""

import re
from collections.abc import Mapping
from typing import Final

from stack.fakes.s3.calls import AMZ, Call
from stack.fakes.s3.conditions import http_date
from stack.fakes.s3.keeping import Stored
from stack.fakes.s3.words import bad_request, not_implemented

META: Final = "x-amz-meta-"
METADATA_BYTES_MAX: Final = 2048
"""User-defined, names and values: S3 User Guide, "Working with object metadata"."""
DEFAULT_TYPE: Final = "binary/octet-stream"
_KEPT: Final = (
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-type",
    "expires",
)
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]+")
_OVERRIDES: Final = {f"response-{name}": name for name in _KEPT}
_ONLY: Final[Mapping[str, tuple[str, ...]]] = {
    "x-amz-acl": ("private", "bucket-owner-full-control"),
    "x-amz-checksum-mode": ("ENABLED",),
    "x-amz-metadata-directive": ("COPY", "REPLACE"),
    "x-amz-server-side-encryption": ("AES256",),
    "x-amz-storage-class": ("STANDARD",),
}
"""Headers of which only what is so anyway is taken."""
_TAKEN: Final = {
    "x-amz-content-sha256",
    "x-amz-copy-source",
    "x-amz-date",
    "x-amz-sdk-checksum-algorithm",
    "x-amz-user-agent",
}
_TAKEN_PREFIXES: Final = (META, "x-amz-checksum-", "x-amz-copy-source-if-")


def refuse_unknown(call: Call) -> None:
    """Take no header whose meaning would be lost.

    Raises:
        Refused: 501, naming the first.
    """
    for name in sorted(call.amz_names()):
        if name in _ONLY:
            if call.header(name) not in _ONLY[name]:
                raise not_implemented(f"{name}: {call.header(name)}")
        elif name not in _TAKEN and not name.startswith(_TAKEN_PREFIXES):
            raise not_implemented(name)


def kept_headers(call: Call) -> dict[str, str]:
    """What a write says of its object, by header in lower case.

    Raises:
        Refused: More metadata than S3 keeps.
    """
    kept = {name: value for name in _KEPT if (value := call.header(name)) is not None}
    meta = {
        _name(name): _one_line(call.header(name) or "")
        for name in call.amz_names()
        if name.startswith(META)
    }
    size = sum(len(name) - len(META) + len(value.encode()) for name, value in meta.items())
    if size > METADATA_BYTES_MAX:
        raise bad_request(
            "Your metadata headers exceed the maximum allowed metadata size",
            "MetadataTooLarge",
            Size=str(size),
            MaxSizeAllowed=str(METADATA_BYTES_MAX),
        )
    # An SDK's framing of the body is not the object's encoding.
    encodings = [part.strip() for part in kept.pop("content-encoding", "").split(",")]
    lasting = [part for part in encodings if part not in {"", "aws-chunked"}]
    encoding = {"content-encoding": ",".join(lasting)} if lasting else {}
    return {"content-type": DEFAULT_TYPE} | kept | encoding | meta


def told_headers(stored: Stored, call: Call, *, is_anonymous: bool) -> dict[str, str]:
    """What a read is told of an object, but its length.

    Raises:
        Refused: An anonymous caller wants other headers than the object's.
    """
    told = {
        "accept-ranges": "bytes",
        "etag": stored.quoted_etag,
        "last-modified": http_date(stored.modified),
        "x-amz-server-side-encryption": "AES256",
        **stored.headers,
    }
    if call.header("x-amz-checksum-mode") == "ENABLED":
        told |= stored.checksums
    overrides = {
        header: value
        for name, header in _OVERRIDES.items()
        if (value := call.asked(name)) is not None
    }
    if overrides and is_anonymous:
        raise bad_request(
            "Request specific response headers cannot be used for anonymous GET requests."
        )
    return told | {name: _one_line(value) for name, value in overrides.items()}


def _name(name: str) -> str:
    """A header's name, which may have come as a query parameter's.

    Raises:
        Refused: It is no token (RFC 9110, section 5.6.2).
    """
    if _TOKEN.fullmatch(name) is None:
        raise bad_request("Header name cannot be represented.", "InvalidArgument")
    return name


def _one_line(value: str) -> str:
    """A header's value, which may have come as a query parameter's.

    Raises:
        Refused: It would end the header, or cannot be one.
    """
    if any(not " " <= mark <= "\xff" or mark == "\x7f" for mark in value):
        raise bad_request("Header value cannot be represented.", "InvalidArgument")
    return value


def unsupported_parameters(call: Call, known: tuple[str, ...]) -> None:
    """Take no parameter whose meaning would be lost.

    Raises:
        Refused: 501, naming the first.
    """
    for name, _ in call.query:
        if not name.lower().startswith(AMZ) and name not in {*known, *_OVERRIDES, "x-id"}:
            raise not_implemented(name)
