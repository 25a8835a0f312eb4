"""The invariants of settlement, I1 to I7: asked of Postgres, all at once.

I1 at most once, I2 eventually, I3 no bytes leave unless committed, I4 dense nonces, I5 the truth is
finalized canonical logs, I6 conservation, I7 no cancellation by time. The questions stand in
``settlement.checks``, a module for each.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from indexer.chain.types import Address, ChainId
from settlement.checks import (
    abandoned,
    committed,
    conserved,
    dense,
    eventually,
    once,
    truth,
)
from settlement.checks.check import Check, Finding, ask
from settlement.checks.samples import check_samples

CHECKS: tuple[Check, ...] = (
    *once.CHECKS,
    *eventually.CHECKS,
    *committed.CHECKS,
    *dense.CHECKS,
    *truth.CHECKS,
    *conserved.CHECKS,
    *abandoned.CHECKS,
)


def check_all(
    connection: Connection,
    *,
    chain_id: ChainId | None = None,
    chain_nonces: Mapping[tuple[ChainId, Address], int] | None = None,
) -> list[Finding]:
    """Check every invariant; nothing is changed, and every statement sees one instant.

    Args:
        connection: May read schemas ``settlement`` and ``chain``: any role of ours may.
        chain_id: The chain to ask about; None asks about all.
        chain_nonces: Transaction counts of signers, pool included, read from their nodes just now;
            of a signer that is absent, holes are judged as far as the database shows.

    Returns:
        One finding for each check, in the order of the invariants.
    """
    found = check_tables(connection, chain_id=chain_id, chain_nonces=chain_nonces)
    found += check_samples(connection, chain_id)
    return sorted(found, key=lambda one: one.name.partition(".")[0])


def check_tables(
    connection: Connection,
    *,
    chain_id: ChainId | None = None,
    chain_nonces: Mapping[tuple[ChainId, Address], int] | None = None,
) -> list[Finding]:
    """Check all that Postgres can tell by itself: ``check_all`` without reading signed bytes."""
    counted = chain_nonces or {}
    parameters: dict[str, Any] = {
        "chain_id": chain_id,
        "chains": [chain for chain, _ in counted],
        "signers": [signer for _, signer in counted],
        "counts": list(counted.values()),
    }
    return [ask(connection, check, parameters) for check in CHECKS]
