"""``Idempotency-Key``: a write happens once, and its answer is replayed.

The subject's id is chosen and committed with the key, before the write begins, so that whoever
takes up an interrupted request makes the same thing and not a second one.
"""

import hashlib
import hmac
import uuid
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import Annotated, Any
from uuid import UUID

from fastapi import Header
from sqlalchemy import ColumnElement, Connection, Interval, func, literal, select, update
from sqlalchemy.dialects.postgresql import insert

from offchain.http.problems import ProblemError
from offchain.tables import idempotency_keys

LOCK = timedelta(seconds=60)
"""Longer than the longest request; after it, an interrupted one may be taken up."""

_FINGERPRINT_DOMAIN = b"lastro.request-fingerprint.v1"

IdempotencyKey = Annotated[
    str,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        pattern=r"^[\x21-\x7e]+$",
        description="Unique per payment; the same key replays the first answer.",
    ),
]


@dataclass(frozen=True, slots=True)
class Scoped:
    """One key of one endpoint, and the request it was first used for."""

    scope: str
    key: str
    request_hash: bytes


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


def fingerprint_key(operator_token: str) -> bytes:
    """Derive the key of request fingerprints from the operator's token.

    With another token, a request that was begun before is no longer known as the same.
    """
    return hmac.digest(operator_token.encode(), _FINGERPRINT_DOMAIN, hashlib.sha256)


def hash_request(key: bytes, scope: str, canonical_body: str) -> bytes:
    """Fingerprint a request, so that an idempotency key cannot be used for two.

    Keyed: whoever reads the table cannot try out which backer a body named.
    """
    return hmac.digest(key, f"{scope}\n{canonical_body}".encode(), hashlib.sha256)


def begin(connection: Connection, scoped: Scoped) -> Begun | Replay:
    """Take a key, in the transaction that writes the subject's first row.

    Raises:
        ProblemError: 409 while another request has the key, 422 when it was used for another body.
    """
    fresh = connection.execute(
        insert(idempotency_keys)
        .values(
            scope=scoped.scope,
            key=scoped.key,
            request_hash=scoped.request_hash,
            subject_id=uuid.uuid4(),
            locked_until=func.now() + literal(LOCK, Interval()),
        )
        .on_conflict_do_nothing()
        .returning(idempotency_keys.c.subject_id)
    ).scalar_one_or_none()
    if fresh is not None:
        return Begun(fresh, is_retry=False)
    return _take_up(connection, scoped)


def _take_up(connection: Connection, scoped: Scoped) -> Begun | Replay:
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
    if row.request_hash != scoped.request_hash:
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
            headers={"Retry-After": "1"},
        )
    connection.execute(
        update(idempotency_keys)
        .where(_is(scoped))
        .values(locked_until=func.now() + literal(LOCK, Interval()))
    )
    return Begun(row.subject_id, is_retry=True)


def complete(connection: Connection, scoped: Scoped, status: int, body: dict[str, Any]) -> None:
    """Keep the answer, in the transaction that ends the work."""
    connection.execute(
        update(idempotency_keys)
        .where(_is(scoped))
        .values(response_status=status, response_body=body)
    )


def release(connection: Connection, scoped: Scoped) -> None:
    """Let the next try begin at once: this one ended without an answer."""
    connection.execute(update(idempotency_keys).where(_is(scoped)).values(locked_until=func.now()))


def _is(scoped: Scoped) -> ColumnElement[bool]:
    return (idempotency_keys.c.scope == scoped.scope) & (idempotency_keys.c.key == scoped.key)
