"""What the child says of a file instead of a result. Imports nothing: the child starts lean."""


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
    """The file is sound and is better left alone; becomes ``Kept`` in the parent.

    Attributes:
        reason: One of ``outcomes.KeptReason``.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class EngineMissing(Exception):  # noqa: N818 - the operator's matter, not the file's
    """The engine that was asked for is not installed; a ``ConfigurationError`` in the parent."""
