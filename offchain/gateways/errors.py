"""What a call to a gateway can end in, by what the caller must do.

TransientError
├── GatewayUnavailable   nothing happened: try again later
└── OutcomeUnknown       it may have happened: look it up, or repeat with the same key
PermanentError
└── GatewayRefused       the gateway understood and said no
"""

from indexer.errors import PermanentError, TransientError


class GatewayUnavailable(TransientError):  # noqa: N818 - reads as a state
    """The gateway gave no usable answer and nothing was changed there."""


class OutcomeUnknown(TransientError):  # noqa: N818 - reads as a state
    """A write was sent and its answer was lost: only the gateway knows whether it happened."""


class GatewayRefused(PermanentError):  # noqa: N818 - reads as a state
    """The gateway understood the request and refused it.

    Attributes:
        status: HTTP status of the refusal.
        code: The gateway's own error code, or empty.
    """

    def __init__(self, gateway: str, status: int, code: str) -> None:
        self.status = status
        self.code = code
        super().__init__(f"{gateway} refused the request: HTTP {status} {code}".rstrip())
