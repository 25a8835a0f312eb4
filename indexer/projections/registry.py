"""Campaigns and treasuries as their factories announce them, and where each transaction stands."""

from sqlalchemy import Connection, delete, text

from indexer.chain.types import Address, BlockNumber, ChainId
from indexer.projection_tables import campaigns, transactions, treasuries

_CAMPAIGNS = text(
    """
INSERT INTO chain.campaigns (
    chain_id, block_number, log_index, block_hash, tx_hash, factory, campaign, identifier_hash
)
SELECT chain_id, block_number, log_index, block_hash, tx_hash, address,
    decode(substr(arguments ->> 'campaignInfoAddress', 3), 'hex'),
    decode(substr(arguments ->> 'identifierHash', 3), 'hex')
FROM chain.logs
WHERE chain_id = :chain_id AND block_number BETWEEN :low AND :high
    AND event = 'CampaignInfoFactoryCampaignCreated'
ORDER BY block_number, log_index
ON CONFLICT DO NOTHING
"""
)

_TREASURIES = text(
    """
INSERT INTO chain.treasuries (
    chain_id, block_number, log_index, block_hash, tx_hash, factory, treasury, campaign,
    platform_hash, implementation_id
)
SELECT chain_id, block_number, log_index, block_hash, tx_hash, address,
    decode(substr(arguments ->> 'treasuryAddress', 3), 'hex'),
    decode(substr(arguments ->> 'infoAddress', 3), 'hex'),
    decode(substr(arguments ->> 'platformHash', 3), 'hex'),
    (arguments ->> 'implementationId')::numeric
FROM chain.logs
WHERE chain_id = :chain_id AND block_number BETWEEN :low AND :high
    AND event = 'TreasuryFactoryTreasuryDeployed'
ORDER BY block_number, log_index
ON CONFLICT DO NOTHING
"""
)

_TRANSACTIONS = text(
    """
INSERT INTO chain.transactions (chain_id, tx_hash, block_number, block_hash, tx_index)
SELECT DISTINCT :chain_id, tx_hash, block_number, block_hash, tx_index
FROM (
    SELECT tx_hash, block_number, block_hash, tx_index FROM chain.payments_created
    WHERE chain_id = :chain_id AND block_number BETWEEN :low AND :high
    UNION ALL
    SELECT tx_hash, block_number, block_hash, tx_index FROM chain.payments_confirmed
    WHERE chain_id = :chain_id AND block_number BETWEEN :low AND :high
    UNION ALL
    SELECT tx_hash, block_number, block_hash, tx_index FROM chain.token_transfers
    WHERE chain_id = :chain_id AND block_number BETWEEN :low AND :high
    UNION ALL
    SELECT tx_hash, block_number, block_hash, tx_index FROM chain.logs
    WHERE chain_id = :chain_id AND block_number BETWEEN :low AND :high
    UNION ALL
    SELECT tx_hash, block_number, block_hash, tx_index FROM chain.unclaimed_logs
    WHERE chain_id = :chain_id AND block_number BETWEEN :low AND :high
) AS facts
ON CONFLICT DO NOTHING
"""
)


def fold_contracts(
    connection: Connection, chain_id: ChainId, low: BlockNumber, high: BlockNumber
) -> None:
    """Add the campaigns and treasuries made in blocks ``low`` to ``high``.

    A contract, an identifier and a platform's place in a campaign are taken once: each factory
    refuses a second.

    Args:
        connection: In a transaction; nothing from ``low`` on stands in the tables.
        chain_id: The chain.
        low: First block.
        high: Last block.
    """
    values = {"chain_id": chain_id, "low": low, "high": high}
    connection.execute(_CAMPAIGNS, values)
    connection.execute(_TREASURIES, values)


def fold_transactions(
    connection: Connection, chain_id: ChainId, low: BlockNumber, high: BlockNumber
) -> None:
    """Add the transactions that hold a log of ours, claimed or not, in a range of blocks."""
    connection.execute(_TRANSACTIONS, {"chain_id": chain_id, "low": low, "high": high})


def undo_contracts(
    connection: Connection, chain_id: ChainId, ancestor: BlockNumber
) -> list[Address]:
    """Forget the contracts that were made above ``ancestor``; returns the treasuries."""
    connection.execute(
        delete(campaigns).where(
            campaigns.c.chain_id == chain_id, campaigns.c.block_number > ancestor
        )
    )
    return list(
        connection.execute(
            delete(treasuries)
            .where(treasuries.c.chain_id == chain_id, treasuries.c.block_number > ancestor)
            .returning(treasuries.c.treasury)
        ).scalars()
    )


def undo_transactions(
    connection: Connection, chain_id: ChainId, low: BlockNumber, high: BlockNumber | None = None
) -> None:
    """Forget the transactions of blocks ``low`` to ``high``; None is the newest."""
    gone = delete(transactions).where(
        transactions.c.chain_id == chain_id, transactions.c.block_number >= low
    )
    if high is not None:
        gone = gone.where(transactions.c.block_number <= high)
    connection.execute(gone)
