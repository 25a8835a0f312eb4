"""The actions lane: refunds, withdrawals, fees, transfers and gas for the wallets we keep.

As everywhere, each turn derives an action's state anew from the index and from its own transaction;
an unreleased batch of an action is unique, so nothing is carried out twice.
"""

from dataclasses import dataclass
from typing import assert_never

import structlog
from sqlalchemy import Connection, and_, exists, func, or_, select, update

from indexer.chain.types import Address, TokenAmount, Wei
from indexer.errors import InvariantError
from settlement import calldata
from settlement.action_steps import GAS, LIQUIDITY, ActionStep
from settlement.action_views import Action, read_actions
from settlement.batching import gas_limit
from settlement.head import Head
from settlement.lane import Lane
from settlement.lifecycle import RETRY_AFTER
from settlement.nonces import NO_COINS, Plan
from settlement.payout import pass_on, top_up
from settlement.preflight import estimate
from settlement.record_tables import actions
from settlement.reverts import NOTHING_TO_WITHDRAW, Revert
from settlement.sealing import Sealed, try_seal
from settlement.tables import batch_items, requests
from settlement.types import CONFIRMING, BatchKind

log = structlog.get_logger()


def advance_actions(lane: Lane, head: Head) -> int:
    """Take the next step of every action of this lane's account; returns how many were sealed."""
    sealed = 0
    for action, kind in follow_actions(lane):
        try:
            outcome = _send(lane, head, action, kind)
        except InvariantError as fault:  # one that lacks what its kind needs holds up no other
            log.exception("action_cannot_be_sent", action_id=str(action.action_id))
            _stop(lane, action, str(fault))
            continue
        sealed += outcome == "sealed"
        if outcome in ("full", "stopped", "too_dear"):
            break
    return sealed


def follow_actions(lane: Lane) -> list[tuple[Action, BatchKind]]:
    """Bring every action to where it stands now; returns those that want a transaction sent."""
    whose = actions.c.sender == lane.sender
    if lane.is_platform:
        whose = or_(whose, actions.c.sender.is_(None))
    waited = actions.c.state_since < func.now() - RETRY_AFTER
    with lane.engine.connect() as connection:
        found = read_actions(
            connection,
            lane.chain_id,
            whose,
            or_(
                actions.c.state.in_(("requested", "sealed", "included")),
                and_(actions.c.state == "blocked", waited),
            ),
        )
    wanted = ((action, _follow(lane, action)) for action in found)
    return [(action, kind) for action, kind in wanted if kind is not None]


def _follow(lane: Lane, action: Action) -> BatchKind | None:
    """Store where an action stands, and what follows from it; returns what is to be sent."""
    step = action.step()
    with lane.engine.begin() as connection:
        if step.voids_request and not _void(connection, action):
            return None  # its payment was sealed since; looked at again
        if step.state == "done" and not pass_on(connection, action):
            return None  # the index is not there yet; looked at again
        _store(connection, action, step)
        if step.refunds_request:
            _mark_refunded(connection, action)
    return step.send


@dataclass(frozen=True, slots=True)
class _Call:
    """What an action's transaction does."""

    target: Address
    calldata: bytes
    value_wei: Wei = NO_COINS
    tokens: TokenAmount | None = None


def _send(lane: Lane, head: Head, action: Action, kind: BatchKind) -> Sealed | None:
    """Try an action's transaction, then seal it; what the contracts refuse blocks it a while."""
    call = _call(lane, action, kind)
    # The direct call first: through an adapter no refusal says why.
    outcome = estimate(lane, call.target, call.calldata, value_wei=call.value_wei)
    target, data = _led(lane, action, call)
    if not isinstance(outcome, Revert) and target != call.target:
        outcome = estimate(lane, target, data)
    if isinstance(outcome, Revert):
        _refused(lane, action, outcome)
        return None
    plan = Plan(
        kind=kind,
        target=target,
        calldata=data,
        gas_limit=gas_limit(outcome),
        treasury=action.treasury,
        action_id=action.action_id,
        token=action.token if call.tokens is not None else None,
        amount_base_units=call.tokens,
        value_wei=call.value_wei,
    )
    if not lane.is_platform and _lacks_gas(lane, head, action, plan):
        return None
    return try_seal(
        lane,
        head,
        plan,
        still=lambda connection: _set_state(connection, action, "requested", "sealed"),
    )


def _call(lane: Lane, action: Action, kind: BatchKind) -> _Call:
    """What is to be called, and with what."""
    recipient = lane.sender if action.recipient is None else action.recipient
    match kind:
        case "cancel_payment":
            return _Call(action.home, calldata.cancel_payment(action.payment_id))
        case "refund_payment":
            return _Call(action.home, calldata.claim_refund(action.payment_id, recipient))
        case "withdraw":
            return _Call(action.home, calldata.withdraw())
        case "disburse_fees":
            return _Call(action.home, calldata.disburse_fees())
        case "transfer_tokens":
            amount = TokenAmount(action.amount)
            return _Call(action.token, calldata.transfer(recipient, amount), tokens=amount)
        case "top_up_gas":
            return _Call(recipient, b"", value_wei=Wei(action.amount))
        case (
            "create_campaign"
            | "create_treasury"
            | "fund"
            | "create_payments"
            | "confirm_payments"
            | "settle_payments"
        ):
            raise InvariantError(f"{kind} is no action's transaction")
        case _:
            assert_never(kind)


def _led(lane: Lane, action: Action, call: _Call) -> tuple[Address, bytes]:
    """A treasury's call by the platform's route; as a campaign's owner, and others, directly."""
    if lane.is_platform and call.target == action.treasury:
        return lane.route.lead(call.target, call.calldata)
    return call.target, call.calldata


def _refused(lane: Lane, action: Action, revert: Revert) -> None:
    """Keep why a trial failed. What the chain has done already, the index will show."""
    log.warning("action_trial_reverted", action_id=str(action.action_id), reason=revert.reason)
    step: ActionStep | None
    if revert.reason.startswith(NOTHING_TO_WITHDRAW):
        step = ActionStep("done", revert.reason)
    elif revert.expired:
        step = ActionStep("done", "left on-chain: it expired and can never be confirmed")
    elif revert.blame == "known":
        step = None
    else:
        step = ActionStep("blocked", LIQUIDITY + revert.reason)
    if step is not None:
        with lane.engine.begin() as connection:
            _store(connection, action, step)


def _stop(lane: Lane, action: Action, reason: str) -> None:
    with lane.engine.begin() as connection:
        connection.execute(
            update(actions)
            .where(actions.c.action_id == action.action_id)
            .values(state="quarantined", reason=reason, state_since=func.now())
        )


def _lacks_gas(lane: Lane, head: Head, action: Action, plan: Plan) -> bool:
    """Whether the wallet cannot pay for its transaction; asks the platform for coins if so."""
    wanted = Wei(plan.gas_limit * head.prices.offer().max_fee_per_gas_wei)
    balance = lane.reader.balance(lane.sender)
    if balance >= wanted:
        return False
    with lane.engine.begin() as connection:
        top_up(connection, lane, action, Wei(2 * wanted - balance))
        _store(connection, action, ActionStep("blocked", f"{GAS}the wallet has {balance} wei"))
    return True


def _void(connection: Connection, action: Action) -> bool:
    """See to it that the payment is never sealed again; False when it is sealed already."""
    may_confirm = exists().where(
        batch_items.c.request_id == requests.c.request_id,
        batch_items.c.kind.in_(CONFIRMING),
        batch_items.c.released_at.is_(None),
    )
    voided = connection.execute(
        update(requests)
        .where(
            requests.c.request_id == action.payment_request_id,
            requests.c.state.in_(("ready", "blocked", "quarantined")),
            ~may_confirm,
        )
        .values(state="void", reason="its refund was asked for", state_since=func.now())
    ).rowcount
    if voided:
        return True
    state = connection.execute(
        select(requests.c.state).where(requests.c.request_id == action.payment_request_id)
    ).scalar_one()
    return bool(state == "void")


def _mark_refunded(connection: Connection, action: Action) -> None:
    connection.execute(
        update(requests)
        .where(requests.c.request_id == action.payment_request_id, requests.c.state == "settled")
        .values(state="refunded", reason=action.requested_by, state_since=func.now())
    )


def _store(connection: Connection, action: Action, step: ActionStep) -> None:
    """Write a step's state, if it changes anything and nobody else did."""
    if (action.state, action.reason) == (step.state, step.reason):
        return
    changed = connection.execute(
        update(actions)
        .where(actions.c.action_id == action.action_id, actions.c.state == action.state)
        .values(
            state=step.state,
            reason=step.reason,
            state_since=func.now(),
        )
    ).rowcount
    if changed:
        log.info(
            "action_moved",
            action_id=str(action.action_id),
            kind=action.kind,
            before=action.state,
            after=step.state,
            why=step.reason,
        )


def _set_state(connection: Connection, action: Action, before: str, after: str) -> bool:
    return bool(
        connection.execute(
            update(actions)
            .where(actions.c.action_id == action.action_id, actions.c.state == before)
            .values(state=after, reason=None, state_since=func.now())
        ).rowcount
    )
