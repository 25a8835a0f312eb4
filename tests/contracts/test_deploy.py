"""The deployment command, run as operators run it, against an anvil of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
from eth_account import Account

ROOT = Path(__file__).parents[2]
COMMAND = ROOT / "contracts" / "deploy" / "protocol.py"
KEY = "0x" + "1a" * 32
ADMIN = Account.from_key(KEY).address


@contextmanager
def anvil(chain_id):
    """An anvil on a free port; yields its URL."""
    arguments = ["anvil", "--port", "0", "--chain-id", str(chain_id), "--order", "fifo"]
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
    try:
        listening = next(line for line in process.stdout if line.startswith("Listening on "))
        yield "http://" + listening.removeprefix("Listening on ").strip()
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


@pytest.fixture
def home(tmp_path):
    folder = tmp_path / "a home"
    folder.mkdir()
    return folder


def run(home, *arguments: object, key=KEY):
    environment = {"PATH": os.environ["PATH"], "HOME": str(home)}
    if key:
        environment["LASTRO_PLATFORM_ADMIN_KEY"] = key
    return subprocess.run(
        [sys.executable, str(COMMAND), *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=home,
        env=environment,
        check=False,
    )


def rpc(url, method, *params: object):
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    return requests.post(url, json=body, timeout=10).json()["result"]


def test_deploy_writes_a_true_record_once_and_again_when_the_chain_is_new(home):
    path = home / "records" / "polygon-local.json"
    options = ["--network", "polygon-local", "--record", path, "--mint-brl-centavos", 12_345]
    with anvil(31338) as url:
        first = run(home, *options, "--rpc-url", url, "--platform-admin", ADMIN)
        assert first.returncode == 0, first.stderr
        record = json.loads(path.read_text(encoding="utf-8"))
        assert list(record) == [
            "network", "chain_id", "genesis_hash", "first_block", "platform", "protocol_admin",
            "contracts", "implementations", "tokens", "adapter", "artifacts_hash", "compiler",
        ]  # fmt: skip
        assert (record["network"], record["chain_id"]) == ("polygon-local", 31338)
        assert record["genesis_hash"] == rpc(url, "eth_getBlockByNumber", "0x0", False)["hash"]
        assert record["platform"]["admin"] == ADMIN
        assert record["first_block"] == 1
        assert record["implementations"][0]["id"] == 2
        token = record["tokens"][0]["address"]
        balance_of = {"to": token, "data": "0x70a08231" + ADMIN[2:].rjust(64, "0")}
        assert int(rpc(url, "eth_call", balance_of, "latest"), 16) == 12_345 * 10**16

        height = rpc(url, "eth_blockNumber")
        again = run(home, *options, "--rpc-url", url)
        assert (again.returncode, "already deployed" in again.stdout) == (0, True)
        assert rpc(url, "eth_blockNumber") == height
        assert json.loads(path.read_text(encoding="utf-8")) == record

    with anvil(31338) as url:
        anew = run(home, *options, "--rpc-url", url)
        assert anew.returncode == 0, anew.stderr
        assert "deploying again" in anew.stdout
        renewed = json.loads(path.read_text(encoding="utf-8"))
        assert renewed["genesis_hash"] == rpc(url, "eth_getBlockByNumber", "0x0", False)["hash"]
    assert [entry.name for entry in home.iterdir()] == ["records"]


def test_deploy_refuses_another_chain_than_the_network_names(home):
    with anvil(31338) as url:
        refused = run(home, "--network", "celo-local", "--rpc-url", url, "--record", "r.json")
    assert refused.returncode == 1
    assert refused.stderr == "celo-local: the RPC serves chain 31338, not 31337\n"
    assert not (home / "r.json").exists()


@pytest.mark.parametrize(
    ("arguments", "key", "message"),
    [
        (["--network", "celo-local"], KEY, "celo-local needs --rpc-url"),
        (["--network", "celo-local", "--rpc-url", "http://127.0.0.1:1"], None, "set LASTRO_PLAT"),
        (["--network", "celo-local", "--rpc-url", "http://127.0.0.1:1"], KEY, "No (supported) no"),
        (["--network", "celo-local", "--rpc-url", "x", "--brla", "x"], KEY, "are for public netw"),
        (["--network", "polygon"], None, "polygon is a mainnet; say --allow-mainnet"),
        (["--network", "polygon-amoy"], None, "polygon-amoy needs --account"),
    ],
)
def test_deploy_says_what_is_missing(home, arguments, key, message):
    refused = run(home, *arguments, "--record", "r.json", key=key)
    assert refused.returncode == 1
    assert message in refused.stderr
    assert "Traceback" not in refused.stderr
