"""The funding lane: move tokens from the signer's wallet to the treasuries that need them.

Tokens follow a trial of the call they are for, a confirmation or a settlement: only if nothing else
stands in its way do they leave the wallet, because a treasury that is closed gives nothing back.
Nothing is sent for a payment that is still to be created.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

import structlog
from sqlalchemy import Connection

from indexer.chain.types import Address, TokenAmount
from indexer.errors import RpcError
from settlement import calldata
from settlement.batching import gas_limit
from settlement.due import Group, awaiting_funds, group_by_call, move
from settlement.funding import (
    FundingPlan,
    headroom,
    is_quiet,
    is_under_way,
    moving,
    plan_funding,
)
from settlement.lane import Lane
from settlement.lifecycle import FUNDING, TREASURY, Move
from settlement.nonces import Plan
from settlement.payments import Head, has_lingered, move_tried, try_group
from settlement.preflight import estimate
from settlement.reverts import Revert
from settlement.sealing import try_seal
from settlement.types import FUND, DueRequest, RequestState

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Need:
    """What one treasury needs of one token, and what the signer holds of it."""

    group: Group
    balance: TokenAmount

    @property
    def treasury(self) -> Address:
        return self.group.treasury

    @property
    def token(self) -> Address:
        return self.group.token

    @property
    def waiting(self) -> Sequence[DueRequest]:
        return self.group.waiting


def fund(lane: Lane, head: Head) -> int:
    """Seal a transfer to every treasury that needs tokens; returns how many.

    Requests that the wallet cannot cover are blocked, and are ready again when it can.
    """
    with lane.engine.begin() as connection:
        waiting = awaiting_funds(connection, lane.chain_id)
        groups = group_by_call(connection, lane.chain_id, waiting, now=head.timestamp)
    sealed = 0
    for group in groups:
        if group.step == "create" or not has_lingered(lane, group):
            continue
        try:
            answer = lane.reader.call(group.token, calldata.balance_of(lane.sender))
            balance = TokenAmount(calldata.read_uint(answer))
        except (RpcError, ValueError) as refusal:
            _block(lane, group.waiting, f"{TREASURY}its token does not answer: {refusal}")
            continue
        sealed += _fund_one(lane, head, _Need(group, balance))
    return sealed


def _fund_one(lane: Lane, head: Head, need: _Need) -> int:
    with lane.engine.begin() as connection:
        plan = _plan(connection, lane, head, need, free=None)
        move(connection, _short_moves(need, plan))
        busy = _is_busy(connection, lane, need)
    covered = _covered(need, plan)
    if busy or not (plan.amount or any(request.state == "blocked" for request in covered)):
        return 0
    trial = try_group(lane, head, need.group, covered)
    if trial.moves or not (trial.items or trial.shortage):
        move_tried(lane, covered, replace(trial, shortage=None))
        return 0
    free = None if trial.shortage is None else trial.shortage.free
    with lane.engine.begin() as connection:
        plan = _plan(connection, lane, head, need, free=free)
        move(connection, _short_moves(need, plan))
    covered = _covered(need, plan)
    sealed = bool(plan.amount) and _seal_transfer(lane, head, need, plan, free)
    if sealed or (trial.shortage is None and not plan.amount):
        _unblock(lane, covered)
    return int(sealed)


def _seal_transfer(
    lane: Lane, head: Head, need: _Need, plan: FundingPlan, free: TokenAmount | None
) -> bool:
    data = calldata.transfer(need.treasury, plan.amount)
    gas = estimate(lane, need.token, data)
    if isinstance(gas, Revert):
        log.warning("funding_trial_reverted", treasury=need.treasury.hex(), reason=gas.reason)
        if gas.blame != "funds":
            _block(lane, _covered(need, plan), TREASURY + gas.reason)
        return False
    return try_seal(
        lane,
        Plan(
            kind=FUND,
            target=need.token,
            treasury=need.treasury,
            calldata=data,
            gas_limit=gas_limit(gas),
            amount_base_units=plan.amount,
        ),
        still=lambda connection: (
            not _is_busy(connection, lane, need)
            and _plan(connection, lane, head, need, free=free) == plan
        ),
    )


def _plan(
    connection: Connection, lane: Lane, head: Head, need: _Need, *, free: TokenAmount | None
) -> FundingPlan:
    """Plan by our own books, or by the treasury's if those, long unmoved, show less.

    Args:
        connection: The caller's transaction.
        lane: The lane.
        head: The newest block.
        need: Whom to plan for.
        free: Tokens of the treasury that nothing claims, as it said itself; None if it did not.
    """
    unclaimed = headroom(
        connection,
        chain_id=lane.chain_id,
        treasury=need.treasury,
        token=need.token,
        mined_only=False,
    )
    if free is not None and free < unclaimed:
        quiet = is_quiet(
            connection,
            chain_id=lane.chain_id,
            treasury=need.treasury,
            head_number=head.number,
        )
        unclaimed = free if quiet else unclaimed
    spoken_for = moving(connection, chain_id=lane.chain_id, sender=lane.sender, token=need.token)
    wallet = TokenAmount(max(0, need.balance - spoken_for))
    return plan_funding(need.waiting, headroom=unclaimed, wallet=wallet)


def _is_busy(connection: Connection, lane: Lane, need: _Need) -> bool:
    return is_under_way(connection, chain_id=lane.chain_id, treasury=need.treasury, kind=FUND)


def _covered(need: _Need, plan: FundingPlan) -> list[DueRequest]:
    covered = frozenset(plan.covered)
    return [request for request in need.waiting if request.request_id in covered]


def _short_moves(need: _Need, plan: FundingPlan) -> dict[UUID, tuple[RequestState, Move]]:
    short = frozenset(plan.short)
    reason = f"{FUNDING}{plan.shortfall} base units are missing in the signer's wallet"
    return {
        request.request_id: (request.state, Move("blocked", reason))
        for request in need.waiting
        if request.request_id in short and (request.state, request.reason) != ("blocked", reason)
    }


def _unblock(lane: Lane, covered: Sequence[DueRequest]) -> None:
    stopped = [request for request in covered if request.state == "blocked"]
    with lane.engine.begin() as connection:
        move(connection, {one.request_id: (one.state, Move("ready")) for one in stopped})


def _block(lane: Lane, group: Sequence[DueRequest], reason: str) -> None:
    with lane.engine.begin() as connection:
        move(connection, {one.request_id: (one.state, Move("blocked", reason)) for one in group})
