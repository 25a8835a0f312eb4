"""What others may ask settlement: pure reads of schema ``settlement``."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, func, select
from sqlalchemy.dialects.postgresql import distinct_on

from indexer.chain.types import Address, ChainId, PaymentId, TokenAmount, TxHash
from settlement.tables import (
    attempts,
    batch_items,
    batches,
    campaigns,
    nonce_slots,
    requests,
    signers,
)
from settlement.types import CONFIRMING, CampaignState, RequestState


@dataclass(frozen=True, slots=True)
class CampaignOnchain:
    """How far a campaign's creation on-chain is."""

    request_id: UUID
    chain_id: ChainId
    state: CampaignState
    reason: str | None
    campaign: Address | None
    treasury: Address | None
    token: Address | None


@dataclass(frozen=True, slots=True)
class RequestStatus:
    """How far the settlement of one payment is."""

    request_id: UUID
    chain_id: ChainId
    treasury: Address
    payment_id: PaymentId
    state: RequestState
    reason: str | None
    amount_base_units: TokenAmount
    token: Address
    confirmed_tx: TxHash | None
    """Newest mined transaction of ours that confirmed it; a receipt, not a proof."""


def campaign_onchain(connection: Connection, request_id: UUID) -> CampaignOnchain | None:
    """Read one campaign; None if it was never requested."""
    row = connection.execute(
        select(
            campaigns.c.request_id,
            campaigns.c.chain_id,
            campaigns.c.state,
            campaigns.c.reason,
            campaigns.c.campaign,
            campaigns.c.treasury,
            campaigns.c.token,
        ).where(campaigns.c.request_id == request_id)
    ).one_or_none()
    return None if row is None else CampaignOnchain(*row)


def request_statuses(
    connection: Connection, request_ids: Sequence[UUID]
) -> dict[UUID, RequestStatus]:
    """Read many requests at once; unknown ids are absent from the answer."""
    confirmed = (
        select(batch_items.c.request_id, nonce_slots.c.mined_tx)
        .ext(distinct_on(batch_items.c.request_id))
        .join(batches, batches.c.id == batch_items.c.batch_id)
        .join(nonce_slots, nonce_slots.c.batch_id == batches.c.id)
        .where(
            batch_items.c.request_id.in_(request_ids),
            batches.c.kind.in_(CONFIRMING),
            nonce_slots.c.state == "mined_ok",
        )
        .order_by(batch_items.c.request_id, nonce_slots.c.nonce.desc())
        .subquery()
    )
    rows = connection.execute(
        select(
            requests.c.request_id,
            requests.c.chain_id,
            requests.c.treasury,
            requests.c.payment_id,
            requests.c.state,
            requests.c.reason,
            requests.c.amount_base_units,
            requests.c.token,
            confirmed.c.mined_tx,
        )
        .outerjoin(confirmed, confirmed.c.request_id == requests.c.request_id)
        .where(requests.c.request_id.in_(request_ids))
    )
    return {row.request_id: RequestStatus(*row) for row in rows}


def overview(connection: Connection, chain_id: ChainId) -> dict[str, Any]:
    """Count a chain's rows per state, for operators."""
    counted: dict[str, Any] = {}
    for name, table in (("requests", requests), ("campaigns", campaigns), ("slots", nonce_slots)):
        counted[name] = {
            row.state: row.rows
            for row in connection.execute(
                select(table.c.state, func.count().label("rows"))
                .where(table.c.chain_id == chain_id)
                .group_by(table.c.state)
                .order_by(table.c.state)
            )
        }
    counted["signers"] = [
        dict(row)
        for row in connection.execute(
            select(signers).where(signers.c.chain_id == chain_id)
        ).mappings()
    ]
    return counted


def explain(connection: Connection, name: UUID | bytes) -> list[dict[str, Any]]:
    """Tell the story of a request: itself first, then every transaction it was part of.

    Args:
        connection: A connection that may read schema ``settlement``.
        name: A request id, or a 32-byte payment id.
    """
    column = requests.c.request_id if isinstance(name, UUID) else requests.c.payment_id
    own = connection.execute(select(requests).where(column == name)).mappings().all()
    if not own:
        return []
    story = [dict(row) for row in own]
    steps = connection.execute(
        select(
            batches.c.kind,
            batches.c.sealed_at,
            nonce_slots.c.signer,
            nonce_slots.c.nonce,
            nonce_slots.c.state,
            nonce_slots.c.is_final,
            nonce_slots.c.mined_block,
            attempts.c.tx_hash,
            attempts.c.signed_at,
            attempts.c.sends,
            attempts.c.last_answer,
        )
        .join(batch_items, batch_items.c.batch_id == batches.c.id)
        .outerjoin(nonce_slots, nonce_slots.c.batch_id == batches.c.id)
        .outerjoin(
            attempts,
            (attempts.c.chain_id == nonce_slots.c.chain_id)
            & (attempts.c.signer == nonce_slots.c.signer)
            & (attempts.c.nonce == nonce_slots.c.nonce),
        )
        .where(batch_items.c.request_id.in_([row["request_id"] for row in own]))
        .order_by(batches.c.sealed_at, attempts.c.sequence)
    )
    story.extend(dict(row) for row in steps.mappings())
    return story
