"""Payments are read again at their gateways, so that a webhook that never came costs only time.

Guarantees: every open, recent or claimed payment is read again, ever more rarely; every payment
that a gateway lists as changed is read again, and either applied to its attempt or kept visible;
whatever is due is claimed in Postgres, and a worker that dies leaves it due.
"""
