"""Entity tags: an answer that did not change is not sent again.

The tag is a digest of the answer itself, which holds ``as_of`` and with it the hash of each chain's
head; so it changes with the head, and with off-chain rows that no head hash covers. It is weak
because the same facts may be written differently by another version (RFC 9110 §8.8.1).
"""

import hashlib

from fastapi import Request, Response
from pydantic import BaseModel

ETAG_HEX_DIGITS = 32
CACHE_CONTROL = "public, no-cache"
"""Keep it, but ask before each use: facts above the finalized block may vanish."""


def render(request: Request, answer: BaseModel) -> Response:
    """Send an answer, or 304 when the client holds it already."""
    body = answer.model_dump_json().encode()
    digest = hashlib.sha256(str(request.url.query).encode() + b"\n" + body).hexdigest()
    etag = f'W/"{digest[:ETAG_HEX_DIGITS]}"'
    headers = {"ETag": etag, "Cache-Control": CACHE_CONTROL}
    if _holds(request.headers.get("if-none-match"), etag):
        return Response(status_code=304, headers=headers)
    return Response(body, media_type="application/json", headers=headers)


def _holds(if_none_match: str | None, etag: str) -> bool:
    """Whether a precondition names this tag, compared weakly (RFC 9110 §13.1.2)."""
    if if_none_match is None:
        return False
    named = {tag.strip().removeprefix("W/") for tag in if_none_match.split(",")}
    return "*" in named or etag.removeprefix("W/") in named
