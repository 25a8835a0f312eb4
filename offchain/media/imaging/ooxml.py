"""Whether a Word or Excel file is one: a zip of the parts that OPC asks for (ECMA-376, part 2)."""

import zipfile
import zlib
from collections.abc import Mapping
from typing import BinaryIO

from offchain.media.imaging.headers.header import check_magic
from offchain.media.imaging.refusal import Refusal, trouble

MAGIC = b"PK\x03\x04"
ENTRIES_MAX = 10_000
UNPACKED_BYTES_MAX = 256 * 1024 * 1024
"""Unpacked to be counted, and thrown away: a second of work. Real documents are below a tenth."""
STEP_BYTES = 1024 * 1024
ENCRYPTED = 0x1
METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
PREFIX: Mapping[str, str] = {
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "word/",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xl/",
}


def check_document(file: BinaryIO, content_type: str) -> None:
    """Check a document, unpacking it within bounds.

    Raises:
        Refusal: ``not_the_declared_type``, ``truncated`` or ``corrupt``; ``unsupported`` if it is
            encrypted or unpacks to more than is fair.
        Trouble: It is not the file's fault.
    """
    prefix = PREFIX.get(content_type)
    if prefix is None:
        raise Refusal("unsupported", f"{content_type} is no document type of ours")
    check_magic(file, MAGIC)
    try:
        with zipfile.ZipFile(file) as archive:
            _check_archive(archive, prefix)
    except zipfile.BadZipFile as error:
        raise Refusal("corrupt", f"not a whole zip: {error}"[:160]) from error
    except MemoryError as error:
        raise Refusal("out_of_memory", "its list of parts does not fit into memory") from error
    except EOFError as error:
        raise Refusal("truncated", "a part ends before its end") from error
    except (OSError, ValueError, RuntimeError, zlib.error, NotImplementedError) as error:
        if (fault := trouble(error)) is not None:
            raise fault from error
        raise Refusal("corrupt", f"{type(error).__name__}: {error}"[:160]) from error


def _check_archive(archive: zipfile.ZipFile, prefix: str) -> None:
    entries = archive.infolist()
    if len(entries) > ENTRIES_MAX:
        raise Refusal("unsupported", f"{len(entries):,} parts; {ENTRIES_MAX:,} are the most")
    names = {entry.filename for entry in entries}
    if "[Content_Types].xml" not in names or not any(name.startswith(prefix) for name in names):
        raise Refusal("not_the_declared_type", f"a zip without content types or {prefix}")
    unpacked = 0
    for entry in entries:
        if entry.flag_bits & ENCRYPTED or entry.compress_type not in METHODS:
            raise Refusal("unsupported", "a part is encrypted, or packed in an uncommon way")
        # What a part says of its size may be a lie: it is counted.
        with archive.open(entry) as part:
            while step := part.read(STEP_BYTES):
                unpacked += len(step)
                if unpacked > UNPACKED_BYTES_MAX:
                    raise Refusal("unsupported", f"unpacks to over {UNPACKED_BYTES_MAX:,} bytes")
