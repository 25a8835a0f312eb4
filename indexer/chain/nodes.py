"""The nodes of one chain: who is asked first, who instead, and that all serve the same chain.

The first healthy node is asked; one that gives no usable answer is passed over. A node that answers
with an error has answered: that is an ``RpcError``, and no other node is asked, unless the error
says that only this node lacks what was asked for.
"""

from collections.abc import Callable, Iterator, Sequence
from threading import Event
from time import monotonic
from typing import TypeVar

import msgspec

from indexer.chain.networks import Network
from indexer.chain.node import REST_AWAITED_S, Node, NodeUnusable
from indexer.chain.observer import UNOBSERVED, RpcObserver
from indexer.chain.refusals import BeyondHead, PrunedHistory, refusal_of
from indexer.chain.truth import Truth
from indexer.chain.urls import public_url
from indexer.errors import ConfigurationError, RpcError, RpcUnavailable

CHAIN_ID_TRIES = 3
CHAIN_ID_PAUSE_S = 0.25
"""How often nodes are asked for their chain, and the pause between: one answer that was cut must
not end an operator's command."""
SILENCE_S = 5.0
"""How long ``each`` passes over a node that gave no usable answer: one dead node of several must
not cost its whole timeout again and again."""
PATIENCE = 2
"""How often a call is repeated after "too many requests"; the caller's own loop does the rest."""

T = TypeVar("T")

_TEXT: msgspec.json.Decoder[str] = msgspec.json.Decoder(str)


class Nodes:
    """Several nodes in order of trust and preference. Safe to share between threads."""

    def __init__(
        self,
        urls: Sequence[str],
        *,
        calls_per_s: float = 0.0,
        observer: RpcObserver = UNOBSERVED,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """Prepare one pool per URL; nothing is sent yet.

        Args:
            urls: HTTP URLs of nodes of one chain, the preferred first; the same one twice is one.
            calls_per_s: Budget that each provider grants; 0 for any.
            observer: Told of every request and every charge.
            clock: Monotonic seconds.

        Raises:
            ConfigurationError: There are none.
        """
        if not urls:
            raise ConfigurationError("no RPC URL is set: LASTRO_RPC_URLS needs at least one")
        distinct = list(dict.fromkeys(urls))
        self.names = _names(distinct)
        """Unique, without credentials, in the order of the URLs."""
        self._nodes = tuple(
            Node(url, name=name, calls_per_s=calls_per_s, observer=observer)
            for url, name in zip(distinct, self.names, strict=True)
        )
        self._truth = Truth(self.names, observer=observer, clock=clock)
        self._preferred = 0
        self._network: Network | None = None
        self._checked: set[int] = set()
        self._silent_until: dict[int, float] = {}
        self._clock = clock

    def __len__(self) -> int:
        """How many nodes are configured."""
        return len(self._nodes)

    @property
    def preferred(self) -> Node:
        """The node asked first."""
        return self._nodes[self._order()[0]]

    @property
    def charges(self) -> dict[str, dict[str, int]]:
        """Failed checks by provider and kind, since this process started."""
        return self._truth.charges

    def close(self) -> None:
        """Close every connection."""
        for node in self._nodes:
            node.close()

    @property
    def answered(self) -> Node:
        """The node that answered last; before the first answer, or when doubted since, the next."""
        return self._nodes[self._preferred]

    def distrust(self) -> None:
        """Ask another node first from now on: this one's answer contradicted itself."""
        self._preferred = (self._order()[0] + 1) % len(self._nodes)

    def charge(self, provider: str, kind: str) -> None:
        """Ask a node last for a while: an answer of it failed a check of this kind."""
        self._truth.charge(provider, kind)
        if self.answered.name == provider:  # another one's turn, even when all are charged
            self._preferred = (self._preferred + 1) % len(self._nodes)

    def other_than(self, provider: str) -> int | None:
        """The place of the most trusted node that is not this one; None when there is none."""
        return next((index for index in self._order() if self.names[index] != provider), None)

    def require(self, network: Network, *, tries: int = CHAIN_ID_TRIES) -> None:
        """Check every node that answers now, and each of the others before it is first used.

        Args:
            network: The chain that all must serve.
            tries: How often they are asked while none answers.

        Raises:
            ConfigurationError: One serves another chain; names its URL and both ids.
            RpcUnavailable: None answers.
        """
        self._network = network
        self._checked.clear()
        for tried in range(1, tries + 1):
            failures = self._unasked()
            if len(failures) < len(self._nodes):
                return
            silence = _all_failed(failures)
            rests_long = all(node.budget.resting_s > REST_AWAITED_S for node in self._nodes)
            if tried == tries or rests_long:
                raise silence
            Event().wait(CHAIN_ID_PAUSE_S * tried)

    def _unasked(self) -> list[RpcUnavailable]:
        """Why some nodes do not tell their chain id now."""
        failures: list[RpcUnavailable] = []
        for index in range(len(self._nodes)):
            try:
                self._require_chain(index)
            except RpcUnavailable as failure:
                failures.append(failure)
        return failures

    def first(self, attempt: Callable[[Node], T]) -> T:
        """Try every node once, the preferred first; remember the first that answers.

        A node that is asked too much is passed over; when all are, the one whose rest is the
        shortest is awaited. One whose history is pruned, or whose head is behind, is passed over
        too: its refusal is raised when no other node answers.

        Args:
            attempt: Asks a node and reads its answer; a ``ValueError`` or ``DecodeError`` says
                that the answer is none.

        Raises:
            RpcUnavailable: No node gave a usable answer.
            RpcError: The first that answered refused.
            ConfigurationError: A node used for the first time serves another chain.
        """
        return self._patiently(lambda: self._first(attempt))

    def at(self, index: int, attempt: Callable[[Node], T]) -> T:
        """Ask one node, by its place among the URLs; raises as ``first`` does."""
        return self._patiently(lambda: self._at(index, attempt))

    def is_silent(self, index: int) -> bool:
        """Whether a node did not answer a moment ago."""
        return self._silent_until.get(index, 0.0) > self._clock()

    def each(self, attempt: Callable[[Node], T]) -> Iterator[tuple[Node, T]]:
        """Ask one node after the other, the preferred first; those without an answer are left out.

        Raises:
            ConfigurationError: A node used for the first time serves another chain.
        """
        for index in self._order():
            if self.is_silent(index):
                continue
            try:
                answer = self._at(index, attempt)
            except (RpcUnavailable, RpcError):
                continue
            yield self._nodes[index], answer

    def _first(self, attempt: Callable[[Node], T]) -> T:
        failures: list[RpcUnavailable] = []
        lacking: RpcError | None = None
        for index in self._order():
            try:
                answer = self._at(index, attempt)
            except RpcUnavailable as failure:
                failures.append(failure)
            except RpcError as refusal:
                if not isinstance(refusal_of(refusal), PrunedHistory | BeyondHead):
                    raise
                lacking = refusal
            else:
                self._preferred = index
                return answer
        if lacking is not None:
            raise lacking
        if len(failures) == 1:
            raise failures[0]
        raise _all_failed(failures)

    def _at(self, index: int, attempt: Callable[[Node], T]) -> T:
        try:
            self._require_chain(index)
            answer = _usable(self._nodes[index], attempt)
        except RpcUnavailable:
            self._silent_until[index] = self._clock() + SILENCE_S
            raise
        self._silent_until.pop(index, None)
        return answer

    def _patiently(self, ask: Callable[[], T]) -> T:
        """Ask again, a few times, when all that is wrong is that we ask too much."""
        for _ in range(PATIENCE):
            try:
                return ask()
            except NodeUnusable as failure:
                wait_s = failure.retry_after_s
                if failure.kind != "rate_limited" or wait_s is None or wait_s > REST_AWAITED_S:
                    raise
        return ask()  # its node's budget lets the rest pass before anything is sent

    def _order(self) -> list[int]:
        """Trusted before charged, rested before resting, then by preference."""
        first, count = self._preferred, len(self._nodes)
        turns = ((first + offset) % count for offset in range(count))
        return sorted(
            turns,
            key=lambda index: (
                self._truth.is_charged(self.names[index]),
                self._nodes[index].budget.resting_s > 0,
            ),
        )

    def _require_chain(self, index: int) -> None:
        """Check a node's chain id unless that was done, or no network is required."""
        network, node = self._network, self._nodes[index]
        if network is None or index in self._checked:
            return
        try:
            answered = _usable(node, lambda one: int(_TEXT.decode(one.ask("eth_chainId")), 16))
        except RpcError as refusal:
            raise RpcUnavailable(f"{node.name} does not tell its chain id: {refusal}") from refusal
        if answered != network.chain_id:
            raise ConfigurationError(
                f"{node.name} serves chain {answered}, but {network.name} is "
                f"{network.chain_id}: mend LASTRO_RPC_URLS or LASTRO_CHAIN"
            )
        self._checked.add(index)


def _names(urls: Sequence[str]) -> tuple[str, ...]:
    """Public names; two accounts with one provider are told apart by a number."""
    plain = [public_url(url) for url in urls]
    return tuple(
        name if plain.count(name) == 1 else f"{name}#{plain[: index + 1].count(name)}"
        for index, name in enumerate(plain)
    )


def _all_failed(failures: Sequence[RpcUnavailable]) -> RpcUnavailable:
    """One failure for all; asked too much only when that is all that is wrong."""
    reason = "; ".join(map(str, failures))
    rests = [
        failure.retry_after_s
        for failure in failures
        if isinstance(failure, NodeUnusable) and failure.retry_after_s is not None
    ]
    if len(rests) < len(failures):
        return RpcUnavailable(reason)
    return NodeUnusable(reason, "rate_limited", retry_after_s=min(rests))


def _usable(node: Node, attempt: Callable[[Node], T]) -> T:
    """What ``attempt`` reads; whatever does not fit its shape is no answer at all."""
    try:
        return attempt(node)
    except (msgspec.DecodeError, ValueError) as error:
        raise node.useless(f"gave an answer of no usable shape: {error}", "malformed") from error
