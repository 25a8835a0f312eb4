"""Two-phase double entry in minor units of currencies and base units of tokens.

Guarantees: a row is never changed or removed (the database refuses); each source event posts one
journal, whole or not at all, and nothing is added to it later (a deferred constraint refuses the
commit); what is pending is posted or voided at most once, all of its event together; debits equal
credits per currency and per token.
"""
