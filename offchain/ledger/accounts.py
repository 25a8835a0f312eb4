"""The chart of accounts. An account is a name and a currency, opened by its first transfer.

| account | side | what finance reads in it |
|---|---|---|
| ``gateway_receivable:<gateway>`` | debit | money a gateway took for us and has not paid out |
| ``due_from_creator:<campaign>`` | debit | given back to backers after it had gone to the creator |
| ``chargeback_losses`` | debit | disputes: pending while they are open, posted when lost |
| ``owed_to_campaign:<campaign>`` | credit | contributions that belong to a campaign |
| ``refunds_payable`` | credit | money to give back: a second payment of one pledge |
| ``suspense`` | credit | money received that an operator must decide on |
| ``tokens_in_treasury:<chain>:<treasury>`` | debit | tokens that stand confirmed in a treasury |
| ``tokens_platform_wallet:<chain>`` | debit | tokens of the platform's own wallet |

Fiat is counted in minor units of an ISO 4217 currency (``brl``), tokens in base units of
``token:<chain>:<0xaddress>``. Only what settled payments moved is booked of the platform's wallet:
what it was filled with is not, so its balance is the tokens it gave to treasuries, below zero.
"""

import uuid
from dataclasses import dataclass
from typing import Literal

from indexer.chain.networks import network_by_chain_id
from indexer.chain.types import Address, ChainId, to_hex

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


def due_from_creator(campaign_id: uuid.UUID) -> Account:
    """Money given back to backers after it had gone to the campaign's creator."""
    return Account(f"due_from_creator:{campaign_id}", "debit")


def tokens_in_treasury(chain_id: ChainId, treasury: Address) -> Account:
    """Tokens that stand confirmed in a campaign's treasury."""
    network = network_by_chain_id(chain_id).name
    return Account(f"{IN_TREASURY}{network}:{to_hex(treasury)}", "debit")


def tokens_platform_wallet(chain_id: ChainId) -> Account:
    """Tokens of the platform's own wallet, which fills treasuries and takes refunds back."""
    return Account(f"tokens_platform_wallet:{network_by_chain_id(chain_id).name}", "debit")


IN_TREASURY = "tokens_in_treasury:"
"""How the account of any treasury begins."""
REFUNDS_PAYABLE = Account("refunds_payable", "credit")
"""Money to give back: a second payment of one pledge."""
SUSPENSE = Account("suspense", "credit")
"""Money received that an operator must decide on; it must age to zero."""
CHARGEBACK_LOSSES = Account("chargeback_losses", "debit")
"""Disputed money: pending while a dispute is open, posted when it is lost."""
