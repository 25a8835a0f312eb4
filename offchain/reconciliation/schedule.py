"""When a payment is read again at its gateway, because a webhook may never come. Pure."""

from datetime import datetime, timedelta

from offchain.payments.attempts import Attempt

OPEN_GAP_MAX = timedelta(hours=1)
OLD_OPEN_GAP = timedelta(days=1)
OLD_AFTER = timedelta(days=3)
"""A payment that has been open for longer is read daily."""
GAP_PER_AGE = 4
"""An open payment is read again after a quarter of its age."""
ABANDONED_AFTER = timedelta(days=7)
"""A hosted page or card form that nobody completed in this time is over."""
LATE_MONEY_WINDOW = timedelta(days=3)
"""How long past its expiry an ended payment is still asked about: PIX money may come days late."""
CLAIM_GAP = timedelta(hours=1)
"""Between two reads while a refund is pending or a dispute open, however long that takes."""
PAID_GAP_MIN = timedelta(hours=1)
PAID_WINDOW = timedelta(days=14)
"""How long a paid payment is read, each time after twice its age: refunds and disputes that were
made elsewhere come soon, or else by webhook and by the gateway's list."""

UNMATCHED_PAUSE_MIN = timedelta(minutes=1)
UNMATCHED_PAUSE_MAX = timedelta(hours=24)
UNMATCHED_FOR_MAX = timedelta(days=3)
"""How long what matches no attempt is tried again."""

_OPEN = frozenset({"created", "awaiting", "authorized"})
_ENDED = frozenset({"failed", "expired", "canceled"})
_CLAIM_OPEN = frozenset({"refund_pending", "disputed"})


def next_read(attempt: Attempt, *, now: datetime, poll_gap: timedelta) -> datetime | None:
    """When to read an attempt again that was read now; None: never by itself.

    Args:
        attempt: As it is after the read.
        now: Business time.
        poll_gap: Least time between two reads of an open payment.
    """
    age = now - attempt.created_at
    if attempt.claim_status in _CLAIM_OPEN:
        return now + CLAIM_GAP
    if attempt.fiat_status in _OPEN:
        longest = OPEN_GAP_MAX if age < OLD_AFTER else OLD_OPEN_GAP
        planned = now + min(max(poll_gap, age / GAP_PER_AGE), longest)
        expiry = attempt.expires_at
        return planned if expiry is None or expiry <= now else min(planned, expiry)
    if attempt.fiat_status in _ENDED:
        if now - (attempt.expires_at or attempt.created_at) >= LATE_MONEY_WINDOW:
            return None
        return now + min(max(poll_gap, age / GAP_PER_AGE), OPEN_GAP_MAX)
    paid_for = now - (attempt.captured_at or attempt.created_at)
    return None if paid_for >= PAID_WINDOW else now + max(PAID_GAP_MIN, paid_for)


def unmatched_pause(waited: timedelta) -> timedelta:
    """How long to wait before matching again: as long as it has waited, within bounds."""
    return min(max(waited, UNMATCHED_PAUSE_MIN), UNMATCHED_PAUSE_MAX)
