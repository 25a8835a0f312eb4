"""One node: batches it takes or refuses, answers out of place, its budget, and what is reported."""

import gzip
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from indexer.chain.node import Node, NodeUnusable
from indexer.chain.observer import Outcome
from indexer.chain.refusals import TooWide, refusal_of
from indexer.errors import RpcError
from tests.indexer.chain.scripted import Reply, Script, Scripted, answer, encode, refuse

Start = Callable[[Script], Scripted]
CALLS = [("eth_getBlockByNumber", (hex(number), False)) for number in range(8)]


class Watcher:
    def __init__(self) -> None:
        self.seen: list[tuple[str, Outcome]] = []

    def request(self, provider: str, method: str, seconds: float, outcome: Outcome) -> None:
        assert provider.startswith("http://")
        assert seconds >= 0
        self.seen.append((method, outcome))

    def charged(self, provider: str, kind: str) -> None:
        raise AssertionError(f"nobody charged {provider} with {kind}")


@pytest.fixture
def opened() -> Iterator[Callable[..., Node]]:
    nodes: list[Node] = []

    def open_node(url: str, **options: Any) -> Node:
        nodes.append(Node(url, **options))
        return nodes[-1]

    yield open_node
    for node in nodes:
        node.close()


def echo_numbers(asked: Any) -> Any:
    """Each call's own block number as its result."""
    return [answer(call, call["params"][0]) for call in asked]


def values(results: list[msgspec.Raw]) -> list[Any]:
    return [msgspec.json.decode(raw) for raw in results]


def test_batch_is_put_in_order_when_its_answers_come_reversed_and_twice(
    scripted: Start, opened: Callable[..., Node]
) -> None:
    server = scripted(
        lambda asked: Reply([*reversed(echo_numbers(asked)), answer(asked[0], "0x0")])
    )
    assert values(opened(server.url).ask_many(CALLS)) == [hex(number) for number in range(8)]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda answers: answers[:-1],
        lambda answers: [*answers, {**answers[0], "result": "0xff"}],
        lambda answers: [answers[0]] * len(answers),
        lambda _answers: [],
        lambda answers: answers[0],
    ],
    ids=("short", "two that differ", "one repeated", "empty", "single"),
)
def test_batch_is_no_answer_at_all_when_a_call_has_none_or_two(
    scripted: Start, opened: Callable[..., Node], spoil: Callable[[Any], Any]
) -> None:
    node = opened(scripted(lambda asked: Reply(spoil(echo_numbers(asked)))).url)
    with pytest.raises(NodeUnusable) as caught:
        node.ask_many(CALLS)
    assert caught.value.kind == "malformed"


@pytest.mark.parametrize(
    ("refusal", "sizes"),
    [
        (lambda _: Reply(refuse(-32600, "Invalid Request")), [8]),
        (lambda _: Reply(b"no batches here", 405), [8, 2]),
        (lambda _: Reply(b"", 413), [8, 2]),
        (lambda _: Reply(refuse(-32000, "batch is not supported"), 400), [8, 2]),
        (lambda asked: Reply([refuse(-32600, "batch refused") for _ in asked]), [8, 2]),
        (lambda _: Reply([refuse(-32600, "batch too large")]), [8, 2]),
    ],
)
def test_refused_batch_falls_back_to_single_calls_and_is_remembered(
    scripted: Start,
    opened: Callable[..., Node],
    refusal: Callable[[Any], Reply],
    sizes: list[int],
) -> None:
    server = scripted(
        lambda asked: (
            refusal(asked) if isinstance(asked, list) else Reply(answer(asked, asked["params"][0]))
        )
    )
    node = opened(server.url)
    assert values(node.ask_many(CALLS)) == [hex(number) for number in range(8)]
    batches = [len(asked) for asked in server.asked if isinstance(asked, list)]
    assert batches == sizes
    node.ask_many(CALLS)
    assert len([asked for asked in server.asked if isinstance(asked, list)]) == len(sizes)


def test_batches_keep_to_the_size_that_the_node_names(
    scripted: Start, opened: Callable[..., Node]
) -> None:
    def at_most_three(asked: Any) -> Reply:
        if len(asked) > 3:
            return Reply(refuse(-32000, "Batch of more than 3 requests are not allowed"), 500)
        return Reply(echo_numbers(asked) if isinstance(asked, list) else answer(asked))

    server = scripted(at_most_three)
    assert values(opened(server.url).ask_many(CALLS)) == [hex(number) for number in range(8)]
    assert [len(asked) for asked in server.asked] == [8, 3, 3, 2]


def test_batch_is_cut_when_its_answers_together_are_too_long(
    scripted: Start, opened: Callable[..., Node]
) -> None:
    def at_most_two(asked: Any) -> Reply:
        if len(asked) > 2:
            return Reply([refuse(-32003, "response too large", id=call["id"]) for call in asked])
        return Reply(echo_numbers(asked))

    assert len(opened(scripted(at_most_two).url).ask_many(CALLS)) == 8


def test_batch_is_not_cut_when_its_logs_alone_are_too_long(
    scripted: Start, opened: Callable[..., Node]
) -> None:
    """Smaller batches would not help, and every later one would be small."""
    server = scripted(
        lambda asked: Reply(b"", 413) if "eth_getLogs" in str(asked) else Reply(echo_numbers(asked))
    )
    node = opened(server.url)
    with pytest.raises(RpcError) as refused:
        node.ask_many([CALLS[0], ("eth_getLogs", ({},))])
    assert isinstance(refusal_of(refused.value), TooWide)
    assert len(node.ask_many(CALLS)) == 8
    assert [len(asked) for asked in server.asked] == [2, 8]


def test_node_asks_for_gzip_and_reads_it(scripted: Start, opened: Callable[..., Node]) -> None:
    body = gzip.compress(encode({"id": 0, "result": "0x7"}))
    server = scripted(lambda _: Reply(body, headers={"Content-Encoding": "gzip"}))
    assert values([opened(server.url).ask("eth_chainId")]) == ["0x7"]
    assert "gzip" in server.headers[0]["Accept-Encoding"]


def test_error_is_read_when_an_http_status_carries_one(
    scripted: Start, opened: Callable[..., Node]
) -> None:
    wide = scripted(lambda _: Reply(refuse(-32614, "eth_getLogs is limited to a 5 range"), 413))
    with pytest.raises(RpcError, match="limited to a 5"):
        opened(wide.url).ask("eth_getLogs", {})
    bare = scripted(lambda _: Reply(b"Payload Too Large", 413))
    with pytest.raises(RpcError) as refused:
        opened(bare.url).ask("eth_getLogs", {})
    assert isinstance(refusal_of(refused.value), TooWide)
    account = scripted(lambda _: Reply(refuse(-32000, "no such key"), 401))
    with pytest.raises(NodeUnusable) as caught:
        opened(account.url).ask("eth_getLogs", {})
    assert caught.value.kind == "http_error"


@pytest.mark.parametrize(
    ("reply", "retry_after_s"),
    [
        (Reply(b"", 429, {"Retry-After": "7"}), 7),
        (Reply(b"", 429, {"Retry-After": "Thu, 01 Jan 2026 00:00:00 GMT"}), 0),
        (Reply(b"", 429, {"Retry-After": "soon"}), 0.25),
        (Reply(refuse(-32005, "rate limit, retry in 3s")), 3),
        (Reply(refuse(-32007, "50/second request limit reached"), 403), 0.25),
    ],
)
def test_node_rests_as_long_as_the_provider_asks_when_it_is_asked_too_much(
    scripted: Start, opened: Callable[..., Node], reply: Reply, retry_after_s: float
) -> None:
    node = opened(scripted(lambda _: reply).url)
    with pytest.raises(NodeUnusable) as caught:
        node.ask("eth_chainId")
    assert (caught.value.kind, caught.value.retry_after_s) == ("rate_limited", retry_after_s)
    assert node.budget.resting_s == pytest.approx(retry_after_s, abs=0.2)


def test_observer_is_told_of_every_request(scripted: Start, opened: Callable[..., Node]) -> None:
    replies = iter(
        [
            Reply(answer({"id": 0})),
            Reply(refuse(-32005, "query returned more than 10000 results")),
            Reply(b"<html>"),
            Reply(b"", 503),
        ]
    )
    watcher = Watcher()
    node = opened(scripted(lambda _: next(replies)).url, observer=watcher)
    node.ask("eth_chainId")
    for _ in range(3):
        with pytest.raises((NodeUnusable, RpcError)):
            node.ask_many([("eth_getLogs", ({},))])
    silent = opened("http://127.0.0.1:1", observer=watcher)
    with pytest.raises(NodeUnusable):
        silent.ask_many([("eth_chainId", ()), ("eth_getLogs", ()), ("eth_getLogs", ())])
    assert watcher.seen == [
        ("eth_chainId", "ok"),
        ("eth_getLogs", "too_wide"),
        ("eth_getLogs", "malformed"),
        ("eth_getLogs", "http_error"),
        ("eth_chainId+eth_getLogs", "unreachable"),
    ]
