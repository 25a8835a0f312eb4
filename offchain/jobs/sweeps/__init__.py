"""The bounded sweeps. Each finds what is due by the rows alone, so none depends on a message.

Guarantees: what a sweep works on is claimed in Postgres and due again if its worker dies; one odd
row never stops the others; whatever does not fit into a run is left to the next.
"""
