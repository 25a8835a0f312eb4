"""The fault proxy and what is sent through it: lies about sends, and pools' replacement rules."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_hash.auto import keccak

from indexer.chain.types import to_hex
from stack.anvil import Anvil
from stack.fakes.chain_proxy.alter import GARBAGE
from stack.fakes.chain_proxy.faults import Fault
from stack.fakes.chain_proxy.proxy import Proxy, running_proxy

GWEI = 10**9
SENDER, OTHER_SENDER = (Account.from_key(keccak(name)) for name in (b"proxied", b"proxied too"))


@pytest.fixture
def pool(anvil: Anvil) -> Anvil:
    """A node that does not mine, and senders who can pay."""
    anvil.call("evm_setAutomine", False)
    for sender in (SENDER, OTHER_SENDER):
        anvil.call("anvil_setBalance", sender.address, hex(10**20))
    return anvil


@pytest.fixture
def proxy(pool: Anvil) -> Iterator[Proxy]:
    with running_proxy(pool.url, seed=7) as served:
        yield served


def ask(proxy: Proxy, method: str, *params: object) -> Any:
    body = {"jsonrpc": "2.0", "id": 9, "method": method, "params": list(params)}
    answer = httpx.post(proxy.url, json=body, timeout=5).json()
    return answer.get("result", answer.get("error"))


def signed(
    *, max_fee: int = 100, tip: int = 10, nonce: int = 0, sender: LocalAccount = SENDER
) -> str:
    """A raw transaction; fees in gwei."""
    fields: dict[str, Any] = {
        "type": 2,
        "chainId": 31337,
        "nonce": nonce,
        "to": sender.address,
        "value": 0,
        "data": b"",
        "gas": 21_000,
        "maxFeePerGas": max_fee * GWEI,
        "maxPriorityFeePerGas": tip * GWEI,
    }
    return "0x" + bytes(sender.sign_transaction(fields).raw_transaction).hex()


def hash_of(raw: str) -> str:
    return to_hex(keccak(bytes.fromhex(raw[2:])))


def test_proxy_answers_an_error_after_the_node_took_a_transaction(
    proxy: Proxy, pool: Anvil
) -> None:
    raw = signed()
    proxy.faults.add(Fault("error_after_accept", times=1))
    assert ask(proxy, "eth_sendRawTransaction", raw)["code"] == -32603
    assert pool.call("eth_getTransactionByHash", hash_of(raw)) is not None
    assert "already" in ask(proxy, "eth_sendRawTransaction", raw)["message"]
    assert proxy.faults.struck == {"error_after_accept": 1}


def test_proxy_answers_the_right_hash_for_a_transaction_that_it_drops(
    proxy: Proxy, pool: Anvil
) -> None:
    raw = signed()
    proxy.faults.add(Fault("accept_then_drop", times=1))
    assert ask(proxy, "eth_sendRawTransaction", raw) == hash_of(raw)
    assert pool.call("eth_getTransactionByHash", hash_of(raw)) is None
    assert ask(proxy, "eth_sendRawTransaction", raw) == hash_of(raw)
    assert pool.call("eth_getTransactionByHash", hash_of(raw)) is not None


def test_proxy_answers_an_error_for_a_transaction_that_it_keeps_to_itself(
    proxy: Proxy, pool: Anvil
) -> None:
    raw = signed()
    proxy.faults.add(Fault("error_not_sent"))
    assert ask(proxy, "eth_sendRawTransaction", raw)["code"] == -32603
    assert pool.call("eth_getTransactionByHash", hash_of(raw)) is None


def test_proxy_answers_garbage_after_the_node_did_what_was_asked(proxy: Proxy, pool: Anvil) -> None:
    raw = signed()
    body = {"jsonrpc": "2.0", "id": 9, "method": "eth_sendRawTransaction", "params": [raw]}
    proxy.faults.add(Fault("garbage", times=1))
    answer = httpx.post(proxy.url, json=body, timeout=5)
    assert answer.status_code == 200
    assert answer.content in GARBAGE
    assert pool.call("eth_getTransactionByHash", hash_of(raw)) is not None


@pytest.mark.parametrize(("max_fee", "tip"), [(105, 11), (110, 10), (111, 9), (109, 20), (200, 10)])
def test_proxy_refuses_a_replacement_unless_both_fees_rise_by_a_tenth(
    proxy: Proxy, pool: Anvil, max_fee: int, tip: int
) -> None:
    """anvil alone takes +5 %, and a lower tip with it."""
    first = signed()
    assert ask(proxy, "eth_sendRawTransaction", first) == hash_of(first)
    refused = ask(proxy, "eth_sendRawTransaction", signed(max_fee=max_fee, tip=tip))
    assert refused["message"] == "replacement transaction underpriced"
    better = signed(max_fee=110, tip=11)
    assert ask(proxy, "eth_sendRawTransaction", better) == hash_of(better)
    assert pool.call("eth_getTransactionByHash", hash_of(first)) is None


def test_proxy_holds_nothing_against_a_nonce_whose_transaction_the_node_lost(
    proxy: Proxy, pool: Anvil
) -> None:
    first, cheaper = signed(), signed(max_fee=90, tip=9)
    ask(proxy, "eth_sendRawTransaction", first)
    pool.call("anvil_dropAllTransactions")
    assert ask(proxy, "eth_sendRawTransaction", cheaper) == hash_of(cheaper)


def test_proxy_compares_only_transactions_of_one_sender_and_nonce(
    proxy: Proxy, pool: Anvil
) -> None:
    for raw in (
        signed(),
        signed(max_fee=50, tip=5, nonce=1),
        signed(max_fee=50, tip=5, sender=OTHER_SENDER),
    ):
        assert ask(proxy, "eth_sendRawTransaction", raw) == hash_of(raw)
    assert pool.call("txpool_status")["pending"] == "0x3"
