"""I7, no cancellation by time: only the state of the chain, once final, lets a settlement go."""

from settlement.checks import rewound
from settlement.checks.check import Check

CHECKS: tuple[Check, ...] = (
    Check(
        "I7.final",
        "A nonce is closed for good only by a block that is final.",
        f"""
        SELECT 'nonce ' || slot.nonce || ' of 0x' || encode(slot.signer, 'hex') AS example
        FROM settlement.nonce_slots AS slot
        LEFT JOIN chain.marks AS mark ON mark.chain_id = slot.chain_id
        WHERE slot.is_final AND coalesce(:chain_id, slot.chain_id) = slot.chain_id
            AND (slot.state IN ('mined_ok', 'mined_failed', 'foreign')
                AND slot.mined_block <= mark.finalized_number) IS NOT TRUE
            AND NOT {rewound.FINAL}
        """,  # noqa: S608 - our own condition
    ),
    # A no-op that was mined spent the nonce without effect, whatever its receipt says. Where a
    # final block changed since, the nonce is looked at again, and must still be spent like that.
    Check(
        "I7.released",
        "A batch is released when, and only when, its nonce was finally spent without effect.",
        """
        SELECT 'batch ' || batch.id AS example
        FROM settlement.batches AS batch
        LEFT JOIN settlement.nonce_slots AS slot ON slot.batch_id = batch.id
        LEFT JOIN settlement.attempts AS attempt ON attempt.tx_hash = slot.mined_tx
        CROSS JOIN LATERAL (
            SELECT coalesce(
                slot.state IN ('mined_failed', 'foreign') OR attempt.is_noop, false
            ) AS spent
        ) AS nonce
        WHERE coalesce(:chain_id, batch.chain_id) = batch.chain_id
            AND CASE WHEN batch.released_at IS NULL THEN nonce.spent AND slot.is_final
                ELSE NOT nonce.spent OR NOT (slot.is_final OR EXISTS (
                    SELECT FROM chain.reorgs AS reorg
                    WHERE reorg.chain_id = batch.chain_id
                        AND reorg.ancestor_number < slot.mined_block
                        AND reorg.seen_at >= batch.released_at
                )) END
        """,
    ),
    Check(
        "I7.under_way",
        "Nothing that is void or superseded is in a confirmation that may still take effect.",
        """
        SELECT 'request ' || request.request_id AS example
        FROM settlement.requests AS request
        JOIN settlement.batch_items AS item ON item.request_id = request.request_id
        JOIN settlement.batches AS batch ON batch.id = item.batch_id
        WHERE request.state IN ('void', 'superseded') AND batch.released_at IS NULL
            AND batch.kind IN ('confirm_payments', 'settle_payments')
            AND coalesce(:chain_id, request.chain_id) = request.chain_id
        """,
    ),
    Check(
        "I7.successor",
        "A superseded payment has a successor: the next generation, under the caller's own name.",
        """
        SELECT 'request ' || request.request_id AS example
        FROM settlement.requests AS request
        LEFT JOIN settlement.requests AS successor
            ON successor.pledge_id = request.pledge_id AND successor.root_id = request.root_id
            AND successor.generation = request.generation + 1
        WHERE request.state = 'superseded' AND successor.request_id IS NULL
            AND coalesce(:chain_id, request.chain_id) = request.chain_id
        """,
    ),
    # Its own column is null where another hand created it.
    Check(
        "I7.expired",
        "A payment is superseded only once it can never be confirmed, by a final block's time.",
        f"""
        SELECT 'request ' || request.request_id AS example
        FROM settlement.requests AS request
        LEFT JOIN chain.marks AS mark ON mark.chain_id = request.chain_id
        WHERE request.state = 'superseded'
            AND coalesce(:chain_id, request.chain_id) = request.chain_id
            AND NOT EXISTS (
                SELECT FROM chain.payment_lives AS life
                WHERE life.chain_id = request.chain_id AND life.treasury = request.treasury
                    AND life.payment_id = request.payment_id
                    AND life.expiration
                        BETWEEN 1 AND extract(epoch FROM mark.finalized_timestamp)
            )
            AND NOT {rewound.NOT_BACK}
        """,  # noqa: S608 - our own condition
    ),
)
