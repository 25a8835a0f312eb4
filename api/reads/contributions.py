"""Contributions: payment attempts joined to their settlement and to their life on the treasury."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, and_, case, func, null, or_, select, tuple_

from api.freshness import Snapshot
from api.pagination import PageRequest, Placed, newest_first, read_newest_first
from api.reads.campaigns import named
from api.reads.finality import finality_case
from api.schemas.contributions import Contribution, ContributionOnchain
from api.tokens import TokenBook, fiat_amount
from api.values import checksum, explorer_url, hex_or_none
from indexer.chain.types import PaymentId, to_hex
from indexer.tables import marks
from indexer.views import payments
from offchain.tables import campaigns, payment_attempts, pledges
from settlement.tables import requests


@dataclass(frozen=True, slots=True)
class ContributionFilter:
    """Which contributions of a campaign; None does not filter."""

    fiat_status: str | None = None
    finality: str | None = None


# A fiat-only campaign's contributions have no finality.
_finality = case(
    (campaigns.c.settlement_mode == "fiat_only", null()),
    else_=finality_case(
        payments.c.confirmed_block,
        marks.c.finalized_number,
        refused=payment_attempts.c.chain_status == "failed",
    ),
)


# Of what settlement has it as, the generation that stands: of each name all but one are superseded.
_is_request = and_(
    requests.c.root_id == func.coalesce(payment_attempts.c.settlement_id, payment_attempts.c.id),
    requests.c.state != "superseded",
)


# Columns are named one by one: neither the pledge's id nor anything of the backer is read.
def _statement() -> Select[Any]:
    return select(
        payment_attempts.c.id,
        payment_attempts.c.method,
        payment_attempts.c.amount_minor,
        payment_attempts.c.currency,
        payment_attempts.c.received_minor,
        payment_attempts.c.fiat_status,
        payment_attempts.c.chain_status,
        payment_attempts.c.claim_status,
        payment_attempts.c.review_reason.is_not(None).label("needs_review"),
        payment_attempts.c.created_at,
        payment_attempts.c.captured_at,
        campaigns.c.slug,
        campaigns.c.chain_id,
        requests.c.payment_id,
        requests.c.state.label("settlement_state"),
        _finality.label("finality"),
        payments.c.treasury,
        payments.c.state,
        payments.c.token,
        payments.c.amount,
        payments.c.created_block,
        payments.c.created_tx,
        payments.c.confirmed_block,
        payments.c.confirmed_block_hash,
        payments.c.confirmed_tx,
        payments.c.confirmed_log_index,
        payments.c.confirmed_ordinal,
        payments.c.confirmed_at,
        payments.c.confirmed_proven,
    ).select_from(
        payment_attempts.join(pledges, pledges.c.id == payment_attempts.c.pledge_id)
        .join(campaigns, campaigns.c.id == pledges.c.campaign_id)
        .outerjoin(requests, _is_request)
        .outerjoin(
            payments,
            and_(
                payments.c.chain_id == requests.c.chain_id,
                payments.c.treasury == requests.c.treasury,
                payments.c.payment_id == requests.c.payment_id,
            ),
        )
        .outerjoin(marks, marks.c.chain_id == campaigns.c.chain_id)
    )


@dataclass(frozen=True, slots=True)
class CampaignName:
    """A campaign by what lists need of it."""

    id: UUID
    chain_id: int | None
    """None for a fiat-only campaign."""


def find_campaign(snapshot: Snapshot, slug_or_id: str) -> CampaignName | None:
    """Look a campaign up by id or slug."""
    row = snapshot.connection.execute(
        select(campaigns.c.id, campaigns.c.chain_id).where(named(slug_or_id))
    ).one_or_none()
    return None if row is None else CampaignName(row.id, row.chain_id)


def fetch_contributions(
    snapshot: Snapshot, wanted: PageRequest, campaign_id: UUID, filters: ContributionFilter
) -> Sequence[Row[Any]]:
    """Read one row more than a page of a campaign's contributions, newest first."""
    statement = _statement().where(pledges.c.campaign_id == campaign_id)
    if filters.fiat_status is not None:
        statement = statement.where(payment_attempts.c.fiat_status == filters.fiat_status)
    if filters.finality is not None:
        statement = statement.where(_finality == filters.finality)
    if wanted.cursor is not None:
        key = tuple_(payment_attempts.c.created_at, payment_attempts.c.id)
        statement = statement.where(key < read_newest_first(wanted.cursor.position))
    statement = statement.order_by(
        payment_attempts.c.created_at.desc(), payment_attempts.c.id.desc()
    )
    return snapshot.connection.execute(statement.limit(wanted.limit + 1)).all()


def fetch_contribution(snapshot: Snapshot, name: UUID | PaymentId) -> Row[Any] | None:
    """Read one contribution by its own id or by its on-chain payment id."""
    statement = _statement()
    if isinstance(name, UUID):
        statement = statement.where(payment_attempts.c.id == name)
    else:
        # A generation that was given up leads to its payment as well.
        named_so = select(requests.c.root_id).where(requests.c.payment_id == name)
        roots = snapshot.connection.execute(named_so).scalars().all()
        statement = statement.where(
            or_(payment_attempts.c.id.in_(roots), payment_attempts.c.settlement_id.in_(roots))
        )
    # A payment id holds the pledge's uuid, so it cannot stand on two treasuries of ours.
    return snapshot.connection.execute(statement.order_by(requests.c.requested_at)).first()


def place_contribution(row: Row[Any]) -> Placed:
    """A contribution's place in the list and the newest block it rests on."""
    block_number = row.confirmed_block if row.confirmed_block is not None else row.created_block
    return Placed(newest_first(row.created_at, row.id), row.chain_id, block_number)


def show_contribution(snapshot: Snapshot, row: Row[Any], tokens: TokenBook) -> Contribution:
    """Turn a row of this module into an answer."""
    received = row.received_minor
    return Contribution(
        id=row.id,
        campaign=row.slug,
        method=row.method,
        amount=fiat_amount(row.amount_minor, row.currency),
        received=None if received is None else fiat_amount(received, row.currency),
        fiat_status=row.fiat_status,
        chain_status=row.chain_status,
        claim_status=row.claim_status,
        needs_review=row.needs_review,
        created_at=row.created_at,
        captured_at=row.captured_at,
        payment_id=hex_or_none(row.payment_id),
        settlement_state=row.settlement_state,
        finality=row.finality,
        onchain=None if row.treasury is None else _show_onchain(snapshot, row, tokens),
    )


def _show_onchain(snapshot: Snapshot, row: Row[Any], tokens: TokenBook) -> ContributionOnchain:
    mark = snapshot.mark(row.chain_id)
    return ContributionOnchain(
        chain_id=row.chain_id,
        network=mark.network,
        treasury=checksum(row.treasury),
        payment_id=to_hex(row.payment_id),
        state=row.state,
        token=checksum(row.token),
        amount=tokens.amount(row.chain_id, row.token, row.amount),
        created_block=row.created_block,
        created_tx=to_hex(row.created_tx),
        ordinal=row.confirmed_ordinal,
        confirmed_at=row.confirmed_at,
        proven=bool(row.confirmed_proven),
        explorer_url=explorer_url(row.chain_id, row.confirmed_tx or row.created_tx),
        block_number=row.confirmed_block,
        block_hash=hex_or_none(row.confirmed_block_hash),
        tx_hash=hex_or_none(row.confirmed_tx),
        log_index=row.confirmed_log_index,
        confirmations=mark.confirmations(row.confirmed_block),
        finality=row.finality,
    )
