"""The payments lane: settle what is ready, or create and confirm it, as its treasury's kind has it.

A batch is sealed when it is full, or when no other of its kind is under way for its treasury: so
batches grow to what one block's time collects, and nothing waits longer than that.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection

from indexer.chain.types import BlockNumber, TokenAmount
from settlement.batching import Limits, first_cut, limits
from settlement.due import Group, group_by_call, move, open_requests
from settlement.funding import company_under_way, headroom
from settlement.kinds import TreasuryKind, kind_named
from settlement.lane import Lane
from settlement.lifecycle import FUNDING, STRIKES_ALONE, Move
from settlement.nonces import Plan
from settlement.preflight import Call, Passed, try_batch
from settlement.sealing import always, try_seal
from settlement.tables import requests
from settlement.types import BATCH_OF, DueRequest, PaymentStep

NO_SETTLE_BATCH = (
    "settleBatch reverts without a reason: a treasury of an earlier version, or a broken token"
)
_STEPS: tuple[PaymentStep, ...] = ("confirm", "settle", "create")
"""What was created goes first: it can expire."""


@dataclass(frozen=True, slots=True)
class Head:
    """What the newest block decides."""

    number: BlockNumber
    timestamp: datetime
    block_gas_limit: int


def advance_payments(lane: Lane, head: Head) -> int:
    """Seal the next call of what is ready; returns how many batches."""
    with lane.engine.begin() as connection:
        ready = open_requests(connection, lane.chain_id, requests.c.state == "ready")
        if not ready:
            return 0
        groups = group_by_call(connection, lane.chain_id, ready, now=head.timestamp)
    return sum(
        _seal_batch(lane, head, group, company)
        for group in sorted(groups, key=lambda group: _STEPS.index(group.step))
        if has_lingered(lane, group)
        for company in _companies(_affordable(lane, group))
    )


def has_lingered(lane: Lane, group: Group) -> bool:
    """Whether the oldest has waited for company long enough; who was created did so before."""
    if group.step == "confirm":
        return True
    oldest = min(request.requested_at for request in group.waiting)
    return datetime.now(UTC) - oldest >= lane.policy.linger


def try_group(lane: Lane, head: Head, group: Group, waiting: Sequence[DueRequest]) -> Passed:
    """Try the front part of ``waiting``, requests of ``group``, without sealing anything."""
    kind, expiration = _kind(group), _expiration(lane, head)
    call = Call(
        target=group.treasury,
        encode=lambda items: kind.encode(group.step, items, expiration=expiration),
        predicted_gas=_predicted_gas(group),
        if_silent=NO_SETTLE_BATCH if group.step == "settle" else None,
    )
    return try_batch(lane, call, waiting, _bounds(lane, head, group))


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


def _seal_batch(lane: Lane, head: Head, group: Group, waiting: Sequence[DueRequest]) -> int:
    """Try, then seal, one batch of a group; returns 1 if one was sealed."""
    bounds = _bounds(lane, head, group)
    with lane.engine.connect() as connection:
        busy = company_under_way(
            connection,
            chain_id=lane.chain_id,
            treasury=group.treasury,
            kind=BATCH_OF[group.step],
            failed_before=_failed_before(waiting[0]),
        )
    fitting = len(first_cut(waiting, bounds, predicted_gas=_predicted_gas(group)))
    is_full = fitting < len(waiting) or fitting == bounds.items
    if busy and not is_full:
        return 0
    passed = try_group(lane, head, group, waiting)
    move_tried(lane, waiting, passed)
    if not passed.items:
        return 0
    plan = Plan(
        kind=BATCH_OF[group.step],
        target=group.treasury,
        treasury=group.treasury,
        calldata=passed.calldata,
        gas_limit=passed.gas_limit,
        request_ids=tuple(request.request_id for request in passed.items),
        expiration=_expiration(lane, head) if group.step == "create" else None,
    )
    return int(try_seal(lane, plan, still=_covered(lane, group, passed)))


def _covered(lane: Lane, group: Group, passed: Passed) -> Callable[[Connection], bool]:
    """Check again, under the signer's lock, that the treasury's tokens cover a confirmation."""
    if group.step == "create":
        return always
    claimed = sum(request.amount_base_units for request in passed.items)
    return lambda connection: claimed <= _headroom(connection, lane, group)


def _affordable(lane: Lane, group: Group) -> list[DueRequest]:
    """The front part whose tokens have reached the treasury; a creation needs none."""
    if group.step == "create":
        return list(group.waiting)
    with lane.engine.connect() as connection:
        left = _headroom(connection, lane, group)
    chosen = list[DueRequest]()
    for request in group.waiting:
        if request.amount_base_units > left:
            break
        left = TokenAmount(left - request.amount_base_units)
        chosen.append(request)
    return chosen


def _headroom(connection: Connection, lane: Lane, group: Group) -> TokenAmount:
    return headroom(
        connection,
        chain_id=lane.chain_id,
        treasury=group.treasury,
        token=group.token,
        mined_only=True,
    )


def _companies(waiting: Sequence[DueRequest]) -> list[Sequence[DueRequest]]:
    """Who travels together: what failed before goes alone, one at a time, beside all others."""
    clean = [request for request in waiting if not _failed_before(request)]
    alone = [request for request in waiting if _failed_before(request)]
    return [company for company in (clean, alone[:1]) if company]


def _failed_before(request: DueRequest) -> bool:
    return request.strikes >= STRIKES_ALONE


def _bounds(lane: Lane, head: Head, group: Group) -> Limits:
    return limits(
        items_max=min(_kind(group).items_max, lane.policy.batch_items_max),
        block_gas_limit=head.block_gas_limit,
        gas_per_transaction_max=lane.network.gas_per_transaction_max,
    )


def _predicted_gas(group: Group) -> Callable[[int], int]:
    kind = _kind(group)
    return lambda items: kind.gas(group.step, items)


def _kind(group: Group) -> TreasuryKind:
    return kind_named(group.waiting[0].treasury_kind)


def _expiration(lane: Lane, head: Head) -> datetime:
    return head.timestamp + lane.policy.payment_life
