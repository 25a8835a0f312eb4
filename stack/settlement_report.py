"""Compare the two settlement modes: on-chain, and in fiat only. Both end with the ledger's entry.

For a fiat-only campaign nothing but that entry is needed: no transaction, and not one RPC call.
"""

from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection, Text, and_, cast, func, select, true

from indexer.chain.networks import network_by_chain_id
from offchain.ledger.tables import ledger_transfers
from offchain.payments.booking import CAPTURE
from offchain.tables import campaigns, payment_attempts, pledges
from settlement.queries import NEVER_LIVE
from settlement.reporting.counting import between_s
from settlement.reporting.report import Reliability, Sent, payment_columns, sent_by, summed
from settlement.tables import AnyRow, requests

NOT_HANDED_OVER = "not handed over"
"""What blocks a captured payment that settlement has not taken yet."""


def reliability_by_mode(connection: Connection, *, since: datetime | None) -> list[Reliability]:
    """Compare the modes; a payment is settled once the ledger has posted it, and none if voided.

    Args:
        connection: Reads schemas ``offchain`` and ``settlement``.
        since: Only payments captured, and transactions sealed, since then; None for all.
    """
    accepted = ledger_transfers.alias("accepted")
    resolved = ledger_transfers.alias("resolved")
    mode = (campaigns.c.settlement_mode, campaigns.c.chain_id)
    took_s = between_s(payment_attempts.c.captured_at, resolved.c.created_at)
    waiting = and_(campaigns.c.chain_id.is_not(None), requests.c.request_id.is_(None))
    rows = connection.execute(
        select(
            *mode,
            func.count().filter(waiting).label("waiting"),
            *payment_columns(resolved.c.id.is_not(None), took_s),
        )
        .select_from(accepted)
        .join(payment_attempts, cast(payment_attempts.c.id, Text) == accepted.c.source_id)
        .join(pledges, pledges.c.id == payment_attempts.c.pledge_id)
        .join(campaigns, campaigns.c.id == pledges.c.campaign_id)
        .outerjoin(resolved, resolved.c.pending_id == accepted.c.id)
        .outerjoin(
            requests,
            and_(
                requests.c.root_id
                == func.coalesce(payment_attempts.c.settlement_id, payment_attempts.c.id),
                requests.c.state.not_in(NEVER_LIVE),
            ),
        )
        .where(
            accepted.c.source == CAPTURE,
            accepted.c.kind == "pending",
            resolved.c.kind.is_distinct_from("void"),
            true() if since is None else payment_attempts.c.captured_at >= since,
        )
        .group_by(*mode)
        .order_by(campaigns.c.settlement_mode.desc(), campaigns.c.chain_id)
    ).all()
    sent = sent_by(connection, "chain", since=since)
    return [_mode(row, sent.get((row.chain_id,), Sent())) for row in rows]


def _mode(row: AnyRow, sent: Sent) -> Reliability:
    network = None if row.chain_id is None else network_by_chain_id(row.chain_id).name
    found = summed(row.settlement_mode, network, row, sent)
    if not row.waiting:
        return found
    return replace(found, blocked={NOT_HANDED_OVER: row.waiting, **found.blocked})
