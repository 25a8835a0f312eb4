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
from offchain.inbox.intake import Intake
from offchain.jobs.bell import Bell
from offchain.services import Services


@dataclass(frozen=True, slots=True)
class HttpState:
    """Opened once per process."""

    services: Services
    bell: Bell
    intake: Intake
    """Where verified webhooks are kept; runs as long as the app."""
    operator_token: SecretStr
    pix_lifetime: timedelta
    public_url: str
    """Where the outside reaches this app, without a slash at its end."""
    request_lock: timedelta
    """How long an idempotent request has its key."""


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
