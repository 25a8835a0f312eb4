"""Checkout: the attempt's row first, the gateway after, never twice.

The row is committed before the gateway hears of the payment, and the attempt's id is both the
idempotency key and the metadata there. Whatever reply is lost, the same request again finds the
same payment.
"""

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import Connection, RowMapping, select
from sqlalchemy.dialects.postgresql import insert

from indexer.errors import InvariantError
from offchain.gateways.types import Card, Gateway, Method, NewPayment, Observation
from offchain.identity import buyer_commitment, item_id, new_salt
from offchain.money import Money
from offchain.payments.attempts import Attempt, Statuses, move, read_attempt
from offchain.payments.observing import Context, apply
from offchain.tables import backers, campaigns, payment_attempts, pledges
from settlement.queries import campaign_onchain

RefusalKind = Literal[
    "campaign_unknown", "campaign_closed", "not_live", "currency", "pledge", "pledge_paid"
]

_MONEY_EFFECTS = frozenset({"captured", "unknown"})


@dataclass(frozen=True, slots=True)
class Order:
    """What a backer wants to pay."""

    campaign_slug: str
    method: Method
    amount: Money
    backer_reference: str
    reward: str | None
    card: Card | None
    pledge_id: UUID | None
    """A pledge to pay again; None makes a new one."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an order cannot be paid; nothing was written."""

    kind: RefusalKind
    detail: str


@dataclass(frozen=True, slots=True)
class Opened:
    """An attempt whose row exists; the gateway may now hear of it."""

    attempt: Attempt
    backer_id: UUID


def open_attempt(
    connection: Connection,
    order: Order,
    *,
    attempt_id: UUID,
    gateway: str,
    now: datetime,
    pix_lifetime: timedelta,
) -> Opened | Refusal:
    """Write pledge and attempt, or find what the same request wrote before."""
    known = read_attempt(connection, attempt_id)
    if known is not None:
        return Opened(known, _backer_of(connection, known.pledge_id))
    campaign = (
        connection.execute(select(campaigns).where(campaigns.c.slug == order.campaign_slug))
        .mappings()
        .first()
    )
    if campaign is None:
        return Refusal("campaign_unknown", "no campaign has this slug")
    refusal = _closed(connection, campaign, order, now)
    if refusal is not None:
        return refusal
    backer = _backer(connection, order.backer_reference)
    pledge_id = _pledge(connection, campaign, order, backer)
    if pledge_id is None:
        return Refusal("pledge", "no pledge of this backer, campaign and amount has this id")
    if order.pledge_id is not None and _is_paid(connection, pledge_id):
        return Refusal("pledge_paid", "this pledge is paid already")
    connection.execute(
        insert(payment_attempts).values(
            id=attempt_id,
            pledge_id=pledge_id,
            gateway=gateway,
            method=order.method,
            amount_minor=order.amount.minor,
            currency=order.amount.currency,
            expires_at=now + pix_lifetime if order.method == "pix" else None,
            created_at=now,
        )
    )
    return Opened(_require(read_attempt(connection, attempt_id)), backer["id"])


def create_at_gateway(
    opened: Opened, *, gateway: Gateway, card: Card | None, is_retry: bool
) -> Observation:
    """Create the payment at its gateway, or find the one that an earlier try created.

    Raises:
        GatewayUnavailable: Nothing happened.
        OutcomeUnknown: It may exist; the same request again is safe.
        GatewayRefused: The gateway said no.
    """
    attempt = opened.attempt
    if is_retry:
        found = gateway.find_payment(attempt.id, since=attempt.created_at)
        if found is not None:
            return found
    return gateway.create_payment(
        NewPayment(
            attempt_id=attempt.id,
            backer_id=opened.backer_id,
            method=attempt.method,
            amount=attempt.amount,
            created_at=attempt.created_at,
            expires_at=attempt.expires_at,
            card=card,
        )
    )


def record_created(
    connection: Connection, attempt_id: UUID, seen: Observation, *, context: Context
) -> Attempt:
    """Write down what the gateway answered to the create.

    Money is not believed here even if the answer says so: it enters only when re-read.
    """
    if seen.effect in _MONEY_EFFECTS:
        seen = _as_awaiting(seen)
    apply(connection, attempt_id, seen, context=context)
    return _require(read_attempt(connection, attempt_id))


def record_refused(connection: Connection, attempt_id: UUID, *, status: int, code: str) -> None:
    """Write down that the gateway refused the payment; a money status stands above it."""
    attempt = _require(read_attempt(connection, attempt_id))
    if attempt.fiat_status == "created":
        evidence = {"http_status": status, "code": code}
        move(connection, attempt, Statuses(fiat="failed"), source="checkout", evidence=evidence)


def _as_awaiting(seen: Observation) -> Observation:
    return Observation(
        provider_payment_id=seen.provider_payment_id,
        attempt_id=seen.attempt_id,
        effect="awaiting",
        provider_status=seen.provider_status,
        amount_minor=seen.amount_minor,
        received_minor=None,
        currency=seen.currency,
        pix_code=seen.pix_code,
        version=seen.version,
    )


def _closed(
    connection: Connection, campaign: RowMapping, order: Order, now: datetime
) -> Refusal | None:
    """Why a campaign cannot take this order now."""
    if order.amount.currency != campaign["currency"]:
        return Refusal("currency", f"the campaign takes {campaign['currency']}")
    if not campaign["launch_at"] <= now < campaign["deadline_at"]:
        return Refusal("campaign_closed", "the campaign is not open now")
    if campaign["settlement_mode"] == "onchain":
        onchain = campaign_onchain(connection, campaign["id"])
        if onchain is None or onchain.state != "live":
            return Refusal("not_live", "the campaign is not live on-chain yet")
    return None


def _backer(connection: Connection, reference: str) -> RowMapping:
    """Find or make the backer with this reference."""
    connection.execute(
        insert(backers)
        .values(id=uuid.uuid4(), reference=reference, salt=new_salt())
        .on_conflict_do_nothing(index_elements=["reference"])
    )
    query = select(backers.c.id, backers.c.salt).where(backers.c.reference == reference)
    return connection.execute(query).mappings().one()


def _backer_of(connection: Connection, pledge_id: UUID) -> UUID:
    query = select(pledges.c.backer_id).where(pledges.c.id == pledge_id)
    found: UUID = connection.execute(query).scalar_one()
    return found


def _pledge(
    connection: Connection, campaign: RowMapping, order: Order, backer: RowMapping
) -> UUID | None:
    """Make a pledge, or check the one to be paid again; None when that one does not fit."""
    terms: dict[str, Any] = {
        "campaign_id": campaign["id"],
        "backer_id": backer["id"],
        "amount_minor": order.amount.minor,
        "currency": order.amount.currency,
    }
    if order.pledge_id is not None:
        query = select(pledges.c.id).where(pledges.c.id == order.pledge_id)
        query = query.where(*(pledges.c[name] == value for name, value in terms.items()))
        return connection.execute(query).scalar_one_or_none()
    pledge_id = uuid.uuid4()
    connection.execute(
        insert(pledges).values(
            **terms,
            id=pledge_id,
            reward=order.reward,
            buyer_commitment=buyer_commitment(
                backer["salt"], backer_id=backer["id"], pledge_id=pledge_id
            ),
            item_id=item_id(order.reward, identifier_hash=campaign["identifier_hash"]),
        )
    )
    return pledge_id


def _is_paid(connection: Connection, pledge_id: UUID) -> bool:
    """Whether a pledge has money that nobody gives back."""
    paid = select(payment_attempts.c.id).where(
        payment_attempts.c.pledge_id == pledge_id,
        payment_attempts.c.fiat_status == "captured",
        payment_attempts.c.claim_status.in_(("none", "disputed")),
    )
    return connection.execute(paid.limit(1)).first() is not None


def _require(attempt: Attempt | None) -> Attempt:
    if attempt is None:
        raise InvariantError("an attempt vanished: its row was removed by hand")
    return attempt
