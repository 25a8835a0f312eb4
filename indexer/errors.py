"""The error tree. Choose by what the caller must do, not by what went wrong.

    LastroError
    ├── TransientError    the outside may answer later: retry with backoff
    │   ├── RpcUnavailable
    │   └── ChainContradiction     an answer does not fit its own hashes, or the node moved on
    │       └── Lagging            the node lacks a block that it spoke of
    ├── PermanentError    retrying cannot help: park the item with its reason and alert
    │   └── ConfigurationError   the operator must change a setting; says which
    ├── InvariantError    something that must never happen did: stop this writer
    └── RpcError          a node understood and refused: the caller reads code and data and decides

Attributes hold the values; the message says what happened to what, and the next step.
"""


class LastroError(Exception):
    """Base of every error that Lastro raises on purpose."""


class TransientError(LastroError):
    """The outside world may answer later; the loop's edge retries with backoff."""


class RpcUnavailable(TransientError):  # noqa: N818 - reads as a state, like httpx.ConnectTimeout
    """A chain node did not give a usable answer."""


class ChainContradiction(TransientError):  # noqa: N818 - names the finding, as the log does
    """A node's answer does not fit its own hashes: nothing of it was believed; ask again."""


class Lagging(ChainContradiction):
    """A node lacks a block that it should have: it is behind, or the chain moved. No lie."""


class RpcError(LastroError):
    """A node understood a JSON-RPC call and refused it; the caller knows what that means.

    Attributes:
        code: JSON-RPC error code.
        message: The node's own words.
        data: Revert data where the node gave some; its first four bytes select a custom error.
    """

    def __init__(self, code: int, message: str, data: bytes | None = None) -> None:
        super().__init__(f"the node refused: {message} (code {code})")
        self.code = code
        self.message = message
        self.data = data


class PermanentError(LastroError):
    """Retrying cannot help; park the item with this reason."""


class ConfigurationError(PermanentError):
    """A setting is missing or wrong; the message names it and how to mend it."""


class InvariantError(LastroError):
    """A promise of the system does not hold; the writer that saw it stops."""
