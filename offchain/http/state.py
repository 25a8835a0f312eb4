"""What the endpoints reach, and the checks that several of them share."""

import hmac
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import SecretStr

from offchain.http.problems import ProblemError
from offchain.jobs.bell import Bell
from offchain.services import Services

BODY_BYTES_MAX = 1024 * 1024


@dataclass(frozen=True, slots=True)
class HttpState:
    """Opened once per process."""

    services: Services
    bell: Bell
    operator_token: SecretStr
    pix_lifetime: timedelta


def state_of(request: Request) -> HttpState:
    """The state of the app that serves this request."""
    state = request.app.state.lastro
    if not isinstance(state, HttpState):
        raise TypeError("the app was not made by create_app")
    return state


State = Annotated[HttpState, Depends(state_of)]

_bearer = HTTPBearer(auto_error=False, description="The operator's token.")


def require_operator(
    state: State, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
) -> None:
    """Let only the operator pass.

    Raises:
        ProblemError: 401 without the right bearer token.
    """
    expected = state.operator_token.get_secret_value().encode()
    given = b"" if credentials is None else credentials.credentials.encode()
    if credentials is None or not hmac.compare_digest(given, expected):
        raise ProblemError(
            HTTPStatus.UNAUTHORIZED,
            "operator-token-required",
            title="This needs the operator's token",
            detail="Send it as Authorization: Bearer <token>.",
            headers={"WWW-Authenticate": "Bearer"},
        )


async def read_limited_body(request: Request) -> bytes:
    """Read a body of bounded size, without buffering more than that.

    Raises:
        ProblemError: 413 when it is larger.
    """
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > BODY_BYTES_MAX:
        raise body_too_large()
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_BYTES_MAX:
            raise body_too_large()
    return bytes(body)


def body_too_large() -> ProblemError:
    """The body is over the limit."""
    return ProblemError(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        "body-too-large",
        title="The body is too large",
        detail=f"At most {BODY_BYTES_MAX} bytes are taken.",
    )
