"""What one process knows of itself and the database does not, and who hears of its commits."""

from dataclasses import dataclass
from typing import Protocol

from indexer.chain.types import BlockStamp


@dataclass(slots=True)
class Notices:
    """Written by the process' loop, read by its endpoints from threads of their own."""

    node_awaited: str | None = None
    """Why no node could be asked yet; None once one was."""
    finality_unconfirmed: str | None = None
    """Why the finalized mark does not rise although the chain's own has; None when it may."""

    def warnings(self) -> list[str]:
        """What an operator should know."""
        awaited = self.node_awaited
        found = [None if awaited is None else f"this process awaits a node: {awaited}"]
        return [one for one in (*found, self.finality_unconfirmed) if one is not None]


class Committed(Protocol):
    """Is told of every commit of facts."""

    def __call__(self, newest: BlockStamp, *, rows: int, at_head: bool) -> None:
        """Note it.

        Args:
            newest: The highest block that was committed.
            rows: Fact rows written.
            at_head: Whether that block was the head.
        """
        ...
