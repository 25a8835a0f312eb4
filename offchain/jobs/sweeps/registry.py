"""Every sweep by the name that its ticks, its runs and its metrics go by.

A new one is a function here and its interval in ``offchain.jobs.cron``; it must be safe when run
twice, late, by two workers at once, or not at all for a while.
"""

from collections.abc import Callable, Mapping

from offchain.jobs.runtime import Budget, Runtime
from offchain.jobs.sweeps.feedback import chain_feedback
from offchain.jobs.sweeps.handing_over import handover_sweep
from offchain.jobs.sweeps.inbox import inbox_sweep
from offchain.jobs.sweeps.ledger import ledger_check
from offchain.jobs.sweeps.listing import list_walk, read_listed
from offchain.jobs.sweeps.media import media_events, media_forget, media_sweep
from offchain.jobs.sweeps.polling import expire_pix, payment_poll
from offchain.jobs.sweeps.refunds import refund_sweep

Sweep = Callable[[Runtime, Budget], int]
"""Works until its budget is spent; returns how much it did."""

SWEEPS: Mapping[str, Sweep] = {
    "inbox_sweep": inbox_sweep,
    "payment_poll": payment_poll,
    "expire_pix": expire_pix,
    "list_walk": list_walk,
    "read_listed": read_listed,
    "refund_sweep": refund_sweep,
    "handover_sweep": handover_sweep,
    "chain_feedback": chain_feedback,
    "ledger_check": ledger_check,
    "media_events": media_events,
    "media_sweep": media_sweep,
    "media_forget": media_forget,
}
MEDIA_SWEEPS = frozenset({"media_events", "media_sweep", "media_forget"})
"""Those of files: together they have one place in a worker's round, and may have a worker."""
