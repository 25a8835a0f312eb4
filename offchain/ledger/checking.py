"""What must hold of the ledger's rows, asked anew: by nobody who wrote them, nor by a trigger.

The triggers refuse what they see; whoever owns the tables can switch them off. These statements
find what was done then, and what no trigger can know: money that was booked nowhere.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection, func, literal, select

from offchain.ledger.tables import ledger_transfers
from offchain.money import Currency
from settlement.checks.check import Check, Finding, ask

CHECKS: tuple[Check, ...] = (
    Check(
        "journals.whole",
        "every journal holds the transfers that it declares, and moves what it declares",
        """
        SELECT j.source || ' ' || j.source_id || ' ' || j.kind AS example
        FROM offchain.ledger_journals j
        JOIN (
            SELECT part.id, sum(part.transfers) AS transfers, sum(part.own) AS own,
                   bool_and(part.fits) AS fits,
                   jsonb_object_agg(part.currency, part.total)
                       FILTER (WHERE part.currency IS NOT NULL) AS totals
            FROM (
                SELECT o.id, t.currency, count(t.id) AS transfers, sum(t.amount)::text AS total,
                       count(*) FILTER (WHERE t.kind = o.kind) AS own,
                       bool_and((t.source, t.source_id) = (o.source, o.source_id)
                                AND t.kind IN (o.kind, 'single')) AS fits
                FROM offchain.ledger_journals o
                LEFT JOIN offchain.ledger_transfers t ON t.journal_id = o.id
                GROUP BY o.id, t.currency
            ) AS part
            GROUP BY part.id
        ) AS held ON held.id = j.id
        WHERE held.transfers <> j.transfers OR held.totals IS DISTINCT FROM j.totals
           OR held.fits IS NOT TRUE OR held.own = 0
        """,
    ),
    Check(
        "transfers.booked",
        "every transfer stands in a journal and on two accounts of its currency",
        """
        SELECT t.id::text AS example FROM offchain.ledger_transfers t
        WHERE NOT EXISTS (SELECT 1 FROM offchain.ledger_journals j WHERE j.id = t.journal_id)
           OR NOT EXISTS (SELECT 1 FROM offchain.ledger_accounts a
                          WHERE (a.id, a.currency) = (t.debit_account, t.currency))
           OR NOT EXISTS (SELECT 1 FROM offchain.ledger_accounts a
                          WHERE (a.id, a.currency) = (t.credit_account, t.currency))
        """,
    ),
    Check(
        "pending.resolved_once",
        "a post or void equals the pending transfer that it resolves, and resolves its whole event",
        """
        SELECT r.id::text AS example FROM offchain.ledger_transfers r
        LEFT JOIN offchain.ledger_transfers p ON p.id = r.pending_id AND p.kind = 'pending'
        WHERE r.kind IN ('post', 'void')
          AND (p.debit_account, p.credit_account, p.amount, p.currency, p.source, p.source_id)
              IS DISTINCT FROM
              (r.debit_account, r.credit_account, r.amount, r.currency, r.source, r.source_id)
        UNION
        SELECT p.id::text FROM offchain.ledger_transfers p
        LEFT JOIN offchain.ledger_transfers r ON r.pending_id = p.id
        LEFT JOIN offchain.ledger_journals ended
          ON (ended.source, ended.source_id) = (p.source, p.source_id)
         AND ended.kind IN ('post', 'void')
        WHERE p.kind = 'pending' AND r.kind IS DISTINCT FROM ended.kind
        """,
    ),
    Check(
        "payments.booked",
        "every payment that brought money has the journal of its coming in",
        """
        SELECT a.id::text AS example FROM offchain.payment_attempts a
        WHERE a.booked_to IS NOT NULL AND NOT EXISTS (
            SELECT 1 FROM offchain.ledger_journals j
            JOIN offchain.ledger_transfers t ON t.journal_id = j.id
            WHERE t.source_id = a.id::text AND j.kind IN ('pending', 'single')
              AND t.debit_account = 'gateway_receivable:' || a.gateway
              AND j.totals ->> a.received_currency = a.received_minor::text)
        """,
    ),
    Check(
        "payments.tokens",
        "every payment that is final on-chain has its tokens booked",
        """
        SELECT a.id::text AS example FROM offchain.payment_attempts a
        WHERE a.chain_status = 'final' AND NOT EXISTS (
            SELECT 1 FROM offchain.ledger_transfers t
            WHERE t.source_id LIKE a.id::text || '%' AND t.currency LIKE 'token:%')
        """,
    ),
)


@dataclass(frozen=True, slots=True)
class Waiting:
    """A pending transfer that is neither posted nor voided."""

    id: UUID
    source: str
    source_id: str
    debit_account: str
    credit_account: str
    amount: int
    currency: Currency
    since: datetime


def check_ledger(connection: Connection) -> list[Finding]:
    """Check all that must hold; each statement sees one instant.

    Args:
        connection: May read schema ``offchain``.
    """
    return [ask(connection, check, {}) for check in CHECKS]


def waiting_longer(connection: Connection, than: timedelta, *, limit: int) -> list[Waiting]:
    """Pending transfers older than that, the oldest first."""
    pending = ledger_transfers.alias("waiting")
    resolution = ledger_transfers.alias("resolution")
    rows = connection.execute(
        select(
            pending.c.id,
            pending.c.source,
            pending.c.source_id,
            pending.c.debit_account,
            pending.c.credit_account,
            pending.c.amount,
            pending.c.currency,
            pending.c.created_at,
        )
        .where(
            pending.c.kind == "pending",
            pending.c.created_at < func.now() - than,
            ~select(literal(1)).where(resolution.c.pending_id == pending.c.id).exists(),
        )
        .order_by(pending.c.created_at, pending.c.id)
        .limit(limit)
    )
    return [Waiting(*row) for row in rows]
