"""Conditions for what rests on a final block that an operator has put the index below since.

``settlement.unsettling`` looks at all of it in the lane's next turn; until then nothing is asked of
it. Times are when transactions began, and no allowance is made for two that overlapped: what was
settled while its block was being undone is found here, until that turn. A rewind that no turn ever
looked into, because none was taken for a week, excuses nothing.
"""

SETTLED = """
    EXISTS (
        SELECT FROM chain.reorgs AS reorg
        WHERE reorg.chain_id = request.chain_id AND reorg.ancestor_number < request.settled_block
            AND reorg.seen_at >= request.settled_at AND reorg.seen_at > now() - interval '7 days'
    )
    """
"""Of a ``request`` that is settled."""

FINAL = """
    EXISTS (
        SELECT FROM chain.reorgs AS reorg
        WHERE reorg.chain_id = slot.chain_id AND reorg.ancestor_number < slot.mined_block
            AND reorg.seen_at >= slot.final_at AND reorg.seen_at > now() - interval '7 days'
    )
    """
"""Of a ``slot`` that is final."""

NOT_BACK = """
    EXISTS (
        SELECT FROM chain.reorgs AS reorg
        JOIN chain.marks AS reader ON reader.chain_id = reorg.chain_id
        WHERE reorg.chain_id = request.chain_id AND reorg.seen_at >= request.state_since
            AND reorg.orphaned_tip_number > coalesce(reader.indexed_number, 0)
    )
    """
"""Since a ``request`` is in its state, the index was put back and has not yet come where it was."""
