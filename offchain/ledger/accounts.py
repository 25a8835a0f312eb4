"""The chart of accounts. An account is a name and a currency, opened by its first transfer."""

import uuid
from dataclasses import dataclass
from typing import Literal

Side = Literal["debit", "credit"]


@dataclass(frozen=True, slots=True)
class Account:
    """One account of the chart, in every currency it is used in."""

    name: str
    normal_side: Side
    """The side that makes it grow: debit for what we have, credit for what we owe."""


def gateway_receivable(gateway: str) -> Account:
    """Money a gateway holds for us."""
    return Account(f"gateway_receivable:{gateway}", "debit")


def owed_to_campaign(campaign_id: uuid.UUID) -> Account:
    """Contributions that belong to a campaign."""
    return Account(f"owed_to_campaign:{campaign_id}", "credit")


REFUNDS_PAYABLE = Account("refunds_payable", "credit")
"""Money to give back: a second payment of one pledge."""
SUSPENSE = Account("suspense", "credit")
"""Money received that an operator must decide on; it must age to zero."""
