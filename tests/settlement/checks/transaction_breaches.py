"""Transactions sent unasked, nonces left out or closed too early (I3, I4, I7 and gas)."""

from tests.settlement.checks.breaches import ANY_HASH, another, breach, no_constraint

_SLOT_OF_ATTEMPT = no_constraint("fk_attempts_chain_id_signer_nonce_nonce_slots", "attempts")

TRANSACTION_BREACHES = (
    breach(
        "I3.intent",
        "bytes were sent without an intent",
        "UPDATE settlement.attempts SET intent_at = NULL",
    ),
    breach(
        "I3.intent",
        "bytes were meant to be sent before they were signed",
        "UPDATE settlement.attempts SET intent_at = signed_at - interval '1 hour'",
    ),
    breach(
        "I3.mined",
        "a transaction was mined that nobody stored",
        "UPDATE settlement.nonce_slots SET mined_tx = mined_block_hash WHERE state = 'mined_ok'",
    ),
    breach(
        "I3.mined",
        "a transaction was mined that nobody meant to send",
        "UPDATE settlement.attempts SET intent_at = NULL, sends = 0, sent_at = NULL, "
        "acknowledged_at = NULL, sent_block = NULL, last_answer = NULL",
    ),
    breach(
        "I3.mined",
        "an open nonce is spent by a transaction of ours",
        "UPDATE settlement.nonce_slots SET mined_tx = attempts.tx_hash FROM settlement.attempts "
        "WHERE attempts.nonce = nonce_slots.nonce AND state = 'signed'",
    ),
    breach(
        "I3.bytes",
        "bytes are not those of the hash",
        "UPDATE settlement.attempts SET raw = raw || '\\x00'::bytea",
    ),
    breach(
        "I3.bytes",
        "bytes are no transaction",
        "UPDATE settlement.attempts SET raw = '\\x00'::bytea",
    ),
    breach(
        "I3.bytes",
        "fees are others than those that were signed",
        "UPDATE settlement.attempts SET max_fee_per_gas_wei = max_fee_per_gas_wei + 1",
    ),
    breach(
        "I3.bytes",
        "the signature is of another account",
        _SLOT_OF_ATTEMPT,
        "UPDATE settlement.nonce_slots SET signer = '\\xabcd'::bytea",
        "UPDATE settlement.attempts SET signer = '\\xabcd'::bytea",
    ),
    breach(
        "I4.purpose",
        "a transaction makes another call",
        "UPDATE settlement.batches SET calldata = calldata || '\\x00'::bytea",
    ),
    breach(
        "I4.purpose",
        "a transaction has another gas limit",
        "UPDATE settlement.batches SET gas_limit = gas_limit + 1",
    ),
    breach(
        "I4.purpose",
        "a no-op does something",
        "UPDATE settlement.attempts SET is_noop = true",
    ),
    breach(
        "I4.dense",
        "a nonce was left out at the end",
        "UPDATE settlement.signers SET next_nonce = next_nonce + 1",
    ),
    breach(
        "I4.dense",
        "a nonce would be given twice",
        "UPDATE settlement.signers SET next_nonce = next_nonce - 1",
    ),
    breach(
        "I4.dense",
        "a nonce was left out in between",
        _SLOT_OF_ATTEMPT,
        "UPDATE settlement.signers SET next_nonce = next_nonce + 1",
        "UPDATE settlement.nonce_slots SET nonce = nonce + 1 "
        "WHERE nonce = (SELECT max(nonce) FROM settlement.nonce_slots)",
    ),
    breach("I4.dense", "nobody knows the signer", "DELETE FROM settlement.signers"),
    breach(
        "I4.batches",
        "a batch has no nonce",
        another("batches", "kind = 'fund'", id="gen_random_uuid()"),
    ),
    breach(
        "I4.attempts",
        "the first attempt is missing",
        "UPDATE settlement.attempts SET sequence = sequence + 1",
    ),
    breach(
        "I4.attempts",
        "a signed nonce has no attempt",
        "DELETE FROM settlement.attempts USING settlement.nonce_slots "
        "WHERE nonce_slots.nonce = attempts.nonce AND state = 'signed'",
    ),
    breach(
        "I4.attempts",
        "a reserved nonce has an attempt",
        "UPDATE settlement.nonce_slots SET state = 'reserved' WHERE state = 'signed'",
    ),
    breach(
        "I4.given_up",
        "a nonce was taken back",
        "UPDATE settlement.attempts SET is_noop = true",
        another("attempts", "true", sequence="99", tx_hash=ANY_HASH, is_noop="false"),
    ),
    breach(
        "I6.gas",
        "a transaction cost nothing",
        "UPDATE settlement.nonce_slots SET gas_used = NULL WHERE state = 'mined_ok'",
    ),
    breach(
        "I6.gas",
        "a transaction used more gas than it was given",
        "UPDATE settlement.nonce_slots SET gas_used = 10 ^ 9 WHERE state = 'mined_ok'",
    ),
    breach(
        "I6.gas",
        "a transaction paid more than was signed",
        "UPDATE settlement.nonce_slots SET effective_gas_price_wei = 10::numeric ^ 30 "
        "WHERE state = 'mined_ok'",
    ),
    breach(
        "I6.gas",
        "gas was paid for what was not mined",
        "UPDATE settlement.nonce_slots SET gas_used = 21000 WHERE state = 'signed'",
    ),
    breach(
        "I7.final",
        "an unmined nonce is final",
        "UPDATE settlement.nonce_slots SET is_final = true WHERE state = 'signed'",
    ),
    breach(
        "I7.final",
        "a nonce is final before its block is",
        "UPDATE settlement.nonce_slots SET mined_block = mined_block + 1000 WHERE is_final",
    ),
    breach(
        "I7.released",
        "a batch that took effect is released",
        "UPDATE settlement.batches SET released_at = now() WHERE id IN "
        "(SELECT batch_id FROM settlement.nonce_slots WHERE state = 'mined_ok')",
    ),
    breach(
        "I7.released",
        "a batch that waits is released",
        "UPDATE settlement.batches SET released_at = now() WHERE id IN "
        "(SELECT batch_id FROM settlement.nonce_slots WHERE state = 'signed')",
    ),
    breach(
        "I7.released",
        "a batch that failed for good is not released",
        "UPDATE settlement.batches SET released_at = NULL WHERE released_at IS NOT NULL",
    ),
)
