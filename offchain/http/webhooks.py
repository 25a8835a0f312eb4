"""``POST /v1/webhooks/{gateway}``: refuse, or store and only then say so.

Refusals come in a fixed order: 404 unknown gateway, 413 too large, 401 not genuinely signed or not
fresh, 400 unreadable. A refused body is never stored, only counted.
"""

from contextlib import suppress
from http import HTTPStatus
from typing import Annotated

import structlog
from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.exc import SQLAlchemyError

from offchain.gateways.types import Gateway, UnreadableWebhook
from offchain.http.bodies import BodyTooLarge
from offchain.http.problems import ProblemError
from offchain.http.state import HttpState, State
from offchain.inbox.store import Stored, count_refusal, store

router = APIRouter(tags=["webhooks"])

_log = structlog.get_logger(__name__)


class Receipt(BaseModel):
    """The answer to a stored webhook."""

    model_config = ConfigDict(frozen=True)

    received: Annotated[bool, Field(description="The event is stored and will be worked off.")]
    duplicate: Annotated[bool, Field(description="An earlier delivery of it was stored before.")]


@router.post("/v1/webhooks/{gateway}", operation_id="receiveWebhook")
async def receive_webhook(gateway: str, request: Request, state: State) -> Receipt:
    """Receive a payment gateway's notification.

    Asynchronous only to read the raw body; everything else runs in a thread.
    """
    known = state.services.gateways.get(gateway)
    if known is None:
        raise ProblemError(
            HTTPStatus.NOT_FOUND, "unknown-gateway", detail="No gateway has this name."
        )
    try:
        body = await request.body()
    except BodyTooLarge:
        await run_in_threadpool(_count, state, gateway, "too_large")
        raise
    stored = await run_in_threadpool(_take, state, known, dict(request.headers), body)
    return Receipt(received=True, duplicate=not stored.is_new)


def _take(state: HttpState, gateway: Gateway, headers: dict[str, str], body: bytes) -> Stored:
    """Verify, read, commit, ring: in this order."""
    refusal = gateway.verify_webhook(headers, body, now=state.services.clock())
    if refusal is not None:
        _count(state, gateway.name, refusal)
        raise ProblemError(
            HTTPStatus.UNAUTHORIZED,
            "webhook-not-authentic",
            title="The signature is not accepted",
            detail="The body must be signed with an active secret, within five minutes.",
        )
    try:
        event = gateway.read_webhook(body)
    except UnreadableWebhook as error:
        _count(state, gateway.name, "unreadable")
        raise ProblemError(
            HTTPStatus.BAD_REQUEST,
            "unreadable-body",
            title="The body cannot be read",
            detail=f"{error}.",
        ) from None
    evidence = {name: headers[name] for name in gateway.signature_headers if name in headers}
    with state.services.engine.begin() as connection:
        stored = store(
            connection,
            gateway=gateway.name,
            event_key=event.event_key,
            body=body,
            headers=evidence,
        )
    if stored.is_new:
        # It is stored: whatever fails from here on must not say otherwise to the sender.
        with suppress(Exception):
            state.bell.ring(stored.id)
        with suppress(Exception):
            _log.info("webhook_stored", gateway=gateway.name, inbox_id=stored.id, kind=event.event)
    return stored


def _count(state: HttpState, gateway: str, reason: str) -> None:
    """Count a refusal; the answer does not depend on whether that works."""
    _log.warning("webhook_refused", gateway=gateway, reason=reason)
    try:
        with state.services.engine.begin() as connection:
            count_refusal(connection, gateway=gateway, reason=reason)
    except SQLAlchemyError as error:
        _log.warning("refusal_not_counted", error=type(error).__name__)
