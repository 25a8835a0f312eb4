"""What the lane has spent on gas, and whether a fee is worth what it settles."""

from datetime import timedelta

from sqlalchemy import Connection, case, func, select

from indexer.chain.types import Address, ChainId, Wei
from settlement.tables import attempts, batches, nonce_slots

DAY = timedelta(days=1)


def gas_spent(
    connection: Connection, *, chain_id: ChainId, signer: Address, unsigned_fee_wei: Wei
) -> Wei:
    """Coins that the transactions sealed in the last 24 hours cost, or may still cost.

    Args:
        connection: Sees the lane's own rows; lock the signer first when the answer is spent.
        chain_id: The signer's chain.
        signer: The account that pays.
        unsigned_fee_wei: What is going to be offered per gas for those that are not signed yet.

    Returns:
        What was paid for the mined ones, and gas limit times the highest offer for the others.
    """
    highest = (
        select(func.max(attempts.c.max_fee_per_gas_wei))
        .where(
            attempts.c.chain_id == nonce_slots.c.chain_id,
            attempts.c.signer == nonce_slots.c.signer,
            attempts.c.nonce == nonce_slots.c.nonce,
        )
        .correlate(nonce_slots)
        .scalar_subquery()
    )
    paid = nonce_slots.c.gas_used * nonce_slots.c.effective_gas_price_wei
    cost = case(
        (nonce_slots.c.state == "foreign", 0),
        (nonce_slots.c.gas_used.is_not(None), paid),
        else_=batches.c.gas_limit * func.coalesce(highest, unsigned_fee_wei),
    )
    total = connection.execute(
        select(func.sum(cost))
        .join(nonce_slots, nonce_slots.c.batch_id == batches.c.id)
        .where(
            batches.c.chain_id == chain_id,
            batches.c.sealed_at > func.now() - DAY,
            nonce_slots.c.signer == signer,
        )
    ).scalar_one()
    return Wei(int(total or 0))
