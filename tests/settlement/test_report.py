from datetime import datetime, timedelta

import pytest

from indexer.chain.types import Address, ChainId
from settlement.lifecycle import FUNDING, TREASURY
from settlement.reporting.report import Dimension, Reliability, Spread, reliability
from tests.settlement.stored import GAS_PRICE_WEI, GAS_USED, Store, ago

OTHER_CHAIN = ChainId(31338)
OAKS = Address(b"\x0d" * 20)
T = ago(hours=3)
COST = GAS_USED * GAS_PRICE_WEI


def report(
    store: Store, by: Dimension, *, since: datetime | None = None
) -> dict[tuple[str, str | None], Reliability]:
    with store.engine.connect() as connection:
        groups = reliability(connection, by, since=since)
    return {(one.group, one.network): one for one in groups}


def settle(store: Store, took_s: int, *, state: str = "settled", **columns: object) -> None:
    settled_at = T + timedelta(seconds=took_s)
    store.request(state, captured_at=T, settled_at=settled_at, settled_block=7, **columns)


@pytest.fixture
def chains(store: Store) -> Store:
    """Two kinds on one chain, and one of them on another."""
    store.signer()
    store.campaign()
    created = store.campaign(treasury=OAKS, treasury_kind="oak-payment-treasury")
    store.campaign(chain_id=OTHER_CHAIN)
    for took_s in (10, 20, 30):
        settle(store, took_s)
    settle(store, 100, treasury=OAKS)
    settle(store, 200, state="refunded", treasury=OAKS)
    store.request("blocked", reason=f"{FUNDING}5", captured_at=T)
    store.request("blocked", reason=f"{TREASURY}paused", captured_at=T, strikes=2)
    store.request("quarantined", reason="odd", captured_at=T, strikes=3)
    store.request("void", captured_at=T)
    store.request("superseded", captured_at=T)
    store.request("ready", chain_id=OTHER_CHAIN)
    store.batch(0, sealed_at=T)
    store.batch(1, sealed_at=T, state="mined_failed")
    store.batch(2, sealed_at=T, treasury=OAKS, kind="create_payments")
    store.batch(3, sealed_at=T, treasury=None, kind="create_campaign", campaign_request_id=created)
    store.batch(4, sealed_at=T, treasury=None, kind="top_up_gas")
    store.batch(5, sealed_at=T, state="signed")
    return store


def test_report_compares_chains(chains: Store) -> None:
    found = report(chains, "chain")
    assert set(found) == {("celo-local", "celo-local"), ("polygon-local", "polygon-local")}
    celo = found["celo-local", "celo-local"]
    assert (celo.payments, celo.settled, celo.refunded) == (8, 5, 1)
    assert celo.settled_share == pytest.approx(5 / 8)
    assert celo.time_to_settled == Spread(30, 180, 200)
    assert celo.blocked == {"funding": 1, "treasury": 1}
    assert (celo.quarantined, celo.strikes) == (1, 5)
    assert (celo.transactions, celo.failed_transactions) == (5, 1)
    assert (celo.gas_used, celo.cost_wei, celo.wei_per_settled) == (5 * GAS_USED, 5 * COST, COST)
    polygon = found["polygon-local", "polygon-local"]
    assert (polygon.payments, polygon.settled, polygon.settled_share) == (1, 0, 0)
    assert (polygon.time_to_settled, polygon.wei_per_settled, polygon.transactions) == (
        None,
        None,
        0,
    )


def test_report_compares_kinds_with_what_their_creation_took(chains: Store) -> None:
    found = report(chains, "kind")
    ours = found["payment-treasury", "celo-local"]
    oaks = found["oak-payment-treasury", "celo-local"]
    assert found["payment-treasury", "polygon-local"].payments == 1
    assert (ours.payments, ours.settled, ours.time_to_settled) == (6, 3, Spread(20, 29, 30))
    assert (ours.transactions, ours.failed_transactions) == (2, 1)
    assert (oaks.payments, oaks.settled, oaks.blocked) == (2, 2, {})
    assert (oaks.transactions, oaks.wei_per_settled) == (2, COST)


def test_report_leaves_out_what_came_before(chains: Store) -> None:
    found = report(chains, "chain", since=ago(hours=1))
    assert set(found) == {("polygon-local", "polygon-local")}
    settle(chains, 5)
    chains.request("settled", captured_at=ago(minutes=2))
    celo = report(chains, "chain", since=ago(hours=1))["celo-local", "celo-local"]
    assert (celo.payments, celo.transactions, celo.wei_per_settled) == (1, 0, 0)
