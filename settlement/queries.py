"""What the packages above ask settlement about campaigns and payments: pure reads.

What operators ask is in ``story``, ``overview`` and ``report``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import Connection, func, or_, select
from sqlalchemy.dialects.postgresql import distinct_on

from indexer.chain.types import Address, ChainId, PaymentId, TokenAmount, TxHash
from settlement.record_tables import actions, moves
from settlement.tables import (
    batch_items,
    batches,
    campaigns,
    nonce_slots,
    requests,
)
from settlement.types import CONFIRMING, CampaignState, RequestState

NEVER_LIVE: tuple[RequestState, ...] = ("void", "superseded")
"""States in which another generation may stand for the payment."""
_ENDED: tuple[RequestState, ...] = ("settled", "refunded")


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
    """How far the settlement of one payment is: of its live generation, or else of the newest."""

    request_id: UUID
    """Of that generation; the caller's own name of the payment is ``root_id``."""
    root_id: UUID
    generation: int
    """How many names the pledge had on-chain before this one."""
    chain_id: ChainId
    treasury: Address
    payment_id: PaymentId
    state: RequestState
    reason: str | None
    amount_base_units: TokenAmount
    token: Address
    confirmed_tx: TxHash | None
    """Newest mined transaction of ours that confirmed it; a receipt, not a proof."""


@dataclass(frozen=True, slots=True)
class RefundMove:
    """The newest move of a payment to or from its refund on-chain."""

    move_id: int
    """Names it for ever."""
    after: RequestState
    """``refunded``: its tokens came home, finally; ``settled``: they stand in its treasury."""


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


def request_statuses(connection: Connection, root_ids: Sequence[UUID]) -> dict[UUID, RequestStatus]:
    """Read many payments at once; unknown ids are absent from the answer.

    Args:
        connection: A connection that may read schema ``settlement``.
        root_ids: The names that callers gave their requests.

    Returns:
        By ``root_id``; a payment that was named anew on-chain stands there as it is now.
    """
    standing = (
        select(requests)
        .ext(distinct_on(requests.c.root_id))
        .where(requests.c.root_id.in_(root_ids))
        .order_by(
            requests.c.root_id, requests.c.state.in_(NEVER_LIVE), requests.c.generation.desc()
        )
        .subquery()
    )
    confirmed = (
        select(batch_items.c.request_id, nonce_slots.c.mined_tx)
        .ext(distinct_on(batch_items.c.request_id))
        .join(standing, standing.c.request_id == batch_items.c.request_id)
        .join(batches, batches.c.id == batch_items.c.batch_id)
        .join(nonce_slots, nonce_slots.c.batch_id == batches.c.id)
        .where(batches.c.kind.in_(CONFIRMING), nonce_slots.c.state == "mined_ok")
        .order_by(batch_items.c.request_id, nonce_slots.c.nonce.desc())
        .subquery()
    )
    rows = connection.execute(
        select(
            standing.c.request_id,
            standing.c.root_id,
            standing.c.generation,
            standing.c.chain_id,
            standing.c.treasury,
            standing.c.payment_id,
            standing.c.state,
            standing.c.reason,
            standing.c.amount_base_units,
            standing.c.token,
            confirmed.c.mined_tx,
        ).outerjoin(confirmed, confirmed.c.request_id == standing.c.request_id)
    )
    return {row.root_id: RequestStatus(*row) for row in rows}


def undone_by(connection: Connection, root_id: UUID) -> str | None:
    """Who asked for a payment to be undone on-chain, and why; None when nobody did.

    Args:
        connection: A connection that may read schema ``settlement``.
        root_id: The name its caller gave it.
    """
    return connection.execute(
        select(actions.c.requested_by).where(
            actions.c.kind == "refund",
            actions.c.request_id == root_id,
            actions.c.state != "void",
        )
    ).scalar_one_or_none()


def taken_back(connection: Connection, *, within: timedelta) -> dict[UUID, int]:
    """Payments that were settled and are no longer: a finalized block changed.

    Args:
        connection: A connection that may read schema ``settlement``.
        within: How long ago at most.

    Returns:
        By ``root_id`` the number of the newest such move, which names this taking-back for ever.
    """
    rows = connection.execute(
        select(requests.c.root_id, func.max(moves.c.id).label("move_id"))
        .join(moves, moves.c.request_id == requests.c.request_id)
        .where(
            moves.c.before.in_(_ENDED),
            moves.c.after.not_in(_ENDED),
            moves.c.at > func.now() - within,
        )
        .group_by(requests.c.root_id)
    )
    return {row.root_id: row.move_id for row in rows}


def refund_moves(connection: Connection, *, within: timedelta) -> dict[UUID, RefundMove]:
    """Payments that were refunded on-chain, or were not after all: a finalized block changed.

    Args:
        connection: A connection that may read schema ``settlement``.
        within: How long ago at most.

    Returns:
        By ``root_id``.
    """
    rows = connection.execute(
        select(requests.c.root_id, moves.c.id, moves.c.after)
        .ext(distinct_on(requests.c.root_id))
        .join(moves, moves.c.request_id == requests.c.request_id)
        .where(
            or_(moves.c.before == "refunded", moves.c.after == "refunded"),
            moves.c.at > func.now() - within,
        )
        .order_by(requests.c.root_id, moves.c.id.desc())
    )
    return {root_id: RefundMove(move_id, after) for root_id, move_id, after in rows}
