"""I6, conservation: what settlement says was settled, moved and burnt is what the chain says.

The ledger of fiat balances by itself; see ``offchain.ledger.balances``.
"""

from settlement.checks import rewound
from settlement.checks.check import Check

CHECKS: tuple[Check, ...] = (
    # What is final and not ours, or ours and not followed yet, counts by its own event. So the two
    # sides differ where a settled payment has no event, another amount, or more than one life.
    Check(
        "I6.settled",
        "Of each treasury and token, what is settled and what else was confirmed is the total.",
        f"""
        WITH stated(chain_id, treasury, token, amount, is_rewound) AS (
            SELECT chain_id, treasury, token, confirmed_amount, false
            FROM chain.treasury_totals_finalized
            UNION ALL
            SELECT chain_id, treasury, token, -amount_base_units, {rewound.SETTLED}
            FROM settlement.requests AS request
            WHERE state = 'settled'
            UNION ALL
            SELECT life.chain_id, life.treasury, life.token, -life.amount, false
            FROM chain.payment_lives AS life
            JOIN chain.marks AS mark
                ON mark.chain_id = life.chain_id AND life.confirmed_block <= mark.finalized_number
            WHERE NOT EXISTS (
                SELECT FROM settlement.requests AS request
                WHERE request.chain_id = life.chain_id AND request.treasury = life.treasury
                    AND request.payment_id = life.payment_id AND request.state = 'settled'
            )
        )
        SELECT 'treasury 0x' || encode(treasury, 'hex') || ' differs by ' || sum(amount) AS example
        FROM stated
        WHERE coalesce(:chain_id, chain_id) = chain_id
        GROUP BY chain_id, treasury, token
        HAVING sum(amount) <> 0 AND NOT bool_or(is_rewound)
        """,  # noqa: S608 - our own condition
    ),
    Check(
        "I6.funds",
        "Every transfer to a treasury that finally took effect is indexed with its amount.",
        f"""
        SELECT 'transfer 0x' || encode(slot.mined_tx, 'hex') AS example
        FROM settlement.nonce_slots AS slot
        JOIN settlement.attempts AS attempt
            ON attempt.tx_hash = slot.mined_tx AND NOT attempt.is_noop
        JOIN settlement.batches AS batch ON batch.id = slot.batch_id AND batch.kind = 'fund'
        WHERE slot.is_final AND slot.state = 'mined_ok'
            AND coalesce(:chain_id, slot.chain_id) = slot.chain_id
            AND batch.amount_base_units IS DISTINCT FROM (
                SELECT sum(moved.amount)
                FROM chain.token_transfers AS moved
                WHERE moved.chain_id = slot.chain_id AND moved.block_number = slot.mined_block
                    AND moved.tx_hash = slot.mined_tx AND moved.token = batch.token
                    AND moved.sender = slot.signer AND moved.recipient = batch.treasury
            )
            AND NOT {rewound.FINAL}
        """,  # noqa: S608 - our own condition
    ),
    # What a treasury's headroom rests on.
    Check(
        "I6.claims",
        "A confirmation claims the sum of its payments, in their token.",
        """
        SELECT 'batch ' || batch.id AS example
        FROM settlement.batches AS batch
        JOIN settlement.batch_items AS item ON item.batch_id = batch.id
        JOIN settlement.requests AS request ON request.request_id = item.request_id
        WHERE batch.kind IN ('confirm_payments', 'settle_payments')
            AND coalesce(:chain_id, batch.chain_id) = batch.chain_id
        GROUP BY batch.id
        HAVING sum(request.amount_base_units) IS DISTINCT FROM batch.amount_base_units
            OR bool_or(request.token IS DISTINCT FROM batch.token)
        """,
    ),
    Check(
        "I6.gas",
        "Gas is booked for what was mined and nothing else, within what was signed.",
        """
        SELECT 'nonce ' || slot.nonce || ' of 0x' || encode(slot.signer, 'hex') AS example
        FROM settlement.nonce_slots AS slot
        LEFT JOIN settlement.batches AS batch ON batch.id = slot.batch_id
        LEFT JOIN settlement.attempts AS attempt ON attempt.tx_hash = slot.mined_tx
        WHERE coalesce(:chain_id, slot.chain_id) = slot.chain_id
            AND CASE WHEN slot.state IN ('mined_ok', 'mined_failed')
                THEN (slot.gas_used BETWEEN 1 AND coalesce(batch.gas_limit, slot.gas_used)
                    AND slot.effective_gas_price_wei BETWEEN 0 AND attempt.max_fee_per_gas_wei)
                    IS NOT TRUE
                ELSE slot.gas_used IS NOT NULL OR slot.effective_gas_price_wei IS NOT NULL END
        """,
    ),
)
