"""Campaigns that are live, and payments that were captured for them: where settlement begins."""

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, TypeVar

import httpx
from eth_hash.auto import keccak
from sqlalchemy import Connection, insert

from benchmarks.chain import BenchmarkError
from benchmarks.settlement_site import NETWORK, Site
from indexer.chain.rpc import ChainReader
from indexer.chain.types import Address, TokenAmount, to_checksum, to_hex
from indexer.db.base import ROLES
from indexer.db.session import open_engine
from indexer.follow import Follower
from indexer.queries import campaign_by_identifier, treasury_of_campaign
from settlement import calldata
from settlement.tables import campaigns, requests
from settlement.types import derive_payment_id
from tests.support.real_protocol import ADMIN, PLATFORM

CENTAVO = 10**16
CREATOR = Address(b"\x11" * 20)
LAUNCH_AHEAD = timedelta(minutes=10)
LIFE = timedelta(days=60)
CALLS_PER_REQUEST = 50
GAS = 3_000_000
ROWS_PER_INSERT = 500

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Campaign:
    """A live campaign."""

    identifier: bytes
    treasury_kind: str
    campaign: Address
    treasury: Address


def open_campaigns(site: Site, count: int, *, kind: str) -> list[Campaign]:
    """Create campaigns and treasuries on-chain, index them, and store them as live.

    They are made by the quickest way, from the platform's account on a chain that mines at once:
    creating campaigns is not what is measured.
    """
    contracts = site.deployment.contracts
    names = [keccak(f"{kind} {number}".encode()) for number in range(count)]
    now = datetime.now(UTC)
    _send_all(site, contracts.campaign_info_factory, [_creation(name, now) for name in names])
    with _indexed(site) as connection:
        made = [_campaign(connection, site, name) for name in names]
    number = site.deployment.implementation_of(kind).id
    deployments = [calldata.deploy_treasury(PLATFORM, campaign, number) for campaign in made]
    _send_all(site, contracts.treasury_factory, deployments)
    with _indexed(site) as connection:
        live = [
            Campaign(name, kind, campaign, _treasury(connection, site, campaign))
            for name, campaign in zip(names, made, strict=True)
        ]
        connection.execute(insert(campaigns), [_live_row(site, one, now) for one in live])
    return live


def capture(connection: Connection, site: Site, treasuries: Sequence[Address], count: int) -> None:
    """Store captured payments, spread evenly over treasuries: ``request_settlement``'s rows."""
    dice = Random(count)  # noqa: S311 - amounts that are the same in every run
    for first in range(0, count, ROWS_PER_INSERT):
        rows = [
            _request_row(site, treasuries[number % len(treasuries)], dice)
            for number in range(first, min(first + ROWS_PER_INSERT, count))
        ]
        connection.execute(insert(requests), rows)


def _request_row(site: Site, treasury: Address, dice: Random) -> dict[str, Any]:
    request_id, pledge_id = uuid.uuid4(), uuid.uuid4()
    return {
        "request_id": request_id,
        "root_id": request_id,
        "chain_id": NETWORK.chain_id,
        "treasury": treasury,
        "pledge_id": pledge_id,
        "generation": 0,
        "payment_id": derive_payment_id(PLATFORM, pledge_id, 0),
        "buyer_commitment": keccak(request_id.bytes),
        "item_id": keccak(b"contribution"),
        "token": site.token,
        "amount_base_units": TokenAmount(dice.randint(1_000, 50_000) * CENTAVO),
        "captured_at": datetime.now(UTC),
    }


def _creation(name: bytes, now: datetime) -> bytes:
    terms = calldata.CampaignTerms(
        creator=CREATOR,
        identifier_hash=name,
        platform_hash=PLATFORM,
        launch_at=now + LAUNCH_AHEAD,
        deadline_at=now + LIFE,
        goal_base_units=TokenAmount(10**22),
        currency="BRL",
        title="Campanha",
    )
    return calldata.create_campaign(terms)


def _live_row(site: Site, live: Campaign, now: datetime) -> dict[str, Any]:
    return {
        "request_id": uuid.uuid4(),
        "chain_id": NETWORK.chain_id,
        "identifier_hash": live.identifier,
        "creator": CREATOR,
        "launch_at": now,
        "deadline_at": now + LIFE,
        "goal_base_units": 10**22,
        "currency": "BRL",
        "title": "Campanha",
        "treasury_kind": live.treasury_kind,
        "state": "live",
        "platform_hash": PLATFORM,
        "campaign": live.campaign,
        "treasury": live.treasury,
        "token": site.token,
        "live_at": now,
    }


@contextmanager
def _indexed(site: Site) -> Iterator[Connection]:
    """A transaction of the login role on a database that knows the whole chain."""
    engine = open_engine(site.database, role=ROLES["chain"])
    reader = ChainReader([site.anvil.url])
    try:
        follower = Follower(engine, reader, network=NETWORK, deployment=site.deployment)
        follower.start()
        while follower.step():
            pass
    finally:
        reader.close()
        engine.dispose()
    login = open_engine(site.database, role=None)
    try:
        with login.begin() as connection:
            yield connection
    finally:
        login.dispose()


def _campaign(connection: Connection, site: Site, name: bytes) -> Address:
    found = campaign_by_identifier(
        connection,
        chain_id=NETWORK.chain_id,
        factory=site.deployment.contracts.campaign_info_factory,
        identifier_hash=name,
    )
    return _present(found).campaign


def _treasury(connection: Connection, site: Site, campaign: Address) -> Address:
    found = treasury_of_campaign(
        connection,
        chain_id=NETWORK.chain_id,
        factory=site.deployment.contracts.treasury_factory,
        campaign=campaign,
        platform_hash=PLATFORM,
    )
    return _present(found).treasury


def _present(found: T | None) -> T:
    if found is None:
        raise BenchmarkError("a campaign or its treasury was not created")
    return found


def _send_all(site: Site, to: Address, calls: Sequence[bytes]) -> None:
    """Send as the platform, many in one request, and mine until all are in blocks.

    One block for each would run the chain's clock far ahead of ours.
    """
    anvil = site.anvil
    anvil.call("evm_setAutomine", False)
    anvil.call("anvil_setBalance", ADMIN.address, hex(10**24))
    anvil.call("anvil_impersonateAccount", ADMIN.address)
    with httpx.Client(base_url=anvil.url, timeout=60) as client:
        for first in range(0, len(calls), CALLS_PER_REQUEST):
            bodies = [
                _sending(place, to, data)
                for place, data in enumerate(calls[first : first + CALLS_PER_REQUEST])
            ]
            answers = client.post("/", json=bodies).json()
            refused = next((one["error"] for one in answers if "error" in one), None)
            if refused is not None:
                raise BenchmarkError(f"the chain refused a campaign: {refused}")
            while int(anvil.call("txpool_status")["pending"], 16):
                anvil.call("evm_mine")
    anvil.call("anvil_stopImpersonatingAccount", ADMIN.address)


def _sending(place: int, to: Address, data: bytes) -> dict[str, Any]:
    transaction = {
        "from": ADMIN.address,
        "to": to_checksum(to),
        "data": to_hex(data),
        "gas": hex(GAS),
    }
    return {
        "jsonrpc": "2.0",
        "id": place,
        "method": "eth_sendTransaction",
        "params": [transaction],
    }
