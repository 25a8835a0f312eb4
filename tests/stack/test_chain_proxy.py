"""The fault proxy against a real node: what each fault does, and that nothing else changes."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from indexer.chain.networks import network_by_name
from indexer.chain.types import to_hex
from stack.anvil import Anvil
from stack.fakes.chain_proxy.faults import Fault
from stack.fakes.chain_proxy.proxy import Proxy, running_proxy
from stack.ports import LOOPBACK, free_port
from tests.support.echo import ECHO_CODE, deploy, emit
from tests.support.protocol_logs import payment_confirmed
from tests.support.servers import running

EVERYTHING = {"fromBlock": "0x0", "toBlock": "0x4"}


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Anvil]:
    """Three logs, in blocks 2 to 4; nobody writes to it."""
    chain = Anvil(network_by_name("celo-local"), free_port())
    log = tmp_path_factory.mktemp("proxied") / "anvil.log"
    with running(chain.command(), answers=chain.answers, log=log):
        contract = deploy(chain, ECHO_CODE)
        for payment in (b"p", b"q", b"r"):
            emit(chain, payment_confirmed(contract, payment * 32))
        yield chain


@pytest.fixture
def proxy(node: Anvil) -> Iterator[Proxy]:
    with running_proxy(node.url, seed=7) as served:
        yield served


def post(proxy: Proxy, body: object) -> httpx.Response:
    return httpx.post(proxy.url, json=body, timeout=5)


def ask(proxy: Proxy, method: str, *params: object) -> Any:
    body = {"jsonrpc": "2.0", "id": 9, "method": method, "params": list(params)}
    answer = post(proxy, body).json()
    assert answer["id"] == 9
    return answer.get("result", answer.get("error"))


def heights(logs: list[dict[str, str]]) -> list[int]:
    return [int(log["blockNumber"], 16) for log in logs]


def test_proxy_passes_bytes_untouched_when_no_fault_applies(proxy: Proxy, node: Anvil) -> None:
    batch = [
        {"jsonrpc": "2.0", "id": 5, "method": "eth_getLogs", "params": [EVERYTHING]},
        {"jsonrpc": "2.0", "id": 3, "method": "eth_chainId", "params": []},
    ]
    assert post(proxy, batch).content == httpx.post(node.url, json=batch).content
    assert proxy.faults.requests == {"eth_getLogs": 1, "eth_chainId": 1}
    assert proxy.faults.http_requests == 1
    assert not proxy.faults.struck


def test_proxy_loses_repeats_and_swaps_logs(proxy: Proxy) -> None:
    proxy.faults.add(Fault("drop_one_log", times=1))
    assert len(ask(proxy, "eth_getLogs", EVERYTHING)) == 2
    proxy.faults.add(Fault("duplicated_logs", times=1))
    repeated = heights(ask(proxy, "eth_getLogs", EVERYTHING))
    assert sorted(set(repeated)) == [2, 3, 4]
    assert len(repeated) == 4
    proxy.faults.add(Fault("reordered_logs", times=1))
    swapped = heights(ask(proxy, "eth_getLogs", EVERYTHING))
    assert sorted(swapped) == [2, 3, 4]
    assert swapped != [2, 3, 4]
    proxy.faults.add(Fault("empty_answer", times=1))
    assert ask(proxy, "eth_getLogs", EVERYTHING) == []
    assert heights(ask(proxy, "eth_getLogs", EVERYTHING)) == [2, 3, 4]
    assert set(proxy.faults.struck.values()) == {1}


def test_proxy_drops_a_log_from_receipts(proxy: Proxy) -> None:
    proxy.faults.add(Fault("drop_one_log", methods=("eth_getBlockReceipts",)))
    (receipt,) = ask(proxy, "eth_getBlockReceipts", "0x3")
    assert receipt["logs"] == []
    assert len(ask(proxy, "eth_getLogs", EVERYTHING)) == 3
    assert proxy.faults.struck == {"drop_one_log": 1}


def test_proxy_lags_in_every_method(proxy: Proxy) -> None:
    newest = ask(proxy, "eth_getBlockByNumber", "0x4", False)["hash"]
    assert ask(proxy, "eth_getBlockByNumber", "finalized", False)["number"] == "0x2"
    lag = proxy.faults.add(Fault("lag", blocks=1))
    assert ask(proxy, "eth_blockNumber") == "0x3"
    assert ask(proxy, "eth_getBlockByNumber", "latest", False)["number"] == "0x3"
    assert ask(proxy, "eth_getBlockByNumber", "finalized", False)["number"] == "0x1"
    assert ask(proxy, "eth_getBlockByNumber", "0x4", False) is None
    assert ask(proxy, "eth_getBlockByHash", newest, False) is None
    assert ask(proxy, "eth_getBlockReceipts", newest) is None
    assert ask(proxy, "eth_getLogs", EVERYTHING)["code"] == -32602
    assert heights(ask(proxy, "eth_getLogs", {"fromBlock": "0x0", "toBlock": "0x3"})) == [2, 3]
    proxy.faults.remove(lag)
    assert ask(proxy, "eth_blockNumber") == "0x4"


def test_proxy_clamps_a_range_past_the_head_and_says_nothing(proxy: Proxy) -> None:
    proxy.faults.add(Fault("clamp_past_head", blocks=1))
    assert ask(proxy, "eth_getBlockByNumber", "0x4", False)["number"] == "0x4"
    assert heights(ask(proxy, "eth_getLogs", EVERYTHING)) == [2, 3]
    assert ask(proxy, "eth_getLogs", {"fromBlock": "0x4", "toBlock": "0x4"}) == []
    assert heights(ask(proxy, "eth_getLogs", {"fromBlock": "0x0", "toBlock": "0x2"})) == [2]
    assert proxy.faults.struck == {"clamp_past_head": 2}


def test_proxy_mixes_forks_when_another_node_answers_some_methods(
    proxy: Proxy, node: Anvil
) -> None:
    with running_proxy(node.url) as other:
        other.faults.add(Fault("other_chain_id", chain_id=5))
        proxy.faults.add(Fault("mixed_forks", methods=("eth_chainId",), target_url=other.url))
        batch = [
            {"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []},
            {"jsonrpc": "2.0", "id": 2, "method": "eth_blockNumber", "params": []},
        ]
        answers = {one["id"]: one["result"] for one in post(proxy, batch).json()}
    assert answers == {1: "0x5", 2: "0x4"}


def test_proxy_has_pruned_its_history(proxy: Proxy) -> None:
    second = ask(proxy, "eth_getBlockByNumber", "0x2", False)["hash"]
    loud = proxy.faults.add(Fault("pruned_history", blocks=3))
    assert ask(proxy, "eth_getLogs", EVERYTHING)["code"] == 4444
    assert ask(proxy, "eth_getBlockReceipts", second)["code"] == 4444
    assert ask(proxy, "eth_call", {"to": to_hex(bytes(20))}, "0x2")["code"] == 4444
    assert heights(ask(proxy, "eth_getLogs", {"fromBlock": "0x3", "toBlock": "0x4"})) == [3, 4]
    proxy.faults.remove(loud)
    proxy.faults.add(Fault("pruned_history", blocks=3, silently=True))
    assert ask(proxy, "eth_getLogs", EVERYTHING) == []


def test_proxy_refuses_hurries_and_cuts(proxy: Proxy) -> None:
    batch = [{"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []}]
    proxy.faults.add(Fault("http_429", seconds=3, times=1))
    refused = post(proxy, batch)
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "3")
    proxy.faults.add(Fault("batch_refused"))
    assert "batch" in post(proxy, batch).json()["error"]["message"]
    proxy.faults.add(Fault("truncated_json", times=1))
    cut = post(proxy, batch[0]).content
    assert cut.startswith(b"{")
    assert not cut.endswith(b"}")
    assert ask(proxy, "eth_chainId") == "0x7a69"


def test_proxy_holds_a_request_and_drops_it_when_it_times_out(proxy: Proxy) -> None:
    proxy.faults.add(Fault("timeout", seconds=0.05, times=1))
    with pytest.raises(httpx.RemoteProtocolError):
        ask(proxy, "eth_chainId")
    proxy.faults.add(Fault("latency", seconds=0.05, times=1))
    body = {"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []}
    assert post(proxy, body).elapsed.total_seconds() >= 0.05


def test_faults_strike_by_number_share_and_seed(proxy: Proxy) -> None:
    proxy.faults.add(Fault("other_chain_id", chain_id=5, every=3))
    assert [ask(proxy, "eth_chainId") for _ in range(6)].count("0x5") == 2
    proxy.faults.clear()
    proxy.faults.add(Fault("other_chain_id", chain_id=6, probability=0.5))
    first = [ask(proxy, "eth_chainId") for _ in range(20)]
    assert 0 < first.count("0x6") < 20


def test_proxy_refuses_raw_transactions_that_public_pools_refuse(proxy: Proxy) -> None:
    large = ask(proxy, "eth_sendRawTransaction", "0x" + "02" * 131_073)
    assert "oversized data" in large["message"]
    greedy = ask(proxy, "eth_sendTransaction", {"gas": hex(2**24 + 1)})
    assert "gas limit too high" in greedy["message"]
    legacy = "0x" + "c980" + "80" + "84" + "01000001" + "8080"
    assert "gas limit too high" in ask(proxy, "eth_sendRawTransaction", legacy)["message"]
    assert "gas limit too high" not in ask(proxy, "eth_sendRawTransaction", "0x02c0")["message"]


def test_proxy_answers_502_when_the_node_behind_is_silent() -> None:
    with running_proxy(f"http://{LOOPBACK}:{free_port()}") as lonely:
        body = {"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []}
        assert post(lonely, body).status_code == 502
