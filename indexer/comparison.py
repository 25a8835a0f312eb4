"""How the tables differ from a reading, as far as the reading is to be believed."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby

from sqlalchemy import Connection

from indexer.chain.types import Address, BlockNumber
from indexer.cursor import read_fetched
from indexer.fetch import Reading
from indexer.reclaim import made_between
from indexer.restated import (
    changes,
    changes_contracts,
    differing_blocks,
    stage,
    stage_claims,
    withhold,
)
from indexer.scene import RepairOutcome, Scene
from indexer.spans import Span
from indexer.withheld import withheld_blocks
from indexer.write import known_contracts


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a reading would change."""

    outcome: RepairOutcome
    """Charging nobody yet."""
    withheld: frozenset[BlockNumber]
    """Blocks that stay as they are."""
    made: Mapping[Address, BlockNumber]
    """Contracts that the stored facts of the range made known."""

    def made_by(self, reading: Reading) -> dict[Address, BlockNumber]:
        """Contracts that the range makes known once it is mended."""
        disputed = self.outcome.disputed
        stays = {one: number for one, number in self.made.items() if number in disputed}
        read = {one: number for one, number in reading.facts.made.items() if number not in disputed}
        return read | stays

    def runs(self, reading: Reading) -> list[Span]:
        """What the ledger is to say of a reading that is not proven as a whole.

        Blocks in a row that are proven, or not, as one; none for those that are disputed.
        """
        told = [one for one in reading.blocks if one.header.number not in self.outcome.disputed]
        runs = []
        for (is_proven, _), run in groupby(
            enumerate(told), lambda pair: (pair[1].proven, pair[1].header.number - pair[0])
        ):
            numbers = [block.header.number for _, block in run]
            is_whole = (numbers[0], numbers[-1]) == (reading.low, reading.last.number)
            runs.append(
                Span(
                    low=numbers[0],
                    high=numbers[-1],
                    state="proven" if is_proven else "fetched",
                    provider=reading.provider,
                    headers_linked=True,
                    digest=reading.digest if is_whole and not is_proven else None,
                )
            )
        return runs


def compared(
    connection: Connection, scene: Scene, reading: Reading, *, needs_proof: bool = False
) -> Comparison:
    """Stage what was read, but for what is not to be believed, and compare it with the tables.

    Args:
        connection: In a transaction, in which the reading is staged from now on.
        scene: Whose tables.
        reading: What was read.
        needs_proof: Whether nothing that is not proven is to be believed at all.
    """
    chain_id, low, high = scene.chain_id, reading.low, reading.last.number
    stage(connection, reading.facts.rows)
    cursor = read_fetched(connection, chain_id)
    stage_claims(
        connection,
        chain_id,
        made_between(connection, chain_id, BlockNumber(high + 1)),
        known_contracts(
            connection, chain_id, scene.deployed, at=high if cursor is None else cursor.number
        ),
    )
    withheld = withheld_blocks(connection, chain_id, reading, needs_proof=needs_proof)
    differing = differing_blocks(connection, chain_id, low, high)
    if withheld:
        withhold(connection, chain_id, withheld)
    proven = {one.header.number for one in reading.blocks if one.proven}
    outcome = RepairOutcome(
        low,
        high,
        reading.state == "proven",
        changes(connection, chain_id, low, high),
        changes_contracts(connection, chain_id, low, high),
        refuted=tuple(sorted(differing & proven)),
        disputed=tuple(sorted(differing & withheld)),
    )
    return Comparison(outcome, withheld, made_between(connection, chain_id, low, high))
