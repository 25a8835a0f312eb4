"""Treasuries as the chain knows them, with the campaign of ours each belongs to."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, Select, and_, select, tuple_

from api.freshness import Snapshot
from api.pagination import PageRequest, Placed
from api.reads.finality import finality_case
from api.reads.totals import read_totals, totals_of
from api.schemas.treasuries import Treasury
from api.tokens import TokenBook
from api.values import checksum, explorer_url
from indexer.chain.types import Address, to_hex
from indexer.projection_tables import treasuries
from indexer.tables import marks
from offchain.tables import campaigns
from settlement.tables import campaigns as settlements


@dataclass(frozen=True, slots=True)
class TreasuryFilter:
    """Which treasuries; None does not filter."""

    chain_id: int | None = None
    finality: str | None = None


_finality = finality_case(treasuries.c.block_number, marks.c.finalized_number)
_key = tuple_(treasuries.c.chain_id, treasuries.c.block_number, treasuries.c.log_index)


def _statement() -> Select[Any]:
    return select(
        treasuries, campaigns.c.slug.label("campaign_slug"), _finality.label("finality")
    ).select_from(
        treasuries.outerjoin(marks, marks.c.chain_id == treasuries.c.chain_id)
        .outerjoin(
            settlements,
            and_(
                settlements.c.chain_id == treasuries.c.chain_id,
                settlements.c.treasury == treasuries.c.treasury,
            ),
        )
        .outerjoin(campaigns, campaigns.c.id == settlements.c.request_id)
    )


def fetch_treasuries(
    snapshot: Snapshot, wanted: PageRequest, filters: TreasuryFilter
) -> Sequence[Row[Any]]:
    """Read one row more than a page of treasuries, by chain and then oldest first."""
    statement = _statement()
    if filters.chain_id is not None:
        statement = statement.where(treasuries.c.chain_id == filters.chain_id)
    if filters.finality is not None:
        statement = statement.where(_finality == filters.finality)
    if wanted.cursor is not None:
        statement = statement.where(_key > tuple(wanted.cursor.position))
    statement = statement.order_by(*_key.clauses)
    return snapshot.connection.execute(statement.limit(wanted.limit + 1)).all()


def fetch_treasury(snapshot: Snapshot, chain_id: int, address: Address) -> Row[Any] | None:
    """Read one treasury."""
    return snapshot.connection.execute(
        _statement().where(treasuries.c.chain_id == chain_id, treasuries.c.treasury == address)
    ).one_or_none()


def place_treasury(row: Row[Any]) -> Placed:
    """A treasury's place in the list and the block it rests on."""
    position = (row.chain_id, row.block_number, row.log_index)
    return Placed(position, row.chain_id, row.block_number)


def show_treasuries(
    snapshot: Snapshot, rows: Sequence[Row[Any]], tokens: TokenBook
) -> list[Treasury]:
    """Turn rows of this module into answers, adding what each raised."""
    totals = read_totals(snapshot, [(row.chain_id, row.treasury) for row in rows], tokens)
    answers = []
    for row in rows:
        mark = snapshot.mark(row.chain_id)
        sums = totals_of(totals, row.chain_id, row.treasury)
        answers.append(
            Treasury(
                chain_id=row.chain_id,
                network=mark.network,
                treasury=checksum(row.treasury),
                campaign=checksum(row.campaign),
                campaign_slug=row.campaign_slug,
                platform_hash=to_hex(row.platform_hash),
                implementation_id=str(row.implementation_id),
                payments=sums.counts,
                raised=sums.raised,
                explorer_url=explorer_url(row.chain_id, row.tx_hash),
                block_number=row.block_number,
                block_hash=to_hex(row.block_hash),
                tx_hash=to_hex(row.tx_hash),
                log_index=row.log_index,
                confirmations=mark.confirmations(row.block_number),
                finality=row.finality,
            )
        )
    return answers
