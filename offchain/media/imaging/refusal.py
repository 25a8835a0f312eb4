"""What the child says of a file instead of a result. Imports next to nothing: it starts lean."""

import errno

THE_FILES_OWN = frozenset({errno.EINVAL, errno.EOVERFLOW})
"""What a structure causes that points to before the start of its file, or far beyond its end."""


class Refusal(Exception):  # noqa: N818 - names the finding, not a fault of ours
    """The file cannot be shown; becomes an ``ImageFailure`` in the parent.

    Attributes:
        code: One of ``outcomes.FailureCode``.
        detail: For the operator's log.
    """

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


class StaysAsItIs(Exception):  # noqa: N818 - a decision, not a fault
    """The file is sound, and its pixels are better left alone: ``Kept`` or ``Stripped``.

    Attributes:
        reason: One of ``outcomes.KeptReason``.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class EngineMissing(Exception):  # noqa: N818 - the operator's matter, not the file's
    """The engine that was asked for is not installed; a ``ConfigurationError`` in the parent."""


class Trouble(Exception):  # noqa: N818 - names the finding
    """The machine is at fault: nothing is known of the file. An ``EngineTrouble`` in the parent."""


def trouble(error: Exception) -> Trouble | None:
    """Tell a fault of the machine from one of the file; None when it is the file's.

    A decoder reports what is wrong with a file by an ``OSError`` without a number; one with a
    number comes from the kernel. A name or module that is missing is missing for every file.
    """
    if isinstance(error, Trouble):
        return error
    from_kernel = isinstance(error, OSError) and error.errno not in {None, *THE_FILES_OWN}
    # A decoder that trips over its own variables, an UnboundLocalError, does so over the file.
    if from_kernel or isinstance(error, ImportError) or type(error) is NameError:
        return Trouble(f"{type(error).__name__}: {error}")
    return None
