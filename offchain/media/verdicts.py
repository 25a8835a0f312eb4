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

NEVER_CAME: Final = "never_came"

_DOUBLINGS_MAX = 10

Columns = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Sound:
    """What is known of a file that may be shown.

    Attributes:
        etag: As it is in the store now.
        stored_bytes: Its size there.
        sha256: Of those bytes.
        processed: Whether it is the uploaded file or our smaller picture.
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
    """Whether an object is the smaller picture that we set out to write over the original.

    Its mark alone proves nothing: it must name what our row named before anything was written.
    """
    is_marked = seen.source_etag is not None and seen.source_etag == file.source_etag
    return is_marked and seen.etag != file.source_etag


def came(file: File, *, now: datetime) -> Columns:
    """It is there, and nothing it says of itself is against it: work on it begins."""
    return {"state": "processing", "uploaded_at": file.uploaded_at or now}


def ready(sound: Sound, *, now: datetime) -> Columns:
    """It may be shown."""
    return {**asdict(sound), "state": "ready", **_ended(now, None), "next_try_at": None}


def refused(reason: str, *, now: datetime) -> Columns:
    """It is not what was declared: its object must go."""
    ended = _ended(now, reason)
    return {**ended, "state": "refused", "removal": "due", "next_try_at": now, "tries": 0}


def failed(reason: str, *, now: datetime) -> Columns:
    """It cannot be shown; its object stays as it came."""
    return {**_ended(now, reason), "state": "failed", "next_try_at": None}


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


def removed(file: File, *, now: datetime) -> Columns:
    """The store has no such object now; while one could still come, it is removed once more."""
    late = file.url_expires_at + LATE
    if now < late:
        return {"next_try_at": late, "tries": 0}
    return {"removal": "done", "next_try_at": None}


def _doublings(file: File) -> int:
    return min(max(file.tries - 1, 0), _DOUBLINGS_MAX)


def _ended(now: datetime, reason: str | None) -> dict[str, Any]:
    return {"reason": reason, "decided_at": now}
