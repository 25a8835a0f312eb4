import re
from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import Engine, insert, update

from indexer.chain.networks import network_by_name
from indexer.chain.observer import RpcObserver
from indexer.chain.types import BlockHash, BlockNumber, BlockStamp
from indexer.metrics import IndexerMetrics, provider_label
from indexer.notices import Notices
from indexer.tables import audits, marks, provider_findings, reorgs
from stack.settings import CHECKOUT

NETWORK = network_by_name("celo-local")
CHAIN = NETWORK.chain_id
NOW = datetime(2026, 1, 1, tzinfo=UTC)
ALERTS = CHECKOUT / "docs" / "alerts.yml"
SECRET_URL = "https://alice:hunter2@rpc.example:8443/v2/sesame?key=xyzzy"
NEWEST = BlockStamp(BlockNumber(7), BlockHash(bytes(32)), NOW)


@pytest.fixture
def metrics(engine: Engine) -> IndexerMetrics:
    return IndexerMetrics(engine, NETWORK)


def samples(metrics: IndexerMetrics) -> dict[str, float]:
    """Every sample of the text that Prometheus reads, by name and labels but the network."""
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(metrics.render().decode()):
        for sample in family.samples:
            labels = {key: text for key, text in sample.labels.items() if key != "network"}
            name = f"{sample.name}{sorted(labels.items())}" if labels else sample.name
            assert name not in found, f"{name} is told twice"
            found[name] = sample.value
    return found


def observe(observer: RpcObserver) -> None:
    observer.request("http://a", "eth_getLogs", 0.02, "ok")
    observer.request("http://a", "eth_getLogs", 5.0, "rate_limited")
    observer.charged("http://a", "logs_missing")


def write_rows(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(
            insert(marks).values(
                chain_id=CHAIN,
                network=NETWORK.name,
                first_block=1,
                head_number=120,
                fetched_number=110,
                fetched_hash=bytes(32),
                fetched_timestamp=NOW,
                indexed_number=100,
                indexed_hash=bytes(32),
                indexed_timestamp=NOW,
            )
        )
        connection.execute(
            insert(reorgs),
            [
                {
                    "chain_id": CHAIN,
                    "ancestor_number": 50,
                    "orphaned_tip_number": 50 + depth,
                    "orphaned_tip_hash": bytes(32),
                }
                for depth in (1, 3, 40_000)
            ],
        )
        connection.execute(
            insert(provider_findings),
            [
                {
                    "chain_id": CHAIN,
                    "provider": provider,
                    "kind": "logs_missing",
                    "detail": "block 9",
                }
                # one label once the key is taken off
                for provider in ("https://node.example/key-1", "https://node.example/key-2")
            ],
        )
        connection.execute(
            insert(audits).values(
                chain_id=CHAIN,
                treasury=bytes(20),
                block_number=90,
                getter="getRaisedAmount",
                verdict="different",
            )
        )


def test_marks_are_read_at_each_scrape(engine: Engine, metrics: IndexerMetrics) -> None:
    assert "lastro_indexer_head_block" not in samples(metrics)
    write_rows(engine)
    found = samples(metrics)
    assert found["lastro_indexer_head_block"] == 120
    assert found["lastro_indexer_fetched_block"] == 110
    assert found["lastro_indexer_indexed_block"] == 100
    assert found["lastro_indexer_lag_blocks"] == 20
    assert found["lastro_indexer_holes"] == 1  # nothing of 1 to 110 is in the ledger
    assert found["lastro_indexer_audit_different"] == 1
    assert "lastro_indexer_finalized_block" not in found  # unknown is no zero
    assert "lastro_indexer_proven_block" not in found


def test_reorgs_are_a_histogram_of_depth_when_one_is_beyond_every_bucket(
    engine: Engine, metrics: IndexerMetrics
) -> None:
    write_rows(engine)
    found = samples(metrics)
    assert found["lastro_indexer_reorg_depth_blocks_count"] == 3
    assert found["lastro_indexer_reorg_depth_blocks_sum"] == 40_004
    assert found["lastro_indexer_reorg_depth_blocks_bucket[('le', '1.0')]"] == 1
    assert found["lastro_indexer_reorg_depth_blocks_bucket[('le', '10000.0')]"] == 2
    assert found["lastro_indexer_reorg_depth_blocks_bucket[('le', '+Inf')]"] == 3


def test_findings_of_two_keys_of_one_provider_are_one_series(
    engine: Engine, metrics: IndexerMetrics
) -> None:
    write_rows(engine)
    name = "lastro_indexer_findings[('kind', 'logs_missing'), ('provider', 'https://node.example')]"
    assert samples(metrics)[name] == 2
    score = "lastro_indexer_provider_truth_score[('provider', 'https://node.example')]"
    assert samples(metrics)[score] == pytest.approx(0.5, rel=0.01)


def test_requests_are_counted_by_provider_method_and_kind(metrics: IndexerMetrics) -> None:
    observe(metrics)
    found = samples(metrics)
    who = "('method', 'eth_getLogs'), ('provider', 'http://a')"
    assert found[f"lastro_indexer_rpc_requests_total[{who}]"] == 2
    errors = f"lastro_indexer_rpc_errors_total[('kind', 'rate_limited'), {who}]"
    assert found[errors] == 1
    assert found[f"lastro_indexer_rpc_seconds_sum[{who}]"] == pytest.approx(5.02)
    failed = "[('kind', 'logs_missing'), ('provider', 'http://a')]"
    assert found[f"lastro_indexer_checks_failed_total{failed}"] == 1


def test_lies_of_every_expected_provider_start_at_nought(metrics: IndexerMetrics) -> None:
    """``increase`` sees a rise only between two samples."""
    metrics.expect(["http://a", SECRET_URL])
    metrics.charged("http://a", "contradiction")
    found = samples(metrics)
    counts = {
        (kind, provider): found[
            f"lastro_indexer_checks_failed_total[('kind', '{kind}'), ('provider', '{provider}')]"
        ]
        for kind in ("contradiction", "logs_missing", "logs_false")
        for provider in ("http://a", "https://rpc.example:8443")
    }
    assert counts.pop(("contradiction", "http://a")) == 1
    assert set(counts.values()) == {0}


def test_unconfirmed_finality_is_a_gauge(engine: Engine) -> None:
    notices = Notices()
    metrics = IndexerMetrics(engine, NETWORK, notices)
    assert samples(metrics)["lastro_indexer_finality_unconfirmed"] == 0
    notices.finality_unconfirmed = "only 1 of 2"
    assert samples(metrics)["lastro_indexer_finality_unconfirmed"] == 1


def test_a_fresh_lie_is_below_the_threshold_of_its_alert() -> None:
    rule = re.search(r"provider_truth_score <= ([0-9.]+)", ALERTS.read_text())
    assert rule is not None
    assert 0.5 < float(rule[1]) < 0.6


def test_lag_is_measured_at_the_head_only(metrics: IndexerMetrics) -> None:
    metrics.committed(NEWEST, rows=3, at_head=True, now=NOW + timedelta(milliseconds=40))
    metrics.committed(NEWEST, rows=5_000, at_head=False, now=NOW + timedelta(days=900))
    found = samples(metrics)
    assert found["lastro_indexer_rows_written_total"] == 5_003
    assert found["lastro_indexer_commit_rows_count"] == 2
    assert found["lastro_indexer_commit_lag_seconds_count"] == 1
    assert found["lastro_indexer_commit_lag_seconds_sum"] == pytest.approx(0.04)


def test_lag_is_not_negative_when_the_nodes_clock_is_ahead(metrics: IndexerMetrics) -> None:
    metrics.committed(NEWEST, rows=0, at_head=True, now=NOW - timedelta(seconds=2))
    assert samples(metrics)["lastro_indexer_commit_lag_seconds_sum"] == 0


def test_memory_of_the_process_is_shown(metrics: IndexerMetrics) -> None:
    assert samples(metrics)["process_resident_memory_bytes"] > 1_000_000


def test_no_label_holds_a_key_when_the_url_does(metrics: IndexerMetrics) -> None:
    metrics.request(SECRET_URL, "eth_call", 0.1, "timed_out")
    metrics.charged(SECRET_URL, "contradiction")
    text = metrics.render().decode()
    assert "https://rpc.example:8443" in text
    for secret in ("alice", "hunter2", "sesame", "xyzzy"):
        assert secret not in text


@pytest.mark.parametrize(
    ("provider", "label"),
    [
        (SECRET_URL, "https://rpc.example:8443"),
        ("http://localhost:8545", "http://localhost:8545"),
        ("fake", "fake"),
        ("alice:hunter2@rpc.example", "rpc.example"),
    ],
)
def test_provider_label_keeps_the_host_alone(provider: str, label: str) -> None:
    assert provider_label(provider) == label


def test_every_metric_of_an_alert_exists(engine: Engine, metrics: IndexerMetrics) -> None:
    write_rows(engine)
    with engine.begin() as connection:
        connection.execute(
            update(marks).values(
                head_number=100,
                finalized_number=90,
                finalized_hash=bytes(32),
                finalized_timestamp=NOW,
            )
        )
    observe(metrics)
    metrics.committed(NEWEST, rows=1, at_head=True)
    told = metrics.render().decode()
    named = set(re.findall(r"\b(?:lastro_indexer|process)_\w+", ALERTS.read_text()))
    assert len(named) >= 15
    assert {
        name for name in named if f"\n{name}{{" not in told and f"\n{name} " not in told
    } == set()


def test_every_alert_has_a_runbook() -> None:
    page = (ALERTS.parent / "operations.md").read_text()
    alerts = re.findall(r"alert: (\w+)", ALERTS.read_text())
    assert len(alerts) >= 15
    assert [name for name in alerts if f"**{name}**" not in page] == []


def test_two_processes_have_registries_of_their_own(engine: Engine) -> None:
    first, second = IndexerMetrics(engine, NETWORK), IndexerMetrics(engine, NETWORK)
    first.committed(NEWEST, rows=1, at_head=False)
    assert "lastro_indexer_rows_written_total" not in samples(second)
