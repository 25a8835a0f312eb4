"""Balances, always derived from the transfers, never kept."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Label,
    Select,
    case,
    func,
    literal,
    select,
    true,
    type_coerce,
    union_all,
)

from indexer.db.columns import UINT256
from offchain.ledger.accounts import Side
from offchain.ledger.tables import ledger_accounts, ledger_transfers
from offchain.money import Currency


@dataclass(frozen=True, slots=True)
class Balance:
    """What one account holds in one currency or token, in its units; each side as its total."""

    account: str
    currency: Currency
    normal_side: Side
    debits_posted: int
    credits_posted: int
    debits_pending: int
    """Of pending transfers that are neither posted nor voided."""
    credits_pending: int

    @property
    def posted(self) -> int:
        """Posted balance in the account's normal direction."""
        return _signed(self.normal_side, self.debits_posted, self.credits_posted)

    @property
    def pending(self) -> int:
        """Pending balance in the account's normal direction."""
        return _signed(self.normal_side, self.debits_pending, self.credits_pending)


@dataclass(frozen=True, slots=True)
class TrialBalance:
    """The sums of both sides of one currency or token, in its units."""

    currency: Currency
    debits_posted: int
    credits_posted: int
    debits_pending: int
    credits_pending: int

    @property
    def is_balanced(self) -> bool:
        """Whether debits equal credits, posted and pending."""
        return (
            self.debits_posted == self.credits_posted
            and self.debits_pending == self.credits_pending
        )


def _signed(side: Side, debits: int, credits_: int) -> int:
    return debits - credits_ if side == "debit" else credits_ - debits


def balances(connection: Connection, *, at: datetime | None = None) -> list[Balance]:
    """Every account's balance, by name and currency.

    Args:
        connection: May read the ledger.
        at: As it was then; None for now.
    """
    rows = connection.execute(_balances_query(at)).mappings()
    return [Balance(**row) for row in rows]


def balance(connection: Connection, account: str, currency: str) -> Balance | None:
    """One account's balance; None when it was never used in this currency."""
    query = _balances_query().where(
        ledger_accounts.c.id == account, ledger_accounts.c.currency == currency
    )
    row = connection.execute(query).mappings().first()
    return None if row is None else Balance(**row)


def trial_balance(connection: Connection) -> list[TrialBalance]:
    """Both sides' sums per currency, over the accounts; each must balance."""
    return sum_up(balances(connection))


def sum_up(rows: Iterable[Balance]) -> list[TrialBalance]:
    """Both sides' sums per currency of the accounts' balances."""
    sums: dict[Currency, list[int]] = {}
    for row in rows:
        total = sums.setdefault(row.currency, [0, 0, 0, 0])
        total[0] += row.debits_posted
        total[1] += row.credits_posted
        total[2] += row.debits_pending
        total[3] += row.credits_pending
    return [TrialBalance(currency, *total) for currency, total in sorted(sums.items())]


def _balances_query(at: datetime | None = None) -> Select[Any]:
    """Sum the two legs of every transfer that counts; a resolved pending one no longer does."""
    transfers = ledger_transfers
    resolution = transfers.alias("resolution")
    is_open = (transfers.c.kind == "pending") & (
        ~select(literal(1))
        .where(resolution.c.pending_id == transfers.c.id, _made_by(resolution, at))
        .exists()
    )
    is_posted = transfers.c.kind.in_(("single", "post"))
    legs = union_all(
        *(
            select(
                transfers.c[f"{side}_account"].label("account"),
                transfers.c.currency,
                literal(side).label("side"),
                is_posted.label("is_posted"),
                transfers.c.amount,
            ).where(is_posted | is_open, _made_by(transfers, at))
            for side in ("debit", "credit")
        )
    ).subquery("legs")

    def total(side: str, *, posted: bool) -> Label[int]:
        matches = (legs.c.side == side) & (legs.c.is_posted == posted)
        summed = func.coalesce(func.sum(case((matches, legs.c.amount), else_=0)), 0)
        return type_coerce(summed, UINT256).label(f"{side}s_{'posted' if posted else 'pending'}")

    joined = ledger_accounts.outerjoin(
        legs,
        (legs.c.account == ledger_accounts.c.id) & (legs.c.currency == ledger_accounts.c.currency),
    )
    return (
        select(
            ledger_accounts.c.id.label("account"),
            ledger_accounts.c.currency,
            ledger_accounts.c.normal_side,
            total("debit", posted=True),
            total("credit", posted=True),
            total("debit", posted=False),
            total("credit", posted=False),
        )
        .select_from(joined)
        .group_by(ledger_accounts.c.id, ledger_accounts.c.currency, ledger_accounts.c.normal_side)
        .order_by(ledger_accounts.c.id, ledger_accounts.c.currency)
    )


def _made_by(transfers: FromClause, at: datetime | None) -> ColumnElement[bool]:
    return true() if at is None else transfers.c.created_at <= at
