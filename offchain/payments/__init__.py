"""Checkout and the life of a payment attempt.

Guarantees: the attempt's row is committed before the gateway hears of it; its three statuses only
move along their lattices, by compare-and-set, each move with its evidence; a capture, its ledger
entry and its settlement request commit together, once.
"""
