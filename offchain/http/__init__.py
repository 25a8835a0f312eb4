"""Every write over HTTP: webhooks, checkout and the campaign registry.

Guarantees: a webhook is answered 2xx only after its row is committed; a write with an
``Idempotency-Key`` happens once; every error is ``application/problem+json`` (RFC 9457) and none
repeats what was sent.
"""
