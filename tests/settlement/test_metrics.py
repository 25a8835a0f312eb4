import re
from datetime import UTC, datetime

import pytest
import yaml  # type: ignore[import-untyped] # it ships no types
from prometheus_client.parser import text_string_to_metric_families

from indexer.chain.types import Address, Wei, to_checksum
from indexer.db.session import open_engine
from settlement.lifecycle import FUNDING
from settlement.nonces import quarantine
from settlement.reporting.metrics import SettlementMetrics
from settlement.switches import GLOBAL_KEY, set_switch
from settlement.types import Nonce
from stack.ports import free_port
from stack.settings import CHECKOUT
from tests.settlement.stored import (
    CHAIN,
    GAS_PRICE_WEI,
    GAS_USED,
    NETWORK,
    SIGNER,
    Store,
    ago,
)

ALERTS = CHECKOUT / "docs" / "alerts.yml"
NAME = "lastro_settlement_"
BUDGET = Wei(10**18)


@pytest.fixture
def metrics(store: Store) -> SettlementMetrics:
    return SettlementMetrics(store.engine, NETWORK, SIGNER, gas_budget_wei=BUDGET)


def samples(metrics: SettlementMetrics) -> dict[str, float]:
    """Every sample of the text that Prometheus reads, without the labels that all have."""
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(metrics.render().decode()):
        for sample in family.samples:
            own = {k: v for k, v in sample.labels.items() if k not in ("network", "signer")}
            name = sample.name.removeprefix(NAME) + (f"{sorted(own.items())}" if own else "")
            assert name not in found, f"{name} is told twice"
            found[name] = sample.value
    return found


def test_payments_are_counted_by_state_and_by_what_blocks_them(
    store: Store, metrics: SettlementMetrics
) -> None:
    store.request("ready", requested_at=ago(seconds=70))
    store.request("settled")
    store.request("blocked", reason=f"{FUNDING}5")
    store.request("quarantined")
    found = samples(metrics)
    assert found["requests[('state', 'settled')]"] == 1
    assert 70 <= found["oldest_seconds[('state', 'ready')]"] < 100
    assert found["oldest_seconds[('state', 'included')]"] == 0
    assert "oldest_seconds[('state', 'settled')]" not in found
    assert found["blocked[('reason', 'funding')]"] == 1
    assert found["blocked[('reason', 'other')]"] == 0, "quarantined is not blocked"
    assert found["database_up"] == 1


def test_actions_and_wallets_are_counted(store: Store, metrics: SettlementMetrics) -> None:
    store.action(state="blocked", reason="gas: 0 wei")
    store.wallet(None, owner_kind="backer")
    store.wallet(Address(b"\x01" * 20), owner_kind="backer", wallet_id="w")
    found = samples(metrics)
    assert found["actions[('kind', 'withdraw'), ('state', 'blocked')]"] == 1
    assert found["wallets[('owner_kind', 'backer'), ('state', 'provisioned')]"] == 1
    assert found["wallets[('owner_kind', 'backer'), ('state', 'requested')]"] == 1


def test_gas_and_nonces_are_those_of_the_signer(store: Store, metrics: SettlementMetrics) -> None:
    store.signer(next_nonce=3)
    store.batch(0)
    store.batch(1, state="mined_failed")
    store.batch(2, state="signed", sealed_at=ago(seconds=40))
    store.attempt(2, intent_at=ago(seconds=30))
    store.attempt(2, 1)
    found = samples(metrics)
    assert (found["gas_used_total"], found["gas_wasted_total"]) == (2 * GAS_USED, GAS_USED)
    assert (found["in_flight"], found["lowest_nonce_attempts"]) == (1, 2)
    assert 30 <= found["lowest_nonce_age_seconds"] < 60
    assert found["attempts_per_slot"] == pytest.approx(2 / 3)
    assert found["gas_budget_wei"] == BUDGET
    assert found["gas_spent_24h_wei"] == (2 * GAS_USED + 150_000) * GAS_PRICE_WEI
    for unknown in ("balance_wei", "runway_hours", "nonce_drift", "turn_timestamp_seconds"):
        assert unknown not in found


def test_account_is_told_as_the_last_turn_saw_it(store: Store, metrics: SettlementMetrics) -> None:
    store.signer(next_nonce=3)
    store.batch(0)
    now = datetime.now(UTC)
    metrics.observe_account(Wei(GAS_USED * GAS_PRICE_WEI), Nonce(5), now=now)
    found = samples(metrics)
    assert found["balance_wei"] == GAS_USED * GAS_PRICE_WEI
    assert found["runway_hours"] == pytest.approx(24)
    assert found["nonce_drift"] == 2
    assert found["turn_timestamp_seconds"] == pytest.approx(now.timestamp())
    assert metrics.last_turn_at == now


def test_stops_are_told(store: Store, metrics: SettlementMetrics) -> None:
    store.signer()
    before = samples(metrics)
    assert before["switches_on[('scope', 'global')]"] == before["quarantined_signers"] == 0
    with store.engine.begin() as connection:
        set_switch(connection, "global", GLOBAL_KEY, stopped=True, reason="storm", set_by="ana")
        quarantine(connection, chain_id=CHAIN, address=SIGNER, reason="foreign")
    found = samples(metrics)
    assert found["switches_on[('scope', 'global')]"] == found["quarantined_signers"] == 1


def test_stages_are_a_histogram_that_begins_at_nought(
    store: Store, metrics: SettlementMetrics
) -> None:
    store.signer()
    count = "stage_seconds_count[('stage', 'captured_sealed')]"
    assert samples(metrics)[count] == 0
    store.batch(0, request_ids=[store.request("included", captured_at=ago(seconds=20))])
    found = samples(metrics)
    assert found[count] == 1
    assert found["stage_seconds_sum[('stage', 'captured_sealed')]"] == pytest.approx(20, abs=5)
    assert samples(metrics)[count] == 1


def test_only_that_is_told_when_postgres_is_gone(store: Store) -> None:
    nowhere = store.engine.url.set(port=free_port()).render_as_string(hide_password=False)
    dead = open_engine(nowhere, role=None, pool_size=1)
    try:
        found = samples(SettlementMetrics(dead, NETWORK, SIGNER))
    finally:
        dead.dispose()
    assert found["database_up"] == 0
    assert "requests[('state', 'ready')]" not in found
    assert found["process_resident_memory_bytes"] > 1_000_000


def test_every_metric_of_an_alert_exists(store: Store, metrics: SettlementMetrics) -> None:
    store.signer()
    store.request("ready")
    store.action()
    metrics.observe_account(Wei(1), Nonce(0))
    told = metrics.render().decode()
    named = set(re.findall(r"\blastro_settlement_\w+", ALERTS.read_text()))
    assert len(named) >= 15
    assert {name for name in named if f"\n{name}{{" not in told} == set()
    assert f'signer="{to_checksum(SIGNER)}"' in told


def test_alerts_are_rules_with_a_severity_and_a_summary() -> None:
    groups = yaml.safe_load(ALERTS.read_text())["groups"]
    assert [group["name"] for group in groups] == [
        "lastro-indexer",
        "lastro-settlement",
        "lastro-offchain",
    ]
    for rule in (rule for group in groups for rule in group["rules"]):
        assert rule["expr"].strip(), rule["alert"]
        assert rule["labels"]["severity"] in {"page", "warn"}, rule["alert"]
        assert rule["annotations"]["summary"].endswith("."), rule["alert"]
