"""The door from off-chain: accept what is to be created or settled, exactly once.

Both functions run in the caller's transaction and need only INSERT and SELECT. A repeated call
with equal values answers ``…Duplicate``; with other values ``…Conflict``, and changes nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, RowMapping, Table, and_, or_, select
from sqlalchemy.dialects.postgresql import insert

from indexer.chain.types import Address, ChainId, PaymentId, TokenAmount, to_checksum, to_hex
from settlement.tables import campaigns, requests
from settlement.types import derive_payment_id


@dataclass(frozen=True, slots=True)
class Accepted:
    """The request was new."""

    payment_id: PaymentId


@dataclass(frozen=True, slots=True)
class Duplicate:
    """The same request was accepted before."""

    payment_id: PaymentId


@dataclass(frozen=True, slots=True)
class Conflict:
    """The request contradicts what is known; nothing was stored."""

    reason: str


@dataclass(frozen=True, slots=True)
class CampaignAccepted:
    """The campaign was new."""


@dataclass(frozen=True, slots=True)
class CampaignDuplicate:
    """The same campaign was accepted before."""


@dataclass(frozen=True, slots=True)
class CampaignConflict:
    """The campaign contradicts what is known; nothing was stored."""

    reason: str


def request_settlement(  # noqa: PLR0913 - the whole door between two packages, keyword-only
    connection: Connection,
    *,
    request_id: UUID,
    chain_id: ChainId,
    treasury: Address,
    pledge_id: UUID,
    generation: int,
    buyer_commitment: bytes,
    item_id: bytes,
    token: Address,
    amount_base_units: TokenAmount,
    captured_at: datetime,
    gateway: str | None = None,
) -> Accepted | Duplicate | Conflict:
    """Ask for a captured payment to be confirmed on-chain, once and for ever.

    Args:
        connection: The caller's transaction; the request exists when that commits.
        request_id: The caller's name of the request (its payment attempt).
        chain_id: Chain of the treasury.
        treasury: A live treasury that settlement created.
        pledge_id: A random UUID; at most one generation of a pledge is ever alive.
        generation: 0, or one more than a superseded generation of this pledge.
        buyer_commitment: 32 bytes that name the buyer without identifying them; not zero.
        item_id: 32 bytes that name what was pledged for; not zero.
        token: The token the treasury's campaign settles in.
        amount_base_units: Token base units, above zero.
        captured_at: When the gateway took the money; orders settlement, is not compared.
        gateway: Which gateway took it, so that operators can stop one; is not compared.
    """
    home = _home(connection, chain_id, treasury)
    if home is None:
        return Conflict(f"unknown treasury {to_checksum(treasury)}: no live campaign has it")
    refusal = _refusal(home, token, amount_base_units, (buyer_commitment, item_id))
    if refusal is not None:
        return Conflict(refusal)
    payment_id = derive_payment_id(home.platform_hash, pledge_id, generation)
    terms: dict[str, Any] = {
        "request_id": request_id,
        "chain_id": chain_id,
        "treasury": treasury,
        "pledge_id": pledge_id,
        "generation": generation,
        "payment_id": payment_id,
        "buyer_commitment": buyer_commitment,
        "item_id": item_id,
        "token": token,
        "amount_base_units": amount_base_units,
    }
    extras = {"root_id": request_id, "gateway": gateway, "captured_at": captured_at}
    if _insert(connection, requests, {**terms, **extras}):
        return Accepted(payment_id)
    known = _rows(
        connection,
        requests,
        or_(requests.c.request_id == request_id, requests.c.pledge_id == pledge_id),
    )
    differing = _differing(known, terms)
    if differing is None:
        return Duplicate(payment_id)
    return Conflict(differing or f"pledge {pledge_id} has a live settlement request already")


def request_campaign(  # noqa: PLR0913 - the whole door between two packages, keyword-only
    connection: Connection,
    *,
    request_id: UUID,
    chain_id: ChainId,
    identifier_hash: bytes,
    creator: Address | None,
    launch_at: datetime,
    deadline_at: datetime,
    goal_base_units: TokenAmount,
    currency: str,
    title: str,
    treasury_kind: str,
    creator_id: UUID | None = None,
) -> CampaignAccepted | CampaignDuplicate | CampaignConflict:
    """Ask for a campaign and its treasury to be created on-chain.

    Args:
        connection: The caller's transaction; the request exists when that commits.
        request_id: The caller's name of the campaign.
        chain_id: Chain to create it on.
        identifier_hash: The campaign's 32-byte name in CampaignInfoFactory.
        creator: Owner of the campaign on-chain; None to have a wallet kept for ``creator_id``.
        launch_at: Earliest launch; a past one becomes "now" on-chain.
        deadline_at: End of the campaign.
        goal_base_units: Goal in token base units.
        currency: ISO 4217 code, upper case.
        title: Shown as the name of the receipt collection, folded to plain ASCII.
        treasury_kind: A kind with a registered implementation, e.g. ``payment-treasury``.
        creator_id: Who creates it, by an id that means nothing outside our database; their wallet
            is made at the wallet service when it is first needed, and serves all their campaigns.
    """
    if creator is None and creator_id is None:
        return CampaignConflict("neither the creator's wallet nor the creator is named")
    terms: dict[str, Any] = {
        "request_id": request_id,
        "chain_id": chain_id,
        "identifier_hash": identifier_hash,
        "creator": creator,
        "launch_at": launch_at,
        "deadline_at": deadline_at,
        "goal_base_units": goal_base_units,
        "currency": currency,
        "title": title,
        "treasury_kind": treasury_kind,
        "creator_id": creator_id,
    }
    if deadline_at <= launch_at:
        return CampaignConflict("the deadline is not after the launch")
    if _insert(connection, campaigns, terms):
        return CampaignAccepted()
    same_name = and_(
        campaigns.c.chain_id == chain_id, campaigns.c.identifier_hash == identifier_hash
    )
    known = _rows(connection, campaigns, or_(campaigns.c.request_id == request_id, same_name))
    if creator is None:
        del terms["creator"]  # it may have been provisioned since
    differing = _differing(known, terms)
    if differing is None:
        return CampaignDuplicate()
    return CampaignConflict(differing or "another request took this campaign's name")


@dataclass(frozen=True, slots=True)
class _Home:
    """The live campaign a treasury belongs to."""

    platform_hash: bytes
    token: Address


def _home(connection: Connection, chain_id: ChainId, treasury: Address) -> _Home | None:
    row = connection.execute(
        select(campaigns.c.platform_hash, campaigns.c.token).where(
            campaigns.c.chain_id == chain_id,
            campaigns.c.treasury == treasury,
            campaigns.c.state == "live",
        )
    ).one_or_none()
    return None if row is None else _Home(*row)


def _refusal(
    home: _Home, token: Address, amount: TokenAmount, names: tuple[bytes, bytes]
) -> str | None:
    """Say why the treasury cannot take this payment; None if it can."""
    if home.token != token:
        return f"the campaign settles in {to_checksum(home.token)}, not {to_checksum(token)}"
    if amount <= 0:
        return "the amount is not above zero"
    if not all(any(name) for name in names):
        return "a zero buyer commitment or item id would be refused on-chain"
    return None


def _insert(connection: Connection, table: Table, values: dict[str, Any]) -> bool:
    """Insert unless any unique index knows the row; waits for a racing transaction to end."""
    inserted = connection.execute(
        insert(table).values(values).on_conflict_do_nothing().returning(table.c.request_id)
    )
    return inserted.one_or_none() is not None


def _rows(
    connection: Connection, table: Table, condition: ColumnElement[bool]
) -> Sequence[RowMapping]:
    return connection.execute(select(table).where(condition)).mappings().all()


def _differing(known: Sequence[RowMapping], terms: dict[str, Any]) -> str | None:
    """Compare with what is stored: None if equal, else how it differs (empty: another name)."""
    for row in known:
        if row["request_id"] != terms["request_id"]:
            continue
        for name, value in terms.items():
            if row[name] != value:
                was, now = _text(row[name]), _text(value)
                return f"request {row['request_id']} was accepted with {name} {was}, not {now}"
        return None
    return ""


def _text(value: object) -> str:
    return to_hex(value) if isinstance(value, bytes) else str(value)
