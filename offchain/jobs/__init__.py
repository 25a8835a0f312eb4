"""Bounded sweeps over Postgres, rung by RQ.

Guarantees: every job may run twice, late, at once with itself, or be lost: the rows decide what is
due, so the outcome is the same.
"""
