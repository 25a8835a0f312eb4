"""What became of a picture: the values that the engine answers with, and its two exceptions."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from indexer.errors import PermanentError, TransientError

Engine = Literal["pillow", "pyvips"]
"""What decodes, resizes and encodes; Pillow is the default, pyvips has to be installed."""
SiblingFormat = Literal["webp", "avif"]
"""A second form of the result, for browsers that take it."""
FailureCode = Literal[
    "too_many_pixels",
    "too_many_frames",
    "truncated",
    "corrupt",
    "not_the_declared_type",
    "out_of_memory",
    "timed_out",
    "unsupported",
]
"""Stable: stored with the file's row and shown to its creator."""
KeptReason = Literal["not_smaller", "animation_over_budget"]
"""Why a sound picture keeps its pixels as they were uploaded."""
FAILURE_CODES: frozenset[str] = frozenset(get_args(FailureCode))
KEPT_REASONS: frozenset[str] = frozenset(get_args(KeptReason))


@dataclass(frozen=True, slots=True)
class Inspected:
    """What a header says of a sound picture.

    Attributes:
        width: Pixels across, as shown: after EXIF orientation.
        height: Pixels down, as shown.
        frames: 1 for a still picture.
        has_metadata: Whether it carries EXIF, XMP, IPTC, comments or text; colour profiles aside.
    """

    width: int
    height: int
    frames: int
    has_metadata: bool


@dataclass(frozen=True, slots=True)
class Sibling:
    """The result in a second format.

    Attributes:
        format: Which.
        content_type: Its media type, ``image/webp`` or ``image/avif``.
        path: Where it lies: the target's name with the format's suffix added.
        bytes: Its size.
    """

    format: SiblingFormat
    content_type: str
    path: Path
    bytes: int


@dataclass(frozen=True, slots=True)
class Shrunk:
    """A smaller picture was written to the target, of the declared type and without metadata.

    Attributes:
        width: Pixels across, as shown; at most 1024.
        height: Pixels down, as shown.
        frames: As many as the source had.
        bytes: Size of the target; less than the source's.
        siblings: The other formats that were asked for, those that came out smaller than the
            target; none of an animation.
    """

    width: int
    height: int
    frames: int
    bytes: int
    siblings: tuple[Sibling, ...] = ()


@dataclass(frozen=True, slots=True)
class Stripped:
    """The picture is better not shrunk: a copy without its metadata was written to the target.

    Its encoded pixels, colour profile, durations and repetitions are the source's, byte by byte;
    an orientation other than upright is all that is left of its EXIF.

    Attributes:
        width: Pixels across, as shown; may be more than 1024.
        height: Pixels down, as shown.
        frames: As many as the source has.
        bytes: Size of the target; less than the source's.
        reason: Why it was not shrunk.
    """

    width: int
    height: int
    frames: int
    bytes: int
    reason: KeptReason


@dataclass(frozen=True, slots=True)
class Kept:
    """The picture is sound, holds no metadata, and stays as it was; the target was not written."""

    reason: KeptReason


class ImageFailure(PermanentError):  # noqa: N818 - names the finding, as the row does
    """A file that cannot be shown: hostile, broken, or not what it was declared to be.

    Attributes:
        code: Stable, one of ``FailureCode``.
        detail: For the operator's log; holds no byte of the file.
        is_certain: Whether the file was read and found so. If not, its process died or was late,
            which a starved machine may bring about as well: a further try may end otherwise.
    """

    def __init__(self, code: FailureCode, detail: str, *, is_certain: bool = True) -> None:
        super().__init__(f"{code}: {detail}")
        self.code: FailureCode = code
        self.detail = detail
        self.is_certain = is_certain


class EngineTrouble(TransientError):  # noqa: N818 - names the finding
    """The engine could not do its work, and nothing is known of the file: try again.

    Its process was ended from outside, could not be started, could not write its result, lacks a
    part of its installation, or did not answer in its terms.
    """
