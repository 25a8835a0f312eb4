"""Payments confirmed twice, lost, or let go of (I1, I2 and what I7 says of them)."""

from tests.settlement.checks.breaches import (
    ANY_HASH,
    LIVE_PLEDGE,
    another_request,
    breach,
    item_elsewhere,
    no_constraint,
    no_index,
)

PAYMENT_BREACHES = (
    breach("I1.indexes", "one is gone", no_index(LIVE_PLEDGE)),
    breach(
        "I1.indexes",
        "one lets more through",
        no_index(LIVE_PLEDGE),
        f"CREATE UNIQUE INDEX {LIVE_PLEDGE} ON settlement.requests (pledge_id) "
        "WHERE state IN ('batched')",
    ),
    breach(
        "I1.indexes",
        "one is not unique",
        no_index(LIVE_PLEDGE),
        f"CREATE INDEX {LIVE_PLEDGE} ON settlement.requests (pledge_id) "
        "WHERE state NOT IN ('void','superseded')",
    ),
    breach(
        "I1.indexes",
        "one was never finished",
        "UPDATE pg_index SET indisvalid = false "
        "WHERE indexrelid = 'settlement.uq_requests_live_pledge'::regclass",
    ),
    breach(
        "I1.indexes",
        "one is of more columns",
        no_constraint("uq_nonce_slots_batch_id", "nonce_slots"),
        "CREATE UNIQUE INDEX uq_nonce_slots_batch_id ON settlement.nonce_slots (batch_id, signer)",
    ),
    breach(
        "I1.pledge",
        "two generations are alive",
        no_index(LIVE_PLEDGE),
        another_request("state = 'settled'", generation="7", payment_id=ANY_HASH),
    ),
    breach(
        "I1.payment",
        "two requests share a payment id",
        no_constraint("uq_requests_chain_id_treasury_payment_id", "requests"),
        another_request("state = 'settled'", pledge_id="gen_random_uuid()"),
    ),
    breach(
        "I1.creation",
        "a payment is created twice",
        no_index("uq_batch_items_live_creation"),
        item_elsewhere("create_payments", into="create_payments"),
    ),
    breach(
        "I1.confirmation",
        "a payment is confirmed twice",
        no_index("uq_batch_items_live_confirmation"),
        item_elsewhere("settle_payments", into="confirm_payments"),
    ),
    breach(
        "I1.items",
        "an item is released alone",
        "UPDATE settlement.batch_items SET released_at = now() WHERE released_at IS NULL",
    ),
    breach(
        "I1.items",
        "an item says that it is of another kind",
        "UPDATE settlement.batch_items SET kind = 'create_payments' WHERE released_at IS NOT NULL",
    ),
    breach(
        "I1.items",
        "a payment is in a call to another treasury",
        "UPDATE settlement.batches SET treasury = token WHERE kind = 'confirm_payments'",
    ),
    breach(
        "I1.confirmed",
        "two generations were confirmed",
        no_index(LIVE_PLEDGE),
        """
        UPDATE settlement.requests SET generation = 7, pledge_id = (
            SELECT pledge_id FROM settlement.requests WHERE state = 'settled'
            ORDER BY request_id LIMIT 1
        )
        WHERE request_id = (
            SELECT request_id FROM settlement.requests WHERE state = 'settled'
            ORDER BY request_id OFFSET 1 LIMIT 1
        )
        """,
    ),
    breach(
        "I1.abandoned",
        "what was confirmed is void",
        "UPDATE settlement.requests SET state = 'void' WHERE state = 'settled'",
    ),
    breach(
        "I2.states",
        "a payment is blocked for no reason",
        no_constraint("ck_requests_stop_has_reason", "requests"),
        "UPDATE settlement.requests SET reason = ' ' WHERE state = 'blocked'",
    ),
    breach(
        "I2.states",
        "a payment is in a state that nobody knows",
        no_constraint("ck_requests_state", "requests"),
        "UPDATE settlement.requests SET state = 'lost' WHERE state = 'ready'",
    ),
    breach(
        "I2.states",
        "a payment does not know since when",
        "ALTER TABLE settlement.requests ALTER COLUMN state_since DROP NOT NULL",
        "UPDATE settlement.requests SET state_since = NULL WHERE state = 'ready'",
    ),
    breach(
        "I2.states",
        "a signer stands in quarantine for no reason",
        "UPDATE settlement.signers SET mode = 'quarantine'",
    ),
    breach(
        "I2.batched",
        "a payment is batched in nothing",
        "UPDATE settlement.requests SET batch_id = gen_random_uuid() WHERE state = 'batched'",
    ),
    breach(
        "I2.batched",
        "a payment is batched in what was released",
        "UPDATE settlement.requests SET batch_id = (SELECT id FROM settlement.batches "
        "WHERE released_at IS NOT NULL LIMIT 1) WHERE state = 'batched'",
    ),
    breach(
        "I2.batched",
        "a payment is batched in what finally failed",
        "UPDATE settlement.nonce_slots SET is_final = true, state = 'mined_failed' "
        "WHERE batch_id IN (SELECT batch_id FROM settlement.requests WHERE state = 'batched')",
    ),
    breach(
        "I2.actions",
        "an action is sealed in nothing",
        "UPDATE settlement.actions SET state = 'sealed' WHERE action_id NOT IN "
        "(SELECT action_id FROM settlement.batches WHERE action_id IS NOT NULL)",
    ),
    breach(
        "I2.actions",
        "an action is asked for again that took effect",
        "UPDATE settlement.actions SET state = 'requested'",
    ),
    breach(
        "I2.moves",
        "a payment moved and nobody noted it",
        "ALTER TABLE settlement.requests DISABLE TRIGGER keep_move",
        "UPDATE settlement.requests SET state = 'quarantined', reason = 'found' "
        "WHERE state = 'included'",
    ),
    breach(
        "I7.under_way",
        "what is being confirmed is void",
        "UPDATE settlement.requests SET state = 'void' WHERE state = 'included'",
    ),
    breach(
        "I7.successor",
        "a payment is superseded by nothing",
        "UPDATE settlement.requests SET state = 'superseded' WHERE state = 'ready'",
    ),
    breach(
        "I7.expired",
        "a payment is superseded that could still be confirmed",
        "UPDATE chain.payment_lives SET expiration = 0",
    ),
)
