"""History, read as fast as nodes give it: ranges fetched side by side, checked, written in order.

Only finalized blocks are read this way, so that nothing written here is ever undone. What a range
states is committed with the cursor and the ledger; projections follow when the facts are there.
"""
