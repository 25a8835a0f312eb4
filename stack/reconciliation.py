"""Four independent accounts of the same money, compared to the last centavo.

The gateway's own list, the ledger's posted entries, the treasury's own counter read over RPC at the
finalized block, and the indexed rows. None is computed from another.
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
from offchain.gateways.crowdsplit_wire import METADATA_ATTEMPT
from offchain.ledger.accounts import SUSPENSE, owed_to_campaign
from offchain.ledger.balances import balance
from offchain.money import MinorUnits, base_units
from stack.topology import Topology

_GET_RAISED_AMOUNT = bytes.fromhex("8e75e482")
"""Selector of PaymentTreasury.getRaisedAmount(): confirmed funds at 18 decimals."""
_TREASURY_DECIMALS = 18
_CURRENCY = "brl"
_PAID = {"captured", "succeeded"}


@dataclass(frozen=True, slots=True)
class Expected:
    """One campaign of the run and the payments made to it."""

    name: str
    network: Network | None
    campaign: dict[str, Any]
    """As the read API shows it."""
    asked_centavos: Mapping[str, int]
    """What each payment attempt asked for, by its id."""


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What each account says, in centavos; None where a campaign does not settle on-chain."""

    gateway_centavos: int
    """Paid in full, by the gateway's list."""
    held_centavos: int
    """Paid at the gateway, but not the amount asked for: held for review, in no other account."""
    ledger_centavos: int
    chain_centavos: int | None
    postgres_centavos: int | None

    @property
    def balances(self) -> bool:
        """Whether all that apply agree."""
        others = (self.ledger_centavos, self.chain_centavos, self.postgres_centavos)
        return all(other in {None, self.gateway_centavos} for other in others)

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
        gateway: The gateway's list of payments.
    """
    engine = open_engine(topology.database_url, role="lastro_api", pool_size=1)
    try:
        with engine.connect() as connection:
            return {
                row.name: _reconcile_one(topology, connection, row, gateway) for row in expected
            }
    finally:
        engine.dispose()


def in_suspense(topology: Topology) -> int:
    """Centavos that the ledger holds for an operator to decide on."""
    engine = open_engine(topology.database_url, role="lastro_api", pool_size=1)
    try:
        with engine.connect() as connection:
            found = balance(connection, SUSPENSE.name, _CURRENCY)
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
        asked = expected.asked_centavos.get(payment["metadata"].get(METADATA_ATTEMPT))
        if asked is None or payment["status"] not in _PAID:
            continue
        if payment["paid_amount"] == asked:
            right += payment["paid_amount"]
        else:
            wrong += payment["paid_amount"]
    chain, postgres = _onchain(topology, connection, expected)
    return Reconciled(
        gateway_centavos=right,
        held_centavos=wrong,
        ledger_centavos=_ledger(connection, str(expected.campaign["id"])),
        chain_centavos=chain,
        postgres_centavos=postgres,
    )


def _ledger(connection: Connection, campaign_id: str) -> int:
    """Posted to the campaign's account."""
    account = owed_to_campaign(UUID(campaign_id))
    found = balance(connection, account.name, _CURRENCY)
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
    """Whole centavos; a remainder would be money nobody accounts for."""
    centavos, remainder = divmod(base_units, scale)
    return centavos if remainder == 0 else -1
