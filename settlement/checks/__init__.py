"""The promises I1 to I7 as questions to Postgres, each answered by one read-only statement.

Guarantees: whatever instant is asked at, between any two commits of the engine and of the indexer,
in the middle of a reorg or after a crash, a healthy database breaks none.
"""
