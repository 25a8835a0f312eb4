"""What a run of chaos did, and what came of it."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from indexer.chain.types import Address, PaymentId

AT_RANDOM = "at_random"
"""A death at no named point: at whatever instant the signal came."""


@dataclass(slots=True)
class Tally:
    """What was done to the engines, counted while it is done."""

    kills: Counter[str] = field(default_factory=Counter)
    """Deaths by the point at which they came."""
    reorgs: int = 0
    moved: int = 0
    """Transactions that a reorg put into another block; all others it dropped."""
    foreign: int = 0
    """Transactions of somebody else who has the key."""
    wipes: int = 0
    spikes: int = 0
    sleeps: int = 0
    """Processes that slept in the middle of something and went on."""
    postgres_restarts: int = 0
    releases: int = 0
    """Times an operator let the signer, or a switch, go on."""
    retries: int = 0
    """Payments that an operator had tried again."""
    broken: list[str] = field(default_factory=list)
    """Ends of processes, and invariants, that nothing done to them excuses."""


@dataclass(frozen=True, slots=True)
class Payment:
    """A captured payment: what must be on the chain at the end, once."""

    payment_id: PaymentId
    treasury: Address
    amount_base_units: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the chain itself says at the end."""

    confirmed: int
    """Payments confirmed exactly once."""
    missing: int
    duplicates: int
    transactions: int
    """Mined transactions of ours, foreign ones aside."""
    wasted_transactions: int
    """Of these, those that reverted and those that did nothing by design."""
    faults: tuple[str, ...]
    """Everything else that is not as it must be."""

    @property
    def is_sound(self) -> bool:
        """Whether every payment is there once, and nothing else is wrong."""
        return not (self.missing or self.duplicates or self.faults)


def report(tally: Tally, verdict: Verdict) -> dict[str, Any]:
    """Name the figures as they are tracked."""
    return {
        "confirmed": verdict.confirmed,
        "missing": verdict.missing,
        "duplicates": verdict.duplicates,
        "wasted_transactions": verdict.wasted_transactions,
        "transactions": verdict.transactions,
        "kills": tally.kills.total(),
        "kills_by_point": dict(sorted(tally.kills.items())),
        "reorgs": tally.reorgs,
        "transactions_moved": tally.moved,
        "foreign_transactions": tally.foreign,
        "mempool_wipes": tally.wipes,
        "base_fee_spikes": tally.spikes,
        "processes_put_to_sleep": tally.sleeps,
        "postgres_restarts": tally.postgres_restarts,
        "operator_releases": tally.releases,
        "operator_retries": tally.retries,
        "faults": [*tally.broken, *verdict.faults],
    }
