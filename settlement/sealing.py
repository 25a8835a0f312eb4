"""Seal a plan, or learn why not now."""

from collections.abc import Callable
from typing import Literal

import structlog
from sqlalchemy import Connection, select
from sqlalchemy.exc import IntegrityError

from indexer.chain.types import Wei
from settlement.head import Head
from settlement.lane import Lane
from settlement.nonces import Plan, SealedSigner, StaleSeal, lock_signer, seal
from settlement.spending import gas_spent
from settlement.switches import stopping
from settlement.tables import requests

log = structlog.get_logger()

Sealed = Literal["sealed", "full", "stopped", "too_dear", "overtaken"]
"""full: enough is under way. stopped: by an operator, a trip or a quarantine. too_dear: gas is
above the cap, or the day's budget is spent. overtaken: what the plan rests on has changed."""


def always(_connection: Connection) -> bool:
    """Nothing more to check."""
    return True


def nothing_more(_connection: Connection) -> None:
    """Nothing more to write."""


def try_seal(
    lane: Lane,
    head: Head,
    plan: Plan,
    *,
    still: Callable[[Connection], bool] = always,
    also: Callable[[Connection], None] = nothing_more,
) -> Sealed:
    """Seal a plan under the signer's lock.

    Args:
        lane: The lane.
        head: The newest block, and what gas costs.
        plan: What to send, tried already.
        still: Asked under the lock whether what the plan rests on still holds.
        also: Writes what belongs to the plan, in its transaction.
    """
    if head.prices.is_above_cap():
        log.warning("gas_above_cap", gas_price_wei=head.prices.gas_price())
        return "too_dear"
    try:
        with lane.engine.begin() as connection:
            signer = lock_signer(connection, chain_id=lane.chain_id, address=lane.sender)
            refusal = _refusal(connection, lane, head, signer, plan)
            if refusal is not None:
                return refusal
            if not still(connection):
                return "overtaken"
            seal(connection, signer, plan)
            also(connection)
    except (StaleSeal, IntegrityError) as overtaken:
        log.warning("seal_overtaken", kind=plan.kind, why=str(overtaken).splitlines()[0])
        return "overtaken"
    return "sealed"


def _refusal(
    connection: Connection, lane: Lane, head: Head, signer: SealedSigner, plan: Plan
) -> Sealed | None:
    """Why the lane may not seal anything now."""
    if not signer.is_active or _stopped(connection, lane, plan):
        return "stopped"
    if signer.in_flight >= lane.policy.in_flight_max:
        return "full"
    return "too_dear" if _exceeds_budget(connection, lane, head, plan) else None


def _stopped(connection: Connection, lane: Lane, plan: Plan) -> bool:
    """Whether a switch stops what the plan is for; whoever sets one waits for the lock first."""
    stops = stopping(connection, chain_id=lane.chain_id, signer=lane.sender)
    gateways = _gateways(connection, plan) if stops.gateways else set[str]()
    refusal = stops.refusal(treasury=plan.treasury, gateways=gateways)
    if refusal is not None:
        log.info("seal_stopped", kind=plan.kind, why=refusal)
    return refusal is not None


def _gateways(connection: Connection, plan: Plan) -> set[str]:
    """Where the plan's payments were captured."""
    found = connection.execute(
        select(requests.c.gateway)
        .where(requests.c.request_id.in_(plan.request_ids), requests.c.gateway.is_not(None))
        .distinct()
    ).scalars()
    return {str(gateway) for gateway in found}


def _exceeds_budget(connection: Connection, lane: Lane, head: Head, plan: Plan) -> bool:
    """Whether the plan, at the worst, takes more than is left of the day's coins for gas."""
    budget = lane.policy.gas_budget_wei
    if budget is None:
        return False
    offered = head.prices.offer().max_fee_per_gas_wei
    spent = gas_spent(
        connection, chain_id=lane.chain_id, signer=lane.sender, unsigned_fee_wei=offered
    )
    worst = Wei(plan.gas_limit * offered)
    if spent + worst <= budget:
        return False
    log.warning("gas_budget_spent", spent_wei=spent, wanted_wei=worst, budget_wei=budget)
    return True
