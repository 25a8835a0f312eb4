"""Checkout: the attempt's row first, the gateway after, never twice.

The row is committed before the gateway hears of the payment, and the attempt's id is both the
idempotency key and the metadata there. Whatever reply is lost, the same request again finds the
same payment.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from sqlalchemy import Connection, RowMapping, select
from sqlalchemy.dialects.postgresql import insert

from indexer.errors import InvariantError
from offchain.campaigns import read_shares
from offchain.gateways.choosing import CHARGES_TOKENS, GatewayName, choose_gateway, describe_offer
from offchain.gateways.types import Card, Gateway, Method, NewPayment, Observation, Part
from offchain.money import Money
from offchain.payments.attempts import Attempt, Statuses, move, read_attempt
from offchain.payments.observing import Context, apply
from offchain.payments.pledging import Pledge, find_pledge, is_paid, make_pledge, read_pledge
from offchain.splits import split_charge
from offchain.tables import campaigns, payment_attempts
from settlement.queries import campaign_onchain

RefusalKind = Literal[
    "campaign_unknown",
    "campaign_closed",
    "not_live",
    "currency",
    "gateway",
    "card",
    "split",
    "pledge",
    "pledge_paid",
    "ended",
]

_MONEY_EFFECTS = frozenset({"captured", "unknown"})
_WAITING = frozenset({"created", "awaiting"})


@dataclass(frozen=True, slots=True)
class Order:
    """What a backer wants to pay."""

    campaign_slug: str
    method: Method
    amount: Money
    backer_reference: str
    reward: str | None = None
    gateway: GatewayName | None = None
    """None: the first enabled one that takes it."""
    card: Card | None = None
    pledge_id: UUID | None = None
    """A pledge to pay again; None makes a new one."""
    metadata: Mapping[str, str] | None = None
    """None: none, or what the pledge to pay again says."""
    payer_document: str | None = None
    return_url: str | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an order cannot be paid; nothing is written of it, and nothing made at a gateway."""

    kind: RefusalKind
    detail: str


@dataclass(frozen=True, slots=True)
class Opened:
    """An attempt whose row exists; the gateway may now hear of it."""

    attempt: Attempt
    pledge: Pledge
    parts: tuple[Part, ...]
    ended: Refusal | None = None
    """Why it must not be made any more, if no try before has made it."""


@dataclass(frozen=True, slots=True)
class _Route:
    """Where a charge goes."""

    gateway: str
    parts: tuple[Part, ...]


def open_attempt(
    connection: Connection,
    order: Order,
    *,
    attempt_id: UUID,
    gateways: Mapping[str, Gateway],
    now: datetime,
    pix_lifetime: timedelta,
) -> Opened | Refusal:
    """Write pledge and attempt, or find what the same request wrote before."""
    known = read_attempt(connection, attempt_id)
    if known is not None:
        return _reopen(connection, known, now)
    campaign = _campaign(connection, order, now)
    if isinstance(campaign, Refusal):
        return campaign
    route = _route(connection, campaign["id"], order, gateways)
    if isinstance(route, Refusal):
        return route
    pledge = _pledge(connection, campaign, order)
    if isinstance(pledge, Refusal):
        return pledge
    connection.execute(
        insert(payment_attempts).values(
            id=attempt_id,
            pledge_id=pledge.id,
            gateway=route.gateway,
            method=order.method,
            amount_minor=order.amount.minor,
            currency=order.amount.currency,
            expires_at=now + pix_lifetime if order.method == "pix" else None,
            created_at=now,
        )
    )
    return Opened(_require(read_attempt(connection, attempt_id)), pledge, route.parts)


def create_at_gateway(
    opened: Opened, order: Order, *, gateway: Gateway, is_retry: bool
) -> Observation | Refusal:
    """Create the payment at its gateway, or find the one that an earlier try created.

    Refused is only what ended since it was opened and no try has created.

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
    if opened.ended is not None:
        return opened.ended
    return gateway.create_payment(
        NewPayment(
            attempt_id=attempt.id,
            backer_id=opened.pledge.backer_id,
            method=attempt.method,
            amount=attempt.amount,
            created_at=attempt.created_at,
            expires_at=attempt.expires_at,
            card=order.card,
            parts=opened.parts,
            metadata=opened.pledge.metadata,
            return_url=order.return_url,
            payer_document=order.payer_document,
        )
    )


def record_created(
    connection: Connection, attempt_id: UUID, seen: Observation, *, context: Context
) -> Attempt:
    """Write down what the gateway answered to the create.

    Money is not believed here even if the answer says so: it enters only when re-read.

    Raises:
        InvariantError: The answer is about another payment.
    """
    if seen.effect in _MONEY_EFFECTS:
        seen = replace(seen, effect="awaiting", received_minor=None, refunds=(), disputes=())
    if apply(connection, attempt_id, seen, context=context) == "foreign":
        raise InvariantError(f"attempt {attempt_id} was answered with another payment")
    return _require(read_attempt(connection, attempt_id))


def is_page_lost(attempt: Attempt, seen: Observation) -> bool:
    """Whether a payment waits for its backer, who has nothing to pay it by and never will."""
    if attempt.method == "card" and attempt.gateway in CHARGES_TOKENS:
        return False
    means = (attempt.pix_code, attempt.client_secret, attempt.authorization_url)
    return seen.effect == "awaiting" and attempt.fiat_status in _WAITING and not any(means)


def record_refused(connection: Connection, attempt_id: UUID, *, status: int, code: str) -> None:
    """Write down that the gateway refused the payment; a money status stands above it."""
    attempt = _require(read_attempt(connection, attempt_id))
    if attempt.fiat_status == "created":
        evidence = {"http_status": status, "code": code}
        move(connection, attempt, Statuses(fiat="failed"), source="checkout", evidence=evidence)


def _reopen(connection: Connection, attempt: Attempt, now: datetime) -> Opened:
    """What the same request opened before: its parts are the same, shares never change."""
    pledge = read_pledge(connection, attempt.pledge_id)
    shares = read_shares(connection, pledge.campaign_id, gateway=attempt.gateway)
    parts = split_charge(attempt.amount.minor, shares)
    why = _why_ended(connection, attempt, pledge, now)
    return Opened(attempt, pledge, parts, None if why is None else Refusal("ended", why))


def _why_ended(
    connection: Connection, attempt: Attempt, pledge: Pledge, now: datetime
) -> str | None:
    """Why an attempt of before must not be made now; None while it may be."""
    if attempt.fiat_status not in _WAITING:
        return f"this payment is {attempt.fiat_status}"
    if attempt.expires_at is not None and attempt.expires_at <= now:
        return "the time to pay this payment is over"
    if is_paid(connection, pledge.id):
        return "this pledge is paid already"
    query = select(campaigns).where(campaigns.c.id == pledge.campaign_id)
    closed = _closed(connection, connection.execute(query).mappings().one(), now)
    return None if closed is None else closed.detail


def _campaign(connection: Connection, order: Order, now: datetime) -> RowMapping | Refusal:
    """The campaign of an order, or why it cannot take it now."""
    query = select(campaigns).where(campaigns.c.slug == order.campaign_slug)
    campaign = connection.execute(query).mappings().first()
    if campaign is None:
        return Refusal("campaign_unknown", "no campaign has this slug")
    if order.amount.currency != campaign["currency"]:
        return Refusal("currency", f"the campaign takes {campaign['currency']}")
    return _closed(connection, campaign, now) or campaign


def _closed(connection: Connection, campaign: RowMapping, now: datetime) -> Refusal | None:
    """Why a campaign takes no payment now; None when it does."""
    if not campaign["launch_at"] <= now < campaign["deadline_at"]:
        return Refusal("campaign_closed", "the campaign is not open now")
    if campaign["settlement_mode"] == "onchain":
        onchain = campaign_onchain(connection, campaign["id"])
        if onchain is None or onchain.state != "live":
            return Refusal("not_live", "the campaign is not live on-chain yet")
    return None


def _route(
    connection: Connection, campaign_id: UUID, order: Order, gateways: Mapping[str, Gateway]
) -> _Route | Refusal:
    """Which gateway takes an order and how it splits the charge, or why none can."""
    gateway = choose_gateway(
        gateways, method=order.method, currency=order.amount.currency, wanted=order.gateway
    )
    if gateway is None:
        return _not_offered(order, gateways)
    if order.method == "card" and gateway.name in CHARGES_TOKENS and order.card is None:
        return Refusal("card", f"required: {gateway.name} charges a card's token")
    if order.card is not None and gateway.name not in CHARGES_TOKENS:
        return Refusal("card", f"not taken: the backer gives the card to {gateway.name} itself")
    shares = read_shares(connection, campaign_id)
    here = [share for share in shares if share.gateway == gateway.name]
    if shares and not here:
        return Refusal("split", f"the campaign is split and has no accounts at {gateway.name}")
    return _Route(gateway.name, split_charge(order.amount.minor, here))


def _not_offered(order: Order, gateways: Mapping[str, Gateway]) -> Refusal:
    """Why no gateway takes an order; names what each enabled one does take."""
    who = "no gateway" if order.gateway is None else order.gateway
    what = f"{order.method} in {order.amount.currency}"
    offer = describe_offer(gateways)
    return Refusal("gateway", f"{who} is not enabled for {what}; enabled: {offer}")


def _pledge(connection: Connection, campaign: RowMapping, order: Order) -> Pledge | Refusal:
    """Make a pledge, or find the one to be paid again."""
    if order.pledge_id is None:
        return make_pledge(
            connection,
            campaign,
            backer_reference=order.backer_reference,
            amount=order.amount,
            reward=order.reward,
            metadata=order.metadata or {},
        )
    pledge = find_pledge(
        connection,
        order.pledge_id,
        campaign_id=campaign["id"],
        backer_reference=order.backer_reference,
        amount=order.amount,
        metadata=order.metadata,
    )
    if pledge is None:
        return Refusal("pledge", "no pledge of this backer, campaign and amount has this id")
    if is_paid(connection, pledge.id):
        return Refusal("pledge_paid", "this pledge is paid already")
    return pledge


def _require(attempt: Attempt | None) -> Attempt:
    if attempt is None:
        raise InvariantError("an attempt vanished: its row was removed by hand")
    return attempt
