"""A CrowdSplit that runs on this machine: same words, same refusals, no money.

Faithful to the Oak payments SDK and the CrowdSplit OpenAPI in their third generation and, by a
switch, their second: flat token grant, ids, envelopes, idempotent replays, pages, signed webhooks
with the documented retry schedules. ``/__fake__/…`` drives it: pay, fail, refund, dispute, break,
delay, forge, forget, move the clock. Everything is in memory.
"""
