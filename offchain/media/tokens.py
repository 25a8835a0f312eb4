"""Upload tokens: who holds one may upload to one campaign until it is over. Pure.

A token is ``base64url(campaign id | end, seconds since 1970 | HMAC-SHA256)``. It stands in the
fragment of a link, which browsers send to no server: neither logs nor ``Referer`` hold it.
"""

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal
from uuid import UUID

LIFE_MAX: Final = timedelta(days=30)
LIFE_DEFAULT: Final = timedelta(days=7)
TOKEN_CHARACTERS: Final = 75

_PURPOSE = b"lastro upload link 1"
"""Keeps what the secret signs here apart from whatever else it may come to sign."""
_ID_BYTES = 16
_END_BYTES = 8
_SIGNED_BYTES = _ID_BYTES + _END_BYTES


@dataclass(frozen=True, slots=True)
class Grant:
    """What a token allows."""

    campaign_id: UUID
    expires_at: datetime


Fault = Literal["not_a_token", "forged", "over"]


def sign_token(grant: Grant, *, secret: bytes) -> str:
    """Make the token of a grant; fractions of a second are dropped from its end."""
    end = int(grant.expires_at.timestamp())
    signed = grant.campaign_id.bytes + end.to_bytes(_END_BYTES, "big")
    return base64.urlsafe_b64encode(signed + _seal(signed, secret)).rstrip(b"=").decode()


def read_token(token: str, *, secret: bytes, now: datetime) -> Grant | Fault:
    """Read a token, if it is ours and not over."""
    if len(token) != TOKEN_CHARACTERS:
        return "not_a_token"
    try:
        raw = base64.b64decode(token.encode("ascii") + b"=", altchars=b"-_", validate=True)
    except (UnicodeEncodeError, binascii.Error):
        return "not_a_token"
    signed, seal = raw[:_SIGNED_BYTES], raw[_SIGNED_BYTES:]
    if not hmac.compare_digest(seal, _seal(signed, secret)):
        return "forged"
    end = int.from_bytes(signed[_ID_BYTES:], "big")
    # None lives longer than a link may: a wrong clock or a mistake makes none for ever.
    if not now.timestamp() < end <= (now + LIFE_MAX).timestamp():
        return "over"
    return Grant(UUID(bytes=signed[:_ID_BYTES]), datetime.fromtimestamp(end, UTC))


def upload_link(pages_url: str, slug: str, token: str) -> str:
    """The page of a campaign, with the token that lets its creator upload there."""
    return f"{pages_url.rstrip('/')}/campaigns/{slug}#upload={token}"


def _seal(signed: bytes, secret: bytes) -> bytes:
    return hmac.digest(secret, _PURPOSE + signed, hashlib.sha256)
