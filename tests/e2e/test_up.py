"""The lasting stack through its command line: seed, deploy, stop, start again, wrong nodes."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from indexer.chain.networks import network_by_name
from stack.anvil import Anvil
from stack.ports import LOOPBACK, free_port
from stack.settings import CHECKOUT
from tests.support.environment import bare_environment
from tests.support.servers import running
from tests.support.waiting import eventually

LASTRO = str(CHECKOUT / ".venv" / "bin" / "lastro")
BASES = {"gw0": 19800, "gw1": 19820}
START_TIMEOUT_S = 60

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    base = BASES.get(os.environ.get("PYTEST_XDIST_WORKER", ""), 19840)
    data_dir = tmp_path / "data with a space"
    return bare_environment(LASTRO_DATA_DIR=str(data_dir), LASTRO_PORT_BASE=str(base))


def api(environment: Mapping[str, str], path: str) -> dict[str, Any] | None:
    try:
        answer = httpx.get(f"http://{LOOPBACK}:{environment['LASTRO_PORT_BASE']}{path}")
    except httpx.TransportError:
        return None
    return dict(answer.json()) if answer.is_success else None


@contextmanager
def up(environment: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    log = Path(environment["LASTRO_DATA_DIR"]).parent / "up.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            [LASTRO, "up"], env=environment, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        eventually(
            lambda: api(environment, "/readyz") or process.poll() is not None,
            timeout_s=START_TIMEOUT_S,
        )
        assert process.poll() is None, log.read_text()[-3000:]
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            process.wait(120)


def lastro(environment: Mapping[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [LASTRO, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def campaigns(environment: Mapping[str, str]) -> list[tuple[str, str, str | None]]:
    found = api(environment, "/v1/campaigns")
    assert found is not None
    return sorted(
        (item["id"], item["slug"], item["onchain"] and item["onchain"]["treasury"])
        for item in found["items"]
    )


def live_campaigns(environment: Mapping[str, str]) -> int:
    found = api(environment, "/v1/campaigns?settlement_mode=onchain")
    return sum(item["onchain"]["state"] == "live" for item in (found or {"items": []})["items"])


def finalized_block(environment: Mapping[str, str]) -> int:
    found = api(environment, "/v1/status")
    (celo, *_) = (found or {"as_of": [{}]})["as_of"] or [{}]
    return int(celo.get("finalized_block") or 0)


def test_stack_keeps_its_campaigns_and_chains_when_started_again(
    environment: dict[str, str],
) -> None:
    with up(environment) as process:
        assert lastro(environment, "seed").returncode == 0
        eventually(lambda: live_campaigns(environment) == 2, timeout_s=40)
        first = campaigns(environment)
        assert lastro(environment, "seed").returncode == 0
        assert lastro(environment, "deploy").returncode == 0
        assert lastro(environment, "migrate").returncode == 0
        assert campaigns(environment) == first
        second = lastro(environment, "up")
        assert second.returncode == 2
        assert "already running" in second.stderr
        ledger = lastro(environment, "ledger", "trial-balance", "--json")
        assert json.loads(ledger.stdout)["balanced"] is True
    assert process.returncode == 130
    for _ in range(2):
        with up(environment) as process:
            assert campaigns(environment) == first
            assert live_campaigns(environment) == 2
        assert process.returncode == 130


def test_stack_says_how_to_go_on_when_a_chain_was_killed_before_it_saved(
    environment: dict[str, str],
) -> None:
    state = Path(environment["LASTRO_DATA_DIR"]) / "up"
    with up(environment) as process:
        seen = eventually(lambda: finalized_block(environment), timeout_s=60)
        chain = json.loads((state / "processes.json").read_text())["programs"]["celo-local"]
        os.kill(chain, signal.SIGKILL)
        assert process.wait(120) == 1
    assert seen > 0
    (state / "celo-local.state.json").unlink(missing_ok=True)
    refused = lastro(environment, "up")
    assert refused.returncode == 2
    assert "was killed before it saved" in refused.stderr


def test_stack_deletes_nothing_that_it_did_not_make(environment: dict[str, str]) -> None:
    mine = Path(environment["LASTRO_DATA_DIR"]) / "demo" / "thesis.txt"
    mine.parent.mkdir(parents=True)
    mine.write_text("precious")
    refused = lastro(environment, "demo", "--once")
    assert refused.returncode == 2
    assert mine.read_text() == "precious"


def test_stack_refuses_a_node_of_another_chain(environment: dict[str, str], tmp_path: Path) -> None:
    polygon = Anvil(network_by_name("polygon-local"), free_port())
    with running(polygon.command(), answers=polygon.answers, log=tmp_path / "anvil.log"):
        refused = lastro(environment | {"CELO_RPC_URL": polygon.url}, "up")
    assert refused.returncode == 2
    assert "31338" in refused.stderr
    assert "31337" in refused.stderr
