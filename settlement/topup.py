"""The funding lane: move tokens from the signer's wallet to the treasuries that need them.

Tokens follow a trial of the call they are for, a confirmation or a settlement: only if nothing else
stands in its way do they leave the wallet, because a treasury that is closed gives nothing back.
Nothing is sent for a payment that is still to be created.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

import structlog
from sqlalchemy import Connection, func, select

from indexer.chain.types import Address, TokenAmount
from indexer.errors import RpcError
from settlement import calldata
from settlement.batching import gas_limit
from settlement.choosing import underfunded_treasuries
from settlement.due import Group, awaits_funds, group_by_call, move, open_requests
from settlement.funding import (
    FundingPlan,
    is_quiet,
    is_under_way,
    moving,
    plan_funding,
    under_way,
)
from settlement.head import Head
from settlement.headroom import headroom, headrooms
from settlement.lane import Lane
from settlement.lifecycle import FUNDING, TREASURY, Move
from settlement.nonces import Plan, in_flight
from settlement.payments import has_lingered, move_tried, try_group
from settlement.preflight import estimate
from settlement.reverts import Revert
from settlement.sealing import try_seal
from settlement.switches import stopping
from settlement.tables import requests
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
    """Seal a transfer to every treasury that needs tokens, while the lane has room; says how many.

    Requests that the wallet cannot cover are blocked, and are ready again when it can.
    """
    with lane.engine.begin() as connection:
        room = lane.policy.in_flight_max - in_flight(connection, lane.chain_id, lane.sender)
        if room <= 0:
            return 0
        stops = stopping(connection, chain_id=lane.chain_id, signer=lane.sender)
        chosen = underfunded_treasuries(
            connection, lane.chain_id, *awaits_funds(stops), places=room
        )
        waiting = open_requests(
            connection, lane.chain_id, *awaits_funds(stops), requests.c.treasury.in_(chosen)
        )
        now = connection.execute(select(func.now())).scalar_one()
        found = group_by_call(connection, lane.chain_id, waiting, now=head.timestamp)
        groups = [
            group
            for group in found
            if group.step != "create" and has_lingered(lane, group, now=now)
        ]
        unclaimed = headrooms(
            connection,
            chain_id=lane.chain_id,
            treasuries=list({group.treasury for group in groups}),
            mined_only=False,
        )
        busy = {one.treasury for one in under_way(connection, lane.chain_id) if one.kind == FUND}
    for group in found:
        if group.step == "create":  # a creation needs no tokens: what is blocked lost its own
            _unblock(lane, group.waiting)
    sealed = 0
    for need in _needs(lane, groups):
        if sealed >= room:
            break
        free = unclaimed[need.treasury, need.token]
        plan = plan_funding(need.waiting, headroom=free, wallet=need.balance)
        if _changes_anything(need, plan, busy=need.treasury in busy):
            sealed += _fund_one(lane, head, need, plan, busy=need.treasury in busy)
    return sealed


def _needs(lane: Lane, groups: Sequence[Group]) -> Iterator[_Need]:
    """What each treasury needs, the signer's balance asked once a token; a dead token blocks."""
    balances: dict[Address, TokenAmount] = {}
    for group in groups:
        try:
            if group.token not in balances:
                answer = lane.reader.call(group.token, calldata.balance_of(lane.sender))
                balances[group.token] = TokenAmount(calldata.read_uint(answer))
        except (RpcError, ValueError) as refusal:
            _block(lane, group.waiting, f"{TREASURY}its token does not answer: {refusal}")
            continue
        yield _Need(group, balances[group.token])


def _changes_anything(need: _Need, plan: FundingPlan, *, busy: bool) -> bool:
    """Whether a plan made from what was read for all treasuries at once is worth a closer look."""
    if _short_moves(need, plan):
        return True
    if busy:
        return False
    return bool(plan.amount) or any(one.state == "blocked" for one in _covered(need, plan))


def _fund_one(lane: Lane, head: Head, need: _Need, plan: FundingPlan, *, busy: bool) -> int:
    """Try what a first plan covers, plan again by what that told, and seal the transfer."""
    with lane.engine.begin() as connection:
        move(connection, _short_moves(need, plan))
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
    outcome = try_seal(
        lane,
        head,
        Plan(
            kind=FUND,
            target=need.token,
            treasury=need.treasury,
            calldata=data,
            gas_limit=gas_limit(gas),
            token=need.token,
            amount_base_units=plan.amount,
        ),
        still=lambda connection: (
            not _is_busy(connection, lane, need)
            and _plan(connection, lane, head, need, free=free) == plan
        ),
    )
    return outcome == "sealed"


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
