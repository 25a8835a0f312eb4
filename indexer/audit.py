"""Indexed totals against the contracts' own getters, treasury by treasury, at a finalized block.

Where a node does not tell what the contract says, there is no verdict: that treasury's audit is
postponed, and the others are recorded.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

import structlog
from sqlalchemy import Connection, Engine, insert, select

from indexer.auditor import Auditor, Finding, Verdict
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
from indexer.details.read import NotNow, StateReader
from indexer.errors import ChainContradiction, PermanentError, RpcUnavailable
from indexer.projection_tables import treasuries
from indexer.tables import audits, marks
from indexer.treasury_books import TreasuryBook, treasury_book

log = structlog.get_logger()


class AuditReader(StateReader, Protocol):
    """What an audit needs of a chain; ``ChainReader`` has it."""

    def block_by_number(self, block: Block) -> Header | None:
        """The header at a height; None when the node has no such block."""
        ...


@dataclass(frozen=True, slots=True)
class AuditReport:
    """What an audit found."""

    chain_id: ChainId
    at: BlockStamp
    findings: tuple[Finding, ...]

    @property
    def mismatches(self) -> tuple[Finding, ...]:
        """Figures that the index and the contract state differently."""
        return self.of("different")

    def only(self, treasury: Address | None) -> "AuditReport":
        """The figures of one treasury alone; None: of all."""
        kept = (one for one in self.findings if treasury in {None, one.treasury})
        return replace(self, findings=tuple(kept))

    def of(self, verdict: Verdict) -> tuple[Finding, ...]:
        """Figures of one verdict."""
        return tuple(one for one in self.findings if one.verdict == verdict)


class AuditPostponed(RpcUnavailable):
    """Of some treasuries the node does not tell the state; the others were audited.

    Attributes:
        report: What was found of the others; it is recorded.
    """

    def __init__(self, report: AuditReport, postponed: int, reason: str) -> None:
        super().__init__(
            f"{postponed} treasuries could not be audited at block {report.at.number}: {reason}"
        )
        self.report = report


def audit_treasuries(
    engine: Engine,
    reader: AuditReader,
    network: Network,
    *,
    at: BlockStamp | None = None,
    since: datetime | None = None,
) -> AuditReport:
    """Compare every known treasury with its contract and record the outcome.

    Args:
        engine: As the owner of schema ``chain``.
        reader: The chain; its node must have the state of the block.
        network: The chain's network.
        at: A finalized, indexed block; None: the finalized mark.
        since: Leave out treasuries that were audited since then.

    Raises:
        PermanentError: Nothing is finalized and indexed yet, or not up to ``at``.
        ChainContradiction: The node has another block at that height.
        AuditPostponed: The node does not tell the state of some treasuries; nothing is recorded of
            those.
        RpcUnavailable: No node answered.
    """
    chain_id = network.chain_id
    with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
        stamp = _finalized(connection, chain_id, at)
        books = [
            (treasury, treasury_book(connection, chain_id, treasury, stamp.number))
            for treasury in unaudited(connection, chain_id, stamp.number, since=since)
        ]
    _require_same_block(reader, stamp)
    findings, postponed = _compare(Auditor(reader, stamp.number), books)
    report = AuditReport(chain_id, stamp, tuple(findings))
    _record(engine, chain_id, stamp, findings)
    if postponed:
        raise AuditPostponed(report, len(postponed), postponed[0])
    return report


def unaudited(
    connection: Connection, chain_id: ChainId, at: BlockNumber, *, since: datetime | None = None
) -> list[Address]:
    """Treasuries known at a block, the oldest first, but for those audited since a moment."""
    known = select(treasuries.c.treasury).where(
        treasuries.c.chain_id == chain_id, treasuries.c.block_number <= at
    )
    if since is not None:
        audited = select(audits.c.treasury).where(
            audits.c.chain_id == chain_id, audits.c.ran_at >= since
        )
        known = known.where(treasuries.c.treasury.not_in(audited))
    ordered = known.order_by(treasuries.c.block_number, treasuries.c.log_index)
    return [Address(one) for one in connection.scalars(ordered)]


def _compare(
    auditor: Auditor, books: Sequence[tuple[Address, TreasuryBook]]
) -> tuple[list[Finding], list[str]]:
    """Findings treasury by treasury, and why there are none of the others."""
    findings: list[Finding] = []
    postponed: list[str] = []
    for place, (treasury, book) in enumerate(books):
        try:
            findings += tuple(auditor.findings(treasury, book))  # all of a treasury, or none
        except NotNow as refusal:
            postponed.append(f"{to_hex(treasury)}: {refusal}")
        except RpcUnavailable as silence:  # of the others it would tell nothing either
            postponed += [str(silence)] * (len(books) - place)
            break
    return findings, postponed


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
