"""The child process: one file in, one JSON verdict out. Started by ``running``, by nobody else.

It imports what its one file needs and no more: its start is part of every picture's time.
"""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, BinaryIO, NamedTuple

from offchain.media.imaging import budget, sandbox
from offchain.media.imaging.budget import Size
from offchain.media.imaging.headers.header import Header, file_size
from offchain.media.imaging.headers.reading import read_header
from offchain.media.imaging.refusal import EngineMissing, Refusal, StaysAsItIs, Trouble, trouble

OUTPUT = 1
DETAIL_MAX = 200
Verdict = dict[str, Any]


def main(arguments: Sequence[str]) -> None:
    """Do what the arguments say, print the verdict, and end without cleaning up."""
    sandbox.confine()
    operation, *rest = arguments
    verdict = _verdict(OPERATIONS[operation], rest)
    os.write(OUTPUT, json.dumps(verdict).encode())
    # Nothing is left to be saved; taking the interpreter down would take milliseconds.
    os._exit(0)


def _verdict(operation: Callable[..., Verdict], arguments: Sequence[str]) -> Verdict:
    try:
        return operation(*arguments)
    except Refusal as refusal:
        return {"code": refusal.code, "detail": refusal.detail[:DETAIL_MAX]}
    except EngineMissing as missing:
        return {"missing": str(missing)[:DETAIL_MAX]}
    except MemoryError:
        return {"code": "out_of_memory", "detail": "the work does not fit into memory"}
    except Exception as error:  # noqa: BLE001 - the process's edge: whatever it is, it is named
        if (fault := trouble(error)) is not None:
            return {"trouble": str(fault)[:DETAIL_MAX]}
        detail = f"{type(error).__name__}: {error}"
        return {"code": "corrupt", "detail": detail[:DETAIL_MAX]}


def _inspect(path: str, content_type: str) -> Verdict:
    with _opened(path) as file:
        header = read_header(file, content_type)
        _prepare_pillow()
        from offchain.media.imaging.decoding import opened  # noqa: PLC0415

        opened(file, content_type, header)
    width, height = budget.shown(header.stored, header.orientation)
    return {
        "width": width,
        "height": height,
        "frames": header.frames,
        "has_metadata": header.has_metadata,
    }


def _check(path: str, content_type: str) -> Verdict:
    from offchain.media.imaging.ooxml import check_document  # noqa: PLC0415

    with _opened(path) as file:
        check_document(file, content_type)
    return {}


def _shrink(path: str, content_type: str, target: str, engine: str, siblings: str) -> Verdict:
    with _opened(path) as file:
        source_bytes = file_size(file)
        header = read_header(file, content_type)
        made: _Made | None = None
        reason = "not_smaller"
        try:
            made = _made(file, path, content_type, header, engine, reused=bool(siblings))
        except StaysAsItIs as decision:
            reason = decision.reason
    if made is not None and len(made.result) < source_bytes:
        return _written(made, header, target, siblings)
    made = None  # its memory is needed for what follows
    return _left(path, content_type, header, target, reason)


def _written(made: "_Made", header: Header, target: str, siblings: str) -> Verdict:
    _write(target, [made.result])
    return {
        "width": made.size.width,
        "height": made.size.height,
        "frames": header.frames,
        "bytes": len(made.result),
        "siblings": _written_siblings(made, target, siblings.split(",") if siblings else []),
    }


def _left(path: str, content_type: str, header: Header, target: str, reason: str) -> Verdict:
    """Leave a picture's pixels as they are, but write a copy without its metadata, if it has any.

    Its decoder may have closed the file.
    """
    from offchain.media.imaging.stripping import stripped  # noqa: PLC0415

    with _opened(path) as file:
        parts = stripped(file, content_type, header)
    if parts is None:
        return {"kept": reason}
    _write(target, parts)
    width, height = budget.shown(header.stored, header.orientation)
    return {
        "stripped": reason,
        "width": width,
        "height": height,
        "frames": header.frames,
        "bytes": sum(map(len, parts)),
    }


class _Made(NamedTuple):
    """A result in memory, and what encodes it in other formats."""

    size: Size
    result: bytes
    sibling: Callable[[str], bytes] | None


def _made(
    file: BinaryIO, path: str, content_type: str, header: Header, engine: str, *, reused: bool
) -> _Made:
    """Let the right engine work: libvips gets stills; no GIF, and no inks, which it may invert."""
    if header.frames > 1 or content_type == "image/gif":
        _prepare_pillow(header.profile)
        from offchain.media.imaging.animations import shrunk_animation  # noqa: PLC0415

        return _Made(*shrunk_animation(file, content_type, header), None)
    if engine == "pyvips" and not header.inks:
        from offchain.media.imaging import vips_engine  # noqa: PLC0415

        small = vips_engine.shrunk_still(path, header, reused=reused)
        result = vips_engine.encoded(small, content_type, lossless=header.lossless)
        return _Made(small.size, result, lambda name: vips_engine.sibling(small, name))
    _prepare_pillow(header.profile)
    from offchain.media.imaging import encoding, stills  # noqa: PLC0415

    still = stills.shrunk_still(file, content_type, header)
    result = encoding.encoded(still, content_type, lossless=header.lossless)
    return _Made(Size(*still.picture.size), result, lambda name: encoding.sibling(still, name))


def _written_siblings(made: _Made, target: str, names: Sequence[str]) -> dict[str, int]:
    """Write the other formats where they pay; returns their sizes. Failing, they are left out."""
    written: dict[str, int] = {}
    if made.sibling is None or not budget.may_have_siblings(made.size, 1):
        return written
    for name in names:
        try:
            result = made.sibling(name)
        except (Refusal, ImportError):
            continue
        if len(result) < len(made.result):
            _write(f"{target}.{name}", [result])
            written[name] = len(result)
    return written


def _opened(path: str) -> BinaryIO:
    try:
        return open(path, "rb")  # noqa: PTH123 - pathlib takes 5 ms to import
    except OSError as error:
        raise Trouble(f"the source: {error.strerror}") from error


def _write(path: str, parts: Sequence[bytes]) -> None:
    try:
        with open(path, "wb") as file:  # noqa: PTH123
            file.writelines(parts)
    except OSError as error:
        raise Trouble(f"the target: {error.strerror}") from error


def _prepare_pillow(profile: bytes | None = None) -> None:
    """Turn Pillow's own warning of a bomb into an error; its other warnings say nothing new.

    What applies a profile is imported before there are pixels: it must not be for want of memory
    that it cannot be.
    """
    import warnings  # noqa: PLC0415

    from PIL import Image  # noqa: PLC0415

    Image.MAX_IMAGE_PIXELS = budget.PIXELS_MAX
    warnings.simplefilter("ignore")
    warnings.simplefilter("error", Image.DecompressionBombWarning)
    if profile is not None:
        from PIL import ImageCms  # noqa: F401, PLC0415


OPERATIONS: Mapping[str, Callable[..., Verdict]] = {
    "inspect": _inspect,
    "check": _check,
    "shrink": _shrink,
}
