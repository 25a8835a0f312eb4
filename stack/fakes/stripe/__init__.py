"""A Stripe that runs on this machine: same words, same refusals, no money.

Faithful to Stripe's API reference (v1) as its own client library speaks it: form-encoded input,
error envelopes and request ids, cursors, first answers stored under idempotency keys (500s too),
magic test cards, events kept for thirty days and delivered signed, in no promised order, the same
fact under several events. ``/__fake__/…`` drives it. Everything is in memory.
"""
