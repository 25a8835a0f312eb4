"""Entity tags: an answer that did not change is not sent again.

The tag is a digest of the answer itself, which holds ``as_of`` and with it the hash of each chain's
head; so it changes with the head, and with off-chain rows that no head hash covers. It is weak
because the same facts may be written differently by another version (RFC 9110 §8.8.1).
"""

import hashlib
from collections.abc import Mapping

from fastapi import Request, Response
from pydantic import BaseModel

ETAG_HEX_DIGITS = 32
CACHE_CONTROL = "public, no-cache"
"""Keep it, but ask before each use: facts above the finalized block may vanish."""


def render(request: Request, answer: BaseModel) -> Response:
    """Send an answer, or 304 when the client holds it already."""
    body = answer.model_dump_json().encode()
    return answer_unless_held(request, body, media_type="application/json")


def answer_unless_held(
    request: Request, body: bytes, *, media_type: str, headers: Mapping[str, str] | None = None
) -> Response:
    """Send a body, or 304 when the client holds it already.

    Args:
        request: What was asked.
        body: The whole answer.
        media_type: Of the body.
        headers: Sent besides, also with 304: it updates what the client holds (RFC 9111 §4.3.4).
    """
    digest = hashlib.sha256(str(request.url.query).encode() + b"\n" + body).hexdigest()
    etag = f'W/"{digest[:ETAG_HEX_DIGITS]}"'
    sent = {**(headers or {}), "ETag": etag, "Cache-Control": CACHE_CONTROL}
    if _holds(request.headers.get("if-none-match"), etag):
        return Response(status_code=304, headers=sent)
    return Response(body, media_type=media_type, headers=sent)


def _holds(if_none_match: str | None, etag: str) -> bool:
    """Whether a precondition names this tag, compared weakly (RFC 9110 §13.1.2)."""
    if if_none_match is None:
        return False
    named = {tag.strip().removeprefix("W/") for tag in if_none_match.split(",")}
    return "*" in named or etag.removeprefix("W/") in named
