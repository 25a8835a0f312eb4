"""``POST /v1/webhooks/{gateway}``: refuse, or store and only then say so.

Refusals come in a fixed order: 404 unknown gateway, 503 too many wait, 413 too large, 401 not
genuinely signed or not fresh, 400 unreadable. A refused body is never stored, only counted.
"""

from collections.abc import Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send

from offchain.gateways.types import Gateway, SignatureRefusal, UnreadableWebhook
from offchain.http.bodies import BodyTooLarge
from offchain.http.problems import (
    PROBLEM_MEDIA_TYPE,
    RETRY_AFTER_S,
    ProblemError,
    body_too_large,
    problem_response,
)
from offchain.http.state import HttpState, state_of
from offchain.inbox.group import Overloaded, StoreUnavailable, Unstorable
from offchain.inbox.refusals import UNKNOWN_GATEWAY
from offchain.inbox.store import Arrival

PATH = "/v1/webhooks/"
INLINE_BYTES_MAX = 64 * 1024
"""Checking a body up to this takes less than handing it to a thread; a longer one would hold up
the loop."""


router = APIRouter(tags=["webhooks"])


class Receipt(BaseModel):
    """The answer to a stored webhook."""

    model_config = ConfigDict(frozen=True)

    received: Annotated[bool, Field(description="The event is stored and will be worked off.")]
    duplicate: Annotated[bool, Field(description="An earlier delivery of it was stored before.")]


def _answer(receipt: Receipt) -> Response:
    return Response(receipt.model_dump_json(), media_type="application/json")


# Answers hold nothing of their request, so the same ones are sent again and again.
_NEW = _answer(Receipt(received=True, duplicate=False))
_DUPLICATE = _answer(Receipt(received=True, duplicate=True))
_OVERLOADED = problem_response(
    ProblemError(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "overloaded",
        title="Too many webhooks wait to be stored",
        detail="Nothing was written. Send the same request again.",
        headers={"Retry-After": str(RETRY_AFTER_S)},
    )
)
_GONE = Response(status_code=HTTPStatus.BAD_REQUEST)
"""For a sender that hung up before its body was complete: nobody reads it."""


def _problem(description: str) -> dict[str, Any]:
    return {"description": description, "content": {PROBLEM_MEDIA_TYPE: {}}}


_RESPONSES: dict[int | str, dict[str, Any]] = {
    HTTPStatus.BAD_REQUEST: _problem("The body is signed and no event."),
    HTTPStatus.UNAUTHORIZED: _problem("The signature is missing, wrong or not fresh."),
    HTTPStatus.NOT_FOUND: _problem("No gateway has this name."),
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: _problem("The body is too large."),
    HTTPStatus.SERVICE_UNAVAILABLE: _problem("Not stored; send it again after Retry-After."),
    "default": _problem("Any other problem."),
}
_REQUEST_BODY = {"required": True, "content": {"application/json": {}}}


@router.post(
    PATH + "{gateway}",
    operation_id="receiveWebhook",
    response_model=Receipt,
    responses=_RESPONSES,
    openapi_extra={"requestBody": _REQUEST_BODY},
)
async def receive_webhook(gateway: str, request: Request) -> Response:
    """Receive a payment gateway's notification."""
    state = state_of(request)
    known = state.services.gateways.get(gateway)
    if known is None:
        state.intake.refuse(UNKNOWN_GATEWAY, "unknown_gateway")
        raise ProblemError(
            HTTPStatus.NOT_FOUND, "unknown-gateway", detail="No gateway has this name."
        )
    if state.intake.is_full:
        state.intake.refuse(gateway, "overloaded")
        return _OVERLOADED
    try:
        body = await request.body()
    except BodyTooLarge:
        state.intake.refuse(gateway, "too_large")
        raise body_too_large() from None
    except ClientDisconnect:
        return _GONE
    return await _take(state, known, _headers(request.scope), body)


class WebhookPath:
    """Takes webhooks to their endpoint past the router, which costs more than all they need.

    By the router they would come to the same endpoint; the OpenAPI document is made from its route.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI scope."""
        gateway = _addressed(scope)
        if gateway is None:
            await self.app(scope, receive, send)
            return
        try:
            response = await receive_webhook(gateway, Request(scope, receive))
        except ProblemError as problem:
            response = problem_response(problem)
        await response(scope, receive, send)


def _addressed(scope: Scope) -> str | None:
    """The gateway that a webhook is posted for; None when the request is something else."""
    if scope["type"] != "http" or scope["method"] != "POST":
        return None
    path: str = scope["path"]
    gateway = path.removeprefix(PATH)
    return gateway if gateway and gateway != path and "/" not in gateway else None


def _headers(scope: Scope) -> dict[str, str]:
    """The request's headers, names in lower case; of a repeated one the first."""
    return {
        name.decode("latin-1"): value.decode("latin-1")
        for name, value in reversed(scope["headers"])
    }


async def _take(
    state: HttpState, gateway: Gateway, headers: Mapping[str, str], body: bytes
) -> Response:
    """Verify, read, commit: in this order."""
    intake, now = state.intake, state.services.clock()
    try:
        if len(body) <= INLINE_BYTES_MAX:
            judged = _judge(gateway, headers, body, now)
        else:
            judged = await run_in_threadpool(_judge, gateway, headers, body, now)
        if not isinstance(judged, Arrival):
            intake.refuse(gateway.name, judged)
            raise _not_authentic()
        is_new = await intake.keep(judged)
    except UnreadableWebhook as error:
        intake.refuse(gateway.name, "unreadable")
        raise _unreadable(error) from None
    except Unstorable as error:
        intake.refuse(gateway.name, "unstorable")
        raise _unreadable(error) from None
    except Overloaded:
        intake.refuse(gateway.name, "overloaded")
        return _OVERLOADED
    except StoreUnavailable:
        intake.refuse(gateway.name, "unavailable")
        raise _unavailable() from None
    return _NEW if is_new else _DUPLICATE


def _judge(
    gateway: Gateway, headers: Mapping[str, str], body: bytes, now: datetime
) -> Arrival | SignatureRefusal:
    """What is to be kept of a delivery, or why its signature is refused.

    Raises:
        UnreadableWebhook: It is genuine, and no event.
    """
    refusal = gateway.verify_webhook(headers, body, now=now)
    if refusal is not None:
        return refusal
    event = gateway.read_webhook(body)
    evidence = {name: headers[name] for name in gateway.signature_headers if name in headers}
    return Arrival(gateway.name, event.event_key, body, evidence)


def _not_authentic() -> ProblemError:
    return ProblemError(
        HTTPStatus.UNAUTHORIZED,
        "webhook-not-authentic",
        title="The signature is not accepted",
        detail="The body must be signed with an active secret, within five minutes.",
    )


def _unreadable(why: Exception) -> ProblemError:
    return ProblemError(
        HTTPStatus.BAD_REQUEST,
        "unreadable-body",
        title="The body cannot be read",
        detail=f"{why}.",
    )


def _unavailable() -> ProblemError:
    return ProblemError(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "database-unavailable",
        title="The database does not answer",
        detail="Send the same request again; the event is kept once.",
        headers={"Retry-After": str(RETRY_AFTER_S)},
    )
