"""Deployments for tests, on anvil: the command in its own process, or its parts in this one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import deque
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import accounts
import artifact
import deployment
import requests
from chain import Chain
from eth_account import Account
from networks import NETWORKS, connect
from step import DEPLOYER, PLATFORM
from view import Terms

ROOT = Path(__file__).parents[2]
COMMAND = ROOT / "contracts" / "deploy" / "protocol.py"
KEY = "0x" + "1a" * 32
ADMIN = Account.from_key(KEY).address
LOCAL = NETWORKS["celo-local"]


@contextmanager
def anvil(chain_id):
    """An anvil on a free port; yields its URL."""
    arguments = ["anvil", "--port", "0", "--chain-id", str(chain_id), "--order", "fifo"]
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
    try:
        listening = next(line for line in process.stdout if line.startswith("Listening on "))
        # It logs every request, and would wait for ever once nobody reads that.
        Thread(target=deque, args=(process.stdout, 0), daemon=True).start()
        yield "http://" + listening.removeprefix("Listening on ").strip()
    finally:
        process.terminate()
        process.wait()


def command(*arguments: object):
    return [sys.executable, str(COMMAND), *map(str, arguments)]


def environment(home, key=KEY, **more: str):
    known = {"PATH": os.environ["PATH"], "HOME": str(home)} | more
    return known | {"LASTRO_PLATFORM_ADMIN_KEY": key} if key else known


def run(home, *arguments: object, key=KEY, **more: str):
    return subprocess.run(
        command(*arguments),
        capture_output=True,
        text=True,
        cwd=home,
        env=environment(home, key, **more),
        check=False,
    )


def rpc(url, method, *params: object):
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    return requests.post(url, json=body, timeout=10).json()["result"]


def connected(url):
    return connect(LOCAL, url)


def deploy(chain, path, say=lambda _: None, **terms: object):
    """Deploy in this process; returns the record."""
    signers = accounts.local_accounts(KEY)
    given = {
        "protocol_admin": str(signers[DEPLOYER].address),
        "platform_admin": str(signers[PLATFORM].address),
    } | terms
    target = deployment.Target(LOCAL, chain, path, mint_centavos=100)
    record, _ = deployment.deploy(
        target, accounts=signers, choose=lambda _: Terms(**given), say=say
    )
    return record


def send(chain, record, name, function, *arguments: object):
    """Call a contract of the deployment as its protocol admin."""
    address = next(found["address"] for found in record["deployed"] if found["name"] == name)
    data = "0x" + artifact.encode_call(name, function, arguments).hex()
    request = {"from": record["protocol_admin"], "to": address, "data": data}
    transaction = chain.request("eth_sendTransaction", request)
    while (receipt := chain.receipt(transaction)) is None:
        pass  # anvil answers before it mines
    assert receipt["status"] == "0x1"


class Crash(BaseException):
    """The process is gone: nothing may catch this."""


class DyingChain(Chain):
    """A chain whose user dies at the n-th transaction, at one of its moments."""

    MOMENTS = ("journalled and not sent", "sent", "mined, and not journalled as mined")

    def __init__(self, provider, number, moment) -> None:
        super().__init__(provider)
        self.left = number
        self.moment = moment

    def at(self, moment):
        if moment == self.moment:
            if self.left == 0:
                raise Crash
            self.left -= 1

    def broadcast(self, raw):
        self.at(self.MOMENTS[0])
        super().broadcast(raw)
        self.at(self.MOMENTS[1])

    def receipt(self, transaction):
        found = super().receipt(transaction)
        if found is not None:
            self.at(self.MOMENTS[2])
        return found


@contextmanager
def changed_build(tmp_path, monkeypatch, *names: str):
    """Let the build hold contracts of other code that behave alike."""
    folder = tmp_path / "another build"
    shutil.copytree(artifact.ARTIFACTS, folder)
    for name in names:
        path = folder / f"{name}.json"
        document = json.loads(path.read_text(encoding="utf-8"))
        old = document["deployedBytecode"].removeprefix("0x")
        at = old.rindex("5f80fd")  # PUSH0 DUP1 REVERT, or PUSH0 PUSH0 REVERT: all the same
        new = old[:at] + "5f5ffd" + old[at + 6 :]
        document["deployedBytecode"] = "0x" + new
        document["bytecode"] = document["bytecode"].replace(old, new)
        path.write_text(json.dumps(document), encoding="utf-8")
    monkeypatch.setattr(artifact, "ARTIFACTS", folder)
    artifact.load.cache_clear()
    try:
        yield
    finally:
        monkeypatch.undo()
        artifact.load.cache_clear()
