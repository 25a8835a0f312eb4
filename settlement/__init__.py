"""Turns captured payments into confirmed ones on-chain: at most once, eventually exactly once.

Guarantees: no byte reaches a chain before it is committed here; a payment is settled only when its
confirmation was indexed in a finalized, proven block.
"""
