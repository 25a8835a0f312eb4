"""What of a node's URL is shown: never its keys, neither by us nor by the node's own words."""

from collections.abc import Callable
from contextlib import closing

import pytest

from indexer.chain.node import Node
from indexer.chain.refusals import PrunedHistory, refusal_of
from indexer.chain.rpc import ChainReader
from indexer.chain.urls import HTTP, MALFORMED, WEBSOCKET, Redaction, public_url, url_fault
from indexer.errors import ConfigurationError, RpcError, RpcUnavailable
from tests.indexer.chain.scripted import Reply, Script, Scripted, answer, refuse

Start = Callable[[Script], Scripted]
SECRET = "SECRETKEY"
MALFORMED_URLS = (
    f"http://user:{SECRET}/x@127.0.0.1:1/{SECRET}",
    f"http://user:12345/{SECRET}@127.0.0.1/",
    f"http://h:99999/{SECRET}",
    f"http://h:0/{SECRET}",
    f"http://{SECRET}:x/",
    f"http://[::1/{SECRET}",
    f"http://h\u200b/{SECRET}",
    f"http://h/{SECRET}\n",
    f"http://h,http://{SECRET}",
    f"http:///{SECRET}",
    f"h/{SECRET}",
    SECRET,
    "",
)


@pytest.mark.parametrize("url", MALFORMED_URLS)
def test_nothing_of_a_url_is_shown_when_it_is_malformed(url: str) -> None:
    assert public_url(url) == MALFORMED
    fault = url_fault(url, HTTP)
    assert fault
    assert SECRET not in fault
    with pytest.raises(ConfigurationError) as caught:
        ChainReader([url])
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://u:p@rpc.example:8545/v2/key?k=1", "https://rpc.example:8545"),
        ("http://127.0.0.1:8545", "http://127.0.0.1:8545"),
        ("http://[::1]:8545/key", "http://[::1]:8545"),
        ("https://rpc_node-1.internal/#key", "https://rpc_node-1.internal"),
    ],
)
def test_scheme_host_and_port_are_shown_when_a_url_is_well_formed(url: str, shown: str) -> None:
    assert url_fault(url, HTTP) is None
    assert public_url(url) == shown


@pytest.mark.parametrize("url", ["ws://h/key", "wss://u:p@h:8546/key"])
def test_url_is_refused_when_it_is_of_another_protocol(url: str) -> None:
    assert url_fault(url, WEBSOCKET) is None
    assert "http://" in (url_fault(url, HTTP) or "")


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (f"key not allowed: https://h/v2/{SECRET}", "key not allowed: https://h***"),
        (f"no project {SECRET[:6]} here", "no project *** here"),
        (f"no project {SECRET.lower()}", "no project ***"),
        ("bad key quoted value", "bad key ***"),
        ("not for user hunter22", "not for user ***"),
        ("execution reverted", "execution reverted"),
    ],
)
def test_words_lose_what_a_url_hides(said: str, shown: str) -> None:
    redact = Redaction(f"https://u:hunter22@h/v2/{SECRET}?token=quoted%20value")
    assert redact(said) == shown


def test_words_lose_a_short_key_when_they_repeat_the_whole_url() -> None:
    assert Redaction("https://u:p@h/k1")("see https://u:p@h/k1") == "see https://h"


def test_refusal_is_still_understood_when_the_path_says_the_same_words() -> None:
    said = Redaction("https://h/archive/pruned")("requires an archive node")
    assert refusal_of(RpcError(-32000, said)) == PrunedHistory()


@pytest.mark.parametrize("status", [200, 400, 413])
def test_refusal_shows_no_key_when_the_node_repeats_its_url(scripted: Start, status: int) -> None:
    node = scripted(lambda _: Reply(refuse(-32000, f"denied: http://x/v2/{SECRET}"), status))
    with closing(Node(f"{node.url}/v2/{SECRET}")) as asked, pytest.raises(RpcError) as caught:
        asked.ask("eth_getLogs", {})
    assert "denied" in str(caught.value)
    assert SECRET not in f"{caught.value} {caught.value.message}"


def test_answer_of_no_use_shows_no_key_when_it_repeats_the_url(scripted: Start) -> None:
    node = scripted(lambda asked: Reply(answer(asked, f"http://x/v2/{SECRET}")))
    with (
        closing(ChainReader([f"{node.url}/v2/{SECRET}"])) as reader,
        pytest.raises(RpcUnavailable) as caught,
    ):
        reader.chain_id()
    assert "no usable shape" in str(caught.value)
    assert SECRET not in str(caught.value)
