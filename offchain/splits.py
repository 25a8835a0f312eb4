"""How a charge is split between receivers: shares in basis points, parts in minor units. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from offchain.gateways.choosing import PLATFORM_ACCOUNT, RECEIVERS_MAX, GatewayName
from offchain.gateways.types import Part
from offchain.money import MinorUnits

WHOLE_BPS = 10_000


@dataclass(frozen=True, slots=True)
class Share:
    """What one receiver gets of every charge of a campaign at one gateway."""

    gateway: GatewayName
    account_id: str
    """The receiver's account there; ``PLATFORM_ACCOUNT`` for the platform's own."""
    bps: int
    """Ten-thousandths of the charge."""
    role: str
    """What the receiver is to the campaign, e.g. creator."""


def shares_fault(shares: Sequence[Share]) -> str | None:
    """Why shares cannot be those of a campaign; None when they can."""
    for gateway in dict.fromkeys(share.gateway for share in shares):
        there = [share for share in shares if share.gateway == gateway]
        total = sum(share.bps for share in there)
        if total != WHOLE_BPS:
            return f"the shares at {gateway} sum to {total}, not to {WHOLE_BPS}"
        accounts = {share.account_id for share in there}
        if len(accounts) < len(there):
            return f"an account at {gateway} has two shares"
        if len(accounts - {PLATFORM_ACCOUNT}) > RECEIVERS_MAX[gateway]:
            return (
                f"{gateway} splits a charge between the platform and at most "
                f"{RECEIVERS_MAX[gateway]} more"
            )
    return None


def split_charge(minor: MinorUnits, shares: Sequence[Share]) -> tuple[Part, ...]:
    """Split a charge by largest remainder: the parts sum to it, none is a unit off its share.

    Who is owed equal remainders is served in the order of the shares. A receiver whose part of a
    small charge is nothing has none.
    """
    owed = [minor * share.bps for share in shares]
    whole = [amount // WHOLE_BPS for amount in owed]
    by_remainder = sorted(range(len(shares)), key=lambda place: -(owed[place] % WHOLE_BPS))
    for place in by_remainder[: minor - sum(whole)]:
        whole[place] += 1
    return tuple(
        Part(share.account_id, MinorUnits(part))
        for share, part in zip(shares, whole, strict=True)
        if part
    )
