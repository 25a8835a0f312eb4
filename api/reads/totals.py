"""What treasuries raised, counted from the payments indexed on their chain."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, func, select, tuple_

from api.freshness import Snapshot
from api.schemas.campaigns import TokenRaised
from api.schemas.treasuries import PaymentCounts
from api.tokens import TokenBook
from api.values import checksum
from indexer.chain.types import Address
from indexer.tables import marks
from indexer.views import payments

TreasuryKey = tuple[int, bytes]
"""Chain id and address."""


@dataclass(frozen=True, slots=True)
class TreasuryTotals:
    """Sums and counts of one treasury."""

    raised: list[TokenRaised]
    counts: PaymentCounts


NOTHING = TreasuryTotals([], PaymentCounts(created=0, confirmed=0, cancelled=0, refunded=0))


def read_totals(
    snapshot: Snapshot, keys: Sequence[TreasuryKey], tokens: TokenBook
) -> dict[TreasuryKey, TreasuryTotals]:
    """Add up the payments of some treasuries, by token.

    Args:
        snapshot: Where to read.
        keys: Treasuries; at most a page of them.
        tokens: Scales of the amounts.

    Returns:
        Totals by key; a treasury without payments is left out.
    """
    if not keys:
        return {}
    is_confirmed = payments.c.state == "confirmed"
    is_final = is_confirmed & (payments.c.confirmed_block <= marks.c.finalized_number)

    def count(condition: ColumnElement[bool]) -> ColumnElement[int]:
        return func.count().filter(condition)

    def amount(condition: ColumnElement[bool]) -> ColumnElement[int]:
        return func.coalesce(func.sum(payments.c.amount).filter(condition), 0)

    rows = snapshot.connection.execute(
        select(
            payments.c.chain_id,
            payments.c.treasury,
            payments.c.token,
            amount(is_confirmed).label("confirmed"),
            amount(is_final).label("finalized"),
            count(is_confirmed).label("payments_confirmed"),
            count(is_final).label("payments_finalized"),
            count(payments.c.state == "created").label("payments_created"),
            count(payments.c.state == "cancelled").label("payments_cancelled"),
            count(payments.c.state == "refunded").label("payments_refunded"),
        )
        .select_from(payments.outerjoin(marks, marks.c.chain_id == payments.c.chain_id))
        .where(tuple_(payments.c.chain_id, payments.c.treasury).in_(keys))
        .group_by(payments.c.chain_id, payments.c.treasury, payments.c.token)
        .order_by(payments.c.chain_id, payments.c.treasury, payments.c.token)
    )
    totals: dict[TreasuryKey, TreasuryTotals] = {}
    for row in rows:
        key = (row.chain_id, row.treasury)
        before = totals.get(key, NOTHING)
        token = tokens.find(row.chain_id, row.token)
        raised = TokenRaised(
            token=checksum(row.token),
            symbol=token.symbol if token else None,
            confirmed=tokens.amount(row.chain_id, row.token, int(row.confirmed)),
            finalized=tokens.amount(row.chain_id, row.token, int(row.finalized)),
            payments_confirmed=row.payments_confirmed,
            payments_finalized=row.payments_finalized,
        )
        counts = PaymentCounts(
            created=before.counts.created + row.payments_created,
            confirmed=before.counts.confirmed + row.payments_confirmed,
            cancelled=before.counts.cancelled + row.payments_cancelled,
            refunded=before.counts.refunded + row.payments_refunded,
        )
        totals[key] = TreasuryTotals([*before.raised, raised], counts)
    return totals


def totals_of(
    totals: dict[TreasuryKey, TreasuryTotals], chain_id: int, treasury: Address | None
) -> TreasuryTotals:
    """The totals of one treasury, zero when it has no payments or does not exist yet."""
    return NOTHING if treasury is None else totals.get((chain_id, treasury), NOTHING)
