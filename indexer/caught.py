"""When an answer failed a check: who gave it is charged, and what it said is taken back."""

from typing import Protocol

from sqlalchemy import Engine

from indexer.backfill.ranges import FalseAnswer
from indexer.chain.source import BlockSource
from indexer.chain.types import ChainId
from indexer.errors import ChainContradiction, Lagging
from indexer.finality import Disagreement
from indexer.providers import FindingKind, record_finding, requeue_after_lie
from indexer.spans import Interval
from indexer.verify import UnprovableHeader


class Charges(Protocol):
    """Whom a provider is charged with; every source of blocks has it."""

    def charge(self, provider: str, kind: str) -> None:
        """Ask a provider last for a while."""
        ...


def finding_of(failure: ChainContradiction) -> FindingKind:
    """What an answer that was not believed says of who gave it. Pure."""
    if isinstance(failure, Lagging):
        return "lagging"
    return "unprovable" if isinstance(failure, UnprovableHeader) else "contradiction"


def charge_liar(
    engine: Engine,
    source: Charges,
    chain_id: ChainId,
    provider: str,
    finding: ChainContradiction,
    interval: Interval | None = None,
) -> None:
    """Ask a provider last, keep the finding, and read again what rests on its word alone.

    Args:
        engine: Acting as the role that owns schema ``chain``; a transaction of its own is made,
            for the work that found the lie is rolled back.
        source: Where it is asked.
        chain_id: The chain.
        provider: Who served an answer that contradicts its own hashes, or the other providers.
        finding: What it was.
        interval: Blocks concerned; None where none are.
    """
    source.charge(provider, "contradiction")
    with engine.begin() as connection:
        record_finding(connection, chain_id, provider, "contradiction", interval, str(finding))
        requeue_after_lie(connection, chain_id, provider)


def doubt(engine: Engine, source: BlockSource, chain_id: ChainId, failure: Exception) -> None:
    """Ask another provider first where an answer at the tip was not to be believed.

    Args:
        engine: As for ``charge_liar``.
        source: Where the answer came from, by whoever answered last.
        chain_id: The chain.
        failure: What the reading raised. Whoever reads history charges a ``FalseAnswer`` itself.
    """
    if isinstance(failure, Disagreement | FalseAnswer):
        source.distrust()
    elif isinstance(failure, ChainContradiction):
        kind, provider = finding_of(failure), source.provider
        if kind == "contradiction":
            charge_liar(engine, source, chain_id, provider, failure)
            return
        with engine.begin() as connection:
            record_finding(connection, chain_id, provider, kind, None, str(failure))
        source.distrust()
