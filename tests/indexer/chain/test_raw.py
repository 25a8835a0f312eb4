"""Raw reads of ranges on a real node: from any provider, from one, and when one goes wrong."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from indexer.chain.networks import network_by_name
from indexer.chain.node import NodeUnusable
from indexer.chain.observer import Outcome
from indexer.chain.rpc import ChainReader
from indexer.chain.types import BlockHash, BlockNumber
from indexer.errors import RpcUnavailable
from indexer.events import TRANSFER
from indexer.verify import ProvenWire, check_header, prove_wire_receipts
from stack.anvil import Anvil
from stack.fakes.chain_proxy.faults import Fault
from stack.fakes.chain_proxy.proxy import Proxy, running_proxy
from stack.ports import free_port
from tests.support.echo import ECHO_CODE, deploy, emit
from tests.support.protocol_logs import payment_confirmed
from tests.support.servers import running

HEAD = BlockNumber(4)
FIRST = BlockNumber(0)


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Anvil]:
    """Three logs, in blocks 2 to 4; nobody writes to it."""
    chain = Anvil(network_by_name("celo-local"), free_port())
    log = tmp_path_factory.mktemp("raw") / "anvil.log"
    with running(chain.command(), answers=chain.answers, log=log):
        contract = deploy(chain, ECHO_CODE)
        for payment in (b"p", b"q", b"r"):
            emit(chain, payment_confirmed(contract, payment * 32))
        yield chain


@pytest.fixture
def proxy(node: Anvil) -> Iterator[Proxy]:
    with running_proxy(node.url) as served:
        yield served


@pytest.fixture
def reader(proxy: Proxy) -> Iterator[ChainReader]:
    with closing(ChainReader([proxy.url])) as client:
        yield client


def test_raw_logs_come_with_the_header_at_the_end_in_one_request(
    reader: ChainReader, proxy: Proxy
) -> None:
    found = reader.raw_logs(FIRST, HEAD, [None])
    assert proxy.faults.http_requests == 1
    assert found.provider == proxy.url
    assert found.last == reader.block_by_number(HEAD)
    assert [log.value() for log in found.logs] == reader.logs(FIRST, HEAD, [None])
    assert {log.removed for log in found.logs} == {False}
    assert all(log.block_timestamp for log in found.logs)
    address = found.logs[0].value().address
    assert len(reader.raw_logs(FIRST, HEAD, [None], [address]).logs) == 3
    assert reader.raw_logs(FIRST, HEAD, [[TRANSFER.topic0]], [address]).logs == []


def test_raw_logs_are_no_answer_when_the_node_lacks_the_end(
    reader: ChainReader, proxy: Proxy
) -> None:
    with pytest.raises(NodeUnusable) as caught:
        reader.raw_logs(FIRST, BlockNumber(9), [None])
    assert caught.value.kind == "beyond_head"
    with closing(ChainReader([proxy.url])) as alone:
        proxy.faults.add(Fault("lag", blocks=1, times=1))
        with pytest.raises(NodeUnusable, match="does not have block 4"):
            alone.raw_logs(FIRST, HEAD, [None])
        proxy.faults.clear()
    proxy.faults.add(Fault("clamp_past_head", blocks=1))
    proxy.faults.add(Fault("lag", blocks=1))  # it lags, and of logs does not say so
    with pytest.raises(NodeUnusable, match="does not have block 4"):
        reader.raw_logs(FIRST, HEAD, [None])


class Watcher:
    def __init__(self) -> None:
        self.seen: list[tuple[str, Outcome]] = []

    def request(self, provider: str, method: str, seconds: float, outcome: Outcome) -> None:
        assert provider.startswith("http://")
        assert (seconds > 0) == (outcome == "ok")
        self.seen.append((method, outcome))

    def charged(self, provider: str, kind: str) -> None:
        raise AssertionError(f"nobody charged {provider} with {kind}")


def test_lagging_node_is_counted_as_one(node: Anvil) -> None:
    watcher = Watcher()
    with closing(ChainReader([node.url], observer=watcher)) as reader:
        with pytest.raises(NodeUnusable):
            reader.raw_logs(FIRST, BlockNumber(9), [None])
        with pytest.raises(NodeUnusable):
            reader.wire_receipts([BlockHash(b"h" * 32)])
    assert watcher.seen == [
        ("eth_getBlockByNumber+eth_getLogs", "ok"),
        ("eth_getBlockByNumber", "beyond_head"),
        ("eth_getBlockReceipts", "ok"),
        ("eth_getBlockReceipts", "beyond_head"),
    ]


def test_raw_logs_take_two_requests_when_batches_are_refused(
    reader: ChainReader, proxy: Proxy
) -> None:
    proxy.faults.add(Fault("batch_refused"))
    assert len(reader.raw_logs(FIRST, HEAD, [None]).logs) == 3
    assert proxy.faults.http_requests == 3
    assert len(reader.raw_logs(FIRST, HEAD, [None]).logs) == 3
    assert proxy.faults.http_requests == 5
    assert proxy.faults.struck == {"batch_refused": 1}


@pytest.mark.parametrize(
    "fault",
    [
        Fault("truncated_json", times=1),
        Fault("timeout", seconds=0.01, times=1),
        Fault("http_429", seconds=60, times=1),
        Fault("pruned_history", blocks=3, times=1),
    ],
    ids=lambda fault: fault.kind,
)
def test_another_provider_answers_when_one_goes_wrong(
    proxy: Proxy, node: Anvil, fault: Fault
) -> None:
    proxy.faults.add(fault)
    with closing(ChainReader([proxy.url, node.url])) as both:
        found = both.raw_logs(FIRST, HEAD, [None])
    assert (found.provider, len(found.logs)) == (node.url, 3)
    assert proxy.faults.struck == {fault.kind: 1}


def test_only_the_named_provider_is_asked(proxy: Proxy, node: Anvil) -> None:
    proxy.faults.add(Fault("drop_one_log"))
    with closing(ChainReader([proxy.url, node.url])) as both:
        second = both.second(both.raw_logs(FIRST, HEAD, [None]).provider)
        assert second == 1
        assert len(both.raw_logs(FIRST, HEAD, [None], provider=0).logs) == 2
        assert len(both.raw_logs(FIRST, HEAD, [None], provider=second).logs) == 3
        proxy.faults.add(Fault("truncated_json"))
        with pytest.raises(RpcUnavailable):
            both.raw_headers(FIRST, HEAD, provider=0)


def test_raw_headers_end_where_the_chain_does(reader: ChainReader, proxy: Proxy) -> None:
    name, headers = reader.raw_headers(FIRST, BlockNumber(350))
    assert name == proxy.url
    assert [check_header(header).number for header in headers] == [0, 1, 2, 3, 4]
    assert proxy.faults.http_requests == 1
    assert proxy.faults.requests == {"eth_getBlockByNumber": 200}


def test_raw_receipts_are_those_of_the_blocks_in_order(reader: ChainReader) -> None:
    _, headers = reader.raw_headers(FIRST, HEAD)
    hashes = [header.hash for header in headers] * 30
    _, wires = reader.wire_receipts(hashes)
    assert len(wires) == 150
    for header, of_block in zip(headers * 30, wires, strict=True):
        assert isinstance(prove_wire_receipts(header, of_block), ProvenWire)
    _, values = reader.raw_receipts(hashes[:5])
    assert values == [reader.receipts(block_hash) for block_hash in hashes[:5]]
    with pytest.raises(NodeUnusable, match="does not have block"):
        reader.wire_receipts([hashes[0], BlockHash(b"h" * 32)])


def test_raw_reads_may_be_made_by_several_threads_at_once(reader: ChainReader) -> None:
    def read(_: int) -> tuple[int, int]:
        found = reader.raw_logs(FIRST, HEAD, [None])
        return len(found.logs), len(reader.raw_headers(FIRST, HEAD)[1])

    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(read, range(60))) == {(3, 5)}
