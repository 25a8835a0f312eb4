"""Rules that stop sealing by themselves, until a person has looked.

What each rule sees is evidence of something that sealing on could make worse. Other stops are not
switches: an index that cannot be believed, the gas budget, and a foreign transaction, which
quarantines its signer.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog
from sqlalchemy import ARRAY, Connection, Select, and_, func, or_, select

from indexer.chain.types import Address, ChainId
from indexer.db.columns import UTC_TIME
from settlement.record_tables import moves, switches
from settlement.switches import Scope, Switch, account_key, chain_key, stop
from settlement.tables import nonce_slots, requests

log = structlog.get_logger()

FAILED_MAX: Final = 2
FAILED_WINDOW: Final = timedelta(minutes=10)
"""Transactions that may be mined without effect in this time: one or two are a race with another
hand, more mean that what is tried before sealing is not what is met on-chain."""
UNSETTLED_WINDOW: Final = timedelta(hours=1)
"""How long a settled payment that came back counts: nothing settled should ever come back."""
EVIDENCE_MAX: Final = 1_000
AUTO: Final = "auto: "


@dataclass(frozen=True, slots=True)
class Observations:
    """What the rules decide on."""

    chain_id: ChainId
    signer: Address
    now: datetime
    """By Postgres' clock, as all times here."""
    failed_at: Sequence[datetime]
    """When transactions of the signer were seen to be mined without effect."""
    unsettled_at: Sequence[datetime]
    """When settled payments of the chain went back, other than by a refund."""
    switches: Sequence[Switch]
    """Those of the signer and of the chain, as far as they were ever set."""


@dataclass(frozen=True, slots=True)
class Trip:
    """A scope to stop."""

    scope: Scope
    key: str
    rule: str
    reason: str


def trips(seen: Observations) -> list[Trip]:
    """What to stop. Pure.

    Nothing that is stopped already, and nothing for evidence that was there when an operator last
    let the scope go on.
    """
    found = []
    signer = account_key(seen.chain_id, seen.signer)
    failed = _fresh(seen, "signer", signer, seen.failed_at, FAILED_WINDOW)
    if failed > FAILED_MAX:
        minutes = int(FAILED_WINDOW.total_seconds() // 60)
        reason = f"{failed} transactions were mined without effect within {minutes} minutes"
        found.append(Trip("signer", signer, "failed_transactions", reason))
    chain = chain_key(seen.chain_id)
    unsettled = _fresh(seen, "chain", chain, seen.unsettled_at, UNSETTLED_WINDOW)
    if unsettled:
        reason = f"{unsettled} settled payments went back: finality did not hold"
        found.append(Trip("chain", chain, "finality_regress", reason))
    return found


def apply_trips(connection: Connection, *, chain_id: ChainId, signer: Address) -> list[Trip]:
    """Stop what the rules say; returns what was stopped just now.

    Args:
        connection: The caller's transaction, as role settlement; it holds no signer's lock.
        chain_id: The lane's chain.
        signer: The lane's account.
    """
    seen = _observe(connection, chain_id, signer)
    stopped = [
        trip
        for trip in trips(seen)
        if stop(connection, trip.scope, trip.key, reason=trip.reason, set_by=AUTO + trip.rule)
    ]
    for trip in stopped:
        log.error(
            "switch_tripped", scope=trip.scope, key=trip.key, rule=trip.rule, reason=trip.reason
        )
    return stopped


def _fresh(
    seen: Observations, scope: Scope, key: str, times: Sequence[datetime], window: timedelta
) -> int:
    """How many of these count: all that are of late, and that no operator has answered for."""
    known = next((one for one in seen.switches if (one.scope, one.key) == (scope, key)), None)
    if known is not None and known.is_stopped:
        return 0
    since = seen.now - window
    if known is not None:
        since = max(since, known.set_at)
    return sum(at > since for at in times)


def _observe(connection: Connection, chain_id: ChainId, signer: Address) -> Observations:
    failed, unsettled = _failed(chain_id, signer).subquery(), _unsettled(chain_id).subquery()
    row = connection.execute(
        select(
            func.now().label("now"),
            select(func.array_agg(failed.c.at, type_=ARRAY(UTC_TIME)))
            .scalar_subquery()
            .label("failed"),
            select(func.array_agg(unsettled.c.at, type_=ARRAY(UTC_TIME)))
            .scalar_subquery()
            .label("unsettled"),
        )
    ).one()
    own = and_(switches.c.scope == "signer", switches.c.key == account_key(chain_id, signer))
    chains = and_(switches.c.scope == "chain", switches.c.key == chain_key(chain_id))
    known = connection.execute(select(switches).where(or_(own, chains))).mappings()
    return Observations(
        chain_id=chain_id,
        signer=signer,
        now=row.now,
        failed_at=row.failed or (),
        unsettled_at=row.unsettled or (),
        switches=[Switch(**one) for one in known],
    )


def _failed(chain_id: ChainId, signer: Address) -> Select[tuple[datetime | None]]:
    return (
        select(nonce_slots.c.mined_at.label("at"))
        .where(
            nonce_slots.c.chain_id == chain_id,
            nonce_slots.c.signer == signer,
            nonce_slots.c.state == "mined_failed",
            nonce_slots.c.mined_at > func.now() - FAILED_WINDOW,
        )
        .limit(EVIDENCE_MAX)
    )


def _unsettled(chain_id: ChainId) -> Select[tuple[datetime]]:
    return (
        select(moves.c.at.label("at"))
        .join(requests, requests.c.request_id == moves.c.request_id)
        .where(
            moves.c.before.in_(("settled", "refunded")),
            moves.c.after.not_in(("settled", "refunded")),
            moves.c.at > func.now() - UNSETTLED_WINDOW,
            requests.c.chain_id == chain_id,
        )
        .limit(EVIDENCE_MAX)
    )
