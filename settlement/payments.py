"""The payments lane: create and confirm what is ready.

A batch is sealed when it is full, or when no other of its kind is under way for its treasury: so
batches grow to what one block's time collects, and nothing waits longer than that.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal
from uuid import UUID

from sqlalchemy import Connection

from indexer.chain.types import Address, BlockNumber, TokenAmount
from settlement.batching import Limits, limits
from settlement.due import by_treasury, facts_of, move, open_requests
from settlement.funding import company_under_way, headroom
from settlement.kinds import TreasuryKind, kind_named
from settlement.lane import Lane
from settlement.lifecycle import FUNDING, STRIKES_ALONE, Move, next_step
from settlement.nonces import Plan
from settlement.preflight import Call, Passed, try_batch
from settlement.sealing import always, try_seal
from settlement.tables import requests
from settlement.types import CONFIRM_PAYMENTS, CREATE_PAYMENTS, DueRequest, RequestState


@dataclass(frozen=True, slots=True)
class Head:
    """What the newest block decides."""

    number: BlockNumber
    timestamp: datetime
    block_gas_limit: int


def create_and_confirm(lane: Lane, head: Head) -> int:
    """Seal creations and confirmations of what is ready; returns how many batches."""
    with lane.engine.begin() as connection:
        ready = open_requests(connection, lane.chain_id, requests.c.state == "ready")
        if not ready:
            return 0
        creating, confirming = _sort(connection, lane, ready, head)
    sealed = 0
    for treasury, group in by_treasury(confirming).items():
        for company in _companies(_affordable(lane, treasury, group)):
            sealed += _seal_batch(lane, head, treasury, company, "confirm")
    for treasury, group in by_treasury(creating).items():
        if _lingered(lane, group):
            for company in _companies(group):
                sealed += _seal_batch(lane, head, treasury, company, "create")
    return sealed


def _sort(
    connection: Connection, lane: Lane, ready: Sequence[DueRequest], head: Head
) -> tuple[list[DueRequest], list[DueRequest]]:
    """Split into what must be created and what can be confirmed; move what can be neither."""
    facts = facts_of(connection, lane.chain_id, ready)
    creating, confirming = list[DueRequest](), list[DueRequest]()
    moves = dict[UUID, tuple[RequestState, Move]]()
    for request in ready:
        step = next_step(facts.get(request.request_id), now=head.timestamp)
        if isinstance(step, Move):
            moves[request.request_id] = (request.state, step)
        elif step == "create" and request.batch_kind is None:
            creating.append(request)
        elif step == "confirm" and request.batch_kind != CONFIRM_PAYMENTS:
            confirming.append(request)
    move(connection, moves)
    return creating, confirming


def _seal_batch(
    lane: Lane,
    head: Head,
    treasury: Address,
    waiting: Sequence[DueRequest],
    step: Literal["create", "confirm"],
) -> int:
    """Try, then seal, one batch of one treasury; returns 1 if one was sealed."""
    kind = kind_named(waiting[0].treasury_kind)
    bounds = _bounds(lane, kind, head)
    batch_kind: Literal["create_payments", "confirm_payments"] = (
        CREATE_PAYMENTS if step == "create" else CONFIRM_PAYMENTS
    )
    with lane.engine.connect() as connection:
        busy = company_under_way(
            connection,
            chain_id=lane.chain_id,
            treasury=treasury,
            kind=batch_kind,
            failed_before=_failed_before(waiting[0]),
        )
    if busy and len(waiting) < bounds.items:
        return 0
    expiration = head.timestamp + lane.policy.payment_life if step == "create" else None
    passed = try_batch(lane, _call_of(kind, treasury, expiration), waiting, bounds)
    move_tried(lane, waiting, passed)
    if not passed.items:
        return 0
    plan = Plan(
        kind=batch_kind,
        target=treasury,
        treasury=treasury,
        calldata=passed.calldata,
        gas_limit=passed.gas_limit,
        request_ids=tuple(request.request_id for request in passed.items),
        expiration=expiration,
    )
    return int(try_seal(lane, plan, still=_covered(lane, treasury, passed, step)))


def move_tried(lane: Lane, waiting: Sequence[DueRequest], passed: Passed) -> None:
    """Move what a trial stopped; what only lacks tokens is the funding lane's from then on."""
    moves = dict(passed.moves)
    if passed.shortage is not None:
        reason = FUNDING + passed.shortage.reason
        moves.update((one.request_id, Move("blocked", reason)) for one in passed.shortage.items)
    if moves:
        states = {request.request_id: request.state for request in waiting}
        with lane.engine.begin() as connection:
            move(connection, {one: (states[one], to) for one, to in moves.items()})


def _covered(
    lane: Lane, treasury: Address, passed: Passed, step: Literal["create", "confirm"]
) -> Callable[[Connection], bool]:
    """Check again, under the signer's lock, that the treasury's tokens cover a confirmation."""
    if step == "create":
        return always
    claimed = sum(request.amount_base_units for request in passed.items)
    token = passed.items[0].token
    return lambda connection: claimed <= _headroom(connection, lane, treasury, token)


def _affordable(lane: Lane, treasury: Address, waiting: Sequence[DueRequest]) -> list[DueRequest]:
    """The front part of one token whose tokens have reached the treasury."""
    token = waiting[0].token
    with lane.engine.connect() as connection:
        left = _headroom(connection, lane, treasury, token)
    chosen = list[DueRequest]()
    for request in waiting:
        if request.token != token or request.amount_base_units > left:
            break
        left = TokenAmount(left - request.amount_base_units)
        chosen.append(request)
    return chosen


def _headroom(connection: Connection, lane: Lane, treasury: Address, token: Address) -> TokenAmount:
    return headroom(
        connection,
        chain_id=lane.chain_id,
        treasury=treasury,
        token=token,
        mined_only=True,
    )


def _companies(waiting: Sequence[DueRequest]) -> list[Sequence[DueRequest]]:
    """Who travels together: what failed before goes alone, one at a time, beside all others."""
    clean = [request for request in waiting if not _failed_before(request)]
    alone = [request for request in waiting if _failed_before(request)]
    return [company for company in (clean, alone[:1]) if company]


def _failed_before(request: DueRequest) -> bool:
    return request.strikes >= STRIKES_ALONE


def _lingered(lane: Lane, group: Sequence[DueRequest]) -> bool:
    """Whether the oldest has waited for company long enough."""
    oldest = min(request.requested_at for request in group)
    return datetime.now(UTC) - oldest >= lane.policy.linger


def _bounds(lane: Lane, kind: TreasuryKind, head: Head) -> Limits:
    return limits(
        items_max=min(kind.items_max, lane.policy.batch_items_max),
        block_gas_limit=head.block_gas_limit,
        gas_per_transaction_max=lane.network.gas_per_transaction_max,
    )


def try_confirmation(
    lane: Lane, head: Head, treasury: Address, waiting: Sequence[DueRequest]
) -> Passed:
    """Try to confirm the front part of ``waiting``, without sealing anything."""
    kind = kind_named(waiting[0].treasury_kind)
    return try_batch(lane, _call_of(kind, treasury, None), waiting, _bounds(lane, kind, head))


def _call_of(kind: TreasuryKind, treasury: Address, expiration: datetime | None) -> Call:
    if expiration is None:
        return Call(treasury, kind.confirm_calldata, kind.confirm_gas)
    return Call(treasury, lambda items: kind.create_calldata(items, expiration), kind.create_gas)
