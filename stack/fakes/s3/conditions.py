"""Whether a call's conditions hold, and which bytes of an object it asks for. Pure.

Sources: RFC 9110 sections 13 and 14; S3 User Guide, "Conditional requests"; S3 API Reference,
GetObject.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from typing import Final

from stack.fakes.s3.keeping import Stored
from stack.fakes.s3.words import Refused, no_such_key, not_implemented, precondition_failed

NUMBER_DIGITS_MAX: Final = 18
"""Longer ones are no place in any object."""


class NotModified(Exception):  # noqa: N818 - reads as a state
    """The caller has the object as it is: 304."""


def check_write(
    there: Stored | None, *, key: str, if_match: str | None, if_none_match: str | None
) -> None:
    """Whether an object may be written over what is there.

    Raises:
        Refused: 412 when a condition does not hold, 404 when ``If-Match`` finds nothing, 501 for
            an ``If-None-Match`` other than ``*``, which S3 does not take on writes.
    """
    if if_none_match is not None:
        if if_none_match.strip() != "*":
            raise not_implemented("If-None-Match")
        if there is not None:
            raise precondition_failed("If-None-Match")
    if if_match is not None:
        if there is None:
            raise no_such_key(key)
        if not _names_etag(if_match, there):
            raise precondition_failed("If-Match")


def check_read(stored: Stored, headers: Mapping[str, str], *, prefix: str = "") -> None:
    """Whether an object is to be given to a caller with these headers.

    ``If-Match`` that holds makes ``If-Unmodified-Since`` void, and ``If-None-Match`` that is there
    makes ``If-Modified-Since`` void.

    Args:
        stored: The object.
        headers: Names in lower case.
        prefix: Of the headers' names: ``x-amz-copy-source-`` for the source of a copy.

    Raises:
        NotModified: It is as the caller knows it.
        Refused: 412: it is not as the caller wants it.
    """
    if_match = headers.get(f"{prefix}if-match")
    unmodified_since = _date(headers.get(f"{prefix}if-unmodified-since"))
    if if_match is not None:
        if not _names_etag(if_match, stored):
            raise precondition_failed("If-Match")
    elif unmodified_since is not None and stored.modified > unmodified_since:
        raise precondition_failed("If-Unmodified-Since")
    if_none_match = headers.get(f"{prefix}if-none-match")
    modified_since = _date(headers.get(f"{prefix}if-modified-since"))
    if if_none_match is not None:
        if _names_etag(if_none_match, stored):
            raise NotModified
    elif modified_since is not None and stored.modified <= modified_since:
        raise NotModified


def asked_range(stored: Stored, headers: Mapping[str, str]) -> tuple[int, int] | None:
    """First and last byte that are asked for; None for the whole.

    More than one range, another unit and nonsense are no range, as at S3; neither is one whose
    ``If-Range`` names another version.

    Raises:
        Refused: 416: the range lies outside.
    """
    text = headers.get("range")
    if text is None or not _is_in_range_of(headers.get("if-range"), stored):
        return None
    unit, _, spec = text.partition("=")
    first, dash, last = spec.strip().partition("-")
    if unit.strip().lower() != "bytes" or not dash or not (_is_number(first) or not first):
        return None
    if not (_is_number(last) or not last) or not (first or last):
        return None
    size = stored.size_bytes
    if first:
        start, end = int(first), min(int(last), size - 1) if last else size - 1
        if last and int(last) < int(first):
            return None
        is_outside = start >= size
    else:
        start, end = max(size - int(last), 0), size - 1
        is_outside = int(last) == 0 or size == 0
    if is_outside:
        raise Refused(
            416,
            "InvalidRange",
            "The requested range is not satisfiable",
            RangeRequested=text,
            ActualObjectSize=str(size),
        )
    return start, end


def http_date(instant: datetime) -> str:
    """An instant as headers give it."""
    return format_datetime(instant, usegmt=True)


def _is_in_range_of(if_range: str | None, stored: Stored) -> bool:
    if if_range is None:
        return True
    return if_range.strip() in {stored.quoted_etag, http_date(stored.modified)}


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= NUMBER_DIGITS_MAX


def _names_etag(condition: str, stored: Stored) -> bool:
    """Whether a list of ETags holds the object's; S3 takes them without quotes, too."""
    named = {part.strip().removeprefix("W/").strip('"') for part in condition.split(",")}
    return "*" in named or stored.etag in named


def _date(text: str | None) -> datetime | None:
    """A date of a header; None for none, and for nonsense, which is ignored (RFC 9110, 13.1.3)."""
    if text is None:
        return None
    try:
        found = parsedate_to_datetime(text)
    except (ValueError, OverflowError, IndexError):
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
