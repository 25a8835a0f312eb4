"""Read a few final blocks anew, with proof, and make every table say what they say.

One transaction: what is right stays untouched, what was missing is added, what was false becomes an
orphan, projections follow, and consumers are told.
"""

from dataclasses import replace

import structlog
from sqlalchemy import Connection, insert, select

from indexer.announcing import announce
from indexer.chain.types import Address, BlockNumber, ChainId
from indexer.claims import claim_earlier
from indexer.cursor import read_fetched
from indexer.errors import ChainContradiction
from indexer.fetch import Reading, fetch_headers, read_by_headers
from indexer.finality import ballot
from indexer.headers import require_linked
from indexer.known import KnownContracts
from indexer.ledger import extend, forget, vouchers
from indexer.projection_tables import campaigns, treasuries
from indexer.projections.project import reproject
from indexer.providers import record_finding, requeue_after_lie
from indexer.queries import Marks
from indexer.restated import (
    add_missing,
    changes,
    changes_contracts,
    remove_false,
    restate_blocks,
    stage,
    stage_claims,
)
from indexer.scene import RepairOutcome, Scene
from indexer.tables import reorgs
from indexer.write import known_contracts

log = structlog.get_logger()


def restate(
    scene: Scene, low: BlockNumber, high: BlockNumber, *, reason: str, in_ledger: bool = True
) -> RepairOutcome:
    """Read at most a slice anew and mend what differs, in one transaction.

    Args:
        scene: Where, whom and whose.
        low: First block.
        high: Last block.
        reason: Why, for the log.
        in_ledger: Whether the ledger is told; not for a block within a range it knows as a whole.

    Raises:
        ValueError: The range reaches out of what is final here.
        TransientError: As ``repair_range`` does.
    """
    with scene.engine.connect() as connection:
        _require_final(scene.marks(connection), low, high)
        known = known_contracts(connection, scene.chain_id, scene.deployed, at=BlockNumber(low - 1))
    reading = _read(scene, low, high, known)
    with scene.engine.begin() as connection:
        found = scene.marks(connection, locked=True)
        _require_final(found, low, high)
        outcome = _mend(connection, scene, reading, found)
        if outcome.is_change:
            outcome = replace(outcome, charged=_charge(connection, scene.chain_id, outcome))
        if in_ledger:
            extend(
                connection,
                scene.chain_id,
                low=low,
                high=high,
                state=reading.state,
                provider=reading.provider,
                headers_linked=True,
                digest=reading.digest,
            )
        if outcome.contracts_changed:
            _forget_after(connection, scene.chain_id, high)
    _report(scene.chain_id, outcome, reason)
    for provider in outcome.charged:
        scene.source.charge(provider, outcome.finding)
    return outcome


def examine(scene: Scene, low: BlockNumber, high: BlockNumber) -> RepairOutcome:
    """Read at most a slice anew and say what differs; nothing is changed.

    Raises:
        ValueError: The range reaches out of what is final here.
        TransientError: As ``repair_range`` does.
    """
    with scene.engine.connect() as connection:
        _require_final(scene.marks(connection), low, high)
        known = known_contracts(connection, scene.chain_id, scene.deployed, at=BlockNumber(low - 1))
    reading = _read(scene, low, high, known)
    with scene.engine.connect() as connection:  # ends in a rollback: what was staged goes with it
        return _compared(connection, scene, reading)


def _read(scene: Scene, low: BlockNumber, high: BlockNumber, known: KnownContracts) -> Reading:
    """Read blocks by headers that link, up to one whose hash enough nodes agree on."""
    headers = fetch_headers(scene.source, low, high)
    if headers[-1].number != high:
        raise ChainContradiction(f"{scene.source.provider} ends before final block {high}")
    require_linked(headers[0].parent_hash, headers)
    found = ballot(scene.source, headers[-1].stamp)
    if not found.is_agreed:
        raise ChainContradiction(
            f"{len(found.agreed)} of {found.quorum} nodes hold block {high} as "
            f"{scene.source.provider} gave it"
        )
    return read_by_headers(scene.source, scene.chain_id, headers, known)


def _mend(connection: Connection, scene: Scene, reading: Reading, found: Marks) -> RepairOutcome:
    chain_id, low, high = scene.chain_id, reading.low, reading.last.number
    outcome = _compared(connection, scene, reading)
    final = None if found.finalized is None else found.finalized.number
    restate_blocks(connection, chain_id, reading, final)
    if not outcome.is_change:
        return outcome
    reorg_id = None
    if any(one.false for one in outcome.changes):
        reorg_id = _record(connection, chain_id, reading)
        remove_false(connection, chain_id, low, high, reorg_id=reorg_id)
    add_missing(connection)
    claimed_low = claim_earlier(connection, chain_id, reading)
    begin = low if claimed_low is None else claimed_low
    announce(connection, chain_id, action="amended", low=begin, high=high, reorg_id=reorg_id)
    reproject(connection, chain_id, begin, high)
    return outcome


def _compared(connection: Connection, scene: Scene, reading: Reading) -> RepairOutcome:
    """Stage what was read and say how the tables differ from it."""
    chain_id, low, high = scene.chain_id, reading.low, reading.last.number
    stage(connection, reading.facts.rows)
    cursor = read_fetched(connection, chain_id)
    stage_claims(
        connection,
        chain_id,
        _made_after(connection, chain_id, high),
        known_contracts(
            connection, chain_id, scene.deployed, at=high if cursor is None else cursor.number
        ),
    )
    differing = changes(connection, chain_id, low, high)
    contracts_changed = changes_contracts(connection, chain_id, low, high)
    return RepairOutcome(low, high, reading.state == "proven", differing, contracts_changed)


def _record(connection: Connection, chain_id: ChainId, reading: Reading) -> int:
    """Open a record for what was false: to consumers it vanished as in a reorg of these blocks."""
    return int(
        connection.execute(
            insert(reorgs)
            .values(
                chain_id=chain_id,
                ancestor_number=reading.low - 1,
                orphaned_tip_number=reading.last.number,
                orphaned_tip_hash=reading.last.hash,
            )
            .returning(reorgs.c.id)
        ).scalar_one()
    )


def _made_after(
    connection: Connection, chain_id: ChainId, number: BlockNumber
) -> dict[Address, BlockNumber]:
    """Contracts that a block above made known."""
    made: dict[Address, BlockNumber] = {}
    for table, name in ((campaigns, "campaign"), (treasuries, "treasury")):
        rows = connection.execute(
            select(table.c[name], table.c.block_number).where(
                table.c.chain_id == chain_id, table.c.block_number > number
            )
        )
        made |= dict(rows.all())
    return made


def _charge(connection: Connection, chain_id: ChainId, outcome: RepairOutcome) -> tuple[str, ...]:
    """Charge those whose word the range rested on, and take back what else rests on it.

    Nobody answers for a hole: it was taken back before, or never read.
    """
    low, high = outcome.low, outcome.high
    charged = vouchers(connection, chain_id, low, high)
    rows = sum(one.missing + one.false for one in outcome.changes)
    for provider in charged:
        record_finding(
            connection,
            chain_id,
            provider,
            outcome.finding,
            (low, high),
            f"receipts differ from what it served in {rows} rows",
        )
        requeue_after_lie(connection, chain_id, provider)
    return charged


def _forget_after(connection: Connection, chain_id: ChainId, number: BlockNumber) -> None:
    """Whose word counts from a block on has changed: all that follows is to be read again."""
    cursor = read_fetched(connection, chain_id)
    if cursor is not None and cursor.number > number:
        forget(connection, chain_id, BlockNumber(number + 1), cursor.number)


def _require_final(found: Marks, low: BlockNumber, high: BlockNumber) -> None:
    """Refuse what is not ours to mend.

    Raises:
        ValueError: The range starts before the first block or ends above the finalized mark.
    """
    final = found.finalized
    if low < found.first_block or final is None or high > final.number:
        raise ValueError(
            f"blocks {low} to {high} are not all from {found.first_block} to the finalized "
            f"{'none' if final is None else final.number}: above, the follower repairs by itself"
        )


def _report(chain_id: ChainId, outcome: RepairOutcome, reason: str) -> None:
    say = log.warning if outcome.is_change else log.info
    say(
        "range_restated",
        chain_id=chain_id,
        low=outcome.low,
        high=outcome.high,
        reason=reason,
        proven=outcome.proven,
        rows_missing={one.table: one.missing for one in outcome.changes if one.missing},
        rows_false={one.table: one.false for one in outcome.changes if one.false},
    )
