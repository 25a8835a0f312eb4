"""Run the image engine on one file, in a child process that can be killed whole.

``inspect``, ``check_ooxml`` and ``shrink`` are all that the rest of the project calls. Each starts
a process, bounded to 512 MiB of address space, 20 s, no environment and no input, and reads one
verdict from it; a process that dies is a verdict too.
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
    FailureCode,
    ImageFailure,
    Inspected,
    Kept,
    KeptReason,
    Shrunk,
    Sibling,
    SiblingFormat,
)
from offchain.media.imaging.process import VERDICT_BYTES_MAX, Ended, run

__all__ = [
    "Engine",
    "ImageFailure",
    "Inspected",
    "Kept",
    "Shrunk",
    "Sibling",
    "SiblingFormat",
    "check_ooxml",
    "inspect",
    "shrink",
]

_DEATHS: Mapping[int, FailureCode] = {
    signal.SIGKILL: "out_of_memory",  # by the kernel; our own kills are known to be late
    signal.SIGALRM: "timed_out",
    signal.SIGXCPU: "timed_out",
}


def inspect(path: Path, content_type: str) -> Inspected:
    """Read the header of a picture: its size, frames, and whether it can be shown at all.

    Args:
        path: The file; never written.
        content_type: Its declared type, one of the four image types.

    Raises:
        ImageFailure: It is not such a picture, or too large a one.
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
    """
    _verdict("check", str(path.resolve()), content_type)


def shrink(
    path: Path,
    content_type: str,
    target: Path,
    *,
    engine: Engine = "pillow",
    siblings: Sequence[SiblingFormat] = (),
) -> Shrunk | Kept:
    """Write a smaller picture of the same type to the target: at most 1024 px wide, sRGB, bare.

    Args:
        path: The file; never written.
        content_type: Its declared type, one of the four image types.
        target: Where the result goes; another file than ``path``, in a directory that exists.
            It exists afterwards only if the result is ``Shrunk``.
        engine: What does the work. GIFs and animations are Pillow's in any case.
        siblings: Further formats of the result, written beside the target.

    Raises:
        ImageFailure: It is not such a picture, too large a one, or broken.
        ConfigurationError: The engine that was asked for is not installed.
        ValueError: The target is the source.
    """
    source, target = path.resolve(), target.resolve()
    if source == target or (target.exists() and target.samefile(source)):
        raise ValueError("the target of a picture must be another file than its source")
    written = {name: target.with_name(f"{target.name}.{name}") for name in siblings}
    outcome: Shrunk | Kept | None = None
    try:
        verdict = _verdict(
            "shrink", str(source), content_type, str(target), engine, ",".join(siblings)
        )
        with _believed():
            outcome = _outcome(verdict, written)
    finally:
        if not isinstance(outcome, Shrunk):
            for leftover in (target, *written.values()):
                leftover.unlink(missing_ok=True)
    return outcome


def _outcome(verdict: Mapping[str, Any], written: Mapping[SiblingFormat, Path]) -> Shrunk | Kept:
    if "kept" in verdict:
        if verdict["kept"] not in KEPT_REASONS:
            raise ValueError("an unknown reason")
        return Kept(cast("KeptReason", verdict["kept"]))
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


def _verdict(*arguments: str) -> Mapping[str, Any]:
    """Run the child and read its verdict.

    Raises:
        ImageFailure: The child says so, or died, or says nothing sensible.
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
    if "code" in verdict:
        code = verdict["code"] if verdict["code"] in FAILURE_CODES else "corrupt"
        raise ImageFailure(cast("FailureCode", code), str(verdict.get("detail", "")))
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


def _death(ended: Ended) -> ImageFailure:
    """Name the end of a child that gave no verdict."""
    if ended.late:
        return ImageFailure("timed_out", f"killed after {ended.wall_s:.0f} s")
    if len(ended.output) > VERDICT_BYTES_MAX:
        return ImageFailure("corrupt", "its process printed too much")
    if ended.status < 0:
        name = signal.Signals(-ended.status).name
        return ImageFailure(_DEATHS.get(-ended.status, "corrupt"), f"its process died of {name}")
    return ImageFailure("corrupt", f"its process gave no verdict (exit status {ended.status})")


@contextlib.contextmanager
def _believed() -> Iterator[None]:
    """Treat a verdict that lacks something as none.

    Raises:
        ImageFailure: ``corrupt``.
    """
    try:
        yield
    except (KeyError, TypeError, ValueError) as error:
        raise ImageFailure("corrupt", "its process gave half a verdict") from error
