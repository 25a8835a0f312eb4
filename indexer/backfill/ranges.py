"""One range of history as a provider gave it, checked as far as it can be on its own.

Three ways, by what is asked of history. ``listed``: filtered logs, and the headers and receipts of
the blocks they name; that these are all blocks with logs of ours is the node's word. ``checked``:
filtered logs and every header, hashed and linked; that no block was left out follows from the
blooms, that no log of a block was left out is the node's word. ``proven``: every header, and the
receipts of every block whose bloom does not rule our logs out; nothing is anybody's word.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from indexer.chain.blocks import Header
from indexer.chain.reads import RawLogs, Topics
from indexer.chain.types import Address, BlockHash, BlockNumber, to_hex
from indexer.chain.wire import WireLog, WireReceipt
from indexer.columnar import LogGroup, digest, groups_of_wire, within
from indexer.errors import ChainContradiction
from indexer.events import EVENTS, PROTOCOL_TOPICS, TRANSFER
from indexer.headers import require_linked
from indexer.known import KnownContracts, as_topic
from indexer.spans import RangeState
from indexer.verify import (
    Contradicted,
    ProvenWire,
    Unprovable,
    bloom_holds_any,
    bloom_masks,
    check_header,
    prove_wire_receipts,
)

Depth = Literal["listed", "checked", "proven"]
"""How far history is verified while it is read; what is not proven then is proven later."""

_TOPICS = frozenset("0x" + topic.hex() for topic in EVENTS)
_LOG_INDEX_BITS = 32


class FalseAnswer(ChainContradiction):
    """A provider's answers contradict each other, or their own hashes."""

    def __init__(self, provider: str, reason: str) -> None:
        """Name who answered.

        Args:
            provider: Its public name.
            reason: What is wrong.
        """
        super().__init__(f"{provider}: {reason}")
        self.provider = provider


class IncompleteAnswer(FalseAnswer):
    """A filtered answer lacks logs that the chain commits to."""


class HistorySource(Protocol):
    """What reading history asks of a chain; ``ChainReader`` has it."""

    @property
    def providers(self) -> tuple[str, ...]:
        """Names of the nodes, without credentials."""
        ...

    def charge(self, provider: str, kind: str) -> None:
        """Note that an answer of this provider failed a check."""
        ...

    def raw_logs(
        self,
        low: BlockNumber,
        high: BlockNumber,
        topics: Topics,
        addresses: Sequence[Address] | None = None,
        *,
        provider: int | None = None,
    ) -> RawLogs:
        """Logs of a range as sent, with the header at its end, by one node."""
        ...

    def raw_headers(
        self, low: BlockNumber, high: BlockNumber, *, provider: int | None = None
    ) -> tuple[str, list[Header]]:
        """Who answered, and its headers of a range."""
        ...

    def wire_receipts(
        self, hashes: Sequence[BlockHash], *, provider: int | None = None
    ) -> tuple[str, list[list[WireReceipt]]]:
        """Who answered, and the receipts of each block as sent."""
        ...

    def headers(self, numbers: Iterable[BlockNumber]) -> list[Header]:
        """The headers at these heights, in order."""
        ...


@dataclass(frozen=True, slots=True)
class RangeRead:
    """A range whose answers agree with each other."""

    low: BlockNumber
    high: BlockNumber
    headers: tuple[Header, ...]
    """Checked, in order: every one, or those of blocks with logs and of the last block."""
    groups: tuple[LogGroup, ...]
    proven: frozenset[BlockNumber]
    """Blocks whose receipts were proven, or whose bloom rules our topics out."""
    state: RangeState
    headers_linked: bool
    digest: bytes | None
    provider: str
    logs_count: int
    """Logs the node sent, wanted or not."""


@dataclass(frozen=True, slots=True)
class RangeReader:
    """Reads ranges. Safe to share between threads."""

    source: HistorySource
    tokens: tuple[Address, ...]
    """Whose transfers are read; none spares a request."""

    def read(self, low: BlockNumber, high: BlockNumber, depth: Depth) -> RangeRead:
        """Read and check one range.

        Raises:
            ChainContradiction: Answers contradict each other or their hashes.
            RpcError: Refused, mostly because the range holds too much.
            RpcUnavailable: No node gave a usable answer.
        """
        if depth == "proven":
            return self._proven(low, high)
        listed = self.source.raw_logs(low, high, [PROTOCOL_TOPICS])
        logs = listed.logs
        if self.tokens:
            logs = logs + self.source.raw_logs(low, high, [(TRANSFER.topic0,)], self.tokens).logs
        try:
            groups = tuple(groups_of_wire(logs))
        except ValueError as error:
            raise FalseAnswer(listed.provider, f"sent a log that is none: {error}") from error
        if depth == "checked":
            headers = self._headers(low, high)
        else:
            numbers = {int(number) for group in groups for number in group.block_number}
            named = [BlockNumber(number) for number in sorted(numbers - {high})]
            headers = [*self.source.headers(named), listed.last]
            _check(listed.provider, headers, [*named, high])
        if headers[-1].hash != listed.last.hash:
            raise FalseAnswer(listed.provider, f"has another block {high} in each answer")
        _require_placed(listed.provider, groups, headers, low, high)
        proven: frozenset[BlockNumber] = frozenset()
        if depth == "listed":
            proven = self._receipts(headers, groups, listed.provider)
        return RangeRead(
            low=low,
            high=high,
            headers=tuple(headers),
            groups=groups,
            proven=proven,
            state="fetched",
            headers_linked=depth == "checked",
            digest=digest(groups),
            provider=listed.provider,
            logs_count=len(logs),
        )

    def _proven(self, low: BlockNumber, high: BlockNumber) -> RangeRead:
        headers = self._headers(low, high)
        masks = bloom_masks(EVENTS if self.tokens else PROTOCOL_TOPICS)
        open_ones = [one for one in headers if bloom_holds_any(one.logs_bloom, masks)]
        provider, receipts = self.source.wire_receipts([one.hash for one in open_ones])
        ruled_out = {one.number for one in headers} - {one.number for one in open_ones}
        logs, proven = _prove(provider, open_ones, receipts)
        groups = tuple(groups_of_wire(self._asked_for(logs)))
        everything = proven | ruled_out
        return RangeRead(
            low=low,
            high=high,
            headers=tuple(headers),
            groups=groups,
            proven=frozenset(everything),
            state="proven" if len(everything) == len(headers) else "fetched",
            headers_linked=True,
            digest=None if len(everything) == len(headers) else digest(groups),
            provider=provider,
            logs_count=len(logs),
        )

    def prove_open(self, read: RangeRead, known: KnownContracts) -> RangeRead:
        """Make sure by blooms and receipts that a checked range lacks no block with logs of ours.

        A block without a log of ours, whose bloom may hold a topic of ours and a contract that we
        know, or a transfer that touches a treasury, is read from its receipts.

        Raises:
            IncompleteAnswer: The receipts hold logs that the answer left out.
        """
        emitters = [*known.fixed, *known.campaigns, *known.treasuries]
        events = (bloom_masks(PROTOCOL_TOPICS), bloom_masks(emitters))
        transfers = (
            bloom_masks((TRANSFER.topic0,)),
            bloom_masks(self.tokens),
            bloom_masks(as_topic(treasury) for treasury in known.treasuries),
        )
        named = {int(number) for group in read.groups for number in group.block_number}
        doubtful = [
            header
            for header in read.headers
            if header.number not in named
            and (_may_hold(header, events) or _may_hold(header, transfers))
        ]
        if doubtful:
            self._receipts(doubtful, read.groups, read.provider)
        return read

    def _headers(self, low: BlockNumber, high: BlockNumber) -> list[Header]:
        provider, headers = self.source.raw_headers(low, high)
        if len(headers) != high - low + 1:
            raise FalseAnswer(provider, f"lacks headers of {low} to {high}")
        _check(provider, headers, [BlockNumber(number) for number in range(low, high + 1)])
        try:
            require_linked(headers[0].hash, headers[1:])
        except ChainContradiction as finding:
            raise FalseAnswer(provider, str(finding)) from finding
        return headers

    def _receipts(
        self, headers: Sequence[Header], groups: Sequence[LogGroup], listed_by: str
    ) -> frozenset[BlockNumber]:
        """Prove blocks, and that a filtered answer holds exactly their logs of ours.

        Raises:
            IncompleteAnswer: It does not.
        """
        provider, receipts = self.source.wire_receipts([one.hash for one in headers])
        logs, proven = _prove(provider, headers, receipts)
        held = within(groups_of_wire(self._asked_for(logs)), proven)
        if digest(held) != digest(within(groups, proven)):
            raise IncompleteAnswer(
                listed_by,
                f"the logs it lists between {headers[0].number} and {headers[-1].number} are not "
                "those that the receipts hold",
            )
        return proven

    def _asked_for(self, logs: Iterable[WireLog]) -> Iterator[WireLog]:
        """Of the logs in receipts, those that a filter would have listed."""
        tokens = frozenset(map(to_hex, self.tokens))
        for log in logs:
            if log.topics[0].lower() != _TRANSFER_TEXT or log.address.lower() in tokens:
                yield log


_TRANSFER_TEXT = "0x" + TRANSFER.topic0.hex()


def _may_hold(header: Header, kinds: Iterable[tuple[int, ...]]) -> bool:
    """Whether the bloom leaves open that one of each kind of value was logged."""
    return all(bloom_holds_any(header.logs_bloom, masks) for masks in kinds)


def _prove(
    provider: str, headers: Sequence[Header], receipts: Sequence[Sequence[WireReceipt]]
) -> tuple[list[WireLog], frozenset[BlockNumber]]:
    """The logs of our topics in these blocks, and which blocks are proven."""
    logs: list[WireLog] = []
    proven: set[BlockNumber] = set()
    for header, of_block in zip(headers, receipts, strict=True):
        committed: Sequence[WireReceipt] = of_block
        match prove_wire_receipts(header, of_block):
            case ProvenWire(receipts_of_root):
                proven.add(header.number)
                committed = receipts_of_root
            case Unprovable():
                pass
            case Contradicted(reason):
                raise FalseAnswer(provider, reason)
        logs += [
            log
            for receipt in committed
            for log in receipt.logs
            if log.topics and log.topics[0].lower() in _TOPICS
        ]
    return logs, frozenset(proven)


def _check(provider: str, headers: Sequence[Header], numbers: Sequence[BlockNumber]) -> None:
    """Every header hashes to its hash and stands where it was asked for.

    Raises:
        FalseAnswer: One does not.
    """
    if len(headers) != len(numbers):
        raise FalseAnswer(provider, f"lacks headers between {numbers[0]} and {numbers[-1]}")
    for header, number in zip(headers, numbers, strict=True):
        try:
            check_header(header, at=number)
        except ChainContradiction as finding:
            raise FalseAnswer(provider, str(finding)) from finding


def _require_placed(
    provider: str,
    groups: Sequence[LogGroup],
    headers: Sequence[Header],
    low: BlockNumber,
    high: BlockNumber,
) -> None:
    """Every log stands once, inside the range, under the hash of its block.

    Raises:
        ChainContradiction: One does not.
    """
    if not groups:
        return
    numbers = np.array([header.number for header in headers], np.int64)
    hashes = np.frombuffer(b"".join(header.hash for header in headers), np.uint8).reshape(-1, 32)
    places = []
    for group in groups:
        if (group.block_number < low).any() or (group.block_number > high).any():
            raise FalseAnswer(provider, f"sent logs beyond {low} to {high}")
        row = np.searchsorted(numbers, group.block_number)
        if (group.block_hash != hashes[row]).any():
            raise FalseAnswer(
                provider, f"sent logs of {low} to {high} under other block hashes: it mixes forks"
            )
        places.append((group.block_number << _LOG_INDEX_BITS) | group.log_index)
    found = np.concatenate(places)
    if len(np.unique(found)) != len(found):
        raise FalseAnswer(provider, f"sent a log of {low} to {high} twice")
