"""I4, dense nonces: every nonce has one purpose, and none is left out."""

from settlement.checks.check import Check

CHECKS: tuple[Check, ...] = (
    # Nonces that others spent have no slot: an operator lets the signer go on above them. So a hole
    # is none once the chain counts past it. Where the chain was not asked, one of ours that was
    # mined above shows that; and of a signer that once stood in quarantine nothing is said.
    Check(
        "I4.dense",
        "A signer's slots cover every nonce up to its next one, but those that others spent.",
        """
        WITH counted AS (
            SELECT *
            FROM unnest(CAST(:chains AS bigint[]), CAST(:signers AS bytea[]),
                CAST(:counts AS bigint[])) AS counted(chain_id, address, nonces)
        ), slots AS (
            SELECT chain_id, signer, nonce,
                lead(nonce) OVER nonces AS following,
                max(nonce) FILTER (WHERE state NOT IN ('reserved', 'signed')) OVER (
                    PARTITION BY chain_id, signer
                ) AS spent
            FROM settlement.nonce_slots
            WHERE coalesce(:chain_id, chain_id) = chain_id
            WINDOW nonces AS (PARTITION BY chain_id, signer ORDER BY nonce)
        ), gaps AS (
            SELECT slots.chain_id, slots.signer, slots.nonce, slots.spent, signer.mode_reason,
                coalesce(slots.following, signer.next_nonce) AS following
            FROM slots
            LEFT JOIN settlement.signers AS signer
                ON signer.chain_id = slots.chain_id AND signer.address = slots.signer
        )
        SELECT CASE WHEN gaps.following > gaps.nonce
                THEN 'nonces ' || gaps.nonce + 1 || ' to ' || gaps.following - 1
                ELSE 'nonce ' || gaps.nonce END
            || ' of 0x' || encode(gaps.signer, 'hex') AS example
        FROM gaps
        LEFT JOIN counted ON counted.chain_id = gaps.chain_id AND counted.address = gaps.signer
        WHERE CASE WHEN gaps.following IS NULL OR gaps.following <= gaps.nonce THEN true
            WHEN gaps.following = gaps.nonce + 1 THEN false
            WHEN counted.nonces IS NOT NULL THEN counted.nonces < gaps.following
            ELSE coalesce(gaps.spent < gaps.following, true) AND gaps.mode_reason IS NULL END
        """,
    ),
    Check(
        "I4.batches",
        "Every batch has one nonce, of its own chain.",
        """
        SELECT 'batch ' || batch.id AS example
        FROM settlement.batches AS batch
        LEFT JOIN settlement.nonce_slots AS slot
            ON slot.batch_id = batch.id AND slot.chain_id = batch.chain_id
        WHERE coalesce(:chain_id, batch.chain_id) = batch.chain_id
        GROUP BY batch.id
        HAVING count(slot.nonce) <> 1
        """,
    ),
    Check(
        "I4.attempts",
        "The attempts at a nonce are numbered from 0 without holes; a reserved one has none.",
        """
        SELECT 'nonce ' || slot.nonce || ' of 0x' || encode(slot.signer, 'hex') AS example
        FROM settlement.nonce_slots AS slot
        LEFT JOIN settlement.attempts AS attempt
            ON attempt.chain_id = slot.chain_id AND attempt.signer = slot.signer
            AND attempt.nonce = slot.nonce
        WHERE coalesce(:chain_id, slot.chain_id) = slot.chain_id
        GROUP BY slot.chain_id, slot.signer, slot.nonce
        HAVING min(attempt.sequence) <> 0 OR max(attempt.sequence) <> count(attempt.sequence) - 1
            OR (slot.state = 'reserved' AND count(attempt.sequence) > 0)
            OR (slot.state NOT IN ('reserved', 'foreign') AND count(attempt.sequence) = 0)
        """,
    ),
    # Whichever of two is mined decides; but once given up, a nonce is not taken back. What was
    # adopted from the chain, after a restore, was signed before: it is meant as it is stored.
    Check(
        "I4.given_up",
        "After a no-op nothing but no-ops is signed for the same nonce.",
        """
        SELECT 'transaction 0x' || encode(later.tx_hash, 'hex') AS example
        FROM settlement.attempts AS later
        WHERE NOT later.is_noop AND later.intent_at IS DISTINCT FROM later.signed_at
            AND coalesce(:chain_id, later.chain_id) = later.chain_id
            AND EXISTS (
                SELECT FROM settlement.attempts AS earlier
                WHERE earlier.chain_id = later.chain_id AND earlier.signer = later.signer
                    AND earlier.nonce = later.nonce AND earlier.sequence < later.sequence
                    AND earlier.is_noop
            )
        """,
    ),
)
