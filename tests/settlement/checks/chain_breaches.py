"""What settlement says and the index does not (I5, I6)."""

from tests.settlement.checks.breaches import breach

CHAIN_BREACHES = (
    breach(
        "I5.final",
        "a payment is settled above the mark",
        "UPDATE settlement.requests SET settled_block = settled_block + 1000 "
        "WHERE state = 'settled'",
    ),
    breach(
        "I5.final",
        "a payment is settled on a chain that nobody indexes",
        "DELETE FROM chain.marks",
    ),
    breach(
        "I5.settled",
        "a payment is settled without an event",
        "DELETE FROM chain.payment_lives",
    ),
    breach(
        "I5.settled",
        "a payment is settled in the block of another",
        "UPDATE settlement.requests SET settled_block = settled_block - 1 WHERE state = 'settled'",
    ),
    breach(
        "I5.settled",
        "a payment is settled under other terms",
        "UPDATE settlement.requests SET buyer_commitment = item_id WHERE state = 'settled'",
    ),
    breach(
        "I5.settled",
        "a payment is settled in a block that nobody proved",
        "UPDATE chain.blocks SET proven = false",
    ),
    breach(
        "I5.settled",
        "a payment is settled in a block that is none",
        "UPDATE chain.blocks SET hash = substring(parent_hash || hash FROM 2 FOR 32)",
    ),
    breach(
        "I5.refunded",
        "a payment is refunded without an event",
        "UPDATE settlement.requests SET state = 'refunded' WHERE state = 'settled'",
    ),
    breach(
        "I5.payments",
        "a receipt says that payments were confirmed, and the index does not",
        "UPDATE chain.payment_lives SET confirmed_tx = created_tx || '\\x00'::bytea",
    ),
    breach(
        "I5.payments",
        "a receipt says that payments were created, and the index does not",
        "UPDATE chain.payment_lives SET created_tx = created_tx || '\\x00'::bytea",
    ),
    breach(
        "I5.events",
        "a transaction left nothing in the index",
        "DELETE FROM chain.transactions",
    ),
    breach(
        "I5.events",
        "a transaction left its event in another block",
        "UPDATE chain.transactions SET block_hash = tx_hash",
    ),
    breach(
        "I6.settled",
        "a total is off",
        "UPDATE chain.daily_totals SET confirmed_amount = confirmed_amount + 1",
    ),
    breach(
        "I6.settled",
        "payments are settled for more than was confirmed",
        "UPDATE settlement.requests SET amount_base_units = amount_base_units + 1 "
        "WHERE state = 'settled'",
    ),
    breach(
        "I6.funds",
        "tokens were moved and nobody saw it",
        "DELETE FROM chain.token_transfers",
    ),
    breach(
        "I6.claims",
        "confirmations claim too little",
        "UPDATE settlement.batches SET amount_base_units = amount_base_units - 1 "
        "WHERE kind IN ('confirm_payments', 'settle_payments')",
    ),
    breach(
        "I6.claims",
        "confirmations claim another token",
        "UPDATE settlement.batches SET token = target WHERE kind = 'confirm_payments'",
    ),
)
