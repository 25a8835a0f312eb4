"""What the facts add up to: campaigns, treasuries, transactions, lives of payments, daily totals.

A projection holds nothing that its facts do not, rests on block numbers, and is the same whether
it was made block by block, in slices, with undone blocks between, or anew.
"""
