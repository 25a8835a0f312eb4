"""What is the wallet service's own: its words, its retries, its refusals."""

import json
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from indexer.chain.types import Address, to_checksum
from indexer.errors import ConfigurationError, InvariantError
from settlement.signer import SignerRefused, SignerUnavailable, sign_checked
from settlement.signer_settings import RemoteAccount
from settlement.signers.remote import RemoteSigner, RemoteWallets
from settlement.signers.remote_service import PAUSE_MAX_S, TRIES, RemoteService
from settlement.wallets import Wallet
from tests.settlement.builders import TREASURY
from tests.settlement.signers.custody import KEPT_ADDRESS, SECRET, TRANSACTION
from tests.support.remote_signer import APP_ID, APP_SECRET, FakeRemote


@pytest.fixture
def signer(remote: FakeRemote) -> RemoteSigner:
    return RemoteSigner.open(remote.service(), remote.vault.add(SECRET.hex()).id)


def answering(answer: dict[str, Any], status: int = 200) -> RemoteService:
    """A service that answers one thing to everything."""
    transport = httpx.MockTransport(lambda _request: httpx.Response(status, json=answer))
    return RemoteService(
        httpx.Client(base_url="http://wallets.test", transport=transport),
        pause=lambda _seconds: None,
    )


@pytest.mark.parametrize("mode", ["timeout_after", "reset_after", "malformed_json", "status"])
def test_signer_asks_again_when_an_answer_is_lost(
    remote: FakeRemote, signer: RemoteSigner, mode: str
) -> None:
    remote.fault(mode, method="POST")
    assert sign_checked(signer, TRANSACTION).raw
    assert len(remote.calls("POST", "/rpc")) == 2
    assert len(remote.pauses) == 1


def test_signer_gives_up_after_a_few_tries(remote: FakeRemote, signer: RemoteSigner) -> None:
    remote.fault("status", status=503, times=-1)
    with pytest.raises(SignerUnavailable, match="HTTP 503"):
        signer.sign(TRANSACTION)
    assert len(remote.calls("POST", "/rpc")) == TRIES
    assert all(0 < pause < PAUSE_MAX_S for pause in remote.pauses)


def test_signer_waits_as_long_as_it_is_asked_to(remote: FakeRemote, signer: RemoteSigner) -> None:
    remote.fault("status", status=429, retry_after_s=1)
    assert sign_checked(signer, TRANSACTION).raw
    assert remote.pauses == [1.0]


def test_signer_does_not_wait_for_long(remote: FakeRemote, signer: RemoteSigner) -> None:
    remote.fault("status", status=429, retry_after_s=60)
    with pytest.raises(SignerUnavailable, match="HTTP 429"):
        signer.sign(TRANSACTION)
    assert remote.pauses == []


@pytest.mark.parametrize("status", [400, 403])
def test_signer_is_refused_when_the_services_policy_forbids_it(
    remote: FakeRemote, signer: RemoteSigner, status: int
) -> None:
    remote.fault("status", status=status, code="policy_violation")
    with pytest.raises(SignerRefused, match="policy_violation") as refused:
        signer.sign(TRANSACTION)
    assert refused.value.code == "policy_violation"
    assert remote.pauses == []


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"data": None},
        {"data": {"encoding": "base64", "signed_transaction": "0x00"}},
        {"data": {"encoding": "rlp"}},
        {"data": {"encoding": "rlp", "signed_transaction": "zz"}},
    ],
)
def test_signer_is_unavailable_when_the_answer_is_not_in_its_words(answer: dict[str, Any]) -> None:
    signer = RemoteSigner(answering(answer), Wallet("w", KEPT_ADDRESS))
    with pytest.raises(SignerUnavailable):
        signer.sign(TRANSACTION)


def test_signer_asks_to_sign_in_the_words_of_the_reference() -> None:
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(400, json={"error": "no", "code": "invalid_data"})

    account = RemoteAccount("http://wallets.test", APP_ID, SecretStr(APP_SECRET))
    service = RemoteService.open(account, transport=httpx.MockTransport(answer))
    with pytest.raises(SignerRefused):
        RemoteSigner(service, Wallet("id2tptkqrxd39qo9j423etij", KEPT_ADDRESS)).sign(TRANSACTION)

    (request,) = asked
    assert request.url.path == "/v1/wallets/id2tptkqrxd39qo9j423etij/rpc"
    assert request.headers["privy-app-id"] == APP_ID
    assert request.headers["authorization"].startswith("Basic ")
    assert json.loads(request.content) == {
        "method": "eth_signTransaction",
        "params": {
            "transaction": {
                "type": 2,
                "chain_id": "0xa4ec",
                "nonce": "0x7",
                "to": to_checksum(TREASURY),
                "value": "0x0",
                "data": "0x0001ff",
                "gas_limit": "0x5208",
                "max_fee_per_gas": "0x5d21dba00",
                "max_priority_fee_per_gas": "0x3b9aca00",
            }
        },
    }


def test_errors_hold_no_secret(remote: FakeRemote) -> None:
    assert APP_SECRET not in repr(remote.account)
    remote.fault("status", times=-1)
    with pytest.raises(SignerUnavailable) as failed:
        remote.service().get("/v1/wallets")
    assert APP_SECRET not in str(failed.value)


@pytest.mark.parametrize(
    "wallet",
    [
        {"id": "w", "address": "0x00", "chain_type": "ethereum"},
        {"id": "", "address": "0x" + "11" * 20, "chain_type": "ethereum"},
        {"id": "w", "address": "So1ana", "chain_type": "solana"},
        {"chain_type": "ethereum"},
    ],
)
def test_open_is_unavailable_when_the_wallet_is_none_of_an_evm_chain(
    wallet: dict[str, Any],
) -> None:
    with pytest.raises(SignerUnavailable):
        RemoteSigner.open(answering(wallet), "w")


def test_open_says_which_setting_is_wrong_when_the_wallet_is_not_there(remote: FakeRemote) -> None:
    with pytest.raises(ConfigurationError, match="LASTRO_REMOTE_SIGNER_WALLET_ID"):
        RemoteSigner.open(remote.service(), "../rpc")


def test_wallets_finds_what_it_made_by_its_name_alone(remote: FakeRemote) -> None:
    wallets = remote.wallets()
    assert wallets.find("creator-1") is None
    made = wallets.create("creator-1")
    wallets.create("creator-2")
    assert wallets.find("creator-1") == made
    assert len(made.address) == len(Address(bytes(20)))


def test_wallets_makes_one_of_a_name_when_asked_again(remote: FakeRemote) -> None:
    assert remote.wallets().create("creator-1") == remote.wallets().create("creator-1")
    assert len(remote.vault.named("creator-1")) == 1


def test_wallets_trusts_no_filter_when_the_service_ignores_it() -> None:
    listed = {"data": [_document("of-another")]}
    assert RemoteWallets(answering(listed)).find("creator-1") is None


def test_wallets_refuses_a_service_with_two_of_one_name() -> None:
    listed = {"data": [_document("creator-1"), _document("creator-1")]}
    with pytest.raises(InvariantError, match="2 wallets named creator-1"):
        RemoteWallets(answering(listed)).find("creator-1")


def test_wallets_refuses_a_wallet_of_another_name() -> None:
    with pytest.raises(InvariantError, match="another wallet"):
        RemoteWallets(answering(_document("of-another"))).create("creator-1")


def test_wallets_is_unavailable_when_the_service_lists_nothing() -> None:
    with pytest.raises(SignerUnavailable, match="no list"):
        RemoteWallets(answering({"data": None})).find("creator-1")


def test_wallets_passes_a_refusal_on_when_the_wallet_is_not_there(remote: FakeRemote) -> None:
    with pytest.raises(SignerRefused, match="invalid_data"):
        remote.wallets().create("not a name")


def _document(external_id: str) -> dict[str, Any]:
    address = "0x" + "11" * 20
    return {"id": "w", "address": address, "chain_type": "ethereum", "external_id": external_id}
