"""EIP-1559 fees: what to offer, and what a replacement must offer. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median_low

from indexer.chain.types import Wei

REPLACEMENT_NUMERATOR = 9
REPLACEMENT_DENOMINATOR = 8
"""Nodes demand 10 % more on *both* fields (go-ethereum ``PriceBump``); 12.5 % clears rounding."""
BASE_FEE_HEADROOM = 2
"""A base fee grows at most 12.5 % a block (EIP-1559): twice covers six full blocks."""


@dataclass(frozen=True, slots=True)
class Fees:
    """The two fee fields of a transaction."""

    max_fee_per_gas_wei: Wei
    max_priority_fee_per_gas_wei: Wei


def offer(
    base_fee_wei: Wei, recent_tips_wei: Sequence[Wei], *, tip_floor_wei: Wei, cap_wei: Wei
) -> Fees:
    """Choose the fees of a first attempt.

    Args:
        base_fee_wei: Base fee of the next block.
        recent_tips_wei: Tips that recent blocks accepted; the middle one is offered.
        tip_floor_wei: Tip below which the network's nodes refuse a transaction.
        cap_wei: Never offer more per gas than this, whatever the network asks.
    """
    tip = max([tip_floor_wei, *([median_low(recent_tips_wei)] if recent_tips_wei else [])])
    max_fee = min(base_fee_wei * BASE_FEE_HEADROOM + tip, cap_wei)
    return Fees(Wei(max_fee), Wei(min(tip, max_fee)))


def replacement(previous: Fees, current: Fees, *, cap_wei: Wei) -> Fees | None:
    """Choose the fees that replace an attempt; None if the cap leaves no valid replacement.

    At the cap the same bytes are sent again: giving the nonce up could only lose money.

    Args:
        previous: Fees of the attempt to replace.
        current: What a first attempt would offer now.
        cap_wei: Never offer more per gas than this.
    """
    max_fee = max(_raised(previous.max_fee_per_gas_wei), current.max_fee_per_gas_wei)
    tip = max(_raised(previous.max_priority_fee_per_gas_wei), current.max_priority_fee_per_gas_wei)
    max_fee = max(max_fee, tip)
    if max_fee > cap_wei:
        return None
    return Fees(Wei(max_fee), Wei(tip))


def _raised(fee: Wei) -> int:
    return -(-fee * REPLACEMENT_NUMERATOR // REPLACEMENT_DENOMINATOR)
