"""Read blocks from a node and believe only what their own hashes confirm.

Every header is hashed and linked, and every block whose bloom does not rule our logs out is read
from its receipts: complete by proof. Long stretches of finalized history are ``backfill``'s.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from indexer.chain.blocks import Header, Log
from indexer.chain.source import BlockSource
from indexer.chain.types import Address, BlockNumber, ChainId
from indexer.columnar import digest, groups_of_logs
from indexer.errors import ChainContradiction, Lagging
from indexer.events import EVENTS, TRANSFER
from indexer.facts import Facts, learned, state_facts
from indexer.known import KnownContracts
from indexer.spans import RangeState
from indexer.verify import Contradicted, Proven, Unprovable, check_header, prove_receipts


@dataclass(frozen=True, slots=True)
class BlockRead:
    """One block that gets a row."""

    header: Header
    logs_count: int
    """Logs of it that got a row."""
    proven: bool
    """Receipts root recomputed, or our logs ruled out by the bloom."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A range of blocks read; ``blocks`` are in order and hold at least the last one."""

    low: BlockNumber
    blocks: tuple[BlockRead, ...]
    facts: Facts
    state: RangeState
    provider: str
    headers_linked: bool
    """Every header was hashed and linked, and its bloom agrees."""
    digest: bytes | None
    """Of the logs read (``columnar.digest``); None when they are proven."""
    logs_count: int
    """Logs the node sent for the range, wanted or not."""

    @property
    def last(self) -> Header:
        """The header the cursor moves to."""
        return self.blocks[-1].header

    @property
    def known(self) -> KnownContracts:
        """As of the last block."""
        return self.facts.known


def fetch_headers(source: BlockSource, low: BlockNumber, high: BlockNumber) -> list[Header]:
    """Headers of ``low`` to ``high``, each hashing to its hash; at least one.

    Raises:
        ChainContradiction: A header is false, in the wrong place, or the first is not there.
    """
    headers = source.headers(map(BlockNumber, range(low, high + 1)))
    for offset, header in enumerate(headers):
        check_header(header, at=BlockNumber(low + offset))
    if not headers:
        raise Lagging(f"block {low} is not there although the head is higher")
    return headers


def read_by_headers(
    source: BlockSource, chain_id: ChainId, headers: Sequence[Header], known: KnownContracts
) -> Reading:
    """Read the blocks of linked headers.

    Args:
        source: Where to ask.
        chain_id: The chain.
        headers: Checked and linked, in order, at least one.
        known: Contracts known as of the block before the first.

    Raises:
        ChainContradiction: Receipts do not fit their header.
    """
    logs: list[Log] = []
    is_proven: list[bool] = []
    made = known
    for header in headers:
        proven = True
        if made.may_concern(header.logs_bloom):
            found, proven = fetch_logs(source, header)
            made = learned(groups_of_logs(found), made)
            logs += found
        is_proven.append(proven)
    groups = groups_of_logs(log for log in logs if _is_asked_for(log, known.tokens))
    facts = state_facts(chain_id, groups, known)
    kept = facts.logs_per_block()
    return Reading(
        low=headers[0].number,
        blocks=tuple(
            BlockRead(header, kept.get(header.number, 0), proven)
            for header, proven in zip(headers, is_proven, strict=True)
        ),
        facts=facts,
        state="proven" if all(is_proven) else "fetched",
        provider=source.provider,
        headers_linked=True,
        digest=None if all(is_proven) else digest(groups),
        logs_count=len(logs),
    )


def _is_asked_for(log: Log, tokens: Collection[Address]) -> bool:
    """Whether a filter would have listed it: another node's list is compared with these logs."""
    if not log.topics or log.topics[0] not in EVENTS:
        return False
    return log.topics[0] != TRANSFER.topic0 or log.address in tokens


def fetch_logs(source: BlockSource, header: Header) -> tuple[tuple[Log, ...], bool]:
    """Every log of a block, and whether its receipts root proves them.

    Raises:
        ChainContradiction: The receipts do not fit the header, or the block is gone.
    """
    receipts = source.receipts(header.hash)
    if receipts is None:
        raise Lagging(f"block {header.number} vanished while it was read")
    match prove_receipts(header, receipts):
        case Proven() as proof:
            return proof.logs, True
        case Unprovable():
            return tuple(log for receipt in receipts for log in receipt.logs), False
        case Contradicted(reason):
            raise ChainContradiction(f"{source.provider}: {reason}")
