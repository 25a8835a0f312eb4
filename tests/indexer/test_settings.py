"""Settings of the indexer: every fault is listed, and none shows a value."""

import pytest

from indexer.errors import ConfigurationError
from indexer.settings import IndexerSettings

SECRET = "SECRETKEY"


@pytest.fixture(autouse=True)
def _sound(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "DATABASE_URL": "postgresql://u@h/d",
        "LASTRO_CHAIN": "celo-local",
        "LASTRO_RPC_URLS": "http://127.0.0.1:1",
        "LASTRO_DEPLOYMENTS_DIR": "/nowhere",
    }.items():
        monkeypatch.setenv(name, value)


def test_all_faults_are_listed_without_values_when_urls_are_malformed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    urls = f"http://h/,htps://h/{SECRET},http://user:{SECRET}/x@h:1/"
    monkeypatch.setenv("LASTRO_RPC_URLS", urls)
    monkeypatch.setenv("LASTRO_RPC_WS_URL", f"ws://user:{SECRET}/x@127.0.0.1:1/")
    monkeypatch.setenv("LASTRO_RPC_REQUESTS_PER_S", "-3")
    with pytest.raises(ConfigurationError) as caught:
        IndexerSettings.from_environment()
    said = str(caught.value)
    for part in ("URL 2 of 3", "URL 3 of 3", "LASTRO_RPC_WS_URL", "LASTRO_RPC_REQUESTS_PER_S"):
        assert part in said
    assert SECRET not in said


@pytest.mark.parametrize("url", ["http://h/", "ws://h:99999/", "ws:///", "wss://[::1/"])
def test_websocket_url_is_refused_when_malformed(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("LASTRO_RPC_WS_URL", url)
    with pytest.raises(ConfigurationError, match="LASTRO_RPC_WS_URL"):
        IndexerSettings.from_environment()


def test_history_is_checked_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LASTRO_RPC_WS_URL", "wss://u:p@h:8546/key")
    settings = IndexerSettings.from_environment()
    assert settings.history == "checked"
    assert settings.rpc_ws_url == "wss://u:p@h:8546/key"
