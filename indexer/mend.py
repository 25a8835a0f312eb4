"""Read a few final blocks anew, with proof, and make every table say what they say.

One transaction: what is right stays untouched, what was missing is added, what was false becomes an
orphan, projections follow, and consumers are told. What could not be proven changes nothing that
somebody's word or a proof stands for.
"""

from dataclasses import replace
from functools import reduce

import structlog
from sqlalchemy import Connection, insert

from indexer.anchored import require_final
from indexer.announcing import announce
from indexer.chain.types import BlockNumber, BlockStamp, ChainId
from indexer.claims import claim_earlier
from indexer.comparison import Comparison, compared
from indexer.cursor import read_fetched
from indexer.errors import ChainContradiction
from indexer.fetch import Reading, fetch_headers, read_by_headers
from indexer.finality import ballot
from indexer.headers import require_linked
from indexer.ledger import extend, forget, take_in_reading, vouchers
from indexer.projections.project import reproject
from indexer.providers import record_finding, requeue_after_lie
from indexer.queries import Marks
from indexer.reclaim import lost_claims, misled_at, unclaim
from indexer.restated import add_missing, remove_false, restate_claims
from indexer.rewind import rewind_to
from indexer.scene import RepairOutcome, Scene
from indexer.tables import reorgs
from indexer.withheld import require_undisputed_proofs, restate_blocks
from indexer.write import known_contracts

log = structlog.get_logger()


class _MisledError(Exception):
    """What follows a block was read as if that made contracts which it does not, as it stands."""

    def __init__(self, number: BlockNumber) -> None:
        super().__init__(number)
        self.number = number


def restate(
    scene: Scene,
    low: BlockNumber,
    high: BlockNumber,
    *,
    reason: str,
    in_ledger: bool = True,
    needs_proof: bool = False,
) -> RepairOutcome:
    """Read at most a slice anew and mend what differs, in one transaction.

    Args:
        scene: Where, whom and whose.
        low: First block.
        high: Last block.
        reason: Why, for the log.
        in_ledger: Whether the ledger is told; not for a block within a range it knows as a whole.
        needs_proof: Whether a block that cannot be proven stays as it is whatever is known of it.

    Raises:
        ValueError: The range reaches out of what is final here.
        TransientError: As ``repair_range`` does.
        InvariantError: The finalized block changed: the chain's writer is halted.
    """
    reading = _read(scene, low, high, halts=True)
    try:
        outcome = _write(scene, reading, in_ledger=in_ledger, needs_proof=needs_proof)
    except _MisledError as misled:
        number = misled.number
        parts = (low, number - 1), (number, number), (number + 1, high)
        outcomes = [
            restate(
                scene,
                BlockNumber(first),
                BlockNumber(last),
                reason=reason,
                in_ledger=in_ledger,
                needs_proof=needs_proof,
            )
            for first, last in parts
            if first <= last
        ]
        return reduce(RepairOutcome.joined, outcomes)
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
    reading = _read(scene, low, high, halts=False)
    with scene.engine.connect() as connection:  # ends in a rollback: what was staged goes with it
        return compared(connection, scene, reading).outcome


def _read(scene: Scene, low: BlockNumber, high: BlockNumber, *, halts: bool) -> Reading:
    """Read blocks by headers that link, up to one whose hash enough nodes agree on."""
    with scene.engine.connect() as connection:
        final = _require_ours(scene.marks(connection), low, high)
        known = known_contracts(connection, scene.chain_id, scene.deployed, at=BlockNumber(low - 1))
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
    require_final(scene, headers, final, halts=halts)
    return read_by_headers(scene.source, scene.chain_id, headers, known)


def _write(scene: Scene, reading: Reading, *, in_ledger: bool, needs_proof: bool) -> RepairOutcome:
    """Mend what differs, charge who is to blame, and tell the ledger: one transaction."""
    chain_id, low, high = scene.chain_id, reading.low, reading.last.number
    with scene.engine.begin() as connection:
        final = _require_ours(scene.marks(connection, locked=True), low, high)
        found = compared(connection, scene, reading, needs_proof=needs_proof)
        _require_heeded(connection, chain_id, reading, found)
        if found.outcome.contracts_changed and _undo_unfinal(connection, chain_id, final):
            found = compared(connection, scene, reading, needs_proof=needs_proof)
        outcome = found.outcome
        _mend(connection, chain_id, reading, found, final)
        if outcome.refuted:
            outcome = replace(outcome, charged=_charge(connection, chain_id, outcome))
        if in_ledger:
            _tell_ledger(connection, chain_id, reading, found)
        if outcome.contracts_changed and high < final.number:
            # Whose word counts from here on has changed: all that follows is to be read again.
            forget(connection, chain_id, BlockNumber(high + 1), final.number)
    return outcome


def _require_heeded(
    connection: Connection, chain_id: ChainId, reading: Reading, found: Comparison
) -> None:
    """Refuse a reading whose disputed blocks make it useless.

    Raises:
        ChainContradiction: It tells otherwise what was proven, and nothing else counts there.
        _MisledError: Of other blocks it says what depends on a disputed one.
    """
    disputed = frozenset(found.outcome.disputed)
    require_undisputed_proofs(connection, chain_id, reading, disputed)
    at = misled_at(found.made, reading.facts.made, disputed)
    if at is not None and reading.low < reading.last.number:
        raise _MisledError(at)


def _mend(
    connection: Connection,
    chain_id: ChainId,
    reading: Reading,
    found: Comparison,
    final: BlockStamp,
) -> None:
    """Make facts, claims, blocks and projections what was read, but for what is withheld."""
    low, high, outcome = reading.low, reading.last.number, found.outcome
    restate_blocks(connection, chain_id, reading, final=final.number, withheld=found.withheld)
    begin, reorg_id = low, None
    made = found.made_by(reading)
    lost = None
    if outcome.contracts_changed:
        lost = lost_claims(connection, chain_id, found.made, made, low)
    if lost is not None or any(one.false for one in outcome.changes):
        reorg_id = _record(connection, chain_id, reading)
        remove_false(connection, chain_id, low, high, reorg_id=reorg_id)
    if lost is not None and reorg_id is not None:
        unclaim(connection, lost, reorg_id)
        begin = lost.low
    if outcome.is_change:
        add_missing(connection)
        restate_claims(connection, chain_id)
    believed = replace(reading, facts=replace(reading.facts, made=made))
    claimed_low = claim_earlier(connection, chain_id, believed)
    if claimed_low is not None:
        begin = min(begin, claimed_low)
    if outcome.is_change or claimed_low is not None:
        announce(connection, chain_id, action="amended", low=begin, high=high, reorg_id=reorg_id)
        reproject(connection, chain_id, begin, high)


def _undo_unfinal(connection: Connection, chain_id: ChainId, final: BlockStamp) -> bool:
    """Undo what stands above the finalized block: whose word counts there has changed.

    The follower reads it again, so that no mark ever passes what was read with other contracts in
    mind; a block below is a hole until it was read again.
    """
    tip = read_fetched(connection, chain_id)
    if tip is None or tip.number <= final.number:
        return False
    rewind_to(connection, chain_id, number=final.number, tip=tip)
    return True


def _tell_ledger(
    connection: Connection, chain_id: ChainId, reading: Reading, found: Comparison
) -> None:
    """Record what was read; of what is disputed, whatever the ledger said of it stands."""
    low, high = reading.low, reading.last.number
    if reading.state == "proven":
        extend(
            connection,
            chain_id,
            low=low,
            high=high,
            state="proven",
            provider=reading.provider,
            headers_linked=True,
        )
        return
    take_in_reading(connection, chain_id, (low, high), found.runs(reading))


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


def _charge(connection: Connection, chain_id: ChainId, outcome: RepairOutcome) -> tuple[str, ...]:
    """Charge those whose word proven blocks refute, and take back what else rests on it.

    Nobody answers for a hole: it was taken back before, or never read.
    """
    named = {
        provider
        for number in outcome.refuted
        for provider in vouchers(connection, chain_id, number, number)
    }
    charged = tuple(sorted(named))
    rows = sum(one.missing + one.false for one in outcome.changes)
    for provider in charged:
        record_finding(
            connection,
            chain_id,
            provider,
            outcome.finding,
            (outcome.low, outcome.high),
            f"receipts differ from what it served in {rows} rows",
        )
        requeue_after_lie(connection, chain_id, provider)
    return charged


def _require_ours(found: Marks, low: BlockNumber, high: BlockNumber) -> BlockStamp:
    """Refuse what is not ours to mend; gives the finalized block.

    Raises:
        ValueError: The range starts before the first block or ends above the finalized mark.
    """
    final = found.finalized
    if low < found.first_block or final is None or high > final.number:
        raise ValueError(
            f"blocks {low} to {high} are not all from {found.first_block} to the finalized "
            f"{'none' if final is None else final.number}: above, the follower repairs by itself"
        )
    return final


def _report(chain_id: ChainId, outcome: RepairOutcome, reason: str) -> None:
    say = log.warning if outcome.is_change or outcome.disputed else log.info
    say(
        "range_restated",
        chain_id=chain_id,
        low=outcome.low,
        high=outcome.high,
        reason=reason,
        proven=outcome.proven,
        rows_missing={one.table: one.missing for one in outcome.changes if one.missing},
        rows_false={one.table: one.false for one in outcome.changes if one.false},
        blocks_disputed=outcome.disputed,
    )
