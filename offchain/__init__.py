"""The fiat side: gateways, webhooks, pledges, the ledger and the jobs. Fiat stops here.

Guarantees: a webhook is answered only after it is stored; money moves only on what the gateway
itself says when re-read; every captured payment is in the ledger and handed to settlement in one
transaction; the ledger balances per currency, always.
"""
