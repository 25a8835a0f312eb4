"""The fake's own promises: the signers' suite covers what they use, this the rest."""

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from stack.fakes.remote_signer.vault import Vault
from stack.ports import free_port
from tests.support.remote_signer import APP_ID, APP_SECRET, FakeRemote, running_remote
from tests.support.servers import running

WALLETS = "/v1/wallets"
KEY = "11" * 32
TRANSACTION = {
    "type": 2,
    "chain_id": 42220,
    "nonce": "0x0",
    "to": "0x" + "11" * 20,
    "value": 0,
    "data": "0x00",
    "gas_limit": 21000,
    "max_fee_per_gas": "0x5",
    "max_priority_fee_per_gas": 1,
}


@pytest.fixture
def fake() -> Iterator[FakeRemote]:
    with running_remote() as served:
        yield served


@pytest.fixture
def client(fake: FakeRemote) -> Iterator[httpx.Client]:
    with httpx.Client(
        base_url=fake.control.base_url,
        auth=(APP_ID, APP_SECRET),
        headers={"privy-app-id": APP_ID},
    ) as authorized:
        yield authorized


def body(external_id: str | None = None) -> dict[str, Any]:
    return {"chain_type": "ethereum"} | (
        {} if external_id is None else {"external_id": external_id}
    )


def create(client: httpx.Client, external_id: str | None, *, key: str | None) -> httpx.Response:
    headers = {} if key is None else {"privy-idempotency-key": key}
    return client.post(WALLETS, json=body(external_id), headers=headers)


def rpc(transaction: dict[str, Any], method: str = "eth_signTransaction") -> dict[str, Any]:
    return {"method": method, "params": {"transaction": transaction}}


@pytest.mark.parametrize(
    ("auth", "app_id"),
    [((APP_ID, "guessed"), APP_ID), (("another", APP_SECRET), APP_ID), ((APP_ID, APP_SECRET), "")],
)
def test_fake_lets_nobody_else_in(fake: FakeRemote, auth: tuple[str, str], app_id: str) -> None:
    answer = fake.control.get(WALLETS, auth=auth, headers={"privy-app-id": app_id})
    assert answer.status_code == 401


def test_fake_answers_a_repeated_key_alike_for_a_day(
    fake: FakeRemote, client: httpx.Client
) -> None:
    first = create(client, None, key="k")
    fake.advance(timedelta(hours=23))
    assert create(client, None, key="k").json() == first.json()
    fake.advance(timedelta(hours=1))
    assert create(client, None, key="k").json()["id"] != first.json()["id"]


def test_fake_answers_a_repeated_key_alike_to_many_at_once(
    fake: FakeRemote, client: httpx.Client
) -> None:
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: create(client, None, key="k").json()["id"], range(6)))
    assert len(set(answers)) == len(fake.vault.named(None)) == 1


def test_fake_refuses_a_key_for_another_body(client: httpx.Client) -> None:
    create(client, "a", key="k")
    assert create(client, "b", key="k").status_code == 400


def test_fake_repeats_refusals_too(client: httpx.Client) -> None:
    create(client, "a", key="first")
    refused = create(client, "a", key="second")
    assert refused.status_code == 400
    assert create(client, "a", key="second").json() == refused.json()


def test_fake_makes_one_wallet_of_a_name_for_ever(fake: FakeRemote, client: httpx.Client) -> None:
    create(client, "a", key="k")
    fake.advance(timedelta(days=400))
    assert create(client, "a", key="k").status_code == 400
    assert create(client, "a", key=None).status_code == 400


@pytest.mark.parametrize("external_id", ["", "a b", "x" * 65, "é"])
def test_fake_refuses_names_that_are_not_url_safe(client: httpx.Client, external_id: str) -> None:
    assert create(client, external_id, key=None).status_code == 400


def test_fake_refuses_other_chains(client: httpx.Client) -> None:
    assert client.post(WALLETS, json={"chain_type": "solana"}).status_code == 400


def test_fake_finds_a_wallet_by_both_names(client: httpx.Client) -> None:
    made = create(client, "a", key=None).json()
    create(client, None, key=None)
    assert client.get(f"{WALLETS}/{made['id']}").json() == made
    assert client.get(f"{WALLETS}/ext_wal_a").json() == made
    assert client.get(WALLETS, params={"external_id": "a"}).json()["data"] == [made]
    assert len(client.get(WALLETS).json()["data"]) == 2
    assert client.get(f"{WALLETS}/ext_wal_b").status_code == 404
    assert client.get(f"{WALLETS}/nobody").status_code == 404


@pytest.mark.parametrize(
    "request_body",
    [
        rpc(TRANSACTION, "eth_sendTransaction"),
        {"method": "eth_signTransaction"},
        rpc({**TRANSACTION, "type": 0}),
        rpc({name: TRANSACTION[name] for name in TRANSACTION if name != "nonce"}),
        rpc({**TRANSACTION, "gas_limit": -1}),
        rpc({**TRANSACTION, "gas_limit": "21000"}),
        rpc({**TRANSACTION, "data": "00"}),
        rpc({**TRANSACTION, "data": "0x" + "00" * 150_001}),
    ],
)
def test_fake_fills_nothing_in_and_sends_nothing(
    fake: FakeRemote, client: httpx.Client, request_body: dict[str, Any]
) -> None:
    wallet = fake.vault.add(KEY)
    answer = client.post(f"{WALLETS}/{wallet.id}/rpc", json=request_body)
    assert answer.status_code == 400
    assert answer.json()["code"] == "invalid_data"


def test_fake_signs_what_is_whole(fake: FakeRemote, client: httpx.Client) -> None:
    wallet = fake.control.post("/__fake__/wallets", json={"key": KEY, "external_id": "a"}).json()
    answer = client.post(f"{WALLETS}/ext_wal_a/rpc", json=rpc(TRANSACTION)).json()
    assert answer["data"]["encoding"] == "rlp"
    assert answer["data"]["signed_transaction"].startswith("0x02")
    assert wallet["external_id"] == "a"


def test_fake_keeps_its_keys_in_a_file_of_its_own(tmp_path: Path) -> None:
    file = tmp_path / "keys" / "wallets.json"
    made = Vault(app_id="a", app_secret="s", file=file).add(KEY, "a")
    assert Vault(app_id="a", app_secret="s", file=file).wallet(made.id) == made
    assert file.stat().st_mode & 0o077 == 0


def test_fake_is_a_program(tmp_path: Path) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "stack.fakes.remote_signer", "--port", str(port)]
    command += ["--app-id", APP_ID, "--app-secret", APP_SECRET, "--file", str(tmp_path / "keys")]

    def answers() -> bool:
        try:
            return httpx.get(f"{url}/health").is_success
        except httpx.HTTPError:
            return False

    with running(command, answers=answers, log=tmp_path / "fake.log"):
        answer = httpx.post(
            url + WALLETS,
            json=body("a"),
            auth=(APP_ID, APP_SECRET),
            headers={"privy-app-id": APP_ID},
        )
    assert answer.json()["external_id"] == "a"
    assert (tmp_path / "keys").exists()
