"""How a header stands to the blocks already stored. Pure.

A lower head is not a reorg, for a node may lag; a header that contradicts a stored hash is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from indexer.chain.blocks import Header
from indexer.chain.types import BlockHash, BlockNumber
from indexer.errors import Lagging


@dataclass(frozen=True, slots=True)
class Extend:
    """The header is the child of the tip."""


@dataclass(frozen=True, slots=True)
class Duplicate:
    """Nothing new and nothing contradicted: the tip itself, or a node that lags."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Blocks lie between the tip and this header; whether they link is not known yet."""

    missing_from: BlockNumber


@dataclass(frozen=True, slots=True)
class Reorg:
    """A stored block is contradicted: the ancestor lies below this height."""

    contradicted: BlockNumber


Standing = Extend | Duplicate | Gap | Reorg


def standing(
    header: Header, *, tip_number: BlockNumber, stored: Mapping[BlockNumber, BlockHash]
) -> Standing:
    """Judge a header against what is stored.

    Args:
        header: Checked by ``verify.check_header``.
        tip_number: Highest stored block.
        stored: Hashes of stored blocks by height; must hold the tip's.
    """
    number = header.number
    if number > tip_number + 1:
        return Gap(missing_from=BlockNumber(tip_number + 1))
    if number == tip_number + 1:
        return Extend() if header.parent_hash == stored[tip_number] else Reorg(tip_number)
    known = stored.get(number)
    return Duplicate() if known is None or known == header.hash else Reorg(number)


def require_linked(parent: BlockHash, headers: Sequence[Header]) -> None:
    """Make sure that each header is the child of the one before.

    Args:
        parent: Hash that the first must name as its parent.
        headers: Each checked by ``verify.check_header``.

    Raises:
        Lagging: One is not: the chain moved while it was read, or the node mixes forks.
    """
    for header in headers:
        if header.parent_hash != parent:
            raise Lagging(
                f"block {header.number} does not follow 0x{parent.hex()}: "
                "the chain moved while it was read"
            )
        parent = header.hash
