"""The invariants of settlement, asked of its database while chaos rages and once it is over."""

from sqlalchemy import Engine

from benchmarks.chaos_site import Place
from benchmarks.settlement_site import NETWORK
from indexer.chain.types import address_from_hex
from settlement.checks.check import Finding
from settlement.invariants import check_all, check_tables
from tests.support.real_protocol import ADMIN


def broken_meanwhile(engine: Engine) -> list[str]:
    """Promises that are broken at this very instant, in words: between any two commits none is.

    Raises:
        sqlalchemy.exc.OperationalError: Postgres is away.
    """
    with engine.connect() as connection:
        return _in_words(check_tables(connection, chain_id=NETWORK.chain_id))


def broken_at_the_end(place: Place) -> list[str]:
    """Promises that are broken when nothing is under way any more, in words."""
    account = address_from_hex(ADMIN.address)
    counted = {(NETWORK.chain_id, account): place.reader.nonce(account, "pending")}
    engine = place.engine_as("settlement")
    try:
        with engine.connect() as connection:
            return _in_words(check_all(connection, chain_id=NETWORK.chain_id, chain_nonces=counted))
    finally:
        engine.dispose()


def _in_words(findings: list[Finding]) -> list[str]:
    return [
        f"{finding.name} is broken {finding.violations} times: {finding.detail}"
        for finding in findings
        if not finding.ok
    ]
