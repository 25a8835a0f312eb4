"""Which node is asked: after too many requests, after a lie, and when only one lacks history."""

from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest

from indexer.chain.networks import network_by_name
from indexer.chain.nodes import CHAIN_ID_TRIES, Nodes
from indexer.chain.observer import Outcome
from indexer.chain.rpc import ChainReader
from indexer.chain.truth import CHARGED_S
from indexer.errors import RpcError, RpcUnavailable
from tests.indexer.chain.scripted import Reply, Script, Scripted, answer, refuse

NETWORK = network_by_name("celo-local")
Start = Callable[[Script], Scripted]


def says(number: int) -> Script:
    return lambda asked: Reply(answer(asked, hex(number)))


def always(reply: Reply) -> Script:
    return lambda _: reply


def test_next_node_answers_when_the_first_is_asked_too_much(scripted: Start) -> None:
    busy = scripted(always(Reply(b"", 429, {"Retry-After": "60"})))
    with closing(ChainReader([busy.url, scripted(says(2)).url])) as reader:
        assert reader.chain_id() == 2
        assert reader.chain_id() == 2
    assert len(busy.asked) == 1


def test_only_node_is_asked_again_when_its_rest_is_over(scripted: Start) -> None:
    replies = iter([Reply(b"", 429, {"Retry-After": "0.05"})])
    node = scripted(lambda asked: next(replies, Reply(answer(asked, "0x5"))))
    with closing(ChainReader([node.url])) as reader:
        assert reader.chain_id() == 5
    assert len(node.asked) == 2


@pytest.mark.parametrize("seconds", ["0", "3600"])
def test_no_answer_is_given_when_every_node_is_asked_too_much(
    scripted: Start, seconds: str
) -> None:
    node = scripted(always(Reply(b"", 429, {"Retry-After": seconds})))
    with (
        closing(ChainReader([node.url])) as reader,
        pytest.raises(RpcUnavailable, match="too much"),
    ):
        reader.chain_id()
    assert len(node.asked) == (3 if seconds == "0" else 1)


def test_long_rest_blocks_nobody_while_it_lasts(scripted: Start) -> None:
    node = scripted(always(Reply(b"", 429, {"Retry-After": "86400"})))
    with closing(ChainReader([node.url])) as reader:
        for _ in range(3):
            with pytest.raises(RpcUnavailable, match="too much"):
                reader.chain_id()
    assert len(node.asked) == 1


@pytest.mark.parametrize(
    "lacking", [refuse(4444, "pruned history unavailable"), refuse(-32602, "beyond current head")]
)
def test_next_node_answers_when_the_first_lacks_what_is_asked(
    scripted: Start, lacking: dict[str, Any]
) -> None:
    poor, rich = scripted(always(Reply(lacking))), scripted(says(2))
    with closing(ChainReader([poor.url, rich.url])) as reader:
        assert reader.chain_id() == 2
    with closing(ChainReader([poor.url])) as alone, pytest.raises(RpcError):
        alone.chain_id()


def test_no_other_node_is_asked_when_the_first_refuses_for_good(scripted: Start) -> None:
    other = scripted(says(2))
    refusing = scripted(always(Reply(refuse(3, "execution reverted: rate limit"))))
    with closing(ChainReader([refusing.url, other.url])) as reader, pytest.raises(RpcError):
        reader.chain_id()
    assert not other.asked


@pytest.mark.parametrize(
    "first", [Reply(b"", 429, {"Retry-After": "0.05"}), Reply(b'{"jsonrpc":"2.'), Reply(b"", 502)]
)
def test_chain_id_is_asked_for_again_when_the_only_node_stumbles(
    scripted: Start, first: Reply
) -> None:
    """An operator's command has no loop of its own: one bad answer must not end it."""
    replies = iter([first])
    node = scripted(lambda asked: next(replies, Reply(answer(asked, hex(NETWORK.chain_id)))))
    with closing(ChainReader([node.url])) as reader:
        reader.require_network(NETWORK)
    assert len(node.asked) == 2


def test_chain_id_is_asked_for_once_when_the_caller_repeats_the_question(
    scripted: Start,
) -> None:
    node = scripted(always(Reply(b"", 502)))
    with closing(ChainReader([node.url])) as reader:
        with pytest.raises(RpcUnavailable, match="502"):
            reader.require_network(NETWORK, tries=1)
        assert len(node.asked) == 1
        with pytest.raises(RpcUnavailable, match="502"):
            reader.require_network(NETWORK)
    assert len(node.asked) == 1 + CHAIN_ID_TRIES


def test_chain_id_is_not_waited_for_when_every_node_asks_for_a_long_rest(scripted: Start) -> None:
    node = scripted(always(Reply(b"", 429, {"Retry-After": "3600"})))
    with (
        closing(ChainReader([node.url])) as reader,
        pytest.raises(RpcUnavailable, match="too much"),
    ):
        reader.require_network(NETWORK)
    assert len(node.asked) == 1


class Watcher:
    def __init__(self) -> None:
        self.charges: list[tuple[str, str]] = []

    def request(self, provider: str, method: str, seconds: float, outcome: Outcome) -> None:
        assert outcome == "ok", (provider, method, seconds)

    def charged(self, provider: str, kind: str) -> None:
        self.charges.append((provider, kind))


def test_charged_node_is_asked_last_until_its_charge_is_old(scripted: Start) -> None:
    now = [0.0]
    watcher = Watcher()
    liar, honest = scripted(says(1)), scripted(says(2))
    nodes = Nodes([liar.url, honest.url], observer=watcher, clock=lambda: now[0])

    def ask() -> bytes:
        return nodes.first(lambda node: bytes(node.ask("eth_chainId")))

    with closing(nodes):
        assert ask() == b'"0x1"'
        nodes.charge(liar.url, "root")
        nodes.charge("somebody else", "root")
        assert nodes.preferred.name == honest.url
        assert ask() == b'"0x2"'
        assert nodes.charges == {liar.url: {"root": 1}, honest.url: {}}
        assert watcher.charges == [(liar.url, "root")]
        assert nodes.answered.name == honest.url
        nodes.charge(honest.url, "digest")
        nodes.charge(honest.url, "digest")
        now[0] = CHARGED_S + 1
        assert ask() == b'"0x1"'
        assert nodes.other_than(liar.url) == 1


def test_each_has_its_turn_when_all_are_charged(scripted: Start) -> None:
    first, second = scripted(says(1)), scripted(says(2))
    with closing(ChainReader([first.url, second.url])) as reader:
        for number, node in ((1, first), (2, second), (1, first), (2, second)):
            assert reader.chain_id() == number
            assert reader.provider == node.url
            reader.charge(node.url, "root")


def test_second_names_another_provider_where_there_is_one(scripted: Start) -> None:
    first, second = scripted(says(1)), scripted(says(2))
    with closing(ChainReader([first.url, second.url])) as reader:
        assert reader.providers == (first.url, second.url)
        assert reader.provider_count == 2
        assert reader.second(first.url) == 1
        assert reader.second(second.url) == 0
        reader.charge(second.url, "digest")
        assert reader.second("a third") == 0
        assert reader.charges[second.url] == {"digest": 1}
    with closing(ChainReader([first.url])) as alone:
        assert alone.second(first.url) is None


def test_two_accounts_with_one_provider_have_two_names(scripted: Start) -> None:
    url = scripted(says(1)).url
    with closing(ChainReader([f"{url}/one", f"{url}/two", f"{url}/one"])) as reader:
        assert reader.providers == (f"{url}#1", f"{url}#2")
