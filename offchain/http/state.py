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
from offchain.media.tokens import Grant, read_token
from offchain.services import Services


@dataclass(frozen=True, slots=True)
class Uploads:
    """How creators come to upload."""

    secret: SecretStr | None
    """Signs their links; None: only the operator uploads."""
    pages_url: str
    """Where the outside reaches the pages."""
    trusted_proxies: tuple[str, ...] = ()


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
    uploads: Uploads


def state_of(request: Request) -> HttpState:
    """The state of the app that serves this request."""
    state = request.app.state.lastro
    if not isinstance(state, HttpState):
        raise TypeError("the app was not made by create_app")
    return state


State = Annotated[HttpState, Depends(state_of)]

_bearer = HTTPBearer(
    auto_error=False, description="The operator's token; for uploads also that of an upload link."
)


Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]


def require_operator(state: State, credentials: Credentials) -> None:
    """Let only the operator pass.

    Raises:
        ProblemError: 401 without the right bearer token.
    """
    if not _is_operator(state, credentials):
        raise _unauthorized(
            "operator-token-required",
            "This needs the operator's token",
            "Send it as Authorization: Bearer <token>.",
        )


class Operator:
    """Whoever has the operator's token."""


Uploading = Operator | Grant
"""Who may upload: the operator to any campaign, a link's holder to that link's."""


def who_uploads(state: State, credentials: Credentials) -> Uploading:
    """Let the operator pass, and whoever has a campaign's upload link.

    Raises:
        ProblemError: 401 without the operator's token or that of a link which is not over.
    """
    if _is_operator(state, credentials):
        return Operator()
    secret = state.uploads.secret
    grant = (
        "not_a_token"
        if credentials is None or secret is None
        else read_token(
            credentials.credentials,
            secret=secret.get_secret_value().encode(),
            now=state.services.clock(),
        )
    )
    if isinstance(grant, Grant):
        return grant
    if grant == "over":
        raise _unauthorized("upload-link-over", "This link is over", "Ask for a new upload link.")
    raise _unauthorized(
        "upload-token-required",
        "This needs the token of an upload link",
        "Open the link that the operator made for the campaign, or send the operator's token as "
        "Authorization: Bearer <token>.",
    )


def _is_operator(state: HttpState, credentials: HTTPAuthorizationCredentials | None) -> bool:
    expected = state.operator_token.get_secret_value().encode()
    given = b"" if credentials is None else credentials.credentials.encode()
    return credentials is not None and hmac.compare_digest(given, expected)


def _unauthorized(slug: str, title: str, detail: str) -> ProblemError:
    return ProblemError(
        HTTPStatus.UNAUTHORIZED,
        slug,
        title=title,
        detail=detail,
        headers={"WWW-Authenticate": "Bearer"},
    )
