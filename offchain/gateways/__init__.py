"""Payment gateways behind one protocol; nothing outside this package knows a gateway's words.

Guarantees: every write carries an idempotency key; an answer that was lost raises
``OutcomeUnknown`` and is never taken for a refusal; webhooks are verified on the raw bytes.
"""
