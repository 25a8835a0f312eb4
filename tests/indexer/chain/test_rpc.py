"""The JSON-RPC client against a real node, and against answers no good node gives."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread

import pytest
from typing_extensions import override

from indexer.chain.networks import network_by_name
from indexer.chain.rpc import ChainReader, check_chain_id
from indexer.chain.types import BlockHash, BlockNumber, TxHash, address_from_hex
from indexer.errors import ConfigurationError, RpcError, RpcUnavailable
from stack.anvil import Anvil
from stack.ports import LOOPBACK, free_port
from tests.support.echo import ECHO_CODE, deploy, emit
from tests.support.protocol_logs import payment_confirmed
from tests.support.servers import running

CELO_LOCAL = network_by_name("celo-local")
POLYGON_LOCAL = network_by_name("polygon-local")
REVERTS = bytes.fromhex("600f80600b6000396000f3" + "63deadbeef6000526004601cfd" + "0000")
"""A contract whose every call reverts with the custom error 0xdeadbeef."""


@pytest.fixture
def nobody() -> str:
    """A URL where nothing listens."""
    return f"http://{LOOPBACK}:{free_port()}"


@pytest.fixture
def asked() -> list[str]:
    """What the servers of ``answering`` were asked."""
    return []


@pytest.fixture
def answering(asked: list[str]) -> Iterator[Callable[[int, bytes], str]]:
    """Servers that give one answer to everything."""
    servers: list[ThreadingHTTPServer] = []

    def serve(status: int, body: bytes) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                asked.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            @override
            def log_message(self, format: str, *args: object) -> None:
                """Stay silent."""

        server = ThreadingHTTPServer((LOOPBACK, 0), Handler)
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        servers.append(server)
        return f"http://{LOOPBACK}:{server.server_port}"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def reader(anvil: Anvil) -> Iterator[ChainReader]:
    client = ChainReader([anvil.url])
    yield client
    client.close()


def test_reader_speaks_every_method_with_a_real_node(reader: ChainReader, anvil: Anvil) -> None:
    echo = deploy(anvil, ECHO_CODE)
    tx_hash = emit(anvil, payment_confirmed(echo, b"p" * 32))
    receipt = reader.transaction_receipt(tx_hash)
    transaction = reader.transaction_by_hash(tx_hash)
    assert receipt is not None
    assert transaction is not None
    assert transaction.block_hash == receipt.block_hash
    assert transaction.to == echo
    assert reader.chain_id() == CELO_LOCAL.chain_id
    assert reader.code(echo) == ECHO_CODE[11:]
    assert reader.nonce(transaction.sender) == 2
    assert reader.balance(transaction.sender) < reader.balance(transaction.sender, BlockNumber(0))
    (log,) = reader.logs(BlockNumber(0), BlockNumber(2), [[receipt.logs[0].topics[0]]], [echo])
    assert receipt.logs == (log,)
    assert reader.estimate_gas({"from": "0x" + transaction.sender.hex(), "to": "0x" + "11" * 20})
    history = reader.fee_history(2, [50.0])
    assert (len(history.base_fees), len(history.rewards)) == (3, 2)


def test_reader_answers_none_when_the_node_does_not_have_it(reader: ChainReader) -> None:
    assert reader.block_by_number(BlockNumber(99)) is None
    assert reader.block_by_hash(BlockHash(b"h" * 32)) is None
    assert reader.receipts(BlockHash(b"h" * 32)) is None
    assert reader.transaction_receipt(TxHash(b"h" * 32)) is None
    assert reader.transaction_by_hash(TxHash(b"h" * 32)) is None
    assert [header.number for header in reader.headers(map(BlockNumber, range(5)))] == [0]


def test_error_keeps_the_revert_bytes_when_a_call_reverts(
    reader: ChainReader, anvil: Anvil
) -> None:
    with pytest.raises(RpcError) as caught:
        reader.call(deploy(anvil, REVERTS), b"")
    assert caught.value.data == bytes.fromhex("deadbeef")


def test_send_raw_to_all_tells_each_nodes_answer(nobody: str, anvil: Anvil) -> None:
    client = ChainReader([nobody, anvil.url])
    silent, refused = client.send_raw_to_all(b"\x01")
    assert isinstance(silent, RpcUnavailable)
    assert isinstance(refused, RpcError)
    client.close()


def test_next_node_answers_when_the_first_is_down(nobody: str, anvil: Anvil) -> None:
    client = ChainReader([nobody, anvil.url])
    assert client.chain_id() == CELO_LOCAL.chain_id
    assert client.provider == anvil.url
    client.close()


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (403, b'{"message":"Forbidden"}'),
        (404, b"{}"),
        (400, b'{"message":"Bad Request"}'),
        (401, b'{"jsonrpc":"2.0","id":0,"error":{"code":-32000,"message":"no such key"}}'),
        (302, b""),
        (200, b'{"jsonrpc":"2.0","id":0}'),
        (200, b'[{"jsonrpc":"2.0","id":0},{"jsonrpc":"2.0","id":1}]'),
        (503, b"busy"),
        (200, b"<html>"),
        (200, b'{"jsonrpc":"2.0","id":0,"result":{"not":"a block"}}'),
        (200, b'{"jsonrpc":"2.0","id":0,"result":"12"}'),
        (200, b"[]"),
    ],
)
def test_answer_is_none_at_all_when_it_is(
    answering: Callable[[int, bytes], str], status: int, body: bytes
) -> None:
    client = ChainReader([answering(status, body)])
    with pytest.raises(RpcUnavailable):
        client.block_by_number("latest")
    with pytest.raises(RpcUnavailable):
        client.headers([BlockNumber(0), BlockNumber(1)])
    client.close()


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (403, b'{"message":"Forbidden"}'),
        (200, b'{"jsonrpc":"2.0","id":0}'),
        (200, b'{"jsonrpc":"2.0","id":0,"result":{"not":"a block"}}'),
        (200, b'{"jsonrpc":"2.0","id":0,"result":"0xzz"}'),
    ],
)
def test_next_node_answers_when_the_first_gives_no_usable_answer(
    answering: Callable[[int, bytes], str], anvil: Anvil, status: int, body: bytes
) -> None:
    client = ChainReader([answering(status, body), anvil.url])
    assert client.block_by_number("latest") is not None
    client.distrust()
    assert len(client.headers([BlockNumber(0)])) == 1
    client.distrust()
    assert client.nonce(address_from_hex("0x" + "11" * 20)) == 0
    assert client.provider == anvil.url
    client.close()


def test_refusal_is_an_error_when_http_400_carries_one(
    answering: Callable[[int, bytes], str],
) -> None:
    """Some providers refuse a wide logs range so; the caller halves it."""
    body = b'{"jsonrpc":"2.0","id":0,"error":{"code":-32602,"message":"too many results"}}'
    client = ChainReader([answering(400, body)])
    with pytest.raises(RpcError, match="too many results"):
        client.logs(BlockNumber(0), BlockNumber(1), [])
    client.close()


@pytest.fixture
def late() -> Iterator[Callable[[int], Anvil]]:
    """Nodes that start when asked to, at a port known before."""
    with ExitStack() as stack:

        def start(port: int) -> Anvil:
            node = Anvil(CELO_LOCAL, port)
            log = Path(stack.enter_context(TemporaryDirectory())) / "anvil.log"
            stack.enter_context(running(node.command(), answers=node.answers, log=log))
            return node

        yield start


def test_late_node_is_refused_before_its_first_use_when_it_serves_another_chain(
    answering: Callable[[int, bytes], str], late: Callable[[int], Anvil]
) -> None:
    """It was down when the process checked its nodes."""
    port = free_port()
    other_chain = b'{"jsonrpc":"2.0","id":0,"result":"0x7a6a"}'
    client = ChainReader([answering(200, other_chain), f"http://u:hunter2@{LOOPBACK}:{port}"])
    check_chain_id(client, POLYGON_LOCAL)
    late(port)
    client.distrust()
    with pytest.raises(ConfigurationError) as caught:
        client.block_by_number("latest")
    assert f"http://{LOOPBACK}:{port} serves chain 31337" in str(caught.value)
    assert "hunter2" not in str(caught.value)
    with pytest.raises(ConfigurationError):
        client.send_raw(b"", url_index=1)
    client.close()


def test_opinions_leave_silent_nodes_out(
    nobody: str, answering: Callable[[int, bytes], str], anvil: Anvil
) -> None:
    error = b'{"jsonrpc":"2.0","id":0,"error":{"code":-32000,"message":"pruned"}}'
    client = ChainReader([nobody, answering(200, error), anvil.url, anvil.url])
    assert client.node_count == 3
    found = list(client.opinions(BlockNumber(0)))
    assert [opinion.provider for opinion in found] == [anvil.url]
    assert found[0].header is not None
    assert [opinion.header for opinion in client.opinions(BlockNumber(99))] == [None]
    client.close()


def test_silent_node_is_not_asked_for_its_opinion_again_at_once(
    answering: Callable[[int, bytes], str], asked: list[str]
) -> None:
    client = ChainReader([answering(503, b"busy")])
    for _ in range(3):
        assert list(client.opinions(BlockNumber(0))) == []
    assert len(asked) == 1
    client.close()


def test_check_chain_id_names_both_ids_and_no_secret_when_they_differ(anvil: Anvil) -> None:
    secret_url = anvil.url.replace("http://", "http://user:hunter2@") + "/?key=hunter2"
    client = ChainReader([secret_url])
    with pytest.raises(ConfigurationError) as caught:
        check_chain_id(client, POLYGON_LOCAL)
    message = str(caught.value)
    assert anvil.url in message
    assert "31337" in message
    assert "31338" in message
    assert "hunter2" not in message
    client.close()


def test_check_chain_id_needs_one_answer_when_some_nodes_are_down(
    nobody: str, anvil: Anvil
) -> None:
    both, none = ChainReader([nobody, anvil.url]), ChainReader([nobody])
    check_chain_id(both, CELO_LOCAL)
    with pytest.raises(RpcUnavailable, match="did not answer"):
        check_chain_id(none, CELO_LOCAL)
    both.close()
    none.close()


def test_reader_refuses_when_there_is_no_url() -> None:
    with pytest.raises(ConfigurationError, match="LASTRO_RPC_URLS"):
        ChainReader([])


def test_send_raw_is_refused_when_the_bytes_are_no_transaction(reader: ChainReader) -> None:
    with pytest.raises(RpcError):
        reader.send_raw(b"\x02")
    assert reader.simulate({"to": "0x" + "11" * 20}) == b""
    assert reader.call(address_from_hex("0x" + "11" * 20), b"") == b""
