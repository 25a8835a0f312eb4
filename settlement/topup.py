"""The funding lane: move tokens from the signer's wallet to the treasuries that need them."""

from collections.abc import Sequence
from uuid import UUID

import structlog
from sqlalchemy import Connection

from indexer.chain.types import Address, TokenAmount
from settlement import calldata
from settlement.batching import gas_limit
from settlement.due import awaiting_funds, by_treasury, move
from settlement.funding import FundingPlan, headroom, is_under_way, moving, plan_funding
from settlement.lane import Lane
from settlement.lifecycle import FUNDING, Move
from settlement.nonces import Plan
from settlement.preflight import estimate
from settlement.reverts import Revert
from settlement.sealing import try_seal
from settlement.types import FUND, DueRequest, RequestState

log = structlog.get_logger()


def fund(lane: Lane) -> int:
    """Seal a transfer to every treasury that needs tokens; returns how many.

    Requests that the wallet cannot cover are blocked, and are ready again when it can.
    """
    with lane.engine.connect() as connection:
        waiting = awaiting_funds(connection, lane.chain_id)
    sealed = 0
    for treasury, group in by_treasury(waiting).items():
        for token in {request.token for request in group}:
            of_token = [request for request in group if request.token == token]
            sealed += _fund_one(lane, treasury, token, of_token)
    return sealed


def _fund_one(lane: Lane, treasury: Address, token: Address, group: Sequence[DueRequest]) -> int:
    answer = lane.reader.call(token, calldata.balance_of(lane.sender))
    balance = TokenAmount(calldata.read_uint(answer))
    with lane.engine.begin() as connection:
        plan = _funding_plan(connection, lane, treasury, token, group, balance)
        move(connection, _funding_moves(group, plan))
        busy = is_under_way(connection, chain_id=lane.chain_id, treasury=treasury, kind=FUND)
    if plan.amount == 0 or busy:
        return 0
    data = calldata.transfer(treasury, plan.amount)
    gas = estimate(lane, token, data)
    if isinstance(gas, Revert):
        log.warning("funding_trial_reverted", treasury=treasury.hex(), reason=gas.reason)
        return 0
    sealed = try_seal(
        lane,
        Plan(
            kind=FUND,
            target=token,
            treasury=treasury,
            calldata=data,
            gas_limit=gas_limit(gas),
            amount_base_units=plan.amount,
        ),
        still=lambda connection: (
            _funding_plan(connection, lane, treasury, token, group, balance) == plan
        ),
    )
    return int(sealed)


def _funding_plan(
    connection: Connection,
    lane: Lane,
    treasury: Address,
    token: Address,
    group: Sequence[DueRequest],
    balance: TokenAmount,
) -> FundingPlan:
    unclaimed = headroom(
        connection,
        chain_id=lane.chain_id,
        treasury=treasury,
        token=token,
        sender=lane.sender,
        mined_only=False,
    )
    spoken_for = moving(connection, chain_id=lane.chain_id, token=token)
    return plan_funding(group, headroom=unclaimed, wallet=TokenAmount(max(0, balance - spoken_for)))


def _funding_moves(
    group: Sequence[DueRequest], plan: FundingPlan
) -> dict[UUID, tuple[RequestState, Move]]:
    short = frozenset(plan.short)
    reason = f"{FUNDING}{plan.shortfall} base units are missing in the signer's wallet"
    moves: dict[UUID, tuple[RequestState, Move]] = {}
    for request in group:
        if request.request_id in short and request.state == "ready":
            moves[request.request_id] = (request.state, Move("blocked", reason))
        elif request.request_id not in short and request.state == "blocked":
            moves[request.request_id] = (request.state, Move("ready"))
    return moves
