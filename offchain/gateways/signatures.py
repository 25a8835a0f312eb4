"""The signature ``t=<unix seconds>,v1=<hex>[,v1=…]`` that several gateways put on their webhooks.

Signed bytes are ``t`` as it stands in the header, a dot and the raw body; HMAC-SHA256 under the
secret's UTF-8; lower-case hex. Schemes other than ``v1`` are passed over: who can make the header
must not choose a weaker one.
"""

import hmac
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from offchain.gateways.types import SignatureRefusal

STAMP_DIGITS_MAX = 12


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far a signature's time may lie from ours."""

    behind_s: int
    """Age up to which a delivery counts as fresh."""
    ahead_s: int
    """How far the sender's clock may run before ours."""


def verify_stamped(
    header: str | None,
    body: bytes,
    *,
    secrets: Sequence[str],
    now: datetime,
    tolerance: Tolerance,
    stamp_again: str | None = None,
) -> SignatureRefusal | None:
    """Check a delivery; None means genuine and fresh.

    Args:
        header: The signature header; None when there was none.
        body: The raw body, before any parsing.
        secrets: Every active secret: two while one is rotated.
        now: The present.
        tolerance: How far from it the stamp may lie.
        stamp_again: The stamp where the sender repeats it in a header of its own; it must agree.
    """
    if header is None:
        return "unsigned"
    stamp, signatures = _parts(header)
    if stamp is None or not signatures:
        return "malformed"
    if stamp_again is not None and stamp_again.strip() != stamp:
        return "malformed"
    age_s = now.timestamp() - int(stamp)
    if age_s > tolerance.behind_s or -age_s > tolerance.ahead_s:
        return "stale"
    signed = stamp.encode() + b"." + body
    expected = [hmac.digest(s.encode(), signed, "sha256").hex() for s in secrets]
    # Every pair is compared, so that the time taken does not tell which one matched.
    matches = [
        hmac.compare_digest(good.encode(), given.encode())
        for good in expected
        for given in signatures
    ]
    return None if any(matches) else "forged"


def _parts(header: str) -> tuple[str | None, list[str]]:
    """The one stamp, None unless it is one readable number, and every ``v1``."""
    fields = list(_fields(header))
    stamps = {value for key, value in fields if key == "t"}
    stamp = stamps.pop() if len(stamps) == 1 else ""
    is_number = stamp.isascii() and stamp.isdigit() and len(stamp) <= STAMP_DIGITS_MAX
    signatures = [value for key, value in fields if key == "v1"]
    return stamp if is_number else None, signatures


def _fields(header: str) -> Iterator[tuple[str, str]]:
    for part in header.split(","):
        key, _, value = part.partition("=")
        yield key.strip(), value.strip()
