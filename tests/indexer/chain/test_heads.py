"""The bell on a real node's WebSocket: it rings at heads, survives losses, and may stay silent."""

import threading
from pathlib import Path
from time import monotonic

import pytest
from websockets.sync.server import ServerConnection, serve

from indexer.chain.heads import HeadBell
from indexer.chain.networks import network_by_name
from stack.anvil import Anvil
from stack.ports import LOOPBACK, free_port
from tests.support.servers import running
from tests.support.waiting import eventually


def test_bell_rings_when_a_block_is_mined(anvil: Anvil) -> None:
    with HeadBell(f"ws://{LOOPBACK}:{anvil.port}") as bell:
        assert bell.wait(5)  # subscribed: look once
        assert bell.is_subscribed
        assert not bell.wait(0.05)
        anvil.call("anvil_mine", "0x1")
        started = monotonic()
        assert bell.wait(5)
        assert monotonic() - started < 1
        assert not bell.wait(0.01)


def test_bell_rings_again_when_the_node_comes_back(tmp_path: Path) -> None:
    node = Anvil(network_by_name("celo-local"), free_port())
    with HeadBell(f"ws://{LOOPBACK}:{node.port}") as bell:
        for attempt in range(2):
            log = tmp_path / f"anvil{attempt}.log"
            with running(node.command(), answers=node.answers, log=log):
                eventually(lambda: bell.is_subscribed)
                assert bell.wait(5)
            eventually(lambda: not bell.is_subscribed)


def test_bell_only_lets_the_time_pass_when_nothing_is_offered() -> None:
    def refuse(connection: ServerConnection) -> None:
        connection.recv()
        connection.send('{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"no"}}')

    with serve(refuse, LOOPBACK, 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        port = server.socket.getsockname()[1]
        with HeadBell(f"ws://{LOOPBACK}:{port}") as bell:
            assert not bell.wait(0.1)
            assert not bell.is_subscribed
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("url", [None, f"ws://{LOOPBACK}:1"])
def test_bell_never_rings_by_itself_without_a_node(url: str | None) -> None:
    with HeadBell(url) as bell:
        assert not bell.wait(0.05)
        bell.ring()
        assert bell.wait(0)
        assert not bell.wait(0)
    assert bell.wait(5)  # closing wakes whoever waits
