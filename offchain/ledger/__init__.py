"""Two-phase double entry in minor units.

Guarantees: a transfer is never changed or removed (the database refuses); each source event posts
once; a pending transfer is posted or voided at most once; debits equal credits per currency.
"""
