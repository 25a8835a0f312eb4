"""``Idempotency-Key``: a write happens once, and its answer is replayed.

The subject's id is chosen and committed with the key, before the write begins, so that whoever
takes up an interrupted request makes the same thing and not a second one.
"""

import hashlib
import hmac
import uuid
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus
from typing import Annotated, Any
from uuid import UUID

from fastapi import Header
from pydantic import AfterValidator
from sqlalchemy import ColumnElement, Connection, Interval, func, literal, select, update
from sqlalchemy.dialects.postgresql import insert

from offchain.gateways.calling import PAUSE_MAX_S, TRIES
from offchain.gateways.pacing import QUEUE_MAX_S
from offchain.http.fields import refuse_card_number
from offchain.http.problems import RETRY_AFTER_S, ProblemError
from offchain.tables import idempotency_keys

CALLS_MAX = 8
"""Calls to a gateway that one request makes: it looks a payment up and makes it, and asks for a
token, a customer and what was given back."""

IdempotencyKey = Annotated[
    str,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        pattern=r"^[\x21-\x7e]+$",
        description="Unique per payment; the same key replays the first answer.",
    ),
    AfterValidator(refuse_card_number),
]


@dataclass(frozen=True, slots=True)
class Scoped:
    """One key of one endpoint, and the request it was first used for."""

    scope: str
    key: str
    canonical_body: str = field(repr=False)
    """What tells the request from another. Only its salted hash is kept."""


@dataclass(frozen=True, slots=True)
class Begun:
    """This request is the one that does the work."""

    subject_id: UUID
    is_retry: bool
    """True: an earlier one was interrupted; its work may be half done."""


@dataclass(frozen=True, slots=True)
class Replay:
    """The work is done: give this answer again."""

    status: int
    body: dict[str, Any]


def lock_of(gateway_timeout_s: float) -> timedelta:
    """How long a request has its key: longer than the longest one may last.

    After it, an interrupted request may be taken up.
    """
    return timedelta(seconds=CALLS_MAX * TRIES * (QUEUE_MAX_S + gateway_timeout_s + PAUSE_MAX_S))


def hash_request(subject_id: UUID, scoped: Scoped) -> bytes:
    """Fingerprint a request, so that an idempotency key cannot be used for two.

    Salted with its subject's random id: equal requests under two keys do not look alike, and no
    secret that is rotated makes a repeat look like another request.
    """
    text = f"{scoped.scope}\n{scoped.canonical_body}"
    return hmac.digest(subject_id.bytes, text.encode(), hashlib.sha256)


def begin(connection: Connection, scoped: Scoped, *, lock: timedelta) -> Begun | Replay:
    """Take a key, in the transaction that writes the subject's first row.

    Args:
        connection: The caller's transaction.
        scoped: Which key, and for what.
        lock: How long no other request may take it up; see ``lock_of``.

    Raises:
        ProblemError: 409 while another request has the key, 422 when it was used for another body.
    """
    subject_id = uuid.uuid4()
    fresh = connection.execute(
        insert(idempotency_keys)
        .values(
            scope=scoped.scope,
            key=scoped.key,
            request_hash=hash_request(subject_id, scoped),
            subject_id=subject_id,
            locked_until=func.now() + literal(lock, Interval()),
        )
        .on_conflict_do_nothing()
        .returning(idempotency_keys.c.subject_id)
    ).scalar_one_or_none()
    if fresh is not None:
        return Begun(fresh, is_retry=False)
    return _take_up(connection, scoped, lock)


def _take_up(connection: Connection, scoped: Scoped, lock: timedelta) -> Begun | Replay:
    row = connection.execute(
        select(
            idempotency_keys.c.request_hash,
            idempotency_keys.c.subject_id,
            idempotency_keys.c.response_status,
            idempotency_keys.c.response_body,
            (idempotency_keys.c.locked_until > func.clock_timestamp()).label("is_locked"),
        )
        .where(_is(scoped))
        .with_for_update()
    ).one()
    if row.request_hash != hash_request(row.subject_id, scoped):
        raise ProblemError(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "idempotency-key-reused",
            title="This key was used for another request",
            detail="Use a new Idempotency-Key for a new request.",
        )
    if row.response_status is not None:
        return Replay(row.response_status, row.response_body)
    if row.is_locked:
        raise ProblemError(
            HTTPStatus.CONFLICT,
            "request-in-flight",
            title="The same request is being worked on",
            detail="Send it again a little later.",
            headers={"Retry-After": str(RETRY_AFTER_S)},
        )
    _lock(connection, scoped, lock)
    return Begun(row.subject_id, is_retry=True)


def complete(connection: Connection, scoped: Scoped, status: int, body: dict[str, Any]) -> Replay:
    """Keep the answer, in the transaction that ends the work, unless there is one already.

    Returns:
        The answer that is kept: whoever comes late gives the first one's.
    """
    filled = connection.execute(
        update(idempotency_keys)
        .where(_is(scoped), idempotency_keys.c.response_status.is_(None))
        .values(response_status=status, response_body=body)
    )
    if filled.rowcount:
        return Replay(status, body)
    kept = select(idempotency_keys.c.response_status, idempotency_keys.c.response_body)
    return Replay(*connection.execute(kept.where(_is(scoped))).one())


def release(connection: Connection, scoped: Scoped, *, after: timedelta = timedelta()) -> None:
    """Let the next try begin, at once or a little later: this one ended without an answer."""
    _lock(connection, scoped, after)


def _lock(connection: Connection, scoped: Scoped, lock: timedelta) -> None:
    connection.execute(
        update(idempotency_keys)
        .where(_is(scoped))
        .values(locked_until=func.now() + literal(lock, Interval()))
    )


def _is(scoped: Scoped) -> ColumnElement[bool]:
    return (idempotency_keys.c.scope == scoped.scope) & (idempotency_keys.c.key == scoped.key)
