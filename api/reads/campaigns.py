"""Campaigns: the off-chain record joined to what settlement and the chain know of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, and_, exists, false, func, select, true, tuple_
from sqlalchemy.sql.selectable import LateralFromClause

from api.freshness import Snapshot
from api.pagination import PageRequest, Placed, newest_first, read_newest_first
from api.reads.finality import finality_case
from api.reads.totals import TreasuryKey, TreasuryTotals, read_totals, totals_of
from api.schemas.campaigns import Campaign, CampaignOnchain, Captured
from api.tokens import TokenBook, fiat_amount
from api.values import checksum_or_none, hex_or_none
from indexer.chain.types import to_hex
from indexer.projection_tables import treasuries
from indexer.tables import marks
from offchain.tables import campaigns, payment_attempts, pledges
from settlement.tables import campaigns as settlements

COUNTED_CLAIMS = ("none", "disputed")
"""Claim statuses of captured money that counts as raised: nobody gives it back, or not yet."""


@dataclass(frozen=True, slots=True)
class CampaignFilter:
    """Which campaigns; None does not filter."""

    settlement_mode: str | None = None
    chain_id: int | None = None
    finality: str | None = None


_finality = finality_case(treasuries.c.block_number, marks.c.finalized_number)


def _captured() -> LateralFromClause:
    """Captured sum and count of one campaign, in its own currency; each pledge counts once.

    A captured attempt is of its pledge's amount: any other is a mismatch.
    """
    # A column by name: the role may not read them all.
    is_paid = exists(payment_attempts.c.id).where(
        payment_attempts.c.pledge_id == pledges.c.id,
        payment_attempts.c.fiat_status == "captured",
        payment_attempts.c.claim_status.in_(COUNTED_CLAIMS),
    )
    return (
        select(
            func.coalesce(func.sum(pledges.c.amount_minor), 0).label("captured_minor"),
            func.count().label("contributions"),
        )
        .where(
            pledges.c.campaign_id == campaigns.c.id,
            pledges.c.currency == campaigns.c.currency,
            is_paid,
        )
        .lateral("captured")
    )


def _statement() -> Select[Any]:
    captured = _captured()
    return select(
        campaigns,
        settlements.c.state,
        settlements.c.campaign,
        settlements.c.treasury,
        settlements.c.token,
        settlements.c.live_at,
        treasuries.c.block_number,
        treasuries.c.block_hash,
        treasuries.c.tx_hash,
        treasuries.c.log_index,
        _finality.label("finality"),
        captured.c.captured_minor,
        captured.c.contributions,
    ).select_from(
        campaigns.outerjoin(settlements, settlements.c.request_id == campaigns.c.id)
        .outerjoin(
            treasuries,
            and_(
                treasuries.c.chain_id == settlements.c.chain_id,
                treasuries.c.treasury == settlements.c.treasury,
            ),
        )
        .outerjoin(marks, marks.c.chain_id == campaigns.c.chain_id)
        .join(captured, onclause=true())
    )


def fetch_campaigns(
    snapshot: Snapshot, wanted: PageRequest, filters: CampaignFilter
) -> Sequence[Row[Any]]:
    """Read one row more than a page of campaigns, newest first."""
    statement = _statement()
    if filters.settlement_mode is not None:
        statement = statement.where(campaigns.c.settlement_mode == filters.settlement_mode)
    if filters.chain_id is not None:
        statement = statement.where(campaigns.c.chain_id == filters.chain_id)
    if filters.finality is not None:
        statement = statement.where(
            campaigns.c.settlement_mode == "onchain", _finality == filters.finality
        )
    if wanted.cursor is not None:
        key = tuple_(campaigns.c.created_at, campaigns.c.id)
        statement = statement.where(key < read_newest_first(wanted.cursor.position))
    statement = statement.order_by(campaigns.c.created_at.desc(), campaigns.c.id.desc())
    return snapshot.connection.execute(statement.limit(wanted.limit + 1)).all()


def fetch_campaign(snapshot: Snapshot, slug_or_id: str) -> Row[Any] | None:
    """Read one campaign by its id or, failing that, by its slug."""
    return snapshot.connection.execute(_statement().where(named(slug_or_id))).one_or_none()


def named(slug_or_id: str) -> ColumnElement[bool]:
    """Condition on ``offchain.campaigns``: the id if it is a UUID, else the slug."""
    try:
        return campaigns.c.id == UUID(slug_or_id)
    except ValueError:
        # Postgres holds no NUL in text and refuses even to compare with one.
        return false() if "\0" in slug_or_id else campaigns.c.slug == slug_or_id


def place_campaign(row: Row[Any]) -> Placed:
    """A campaign's place in the list and the block it rests on."""
    return Placed(newest_first(row.created_at, row.id), row.chain_id, row.block_number)


def show_campaigns(
    snapshot: Snapshot, rows: Sequence[Row[Any]], tokens: TokenBook
) -> list[Campaign]:
    """Turn rows of this module into answers, adding what their treasuries raised."""
    keys = [(row.chain_id, row.treasury) for row in rows if row.treasury is not None]
    totals = read_totals(snapshot, keys, tokens)
    return [_show(snapshot, row, totals) for row in rows]


def _show(snapshot: Snapshot, row: Row[Any], totals: dict[TreasuryKey, TreasuryTotals]) -> Campaign:
    return Campaign(
        id=row.id,
        slug=row.slug,
        title=row.title,
        creator=row.creator,
        creator_wallet=checksum_or_none(row.creator_wallet),
        goal=fiat_amount(row.goal_minor, row.currency),
        currency=row.currency.upper(),
        launch_at=row.launch_at,
        deadline_at=row.deadline_at,
        created_at=row.created_at,
        settlement_mode=row.settlement_mode,
        raised=Captured(
            captured=fiat_amount(int(row.captured_minor), row.currency),
            contributions=row.contributions,
        ),
        onchain=None if row.chain_id is None else _show_onchain(snapshot, row, totals),
    )


def _show_onchain(
    snapshot: Snapshot, row: Row[Any], totals: dict[TreasuryKey, TreasuryTotals]
) -> CampaignOnchain:
    mark = snapshot.mark(row.chain_id)
    return CampaignOnchain(
        chain_id=row.chain_id,
        network=mark.network,
        state=row.state,
        treasury_kind=row.treasury_kind,
        identifier_hash=to_hex(row.identifier_hash),
        campaign=checksum_or_none(row.campaign),
        treasury=checksum_or_none(row.treasury),
        token=checksum_or_none(row.token),
        live_at=row.live_at,
        raised=totals_of(totals, row.chain_id, row.treasury).raised,
        block_number=row.block_number,
        block_hash=hex_or_none(row.block_hash),
        tx_hash=hex_or_none(row.tx_hash),
        log_index=row.log_index,
        confirmations=mark.confirmations(row.block_number),
        finality=row.finality,
    )
