"""I3, no bytes leave unless committed: what was sent, and what was mined, is stored whole."""

from settlement.checks.check import Check

CHECKS: tuple[Check, ...] = (
    # The intent and the first count are one statement, before the send; a reorg takes back what
    # nodes answered, never the intent. Two sessions' now() may be in either order by the time of a
    # round trip, and the server's clock may be put right: hence the minute.
    Check(
        "I3.intent",
        "No node was given bytes, and none answered for them, before the intent was committed.",
        """
        SELECT 'transaction 0x' || encode(tx_hash, 'hex') AS example
        FROM settlement.attempts
        WHERE coalesce(:chain_id, chain_id) = chain_id
            AND CASE WHEN intent_at IS NULL
                THEN sends > 0 OR sent_at IS NOT NULL OR acknowledged_at IS NOT NULL
                    OR sent_block IS NOT NULL OR last_answer IS NOT NULL
                ELSE sends = 0 OR intent_at < signed_at - interval '1 minute' END
        """,
    ),
    Check(
        "I3.mined",
        "Whatever was mined under a nonce of ours is a transaction that was stored and meant.",
        """
        SELECT 'nonce ' || slot.nonce || ' of 0x' || encode(slot.signer, 'hex') AS example
        FROM settlement.nonce_slots AS slot
        LEFT JOIN settlement.attempts AS attempt
            ON attempt.tx_hash = slot.mined_tx AND attempt.chain_id = slot.chain_id
            AND attempt.signer = slot.signer AND attempt.nonce = slot.nonce
        WHERE coalesce(:chain_id, slot.chain_id) = slot.chain_id
            AND CASE WHEN slot.state IN ('mined_ok', 'mined_failed')
                THEN attempt.intent_at IS NULL OR slot.mined_block IS NULL
                    OR slot.mined_block_hash IS NULL
                ELSE attempt.tx_hash IS NOT NULL END
        """,
    ),
    # The index does not know senders. With the platform's key or its adapter others can confirm
    # what we were asked to; that is theirs to explain, and no byte of ours.
    Check(
        "I3.senders",
        "Payments of ours that a transaction confirmed which we never signed.",
        """
        SELECT 'payment 0x' || encode(life.payment_id, 'hex') || ' by 0x'
            || encode(life.confirmed_tx, 'hex') AS example
        FROM settlement.requests AS request
        JOIN chain.payment_lives AS life
            ON life.chain_id = request.chain_id AND life.treasury = request.treasury
            AND life.payment_id = request.payment_id
        WHERE life.confirmed_tx IS NOT NULL
            AND coalesce(:chain_id, request.chain_id) = request.chain_id
            AND NOT EXISTS (
                SELECT FROM settlement.attempts AS attempt
                WHERE attempt.tx_hash = life.confirmed_tx
            )
        """,
        is_promise=False,
    ),
)
