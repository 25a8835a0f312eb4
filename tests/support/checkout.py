"""Pay as a checkout does."""

import uuid
from typing import Any

import httpx
from sqlalchemy import Engine, func, update

from offchain.tables import idempotency_keys

CARD = {"token": "tok_good", "holder_name": "ANA", "last_four": "4242", "expiration": "12/2030"}
CPF = "529.982.247-25"


def pay(http: httpx.Client, *, key: str | None = None, **fields: Any) -> httpx.Response:
    """Ask for a payment; ``fields`` replace its own, None leaves one out."""
    body = {
        "campaign": "open-campaign",
        "method": "pix",
        "amount_minor": 5000,
        "currency": "BRL",
        "backer_reference": "backer-7",
        **fields,
    }
    given = {name: value for name, value in body.items() if value is not None}
    headers = {"Idempotency-Key": key or uuid.uuid4().hex}
    return http.post("/v1/payments", json=given, headers=headers)


def unlock(engine: Engine) -> None:
    """Let the time pass in which an interrupted request has its key."""
    with engine.begin() as connection:
        connection.execute(update(idempotency_keys).values(locked_until=func.now()))


def interrupt(engine: Engine) -> None:
    """Make requests as if their process had died before they were answered."""
    unlock(engine)
    with engine.begin() as connection:
        connection.execute(
            update(idempotency_keys).values(response_status=None, response_body=None)
        )


def slug_of(answer: httpx.Response) -> str:
    """The last part of a problem's type."""
    assert answer.headers["content-type"] == "application/problem+json"
    return str(answer.json()["type"]).removeprefix("urn:problem-type:lastro:")


def told(answer: httpx.Response) -> str:
    """A problem as text, without its trace id, which may hold any digits."""
    return str({name: value for name, value in answer.json().items() if name != "trace_id"})
