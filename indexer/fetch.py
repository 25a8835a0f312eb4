"""Read blocks from a node and believe only what their own hashes confirm.

Two ways to read a range. By headers: every header is hashed and linked, and every block whose bloom
does not rule our logs out is read from its receipts: complete by proof. By logs, for long stretches
of finalized history: one filtered answer, and the blocks it names are read from their receipts:
what it names is proven, that it names all is the node's word.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from indexer.chain.blocks import Header, Log
from indexer.chain.source import BlockSource
from indexer.chain.types import ADDRESS_BYTES, HASH_BYTES, Address, BlockHash, BlockNumber, to_hex
from indexer.errors import ChainContradiction
from indexer.events import PROTOCOL_TOPICS, TRANSFER, TREASURY_DEPLOYED, Emitter
from indexer.known import KeptLog, KnownContracts, as_topic, sift
from indexer.verify import Contradicted, Proven, Unprovable, check_header, prove_receipts

RangeState = Literal["fetched", "proven"]


class IncompleteAnswer(ChainContradiction):
    """A filtered answer lacks logs that the receipts of a block it names do hold."""


@dataclass(frozen=True, slots=True)
class BlockRead:
    """One block, and what of it is worth a row."""

    header: Header
    kept: tuple[KeptLog, ...]
    proven: bool
    """Receipts root recomputed, or our logs ruled out by the bloom."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A range of blocks read; ``blocks`` are in order and hold at least the last one."""

    low: BlockNumber
    blocks: tuple[BlockRead, ...]
    state: RangeState
    provider: str
    known: KnownContracts
    """As of the last block."""
    logs_count: int
    """Logs the node sent for the range, wanted or not."""

    @property
    def last(self) -> Header:
        """The header the cursor moves to."""
        return self.blocks[-1].header


def fetch_headers(source: BlockSource, low: BlockNumber, high: BlockNumber) -> list[Header]:
    """Headers of ``low`` to ``high``, each hashing to its hash; at least one.

    Raises:
        ChainContradiction: A header is false, in the wrong place, or the first is not there.
    """
    headers = source.headers(map(BlockNumber, range(low, high + 1)))
    for offset, header in enumerate(headers):
        check_header(header, at=BlockNumber(low + offset))
    if not headers:
        raise ChainContradiction(f"block {low} is not there although the head is higher")
    return headers


def read_by_headers(
    source: BlockSource, headers: Sequence[Header], known: KnownContracts
) -> Reading:
    """Read the blocks of linked headers.

    Args:
        source: Where to ask.
        headers: Checked and linked, in order, at least one.
        known: Contracts known as of the block before the first.

    Raises:
        ChainContradiction: Receipts do not fit their header.
    """
    blocks = []
    logs_count = 0
    for header in headers:
        logs: tuple[Log, ...] = ()
        proven = True
        if known.may_concern(header.logs_bloom):
            logs, proven = fetch_logs(source, header)
            logs_count += len(logs)
        known, kept = sift(known, logs)
        blocks.append(BlockRead(header, kept, proven))
    return Reading(
        low=headers[0].number,
        blocks=tuple(blocks),
        state="proven" if all(block.proven for block in blocks) else "fetched",
        provider=source.provider,
        known=known,
        logs_count=logs_count,
    )


def read_by_logs(
    source: BlockSource, low: BlockNumber, high: BlockNumber, known: KnownContracts
) -> Reading:
    """Read a range of finalized history through filtered logs.

    Args:
        source: Where to ask.
        low: First block.
        high: Last block; the node must have it.
        known: Contracts known as of the block before ``low``.

    Raises:
        IncompleteAnswer: The answer lacks logs: read the range by headers.
        ChainContradiction: The answer contradicts itself or the block hashes.
        RpcError: The node refuses the range, mostly because it holds too much.
    """
    last = source.block_by_number(high)
    if last is None:
        raise ChainContradiction(f"block {high} is not there although it is finalized")
    check_header(last, at=high)
    listed = source.logs(low, high, [PROTOCOL_TOPICS])
    listed += _transfers(
        source, low, high, tokens=known.tokens, treasuries=_treasury_topics(known, listed)
    )
    by_number: dict[BlockNumber, list[Log]] = {}
    for log in listed:
        if not low <= log.block_number <= high:
            raise ChainContradiction(f"asked for logs of {low} to {high}, got {log.block_number}")
        if not log.topics:
            raise ChainContradiction(f"asked for topics, got a log without in {log.block_number}")
        by_number.setdefault(log.block_number, []).append(log)

    blocks = []
    for number in sorted({*by_number, high}):
        header = last if number == high else fetch_headers(source, number, number)[0]
        logs, proven = fetch_logs(source, header)
        _require_listed(header.hash, by_number.get(number, []), logs)
        known, kept = sift(known, logs)
        blocks.append(BlockRead(header, kept, proven))
    return Reading(
        low=low,
        blocks=tuple(blocks),
        state="fetched",
        provider=source.provider,
        known=known,
        logs_count=len(listed),
    )


def fetch_logs(source: BlockSource, header: Header) -> tuple[tuple[Log, ...], bool]:
    """Every log of a block, and whether its receipts root proves them.

    Raises:
        ChainContradiction: The receipts do not fit the header, or the block is gone.
    """
    receipts = source.receipts(header.hash)
    if receipts is None:
        raise ChainContradiction(f"block {header.number} vanished while it was read")
    match prove_receipts(header, receipts):
        case Proven() as proof:
            return proof.logs, True
        case Unprovable():
            return tuple(log for receipt in receipts for log in receipt.logs), False
        case Contradicted(reason):
            raise ChainContradiction(f"{source.provider}: {reason}")


def _treasury_topics(known: KnownContracts, listed: Sequence[Log]) -> frozenset[bytes]:
    """Treasuries, as transfer topics, that are known by the end of a range."""
    made = {
        log.data[-ADDRESS_BYTES:].rjust(HASH_BYTES, b"\0")
        for log in listed
        if log.topics[:1] == (TREASURY_DEPLOYED.topic0,)
        and known.kind_of(log.address) is Emitter.TREASURY_FACTORY
    }
    return frozenset(made.union(as_topic(treasury) for treasury in known.treasuries))


def _transfers(
    source: BlockSource,
    low: BlockNumber,
    high: BlockNumber,
    *,
    tokens: Sequence[Address],
    treasuries: frozenset[bytes],
) -> list[Log]:
    """Transfers of accepted tokens that touch one of ``treasuries``, given as topics."""
    if not treasuries or not tokens:
        return []
    found = source.logs(low, high, [(TRANSFER.topic0,)], tokens)
    return [log for log in found if not treasuries.isdisjoint(log.topics[1:])]


def _require_listed(block_hash: BlockHash, listed: Sequence[Log], logs: Sequence[Log]) -> None:
    """Compare what a filter listed of a block with what its receipts hold."""
    for log in listed:
        if log.block_hash != block_hash:
            raise ChainContradiction(
                f"a log stands under {to_hex(log.block_hash)}, "
                f"but block {log.block_number} is {to_hex(block_hash)}"
            )
    wanted = set(PROTOCOL_TOPICS)
    held = {log.log_index for log in logs if log.topics and log.topics[0] in wanted}
    named = {log.log_index for log in listed if log.topics[0] in wanted}
    if held != named:
        raise IncompleteAnswer(
            f"a filtered answer lists {len(named)} logs of block {to_hex(block_hash)}, "
            f"whose receipts hold {len(held)}"
        )
