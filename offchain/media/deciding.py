"""Decide what became of a declared upload, by what is in the store and nothing else.

Look → compare with what was declared → fetch → first bytes → header → shrink or leave. Each step
may be repeated: a file is looked at anew by whoever takes it next, and an own result is known by
its mark. What S3 announces of our own writes meets a row that is decided, and ends there.
"""

import mmap
from collections.abc import Iterable
from datetime import datetime
from hashlib import sha256
from pathlib import Path

import structlog

from indexer.errors import PermanentError, TransientError
from offchain.media.bench import bench
from offchain.media.calls import StoreAway
from offchain.media.imaging.outcomes import ImageFailure, Inspected, Shrunk, Stripped
from offchain.media.imaging.running import check_ooxml, inspect, shrink
from offchain.media.kinds import ACCEPTED, COMPRESS_ABOVE_BYTES, Kind
from offchain.media.opening import Media
from offchain.media.rows import File, Processed, Sibling, move, sibling_key
from offchain.media.store import LONG_CACHE, Changed, Seen, TooLong
from offchain.media.verdicts import (
    Columns,
    Sound,
    again,
    again_unless_sure,
    came,
    declared_fault,
    expired,
    failed,
    is_our_own,
    is_over,
    not_yet,
    ready,
    refused,
)
from offchain.services import Services

_log = structlog.get_logger(__name__)


class _Moved(Exception):  # noqa: N818 - ends the work on a file, wherever it is
    """Somebody else has moved the file meanwhile: this work is void."""


class _Work:
    """One file on a worker's bench."""

    def __init__(self, services: Services, media: Media, file: File, directory: Path) -> None:
        self.media = media
        self.store = media.store
        self.file = file
        """As this worker has moved it last."""
        self.etag: str | None = None
        """Of the object that is looked at."""
        self.kind = ACCEPTED[file.declared_type]
        self.original = directory / "original"
        self.smaller = directory / f"smaller.{self.kind.extension}"
        self._services = services

    @property
    def now(self) -> datetime:
        """Business time."""
        return self._services.clock()

    def move(self, columns: Columns) -> None:
        """Move the file, as long as it is ours."""
        with self._services.engine.begin() as connection:
            moved = move(connection, self.file, columns)
        if moved is None:
            raise _Moved
        self.file = moved
        if "decided_at" in columns:
            _log.info("file_decided", **_named(moved), state=moved.state, reason=moved.reason)

    def try_again(self) -> None:
        """Leave the file to a later try: nothing is known of it."""
        self.move(again(self.file, now=self.now))


def decide(services: Services, file: File) -> File | None:
    """Decide a claimed file, or say when to try again.

    Returns:
        The file as it is then; None when another worker has it by now.

    Raises:
        StoreAway: It is left to a later try, as others are better too.
        OSError: This machine has no room for it; it is due again after its lease.
    """
    if services.media is None:
        return None
    with bench() as directory:
        work = _Work(services, services.media, file, Path(directory))
        try:
            _try(work)
        except _Moved:
            return None
        return work.file


def _try(work: _Work) -> None:
    try:
        _look(work)
    except ImageFailure as failure:
        _fail(work, failure)
    except (TransientError, PermanentError) as error:
        # No verdict: neither an absent store nor a wrong setting says anything of the file.
        _log.warning(
            "file_postponed",
            **_named(work.file),
            error=type(error).__name__,
            why=str(error),
        )
        work.try_again()
        if isinstance(error, StoreAway):
            raise


def _fail(work: _Work, failure: ImageFailure) -> None:
    """End a file by what its engine says, unless the machine may have been to blame."""
    _log.warning(
        "image_failed",
        file_id=str(work.file.id),
        code=failure.code,
        why=failure.detail,
        is_certain=failure.is_certain,
    )
    later = None if failure.is_certain else again_unless_sure(work.file, now=work.now)
    if later is not None:
        work.move(later)
    elif failure.code == "not_the_declared_type":
        work.move(refused(failure.code, now=work.now))
    else:
        work.move(failed(failure.code, etag=work.etag, now=work.now))


def _look(work: _Work) -> None:
    seen = work.store.head(work.file.object_key)
    if seen is None:
        _absent(work)
        return
    work.etag = seen.etag
    is_own = is_our_own(work.file, seen)
    fault = None if is_own else declared_fault(work.file, seen)
    if fault is not None:
        work.move(refused(fault, now=work.now))
        return
    work.move(came(work.file, now=work.now))
    digest = work.store.fetch(
        work.file.object_key, seen.etag, work.original, bytes_max=seen.size_bytes
    )
    if isinstance(digest, Changed | TooLong):
        work.try_again()
    elif is_own:
        _recognise(work, seen, digest)
    else:
        _examine(work, seen, digest)


def _absent(work: _Work) -> None:
    if is_over(work.file, now=work.now):
        work.store.check_bucket()
        work.move(expired(work.file, now=work.now))
    else:
        work.move(not_yet(work.file, now=work.now))


def _examine(work: _Work, seen: Seen, digest: bytes) -> None:
    """Judge the fetched bytes of an upload."""
    declared = work.file.declared_sha256
    if declared is not None and declared != digest:
        work.move(refused("sha256_differs", now=work.now))
    elif not _fits(work.original, work.kind):
        work.move(refused("not_the_declared_type", now=work.now))
    elif work.kind.family == "image":
        _examine_image(work, seen, digest)
    else:
        if work.kind.family == "ooxml":
            check_ooxml(work.original, work.kind.content_type)
        _leave(work, seen, digest, None)


def _examine_image(work: _Work, seen: Seen, digest: bytes) -> None:
    content_type = work.kind.content_type
    if seen.size_bytes > COMPRESS_ABOVE_BYTES:
        outcome = shrink(
            work.original,
            content_type,
            work.smaller,
            engine=work.media.engine,
            siblings=work.media.siblings,
        )
        if isinstance(outcome, Shrunk):
            _replace(work, seen, outcome, "compressed")
            return
        _log.info("image_not_shrunk", file_id=str(work.file.id), reason=outcome.reason)
        if isinstance(outcome, Stripped):
            _replace(work, seen, outcome, "stripped")
            return
    _leave(work, seen, digest, inspect(work.original, content_type))


def _leave(work: _Work, seen: Seen, digest: bytes, header: Inspected | None) -> None:
    """Show a file as it came, and let caches keep it."""
    etag: str | Changed = seen.etag
    if seen.cache_control != LONG_CACHE:  # an earlier try may have come this far
        etag = work.store.keep(work.file.object_key, work.kind, etag=seen.etag)
    if isinstance(etag, Changed):
        work.try_again()
        return
    sound = Sound(etag, seen.size_bytes, digest, "untouched", *_size_of(header))
    work.move(ready(sound, now=work.now))


def _replace(work: _Work, seen: Seen, result: Shrunk | Stripped, processed: Processed) -> None:
    """Write our picture over the original, under the same key, if that is still there.

    The intent is committed first, and the further forms are written first: whoever finds our
    picture finds all of it.
    """
    key = work.file.object_key
    work.move({"source_etag": seen.etag, "processed": processed})
    siblings = []
    for sibling in result.siblings if isinstance(result, Shrunk) else ():
        name = sibling_key(key, sibling.format)
        work.store.put(name, sibling.path, sibling.content_type)
        siblings.append(Sibling(name, sibling.content_type, sibling.bytes))
    etag = work.store.replace(key, work.smaller, work.kind, etag=seen.etag)
    if isinstance(etag, Changed):
        work.try_again()
        return
    digest = sha256(work.smaller.read_bytes()).digest()
    sound = Sound(
        etag, result.bytes, digest, processed, *_size_of(result), siblings=tuple(siblings)
    )
    work.move(ready(sound, now=work.now))


def _recognise(work: _Work, seen: Seen, digest: bytes) -> None:
    """End what was written before and not noted: measure our own result, never shrink it again."""
    header = inspect(work.original, work.kind.content_type)
    processed = work.file.processed or "compressed"
    siblings = tuple(_siblings_of(work)) if processed == "compressed" else ()
    sound = Sound(
        seen.etag, seen.size_bytes, digest, processed, *_size_of(header), siblings=siblings
    )
    work.move(ready(sound, now=work.now))


def _siblings_of(work: _Work) -> Iterable[Sibling]:
    for name in work.media.siblings:
        key = sibling_key(work.file.object_key, name)
        there = work.store.head(key)
        if there is not None:
            yield Sibling(key, there.content_type, there.size_bytes)


def _size_of(
    picture: Inspected | Shrunk | Stripped | None,
) -> tuple[int | None, int | None, int | None]:
    return (None,) * 3 if picture is None else (picture.width, picture.height, picture.frames)


def _fits(path: Path, kind: Kind) -> bool:
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return kind.fits(content)


def _named(file: File) -> dict[str, str]:
    """A file in the log, and whose campaign to look at."""
    return {"file_id": str(file.id), "campaign_id": str(file.campaign_id)}
