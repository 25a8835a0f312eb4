"""Project the facts of a range of blocks, at the tip or long after.

At the tip and in a backfill the range stands above all that is projected: its facts are applied to
what is there. Facts that turn up in older blocks (a contract became known, a range was repaired)
may change what came after them; then the lives of the treasuries concerned are put back to before
the range and follow all facts from there again. Either way the outcome is that of a rebuild.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, text

from indexer.chain.types import Address, BlockNumber, ChainId
from indexer.projections.lives import fold_lives, undo_lives
from indexer.projections.refunds import resolve_refunds
from indexer.projections.registry import (
    fold_contracts,
    fold_transactions,
    undo_contracts,
    undo_transactions,
)
from indexer.projections.totals import renew_totals

_CONTENTS = text(
    """
SELECT
    (SELECT max(block_number) FROM chain.transactions WHERE chain_id = :chain_id) AS projected,
    (SELECT totals_number FROM chain.marks WHERE chain_id = :chain_id) AS totalled,
    EXISTS (
        SELECT FROM chain.payments_created
        WHERE chain_id = :chain_id AND block_number BETWEEN :low AND :high
    ) AS creations,
    EXISTS (
        SELECT FROM chain.payments_confirmed
        WHERE chain_id = :chain_id AND block_number BETWEEN :low AND :high
    ) AS confirmations,
    EXISTS (
        SELECT FROM chain.logs
        WHERE chain_id = :chain_id AND block_number BETWEEN :low AND :high
    ) AS others,
    EXISTS (
        SELECT FROM chain.logs
        WHERE chain_id = :chain_id AND block_number BETWEEN :low AND :high
            AND event IN (
                'CampaignInfoFactoryCampaignCreated', 'TreasuryFactoryTreasuryDeployed'
            )
    ) AS contracts,
    EXISTS (
        SELECT FROM chain.logs
        WHERE chain_id = :chain_id AND block_number BETWEEN :low AND :high
            AND event IN ('RefundClaimed', 'PaymentCancelled')
    ) AS ends,
    EXISTS (
        SELECT FROM chain.token_transfers
        WHERE chain_id = :chain_id AND block_number BETWEEN :low AND :high
    ) OR EXISTS (
        SELECT FROM chain.unclaimed_logs
        WHERE chain_id = :chain_id AND block_number BETWEEN :low AND :high
    ) AS without_effect
"""
)

_TOUCHED = text(
    """
SELECT treasury FROM chain.payments_created
WHERE chain_id = :chain_id AND block_number BETWEEN :low AND :high
UNION
SELECT treasury FROM chain.payments_confirmed
WHERE chain_id = :chain_id AND block_number BETWEEN :low AND :high
UNION
SELECT address FROM chain.logs
WHERE chain_id = :chain_id AND block_number BETWEEN :low AND :high
    AND event IN ('RefundClaimed', 'PaymentCancelled')
UNION
SELECT treasury FROM chain.payment_lives
WHERE chain_id = :chain_id AND created_block BETWEEN :low AND :high
UNION
SELECT treasury FROM chain.payment_lives
WHERE chain_id = :chain_id AND confirmed_block BETWEEN :low AND :high
UNION
SELECT treasury FROM chain.payment_lives
WHERE chain_id = :chain_id AND ended_block BETWEEN :low AND :high
"""
)


@dataclass(frozen=True, slots=True)
class _Contents:
    """What a range holds, and how far the projections reach."""

    projected: BlockNumber | None
    """The newest block that holds a log of ours and is projected."""
    totalled: BlockNumber | None
    creations: bool
    confirmations: bool
    others: bool
    contracts: bool
    ends: bool
    without_effect: bool

    @property
    def has_payments(self) -> bool:
        return self.creations or self.confirmations or self.ends

    @property
    def has_any(self) -> bool:
        return self.has_payments or self.others or self.without_effect


def project(connection: Connection, chain_id: ChainId, low: BlockNumber, high: BlockNumber) -> None:
    """Make the projections of blocks ``low`` to ``high``; again, when they were made before.

    Args:
        connection: In the transaction that wrote the facts, or in a later one.
        chain_id: The chain.
        low: First block; every block before it that holds a fact is projected.
        high: Last block.
    """
    found = _contents(connection, chain_id, low, high)
    if max(found.projected or -1, found.totalled or -1) >= low:
        reproject(connection, chain_id, low, high)
        return
    if found.contracts:
        fold_contracts(connection, chain_id, low, high)
    if found.has_payments:
        _fold(connection, chain_id, low, high, treasuries=None)
    if found.has_any:
        fold_transactions(connection, chain_id, low, high)


def reproject(
    connection: Connection,
    chain_id: ChainId,
    low: BlockNumber,
    high: BlockNumber,
    *,
    treasuries: Iterable[Address] | None = None,
) -> None:
    """Make the projections of blocks anew whose facts changed, and of what came after them.

    Args:
        connection: In the transaction that changed the facts.
        chain_id: The chain.
        low: First block whose facts changed.
        high: Last such block.
        treasuries: Whose payment facts changed; None for all that have one in the range.
    """
    found = _contents(connection, chain_id, low, high)
    newest = BlockNumber(max(high, found.projected or -1))
    undo_contracts(connection, chain_id, BlockNumber(low - 1))
    fold_contracts(connection, chain_id, low, newest)
    undo_transactions(connection, chain_id, low, high)
    fold_transactions(connection, chain_id, low, high)
    touched = (
        _touched(connection, chain_id, low, high) if treasuries is None else sorted(set(treasuries))
    )
    if touched:
        undo_lives(connection, chain_id, BlockNumber(low - 1), treasuries=touched)
        _fold(connection, chain_id, low, newest, treasuries=touched)
        renew_totals(connection, chain_id, touched)


def _fold(
    connection: Connection,
    chain_id: ChainId,
    low: BlockNumber,
    high: BlockNumber,
    *,
    treasuries: Sequence[Address] | None,
) -> None:
    meant = resolve_refunds(connection, chain_id, low, high, treasuries=treasuries)
    fold_lives(connection, chain_id, low, high, treasuries=treasuries, meant=meant)


def _contents(
    connection: Connection, chain_id: ChainId, low: BlockNumber, high: BlockNumber
) -> _Contents:
    row = connection.execute(_CONTENTS, {"chain_id": chain_id, "low": low, "high": high}).one()
    return _Contents(**row._mapping)  # noqa: SLF001 - SQLAlchemy's public name for it


def _touched(
    connection: Connection, chain_id: ChainId, low: BlockNumber, high: BlockNumber
) -> list[Address]:
    return list(
        connection.execute(_TOUCHED, {"chain_id": chain_id, "low": low, "high": high}).scalars()
    )
