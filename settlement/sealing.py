"""Seal a plan, or learn that it is out of date."""

from collections.abc import Callable

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from settlement.lane import Lane
from settlement.nonces import Plan, StaleSeal, lock_signer, seal

log = structlog.get_logger()


def always(_connection: Connection) -> bool:
    """Nothing more to check."""
    return True


def try_seal(lane: Lane, plan: Plan, *, still: Callable[[Connection], bool] = always) -> bool:
    """Seal a plan under the signer's lock; False when the lane is full, halted or overtaken.

    Args:
        lane: The lane.
        plan: What to send, tried already.
        still: Asked under the lock whether what the plan rests on still holds.
    """
    try:
        with lane.engine.begin() as connection:
            signer = lock_signer(connection, chain_id=lane.chain_id, address=lane.sender)
            if not signer.is_active or signer.in_flight >= lane.policy.in_flight_max:
                return False
            if not still(connection):
                return False
            seal(connection, signer, plan)
    except (StaleSeal, IntegrityError) as overtaken:
        log.warning("seal_overtaken", kind=plan.kind, why=str(overtaken).splitlines()[0])
        return False
    return True
