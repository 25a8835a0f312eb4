"""The limit of request bodies, kept before anything reads them."""

from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.types import Message, Receive, Scope

BODY_BYTES_MAX = 1024 * 1024
_LENGTH_DIGITS_MAX = 12


class BodyTooLarge(HTTPException):
    """The body is over the limit; an HTTP error, so that FastAPI lets it through."""

    def __init__(self) -> None:
        super().__init__(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)


def limited(scope: Scope, receive: Receive) -> Receive:
    """Let no more than the limit of a request's body through.

    A declared length over it is refused before the first byte is read, a body without one as soon
    as it is over: nothing reads or buffers more. ``BodyTooLarge`` is raised to whoever reads.
    """
    is_declared_too_large = _declared(scope) > BODY_BYTES_MAX
    taken = 0

    async def limited_receive() -> Message:
        nonlocal taken
        if is_declared_too_large:
            raise BodyTooLarge
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > BODY_BYTES_MAX:
            raise BodyTooLarge
        return message

    return limited_receive


def _declared(scope: Scope) -> int:
    """The declared length in bytes; 0 when there is none that can be read."""
    text = next((value for name, value in scope["headers"] if name == b"content-length"), b"")
    if not text.isdigit():
        return 0
    return int(text) if len(text) <= _LENGTH_DIGITS_MAX else BODY_BYTES_MAX + 1
