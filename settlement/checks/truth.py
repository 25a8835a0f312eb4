"""I5, the truth is finalized canonical logs: receipts only close nonces."""

from settlement.checks import rewound
from settlement.checks.check import Check

CHECKS: tuple[Check, ...] = (
    Check(
        "I5.final",
        "Nothing is settled in a block that is not final.",
        f"""
        SELECT 'request ' || request.request_id AS example
        FROM settlement.requests AS request
        LEFT JOIN chain.marks AS mark ON mark.chain_id = request.chain_id
        WHERE request.state = 'settled' AND coalesce(:chain_id, request.chain_id) = request.chain_id
            AND (request.settled_block <= mark.finalized_number) IS NOT TRUE
            AND NOT {rewound.SETTLED}
        """,  # noqa: S608 - our own condition
    ),
    # Whether it was refunded since is for the engine to see at its next turn.
    Check(
        "I5.settled",
        "A settled payment's confirmation is indexed in that proven block, under its own terms.",
        f"""
        SELECT 'request ' || request.request_id AS example
        FROM settlement.requests AS request
        WHERE request.state = 'settled' AND coalesce(:chain_id, request.chain_id) = request.chain_id
            AND NOT EXISTS (
                SELECT FROM chain.payment_lives AS life
                JOIN chain.blocks AS block
                    ON block.chain_id = life.chain_id AND block.number = life.confirmed_block
                    AND block.hash = life.confirmed_block_hash
                WHERE life.chain_id = request.chain_id AND life.treasury = request.treasury
                    AND life.payment_id = request.payment_id
                    AND life.confirmed_block = request.settled_block AND block.proven
                    AND life.amount = request.amount_base_units AND life.token = request.token
                    AND life.buyer_id = request.buyer_commitment
                    AND life.item_id = request.item_id
            )
            AND NOT {rewound.SETTLED}
        """,  # noqa: S608 - our own condition
    ),
    Check(
        "I5.refunded",
        "A refunded payment was confirmed, then refunded, and both are indexed.",
        f"""
        SELECT 'request ' || request.request_id AS example
        FROM settlement.requests AS request
        WHERE request.state = 'refunded'
            AND coalesce(:chain_id, request.chain_id) = request.chain_id
            AND NOT EXISTS (
                SELECT FROM chain.payment_lives AS life
                WHERE life.chain_id = request.chain_id AND life.treasury = request.treasury
                    AND life.payment_id = request.payment_id
                    AND life.confirmed_block = request.settled_block AND life.outcome = 'refunded'
            )
            AND NOT {rewound.SETTLED} AND NOT {rewound.NOT_BACK}
        """,  # noqa: S608 - our own conditions
    ),
    # A receipt without its event would leave the payment batched for ever: the silent sink.
    Check(
        "I5.payments",
        "What a final receipt says of our payments, the index says too.",
        f"""
        SELECT 'request ' || item.request_id || ' in batch ' || item.batch_id AS example
        FROM settlement.nonce_slots AS slot
        JOIN settlement.attempts AS attempt
            ON attempt.tx_hash = slot.mined_tx AND NOT attempt.is_noop
        JOIN settlement.batch_items AS item ON item.batch_id = slot.batch_id
        JOIN settlement.requests AS request ON request.request_id = item.request_id
        WHERE slot.is_final AND slot.state = 'mined_ok'
            AND coalesce(:chain_id, slot.chain_id) = slot.chain_id
            AND NOT EXISTS (
                SELECT FROM chain.payment_lives AS life
                WHERE life.chain_id = request.chain_id AND life.treasury = request.treasury
                    AND life.payment_id = request.payment_id
                    AND (item.kind = 'confirm_payments' OR life.created_tx = slot.mined_tx)
                    AND (item.kind = 'create_payments' OR life.confirmed_tx = slot.mined_tx)
            )
            AND NOT {rewound.FINAL}
        """,  # noqa: S608 - our own condition
    ),
    # Coins and tokens that move between wallets leave no event that is indexed.
    Check(
        "I5.events",
        "Every transaction that finally took effect left an event in the block of its receipt.",
        f"""
        SELECT batch.kind || ' 0x' || encode(slot.mined_tx, 'hex') AS example
        FROM settlement.nonce_slots AS slot
        JOIN settlement.attempts AS attempt
            ON attempt.tx_hash = slot.mined_tx AND NOT attempt.is_noop
        JOIN settlement.batches AS batch ON batch.id = slot.batch_id
        WHERE slot.is_final AND slot.state = 'mined_ok'
            AND batch.kind NOT IN ('top_up_gas', 'transfer_tokens')
            AND coalesce(:chain_id, slot.chain_id) = slot.chain_id
            AND NOT EXISTS (
                SELECT FROM chain.transactions AS found
                WHERE found.chain_id = slot.chain_id AND found.tx_hash = slot.mined_tx
                    AND found.block_number = slot.mined_block
                    AND found.block_hash = slot.mined_block_hash
            )
            AND NOT {rewound.FINAL}
        """,  # noqa: S608 - our own condition
    ),
)
