"""Run the image engine on one file, in a child process that can be killed whole.

``inspect``, ``check_ooxml`` and ``shrink`` are all that the rest of the project calls. Each starts
a process, bounded to 512 MiB of address space, 20 s, no environment and no input, and reads one
verdict from it. A process that dies over a file is a verdict too, if no certain one; one that is
ended from outside, or does not answer, is none.
"""

import contextlib
import json
import signal
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from indexer.errors import ConfigurationError
from offchain.media.imaging.outcomes import (
    FAILURE_CODES,
    KEPT_REASONS,
    Engine,
    EngineTrouble,
    FailureCode,
    ImageFailure,
    Inspected,
    Kept,
    KeptReason,
    Shrunk,
    Sibling,
    SiblingFormat,
    Stripped,
)
from offchain.media.imaging.process import VERDICT_BYTES_MAX, Ended, run

__all__ = [
    "Engine",
    "EngineTrouble",
    "ImageFailure",
    "Inspected",
    "Kept",
    "Shrunk",
    "Sibling",
    "SiblingFormat",
    "Stripped",
    "check_ooxml",
    "inspect",
    "shrink",
]

_DEATHS: Mapping[int, FailureCode] = {
    signal.SIGKILL: "out_of_memory",  # by the kernel; our own kills are known to be late
    signal.SIGALRM: "timed_out",
    signal.SIGXCPU: "timed_out",
    **dict.fromkeys(
        (signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGFPE, signal.SIGILL), "corrupt"
    ),
}
"""Signals that a file may bring about. Any other comes from outside and says nothing of it."""


def inspect(path: Path, content_type: str) -> Inspected:
    """Read the header of a picture: its size, frames, and whether it can be shown at all.

    Args:
        path: The file; never written.
        content_type: Its declared type, one of the four image types.

    Raises:
        ImageFailure: It is not such a picture, or too large a one.
        EngineTrouble: Nothing is known of it; try again.
    """
    verdict = _verdict("inspect", str(path.resolve()), content_type)
    with _believed():
        return Inspected(
            width=int(verdict["width"]),
            height=int(verdict["height"]),
            frames=int(verdict["frames"]),
            has_metadata=bool(verdict["has_metadata"]),
        )


def check_ooxml(path: Path, content_type: str) -> None:
    """Check that a Word or Excel file is one, and no zip bomb.

    Args:
        path: The file; never written.
        content_type: Its declared type, one of the two OOXML types.

    Raises:
        ImageFailure: It is not.
        EngineTrouble: Nothing is known of it; try again.
    """
    _verdict("check", str(path.resolve()), content_type)


def shrink(
    path: Path,
    content_type: str,
    target: Path,
    *,
    engine: Engine = "pillow",
    siblings: Sequence[SiblingFormat] = (),
) -> Shrunk | Stripped | Kept:
    """Write a smaller picture of the same type to the target: at most 1024 px wide, sRGB, bare.

    Where that would not pay, or is not ours to do, the target gets the same picture without its
    metadata, if it has any.

    Args:
        path: The file; never written.
        content_type: Its declared type, one of the four image types.
        target: Where the result goes; another file than ``path``, in a directory that exists.
            It exists afterwards only if the result is ``Shrunk`` or ``Stripped``.
        engine: What does the work. GIFs and animations are Pillow's in any case.
        siblings: Further formats of a ``Shrunk`` result, written beside the target.

    Raises:
        ImageFailure: It is not such a picture, too large a one, or broken.
        EngineTrouble: Nothing is known of it; try again.
        ConfigurationError: The engine that was asked for is not installed.
        ValueError: The target is the source.
    """
    source, target = path.resolve(), target.resolve()
    if source == target or (target.exists() and target.samefile(source)):
        raise ValueError("the target of a picture must be another file than its source")
    written = {name: target.with_name(f"{target.name}.{name}") for name in siblings}
    outcome: Shrunk | Stripped | Kept | None = None
    try:
        verdict = _verdict(
            "shrink", str(source), content_type, str(target), engine, ",".join(siblings)
        )
        with _believed():
            outcome = _outcome(verdict, written)
    finally:
        if not isinstance(outcome, Shrunk | Stripped):
            for leftover in (target, *written.values()):
                leftover.unlink(missing_ok=True)
    return outcome


def _outcome(
    verdict: Mapping[str, Any], written: Mapping[SiblingFormat, Path]
) -> Shrunk | Stripped | Kept:
    if "kept" in verdict:
        return Kept(_reason(verdict["kept"]))
    if "stripped" in verdict:
        return Stripped(
            width=int(verdict["width"]),
            height=int(verdict["height"]),
            frames=int(verdict["frames"]),
            bytes=int(verdict["bytes"]),
            reason=_reason(verdict["stripped"]),
        )
    return Shrunk(
        width=int(verdict["width"]),
        height=int(verdict["height"]),
        frames=int(verdict["frames"]),
        bytes=int(verdict["bytes"]),
        siblings=tuple(
            Sibling(name, f"image/{name}", path, int(verdict["siblings"][name]))
            for name, path in written.items()
            if name in verdict["siblings"]
        ),
    )


def _reason(given: object) -> KeptReason:
    if given not in KEPT_REASONS:
        raise ValueError("an unknown reason")
    return cast("KeptReason", given)


def _verdict(*arguments: str) -> Mapping[str, Any]:
    """Run the child and read its verdict.

    Raises:
        ImageFailure: The child says so, or died over the file.
        EngineTrouble: It could not be started, says that it could not work, died of anything else,
            or says nothing sensible.
        ConfigurationError: The child lacks the engine.
    """
    ended = run(arguments)
    verdict = _parsed(ended)
    if verdict is None:
        raise _death(ended)
    if "missing" in verdict:
        raise ConfigurationError(
            f"LASTRO_MEDIA_ENGINE names an engine that is not installed ({verdict['missing']}):"
            " install pyvips[binary], or choose pillow"
        )
    if "trouble" in verdict:
        raise EngineTrouble(str(verdict["trouble"]))
    if "code" in verdict:
        if verdict["code"] not in FAILURE_CODES:
            raise EngineTrouble("its process gave a code that is none")
        code = cast("FailureCode", verdict["code"])
        raise ImageFailure(code, str(verdict.get("detail", "")))
    return verdict


def _parsed(ended: Ended) -> Mapping[str, Any] | None:
    """The verdict, unless the child was late, silent or printed anything else."""
    if ended.late or not ended.output or len(ended.output) > VERDICT_BYTES_MAX:
        return None
    try:
        verdict = json.loads(ended.output)
    except ValueError:
        return None
    return verdict if isinstance(verdict, dict) else None


def _death(ended: Ended) -> ImageFailure | EngineTrouble:
    """Name the end of a child that gave no verdict."""
    if ended.late:
        return ImageFailure("timed_out", f"killed after {ended.wall_s:.0f} s", is_certain=False)
    if len(ended.output) > VERDICT_BYTES_MAX:
        return EngineTrouble("its process printed too much")
    if ended.status >= 0:
        return EngineTrouble(f"its process gave no verdict (exit status {ended.status})")
    detail = f"its process died of signal {-ended.status}"
    code = _DEATHS.get(-ended.status)
    return EngineTrouble(detail) if code is None else ImageFailure(code, detail, is_certain=False)


@contextlib.contextmanager
def _believed() -> Iterator[None]:
    """Treat a verdict that lacks something as none.

    Raises:
        EngineTrouble: It does.
    """
    try:
        yield
    except (KeyError, TypeError, ValueError) as error:
        raise EngineTrouble("its process gave half a verdict") from error
