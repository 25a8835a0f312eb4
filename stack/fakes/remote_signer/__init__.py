"""A wallet service that runs on this machine: same words, same refusals, real signatures.

Faithful to Privy's REST reference as far as Lastro uses it: basic authentication beside the
``privy-app-id`` header, wallets under external ids that are unique for ever, idempotency keys that
are remembered for 24 hours, ``eth_signTransaction``. It signs and never sends. ``/__fake__/…``
breaks it: lost answers, limits, other keys, changed fields, time. Keys are kept in memory, or in a
file that only its owner can read.
"""
