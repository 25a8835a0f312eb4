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
BPS = 10_000
MINOR_DIGITS = 2
"""ISO 4217: BRL has centavos."""
WEI_PER_COIN = 10**18


@dataclass(frozen=True, slots=True)
class Fees:
    """The two fee fields of a transaction."""

    max_fee_per_gas_wei: Wei
    max_priority_fee_per_gas_wei: Wei


def usual_tip(recent_tips_wei: Sequence[Wei], *, floor_wei: Wei) -> Wei:
    """The middle one of the tips that recent blocks took, or what the network's nodes demand."""
    return max([floor_wei, *([median_low(recent_tips_wei)] if recent_tips_wei else [])])


def offer(base_fee_wei: Wei, tip_wei: Wei, *, cap_wei: Wei) -> Fees:
    """Choose the fees of a first attempt.

    Args:
        base_fee_wei: Base fee of the next block.
        tip_wei: What is usual, at least what the network's nodes demand.
        cap_wei: Never offer more per gas than this, whatever the network asks.
    """
    max_fee = min(base_fee_wei * BASE_FEE_HEADROOM + tip_wei, cap_wei)
    return Fees(Wei(max_fee), Wei(min(tip_wei, max_fee)))


@dataclass(frozen=True, slots=True)
class WorthBound:
    """The most that settling may cost, measured by what it settles."""

    fee_bps_max: int
    """Basis points of the value."""
    coin_price_minor: int
    """Price of one coin (10^18 wei) in minor units of the payments' currency."""

    def is_worth(self, fee_wei: Wei, *, value_base_units: int, token_decimals: int) -> bool:
        """Whether a fee is within the bound for this value; a unit of currency has two decimals."""
        base_units_per_minor = int(10 ** (token_decimals - MINOR_DIGITS))
        fee = fee_wei * self.coin_price_minor * BPS * base_units_per_minor
        return fee <= self.fee_bps_max * value_base_units * WEI_PER_COIN


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
