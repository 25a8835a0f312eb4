"""The budget of an RPC provider: the network's own, unless the operator knows better."""

import pytest

from indexer.chain.networks import NETWORKS, network_by_name
from indexer.settings import IndexerSettings

REQUIRED = {
    "DATABASE_URL": "postgresql://lastro@localhost/lastro",
    "LASTRO_RPC_URLS": "http://localhost:8545",
    "LASTRO_DEPLOYMENTS_DIR": "/nowhere",
}


@pytest.mark.parametrize(
    ("chain", "given", "calls_per_s"),
    [
        ("celo-local", None, 0),
        ("celo-local", "5", 5),
        ("polygon", None, 25),
        ("polygon", "", 25),
        ("polygon", "0", 0),
        ("polygon", "300", 300),
    ],
)
def test_budget_is_the_networks_unless_it_is_set(
    monkeypatch: pytest.MonkeyPatch, chain: str, given: str | None, calls_per_s: float
) -> None:
    for name, value in (REQUIRED | {"LASTRO_CHAIN": chain}).items():
        monkeypatch.setenv(name, value)
    if given is None:
        monkeypatch.delenv("LASTRO_RPC_REQUESTS_PER_S", raising=False)
    else:
        monkeypatch.setenv("LASTRO_RPC_REQUESTS_PER_S", given)
    assert IndexerSettings.from_environment().rpc_calls_per_s == calls_per_s


def test_only_local_networks_are_without_a_budget() -> None:
    assert {network.name for network in NETWORKS if not network.rpc_calls_per_s} == {
        "celo-local",
        "polygon-local",
    }
    assert network_by_name("celo").rpc_calls_per_s == 25
