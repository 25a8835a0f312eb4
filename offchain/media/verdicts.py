"""What becomes of a file, as the columns to write. Pure."""

import random
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from offchain.media.kinds import BYTES_MAX
from offchain.media.rows import File, Processed, Sibling
from offchain.media.store import Seen

GRACE: Final = timedelta(minutes=15)
"""An upload may begin in the last second of its URL, and takes its time."""
LATE: Final = timedelta(days=1)
"""After its URL is over, nothing comes any more: the last time that an object is removed."""
LOOK_AGAIN_AFTER: Final = timedelta(minutes=1)
LOOK_AGAIN_MAX: Final = timedelta(minutes=15)
TRY_AGAIN_AFTER: Final = timedelta(seconds=5)
TRY_AGAIN_MAX: Final = timedelta(minutes=10)

QUARANTINED: Final = timedelta(days=30)
"""How long a failed file is kept for operators, where nobody else reads it."""
ENGINE_FAILURES_MAX: Final = 3
"""A failure that may be the machine's fault is believed to be the file's at this one."""

NEVER_CAME: Final = "never_came"
BY_OPERATOR: Final = "by_operator"

_DOUBLINGS_MAX = 10

Columns = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Sound:
    """What is known of a file that may be shown.

    Attributes:
        etag: As it is in the store now.
        stored_bytes: Its size there.
        sha256: Of those bytes.
        processed: Whether it is the uploaded file, our smaller picture, or the uploaded one without
            what its camera wrote into it.
        width: Of a picture, as shown.
        height: Of a picture, as shown.
        frames: Of a picture.
        siblings: Its further forms.
    """

    etag: str
    stored_bytes: int
    sha256: bytes
    processed: Processed
    width: int | None = None
    height: int | None = None
    frames: int | None = None
    siblings: tuple[Sibling, ...] = ()


def declared_fault(file: File, seen: Seen) -> str | None:
    """Why an object is not what was declared, by what the store says of it; None when it may be."""
    if seen.size_bytes > BYTES_MAX:
        return "too_large"
    if seen.size_bytes != file.declared_bytes:
        return "size_differs"
    if seen.content_type.lower() != file.declared_type:
        return "type_differs"
    return None


def is_our_own(file: File, seen: Seen) -> bool:
    """Whether an object is the picture that we set out to write over the original.

    Its mark alone proves nothing: it must name what our row named before anything was written.
    """
    is_marked = seen.source_etag is not None and seen.source_etag == file.source_etag
    return is_marked and seen.etag != file.source_etag


def came(file: File, *, now: datetime) -> Columns:
    """It is there, and nothing it says of itself is against it: work on it begins."""
    return {"state": "processing", "uploaded_at": file.uploaded_at or now}


def ready(sound: Sound, *, now: datetime) -> Columns:
    """It may be shown."""
    return {**_ended(now, None), **asdict(sound), "state": "ready", "next_try_at": None}


def refused(reason: str, *, now: datetime) -> Columns:
    """It is not what was declared: its object must go."""
    return {**_ended(now, reason), "state": "refused", **_to_go(now)}


def failed(reason: str, *, etag: str | None, now: datetime) -> Columns:
    """It cannot be shown: its object must go to quarantine, as it came.

    Args:
        reason: Why.
        etag: Of the object that was looked at: nothing else is kept.
        now: Business time.
    """
    return {**_ended(now, reason), "state": "failed", "source_etag": etag, **_to_go(now)}


def taken_down(file: File, *, now: datetime) -> Columns:
    """An operator wants it shown no more: its object must go; why one had failed stays known."""
    return {"state": "removed", "reason": file.reason or BY_OPERATOR, **_to_go(now)}


def is_over(file: File, *, now: datetime) -> bool:
    """Whether a file that is not there will not come any more."""
    return now >= file.url_expires_at + GRACE


def expired(file: File, *, now: datetime) -> Columns:
    """It never came; should it come yet, its object must go."""
    return {
        **_ended(now, NEVER_CAME),
        "state": "expired",
        "removal": "due",
        "next_try_at": max(now, file.url_expires_at + LATE),
        "tries": 0,
    }


def not_yet(file: File, *, now: datetime) -> Columns:
    """It is not there and may still come: look again, ever more seldom, and once it is over."""
    pause = min(LOOK_AGAIN_AFTER * 2 ** _doublings(file), LOOK_AGAIN_MAX)
    over = file.url_expires_at + GRACE
    return {
        "state": "pending",
        "uploaded_at": None,
        "next_try_at": max(now, min(now + pause, over)),
    }


def again(file: File, *, now: datetime) -> Columns:
    """Nothing is known, as something was in the way: try again, ever more seldom."""
    pause = min(TRY_AGAIN_AFTER * 2 ** _doublings(file), TRY_AGAIN_MAX)
    return {"next_try_at": now + pause * random.uniform(0.5, 1)}  # noqa: S311 - no secret


def again_unless_sure(file: File, *, now: datetime) -> Columns | None:
    """The machine may be to blame: try again; None when it has been so too often."""
    failures = file.engine_failures + 1
    if failures >= ENGINE_FAILURES_MAX:
        return None
    return {**again(file, now=now), "engine_failures": failures}


def is_quarantined(file: File, *, now: datetime) -> bool:
    """Whether a file's bytes are kept for operators, out of the public's sight."""
    is_old = file.decided_at is not None and now >= file.decided_at + QUARANTINED
    return file.state == "failed" and not is_old


def removed(file: File, *, now: datetime) -> Columns:
    """The public finds no such object now.

    While one could still come it is removed once more, and one in quarantine when its time is over.
    """
    moments = [file.url_expires_at + LATE]
    if file.state == "failed" and file.decided_at is not None:
        moments.append(file.decided_at + QUARANTINED)
    left = [moment for moment in moments if now < moment]
    if left:
        return {"next_try_at": min(left), "tries": 0}
    return {"removal": "done", "next_try_at": None}


def _to_go(now: datetime) -> dict[str, Any]:
    return {"removal": "due", "next_try_at": now, "tries": 0}


def _doublings(file: File) -> int:
    return min(max(file.tries - 1, 0), _DOUBLINGS_MAX)


def _ended(now: datetime, reason: str | None) -> dict[str, Any]:
    return {"reason": reason, "decided_at": now, "processed": None}
