"""Chain facts and the database they live in: the ground floor every other package stands on.

Guarantees: for every finalized block the rows of schema ``chain`` equal the chain's logs, and rows
and cursor commit together. Imports nothing of Lastro but itself.
"""
