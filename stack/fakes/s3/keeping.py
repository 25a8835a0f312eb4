"""Objects on disk: one file each, whole or not there, whatever the process dies of.

A file is the body, then what is known of the object as JSON, then that JSON's length and a mark. It
is written and synced under another name and then renamed, so that a name always leads to a whole
object; only then is the index changed. The index is read from the files at the start.
"""

import hashlib
import json
import os
import re
import struct
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import IO, Final

from indexer.errors import ConfigurationError

_MARK: Final = b"lastroS3"
_TAIL: Final = struct.Struct(">Q8s")
_OURS: Final = re.compile("[0-9a-f]{64}")
"""Names of objects' files; whatever else lies there is somebody else's."""
_INCOMING: Final = ".incoming"
"""No bucket's name starts with a dot."""


@dataclass(frozen=True, slots=True)
class Stored:
    """What is known of one object.

    Attributes:
        key: Its name in the bucket.
        etag: MD5 of the body in hex, without quotes.
        size_bytes: Of the body.
        modified: When it was written, UTC, whole seconds.
        headers: Told with it as they were given: Content-Type, Cache-Control, x-amz-meta-….
        checksums: By header, e.g. ``x-amz-checksum-sha256``, in base64.
    """

    key: str
    etag: str
    size_bytes: int
    modified: datetime
    headers: Mapping[str, str]
    checksums: Mapping[str, str]

    @property
    def quoted_etag(self) -> str:
        """As in headers."""
        return f'"{self.etag}"'


Check = Callable[[Stored | None], None]
"""Raises where the object that is there forbids the change."""


class Shelf:
    """Every bucket below one directory; safe to call from any thread."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._lock = Lock()
        self._index: dict[str, dict[str, Stored]] = {}
        incoming = directory / _INCOMING
        incoming.mkdir(parents=True, exist_ok=True)
        for unfinished in incoming.iterdir():  # never acknowledged
            unfinished.unlink()
        for place in sorted(directory.iterdir()):
            if place.is_dir() and place.name != _INCOMING:
                kept = [_read(file) for file in place.iterdir() if _OURS.fullmatch(file.name)]
                self._index[place.name] = {stored.key: stored for stored in kept}

    @property
    def buckets(self) -> list[str]:
        """Names of all buckets."""
        return list(self._index)

    def add_bucket(self, name: str) -> None:
        """Make a bucket unless it is there. The caller has checked the name."""
        with self._lock:
            (self._directory / name).mkdir(exist_ok=True)
            _sync(self._directory)
            self._index.setdefault(name, {})

    def find(self, bucket: str, key: str) -> Stored | None:
        """What is known of an object now."""
        with self._lock:
            return self._index[bucket].get(key)

    def all(self, bucket: str) -> list[Stored]:
        """Every object of a bucket, by key in UTF-8 order, as S3 lists them."""
        with self._lock:
            return sorted(self._index[bucket].values(), key=lambda stored: stored.key.encode())

    def open(self, bucket: str, key: str) -> tuple[Stored, IO[bytes]] | None:
        """An object and its body, which stays readable whatever happens to the key."""
        with self._lock:
            stored = self._index[bucket].get(key)
            return None if stored is None else (stored, self._path(bucket, key).open("rb"))

    @contextmanager
    def incoming(self) -> Iterator[IO[bytes]]:
        """A file for a body that arrives; gone afterwards unless it was put."""
        with tempfile.NamedTemporaryFile(dir=self._directory / _INCOMING, delete=False) as file:
            try:
                yield file
            finally:
                Path(file.name).unlink(missing_ok=True)

    def put(self, bucket: str, stored: Stored, body: IO[bytes], check: Check) -> None:
        """Keep an object whose body is in a file of ``incoming``; on disk when this returns.

        Raises:
            Exception: What ``check`` raised for the object that is there; nothing was changed.
        """
        told = json.dumps(_told(stored)).encode()
        body.seek(stored.size_bytes)
        body.truncate()
        body.write(told + _TAIL.pack(len(told), _MARK))
        body.flush()
        os.fsync(body.fileno())
        with self._lock:
            check(self._index[bucket].get(stored.key))
            path = self._path(bucket, stored.key)
            Path(body.name).replace(path)
            _sync(path.parent)
            self._index[bucket][stored.key] = stored

    def delete(self, bucket: str, key: str, check: Check) -> bool:
        """Remove an object for good; False when there was none.

        Raises:
            Exception: What ``check`` raised for the object that is there; nothing was changed.
        """
        with self._lock:
            there = self._index[bucket].get(key)
            check(there)
            if there is None:
                return False
            path = self._path(bucket, key)
            path.unlink()
            _sync(path.parent)
            del self._index[bucket][key]
            return True

    def _path(self, bucket: str, key: str) -> Path:
        # A key may be anything and a thousand bytes long; a hash of it is a file's name everywhere.
        return self._directory / bucket / hashlib.sha256(key.encode()).hexdigest()


def _told(stored: Stored) -> dict[str, object]:
    return {
        "key": stored.key,
        "etag": stored.etag,
        "size_bytes": stored.size_bytes,
        "modified": stored.modified.isoformat(),
        "headers": dict(stored.headers),
        "checksums": dict(stored.checksums),
    }


def _read(path: Path) -> Stored:
    """What a file knows of its object.

    Raises:
        ConfigurationError: It is not one of ours, or damaged.
    """
    try:
        with path.open("rb") as file:
            end = file.seek(-_TAIL.size, os.SEEK_END)
            length, mark = _TAIL.unpack(file.read())
            file.seek(end - length)
            known = json.loads(file.read(length))
        if mark != _MARK or known["size_bytes"] != end - length:
            raise ValueError(mark)  # noqa: TRY301 - the same for all that is wrong with a file
        modified = datetime.fromisoformat(known.pop("modified")).astimezone(UTC)
        return Stored(modified=modified, **known)
    except (OSError, ValueError, KeyError, TypeError, struct.error):
        raise ConfigurationError(
            f"{path} is not a whole object of the local S3: move it away"
        ) from None


def _sync(directory: Path) -> None:
    """Make names in a directory durable."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
