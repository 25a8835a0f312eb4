"""A CrowdSplit that runs on this machine: same words, same refusals, no money.

Faithful to the Oak payments SDK and the CrowdSplit OpenAPI (third generation): flat token grant,
prefixed ids, envelopes, idempotent replays, signed webhooks with the documented retry schedule.
``/__fake__/…`` drives it: pay, fail, break, delay, forge, forget. Everything is in memory.
"""
