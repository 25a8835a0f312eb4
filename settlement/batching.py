"""How many payments one transaction, one batch request and one run of a campaign carry. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

BATCH_PAYMENTS_MAX = 5_000
"""Payments of a campaign that are planned at once and cut into transactions."""
RUN_BATCHES_MAX = 50
"""Such batches in one run of a campaign; then others have their turn."""
GAS_MARGIN_PERCENT = 20
"""Gas limit above the estimate: state may change between estimate and block."""
BLOCK_SHARE_PERCENT = 40
"""Share of a block that one transaction may ask for; larger ones wait for an empty block."""
RAW_BYTES_MAX = 131_072
"""Public pools refuse larger transactions (go-ethereum ``txMaxSize``, 4 x 32 KiB)."""
KEPT_PERCENT = 95
"""Share of what should fit that is tried next: gas is not quite linear in items."""
ENVELOPE_BYTES = 256
"""Upper bound of what signing adds to the calldata."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Limits:
    """What bounds one transaction."""

    items: int
    gas: int
    calldata_bytes: int = RAW_BYTES_MAX - ENVELOPE_BYTES


def limits(*, items_max: int, block_gas_limit: int, gas_per_transaction_max: int) -> Limits:
    """Combine the bounds of the kind, the block and the network."""
    share = block_gas_limit * BLOCK_SHARE_PERCENT // 100
    return Limits(items=items_max, gas=min(share, gas_per_transaction_max))


def gas_limit(estimate: int) -> int:
    """The gas limit of a transaction whose estimate is known."""
    return -(-estimate * (100 + GAS_MARGIN_PERCENT) // 100)


def first_cut(
    waiting: Sequence[T], bounds: Limits, *, predicted_gas: Callable[[int], int]
) -> Sequence[T]:
    """Take from the front what the gas model says will fit; at least one if any waits.

    Args:
        waiting: In order of urgency.
        bounds: What bounds the transaction.
        predicted_gas: Gas that so many items use; must not fall as they grow.
    """
    low, high = min(1, len(waiting)), min(len(waiting), bounds.items)
    while low < high:
        middle = (low + high + 1) // 2
        if gas_limit(predicted_gas(middle)) <= bounds.gas:
            low = middle
        else:
            high = middle - 1
    return waiting[:low]


def fitting_items(items: int, *, estimate: int, calldata_bytes: int, bounds: Limits) -> int:
    """How many of ``items`` to keep, given what all of them need; ``items`` when they fit.

    The answer falls until one item is left, so that cutting again and again ends.
    """
    by_gas = items * bounds.gas // max(gas_limit(estimate), 1)
    by_bytes = items * bounds.calldata_bytes // max(calldata_bytes, 1)
    fitting = min(by_gas, by_bytes)
    if fitting >= items:
        return items
    return max(1, min(items - 1, fitting * KEPT_PERCENT // 100))
