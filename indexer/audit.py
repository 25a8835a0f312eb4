"""Indexed totals against the contract's own getters, treasury by treasury, at a finalized block.

A figure that the index cannot give exactly is ``not_comparable``, with the reason: never a false
mismatch, never a false match. Getters answer in 18 decimals, tokens at par (``TokenAmounts``).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import structlog
from sqlalchemy import Connection, Engine, insert, select

from indexer.chain.blocks import Header
from indexer.chain.networks import Network
from indexer.chain.source import Block
from indexer.chain.types import (
    Address,
    BlockHash,
    BlockNumber,
    BlockStamp,
    ChainId,
    to_hex,
)
from indexer.details.calldata import selector
from indexer.details.read import StateReader, Unavailable, ask
from indexer.errors import ChainContradiction, PermanentError
from indexer.projection_tables import treasuries
from indexer.tables import audits, marks
from indexer.treasury_books import TokenBook, TreasuryBook, treasury_book

Verdict = Literal["equal", "different", "not_comparable"]
COMMON_DECIMALS = 18

log = structlog.get_logger()


class AuditReader(StateReader, Protocol):
    """What an audit needs of a chain; ``ChainReader`` has it."""

    def block_by_number(self, block: Block) -> Header | None:
        """The header at a height; None when the node has no such block."""
        ...


@dataclass(frozen=True, slots=True)
class Finding:
    """One figure of one treasury."""

    treasury: Address
    getter: str
    verdict: Verdict
    indexed: int | None
    """18 decimals, as ``onchain``; None where the index cannot tell."""
    onchain: int | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class AuditReport:
    """What an audit found."""

    chain_id: ChainId
    at: BlockStamp
    findings: tuple[Finding, ...]

    @property
    def mismatches(self) -> tuple[Finding, ...]:
        """Figures that the index and the contract state differently."""
        return tuple(one for one in self.findings if one.verdict == "different")


@dataclass(frozen=True, slots=True)
class _Figure:
    """A getter, and what it adds up."""

    getter: str
    of: Callable[[TokenBook], int]
    rests_on: tuple[str, ...]


_RAISED = ("lifetime", "refunded", "swept")
_REFUNDED = _Figure("getRefundedAmount", lambda book: book.refunded, ("refunded",))
# Oak's: lifetime minus confirmed, which a sweep lowers too.
_REFUNDED_OR_SWEPT = _Figure(
    "getRefundedAmount", lambda book: book.refunded + book.swept, ("refunded", "swept")
)
_FIGURES = (
    _Figure("getRaisedAmount", lambda book: book.raised, _RAISED),
    _Figure("getAvailableRaisedAmount", lambda book: book.available, (*_RAISED, "withdrawn")),
    _Figure("getLifetimeRaisedAmount", lambda book: book.lifetime, ("lifetime",)),
    _Figure("getExpectedAmount", lambda book: book.pending, ("pending",)),
)


def audit_treasuries(
    engine: Engine, reader: AuditReader, network: Network, *, at: BlockStamp | None = None
) -> AuditReport:
    """Compare every known treasury with its contract and record the outcome.

    Args:
        engine: As the owner of schema ``chain``.
        reader: The chain; its node must have the state of the block.
        network: The chain's network.
        at: A finalized, indexed block; None: the finalized mark.

    Raises:
        PermanentError: Nothing is finalized and indexed yet, or not up to ``at``.
        ChainContradiction: The node has another block at that height.
        RpcUnavailable: No node answered, or not now.
    """
    chain_id = network.chain_id
    with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
        stamp = _finalized(connection, chain_id, at)
        books = [
            (treasury, treasury_book(connection, chain_id, treasury, stamp.number))
            for treasury in _treasuries(connection, chain_id, stamp.number)
        ]
    _require_same_block(reader, stamp)
    auditor = _Auditor(reader, stamp.number)
    findings = tuple(one for known in books for one in auditor.findings(*known))
    _record(engine, chain_id, stamp, findings)
    return AuditReport(chain_id, stamp, findings)


class _Auditor:
    """Asks contracts at one block."""

    def __init__(self, reader: AuditReader, at: BlockNumber) -> None:
        self._reader = reader
        self._at = at
        self._decimals: dict[Address, int | Unavailable] = {}

    def findings(self, treasury: Address, book: TreasuryBook) -> Iterator[Finding]:
        """Every figure of one treasury."""
        kind = self._get(treasury, "getplatformHash()", "bytes32")
        if isinstance(kind, Unavailable):
            # Pledge treasuries spell it otherwise, and keep no payments.
            reason = f"not a payment treasury, or its state is gone: {kind.reason}"
            for figure in (*_FIGURES, _REFUNDED):
                yield _not_comparable(treasury, figure, reason)
            return
        for figure in (*_FIGURES, self._refunded(treasury, book)):
            yield self._finding(treasury, figure, book)

    def _refunded(self, treasury: Address, book: TreasuryBook) -> _Figure:
        """Only treasuries of ours count refunds apart from sweeps; only they have an escrow."""
        if not any(token.swept for token in book.tokens.values()) and "swept" not in book.doubts:
            return _REFUNDED
        escrow = self._get(treasury, "getRefundEscrow()", "address")
        return _REFUNDED_OR_SWEPT if isinstance(escrow, Unavailable) else _REFUNDED

    def _finding(self, treasury: Address, figure: _Figure, book: TreasuryBook) -> Finding:
        onchain = self._get(treasury, f"{figure.getter}()", "uint256")
        if isinstance(onchain, Unavailable):
            return _not_comparable(treasury, figure, onchain.reason)
        doubts = [book.doubts[total] for total in figure.rests_on if total in book.doubts]
        indexed = self._normalised(figure, book)
        if isinstance(indexed, Unavailable):
            doubts.append(indexed.reason)
        if doubts or isinstance(indexed, Unavailable):
            return _not_comparable(treasury, figure, doubts[0], onchain)
        verdict: Verdict = "equal" if indexed == onchain else "different"
        return Finding(treasury, figure.getter, verdict, indexed, onchain, None)

    def _normalised(self, figure: _Figure, book: TreasuryBook) -> int | Unavailable:
        """As the contract adds up its tokens."""
        total = 0
        for token, of_token in book.tokens.items():
            if token not in self._decimals:
                self._decimals[token] = self._get(token, "decimals()", "uint8")
            decimals = self._decimals[token]
            if isinstance(decimals, Unavailable):
                return Unavailable(f"decimals of token {to_hex(token)}: {decimals.reason}")
            total += to_common_unit(figure.of(of_token), decimals)
        return total

    def _get(self, contract: Address, signature: str, answer: str) -> "int | Unavailable":
        found: int | Unavailable = ask(
            self._reader, contract, selector(signature), answer, self._at
        )
        return found


def to_common_unit(base_units: int, decimals: int) -> int:
    """An amount in 18 decimals; a token with more loses its last digits, rounded down."""
    if decimals <= COMMON_DECIMALS:
        return int(base_units * 10 ** (COMMON_DECIMALS - decimals))
    return int(base_units // 10 ** (decimals - COMMON_DECIMALS))


def _not_comparable(
    treasury: Address, figure: _Figure, reason: str, onchain: int | None = None
) -> Finding:
    return Finding(treasury, figure.getter, "not_comparable", None, onchain, reason)


def _finalized(connection: Connection, chain_id: ChainId, at: BlockStamp | None) -> BlockStamp:
    """The block to audit at: ``at`` where the index is final up to there, else the mark itself."""
    mark = connection.execute(
        select(marks.c.finalized_number, marks.c.finalized_hash, marks.c.finalized_timestamp).where(
            marks.c.chain_id == chain_id, marks.c.finalized_number.is_not(None)
        )
    ).first()
    if mark is None:
        raise PermanentError(f"nothing of chain {chain_id} is finalized: let the indexer run first")
    if at is None:
        return BlockStamp(
            number=BlockNumber(mark.finalized_number),
            hash=BlockHash(mark.finalized_hash),
            timestamp=mark.finalized_timestamp,
        )
    if at.number > mark.finalized_number:
        raise PermanentError(
            f"block {at.number} of chain {chain_id} is not final in the index, which ends at "
            f"{mark.finalized_number}: audit there or earlier"
        )
    return at


def _treasuries(connection: Connection, chain_id: ChainId, at: BlockNumber) -> list[Address]:
    known = select(treasuries.c.treasury).where(
        treasuries.c.chain_id == chain_id, treasuries.c.block_number <= at
    )
    ordered = known.order_by(treasuries.c.block_number, treasuries.c.log_index)
    return [Address(one) for one in connection.scalars(ordered)]


def _require_same_block(reader: AuditReader, stamp: BlockStamp) -> None:
    header = reader.block_by_number(stamp.number)
    if header is None or header.hash != stamp.hash:
        there = "none" if header is None else to_hex(header.hash)
        raise ChainContradiction(
            f"the node's block {stamp.number} is {there}, not {to_hex(stamp.hash)}"
        )


def _record(
    engine: Engine, chain_id: ChainId, stamp: BlockStamp, findings: Sequence[Finding]
) -> None:
    """Write what was found; a difference is an error that somebody has to look at."""
    rows = []
    for one in findings:
        rows.append(
            {
                "chain_id": chain_id,
                "treasury": one.treasury,
                "block_number": stamp.number,
                "getter": one.getter,
                "verdict": one.verdict,
                "indexed": one.indexed,
                "onchain": one.onchain,
                "reason": one.reason,
            }
        )
        if one.verdict == "different":
            log.error(
                "treasury_audit_differed",
                chain_id=chain_id,
                treasury=to_hex(one.treasury),
                block_number=stamp.number,
                getter=one.getter,
                indexed=str(one.indexed),
                onchain=str(one.onchain),
            )
    if rows:
        with engine.begin() as connection:
            connection.execute(insert(audits), rows)
    log.info("treasuries_audited", chain_id=chain_id, block_number=stamp.number, figures=len(rows))
