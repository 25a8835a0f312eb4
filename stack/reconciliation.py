"""Four independent accounts of the same money, compared to the last minor unit.

The gateways' own lists, the ledger's posted entries, the treasury's own counter read over RPC at
the finalized block, and the indexed rows. None is computed from another.
"""

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, func, select

from indexer.chain.networks import Network
from indexer.chain.rpc import ChainReader
from indexer.chain.types import address_from_hex
from indexer.db.session import open_engine
from indexer.queries import read_marks
from indexer.views import payments
from offchain.gateways.crowdsplit.wire import METADATA_ATTEMPT
from offchain.ledger.accounts import SUSPENSE, owed_to_campaign
from offchain.ledger.balances import balance
from offchain.money import MinorUnits, base_units
from stack.topology import Topology

_GET_RAISED_AMOUNT = bytes.fromhex("8e75e482")
"""Selector of PaymentTreasury.getRaisedAmount(): confirmed funds at 18 decimals."""
_TREASURY_DECIMALS = 18
_PAID = {"captured", "succeeded", "success"}
"""What CrowdSplit, Stripe and Paystack call a payment whose money came in."""


@dataclass(frozen=True, slots=True)
class Expected:
    """One campaign of the run and the payments made to it."""

    name: str
    network: Network | None
    campaign: dict[str, Any]
    """As the read API shows it."""
    currency: str
    asked_minor: Mapping[str, int]
    """What each payment attempt asked for, by its id."""


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What each account says, in minor units; None where a campaign does not settle on-chain."""

    currency: str
    gateway_minor: int
    """Paid in full, by the gateways' lists."""
    held_minor: int
    """Paid at the gateway, but not the amount asked for: held for review, in no other account."""
    ledger_minor: int
    chain_minor: int | None
    postgres_minor: int | None

    @property
    def balances(self) -> bool:
        """Whether all that apply agree."""
        others = (self.ledger_minor, self.chain_minor, self.postgres_minor)
        return all(other in {None, self.gateway_minor} for other in others)

    def as_json(self) -> dict[str, Any]:
        """For the report."""
        return {**asdict(self), "balances": self.balances}


def reconcile(
    topology: Topology, expected: Sequence[Expected], gateway: Sequence[dict[str, Any]]
) -> dict[str, Reconciled]:
    """Compare the four accounts, campaign by campaign.

    Args:
        topology: The running stack.
        expected: The run's campaigns.
        gateway: Every payment of the gateways' lists.
    """
    engine = open_engine(topology.database_url, role="lastro_api", pool_size=1)
    try:
        with engine.connect() as connection:
            return {
                row.name: _reconcile_one(topology, connection, row, gateway) for row in expected
            }
    finally:
        engine.dispose()


def in_suspense(topology: Topology, currency: str) -> int:
    """Minor units that the ledger holds for an operator to decide on."""
    engine = open_engine(topology.database_url, role="lastro_api", pool_size=1)
    try:
        with engine.connect() as connection:
            found = balance(connection, SUSPENSE.name, currency)
    finally:
        engine.dispose()
    return 0 if found is None else found.posted + found.pending


def _reconcile_one(
    topology: Topology,
    connection: Connection,
    expected: Expected,
    gateway: Sequence[dict[str, Any]],
) -> Reconciled:
    right = wrong = 0
    for payment in gateway:
        asked = expected.asked_minor.get(payment["metadata"].get(METADATA_ATTEMPT))
        if asked is None or payment["status"] not in _PAID:
            continue
        if payment["paid_amount"] == asked:
            right += payment["paid_amount"]
        else:
            wrong += payment["paid_amount"]
    chain, postgres = _onchain(topology, connection, expected)
    return Reconciled(
        currency=expected.currency,
        gateway_minor=right,
        held_minor=wrong,
        ledger_minor=_ledger(connection, str(expected.campaign["id"]), expected.currency),
        chain_minor=chain,
        postgres_minor=postgres,
    )


def _ledger(connection: Connection, campaign_id: str, currency: str) -> int:
    """Posted to the campaign's account."""
    account = owed_to_campaign(UUID(campaign_id))
    found = balance(connection, account.name, currency)
    return 0 if found is None else found.posted


def _onchain(
    topology: Topology, connection: Connection, expected: Expected
) -> tuple[int | None, int | None]:
    """The treasury's own counter and the indexed rows, both as of the finalized block."""
    if expected.network is None:
        return None, None
    treasury = address_from_hex(expected.campaign["onchain"]["treasury"])
    marks = read_marks(connection, expected.network.chain_id)
    if marks is None or marks.finalized is None:
        return 0, 0
    scale = base_units(MinorUnits(1), token_decimals=_TREASURY_DECIMALS)
    with closing(ChainReader([topology.rpc_url(expected.network)])) as reader:
        raised = reader.call(treasury, _GET_RAISED_AMOUNT, marks.finalized.number)
    indexed = connection.execute(
        select(func.coalesce(func.sum(payments.c.amount), 0)).where(
            payments.c.chain_id == expected.network.chain_id,
            payments.c.treasury == treasury,
            payments.c.state == "confirmed",
            payments.c.confirmed_block <= marks.finalized.number,
        )
    ).scalar_one()
    return _exact(int.from_bytes(raised, "big"), scale), _exact(int(indexed), scale)


def _exact(base_units: int, scale: int) -> int:
    """Whole minor units; a remainder would be money nobody accounts for."""
    minor, remainder = divmod(base_units, scale)
    return minor if remainder == 0 else -1
