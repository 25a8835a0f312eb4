"""I1, at most once: what keeps a pledge from being confirmed twice stands, and it never was.

The contract is only the last guard: a cancelled or refunded id could be confirmed again on-chain.
So the unique indexes are checked themselves, then what they forbid, then the chain.
"""

from settlement.checks.check import Check

# As Postgres writes predicates back. Constraints and indexes alike: the index is what refuses.
_GUARDS = Check(
    "I1.indexes",
    "Every unique index that stands for at most once is there, valid, and as it was drawn.",
    """
    WITH drawn(name, relation, keys, predicate) AS (VALUES
        ('uq_requests_live_pledge', 'requests', 'pledge_id',
            $$(state <> ALL (ARRAY['void'::text, 'superseded'::text]))$$),
        ('uq_requests_pledge_id_generation', 'requests', 'pledge_id,generation', ''),
        ('uq_requests_chain_id_treasury_payment_id', 'requests',
            'chain_id,treasury,payment_id', ''),
        ('uq_batch_items_live_creation', 'batch_items', 'request_id',
            $$((released_at IS NULL) AND (kind = ANY $$
                || $$(ARRAY['create_payments'::text, 'settle_payments'::text])))$$),
        ('uq_batch_items_live_confirmation', 'batch_items', 'request_id',
            $$((released_at IS NULL) AND (kind = ANY $$
                || $$(ARRAY['confirm_payments'::text, 'settle_payments'::text])))$$),
        ('uq_batch_items_batch_id_request_id', 'batch_items', 'batch_id,request_id', ''),
        ('uq_batches_campaign_step', 'batches', 'campaign_request_id,kind',
            '((campaign_request_id IS NOT NULL) AND (released_at IS NULL))'),
        ('uq_batches_action', 'batches', 'action_id',
            '((action_id IS NOT NULL) AND (released_at IS NULL))'),
        ('pk_nonce_slots', 'nonce_slots', 'chain_id,signer,nonce', ''),
        ('uq_nonce_slots_batch_id', 'nonce_slots', 'batch_id', ''),
        ('pk_attempts', 'attempts', 'tx_hash', ''),
        ('uq_attempts_chain_id_signer_nonce_sequence', 'attempts',
            'chain_id,signer,nonce,sequence', ''),
        ('uq_actions_refund', 'actions', 'request_id',
            $$((kind = 'refund'::text) AND (state <> 'void'::text))$$),
        ('uq_actions_open', 'actions', 'chain_id,treasury,kind',
            $$((kind = ANY (ARRAY['withdraw'::text, 'disburse_fees'::text])) $$
                || $$AND (state <> ALL (ARRAY['done'::text, 'void'::text])))$$)
    )
    SELECT drawn.name AS example
    FROM drawn
    WHERE NOT EXISTS (
        SELECT FROM pg_index AS found
        JOIN pg_class AS named ON named.oid = found.indexrelid
        WHERE named.relname = drawn.name
            AND found.indrelid = to_regclass('settlement.' || drawn.relation)
            AND found.indisunique AND found.indisvalid AND found.indisready AND found.indislive
            AND drawn.predicate = coalesce(pg_get_expr(found.indpred, found.indrelid), '')
            AND drawn.keys = (
                SELECT string_agg(part.attname, ',' ORDER BY keys.place)
                FROM unnest(found.indkey::int2[]) WITH ORDINALITY AS keys(number, place)
                JOIN pg_attribute AS part
                    ON part.attrelid = found.indrelid AND part.attnum = keys.number
            )
    )
    """,
)

CHECKS: tuple[Check, ...] = (
    _GUARDS,
    Check(
        "I1.pledge",
        "At most one generation of a pledge can still be confirmed.",
        """
        SELECT 'pledge ' || pledge_id AS example
        FROM settlement.requests
        WHERE state NOT IN ('void', 'superseded')
        GROUP BY pledge_id
        HAVING count(*) > 1 AND bool_or(coalesce(:chain_id, chain_id) = chain_id)
        """,
    ),
    Check(
        "I1.payment",
        "No two requests ask for the same payment id.",
        """
        SELECT 'payment 0x' || encode(payment_id, 'hex') AS example
        FROM settlement.requests
        GROUP BY payment_id
        HAVING count(*) > 1 AND bool_or(coalesce(:chain_id, chain_id) = chain_id)
        """,
    ),
    Check(
        "I1.creation",
        "No payment is in two creations that could both take effect; to settle is both.",
        """
        SELECT 'request ' || item.request_id AS example
        FROM settlement.batch_items AS item
        JOIN settlement.batches AS batch ON batch.id = item.batch_id
        WHERE batch.released_at IS NULL AND batch.kind IN ('create_payments', 'settle_payments')
            AND coalesce(:chain_id, batch.chain_id) = batch.chain_id
        GROUP BY item.request_id
        HAVING count(*) > 1
        """,
    ),
    Check(
        "I1.confirmation",
        "No payment is in two confirmations that could both take effect.",
        """
        SELECT 'request ' || item.request_id AS example
        FROM settlement.batch_items AS item
        JOIN settlement.batches AS batch ON batch.id = item.batch_id
        WHERE batch.released_at IS NULL AND batch.kind IN ('confirm_payments', 'settle_payments')
            AND coalesce(:chain_id, batch.chain_id) = batch.chain_id
        GROUP BY item.request_id
        HAVING count(*) > 1
        """,
    ),
    # The indexes stand on the items' own copies: they guard nothing once those differ.
    Check(
        "I1.items",
        "An item is released with its batch, is of its kind, and goes to the payment's treasury.",
        """
        SELECT 'batch ' || item.batch_id || ' item ' || item.ordinal AS example
        FROM settlement.batch_items AS item
        JOIN settlement.batches AS batch ON batch.id = item.batch_id
        JOIN settlement.requests AS request ON request.request_id = item.request_id
        WHERE coalesce(:chain_id, batch.chain_id) = batch.chain_id
            AND (item.kind <> batch.kind
                OR (item.released_at IS NULL) <> (batch.released_at IS NULL)
                OR request.chain_id <> batch.chain_id
                OR request.treasury IS DISTINCT FROM batch.treasury)
        """,
    ),
    # In whichever of our treasuries: only the platform can create a payment there.
    Check(
        "I1.confirmed",
        "Over all its generations and lives, a pledge was confirmed on-chain at most once.",
        """
        SELECT 'pledge ' || request.pledge_id AS example
        FROM settlement.requests AS request
        JOIN chain.payment_lives AS life ON life.payment_id = request.payment_id
        JOIN settlement.campaigns AS home
            ON home.chain_id = life.chain_id AND home.treasury = life.treasury
        WHERE life.confirmed_block IS NOT NULL AND NOT life.is_crypto
            AND coalesce(:chain_id, life.chain_id) = life.chain_id
        GROUP BY request.pledge_id
        HAVING count(*) > 1
        """,
    ),
    Check(
        "I1.abandoned",
        "What is void or superseded is not confirmed on-chain.",
        """
        SELECT 'request ' || request.request_id AS example
        FROM settlement.requests AS request
        WHERE request.state IN ('void', 'superseded')
            AND coalesce(:chain_id, request.chain_id) = request.chain_id
            AND EXISTS (
                SELECT FROM chain.payment_lives AS life
                WHERE life.chain_id = request.chain_id AND life.treasury = request.treasury
                    AND life.payment_id = request.payment_id AND life.confirmed_block IS NOT NULL
            )
        """,
    ),
)
