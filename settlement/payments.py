"""The payments lane: settle what is ready, or create and confirm it, as its treasury's kind has it.

A campaign's ready payments are planned together, up to ``Policy.batch_payments_max``, and cut into
transactions that fit. The campaigns take turns, one transaction each, the one that was served
longest ago first. What is left over joins the next plan while a transaction of its campaign is
under way: so batches grow to what one block's time collects, and nothing waits longer than that.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, func, select

from indexer.chain.types import Address, TokenAmount, Wei
from settlement import runs
from settlement.batching import Limits, first_cut, limits
from settlement.choosing import payable_treasuries
from settlement.due import Group, group_by_call, is_ready, move, open_requests
from settlement.funding import UnderWay, under_way
from settlement.head import Head
from settlement.headroom import Headrooms, headroom, headrooms
from settlement.kinds import TreasuryKind, kind_named
from settlement.lane import Lane
from settlement.lifecycle import FEE, FUNDING, STRIKES_ALONE, Move
from settlement.nonces import Plan, in_flight
from settlement.preflight import Call, Passed, try_batch
from settlement.sealing import Sealed, try_seal
from settlement.switches import stopping
from settlement.tables import batches, requests
from settlement.types import BATCH_OF, DueRequest, PaymentStep

NO_SETTLE_BATCH = (
    "settleBatch reverts without a reason: a treasury of an earlier version, or a broken token"
)
_STEPS: tuple[PaymentStep, ...] = ("confirm", "settle", "create")
"""What was created goes first: it can expire."""
FAIRNESS_WINDOW = timedelta(hours=1)
NO_EXPIRY = datetime.max.replace(tzinfo=UTC)


def advance_payments(lane: Lane, head: Head) -> int:
    """Seal transactions for what is ready while the lane has room; returns how many."""
    with lane.engine.begin() as connection:
        runs.close_spent(connection, lane.chain_id, payments_max=lane.policy.run_payments_max)
        room = lane.policy.in_flight_max - in_flight(connection, lane.chain_id, lane.sender)
        if room <= 0:
            return 0
        served = _last_served(connection, lane)
        ready = _ready(connection, lane, room, served)
        if not ready:
            return 0
        groups = group_by_call(connection, lane.chain_id, ready, now=head.timestamp)
        standing = _read_standing(connection, lane, groups, served)
        now = connection.execute(select(func.now())).scalar_one()
    waiting = [group for group in groups if has_lingered(lane, group, now=now)]
    return _take_turns(
        deque(_seal_group(lane, head, group, standing) for group in _in_turn(waiting, standing)),
        room,
    )


def _ready(
    connection: Connection, lane: Lane, room: int, served: dict[Address, datetime]
) -> list[DueRequest]:
    """What is ready at the treasuries whose turn it is."""
    stops = stopping(connection, chain_id=lane.chain_id, signer=lane.sender)
    chosen = payable_treasuries(
        connection, lane.chain_id, *is_ready(stops), places=room, served=served
    )
    return open_requests(
        connection,
        lane.chain_id,
        *is_ready(stops),
        requests.c.treasury.in_(chosen),
        of_each_max=lane.policy.batch_payments_max,
    )


def has_lingered(lane: Lane, group: Group, *, now: datetime) -> bool:
    """Whether the oldest has waited for company long enough; who was created did so before.

    Args:
        lane: The lane.
        group: Of requests whose times are Postgres'.
        now: By Postgres' clock.
    """
    if group.step == "confirm":
        return True
    oldest = min(request.requested_at for request in group.waiting)
    return now - oldest >= lane.policy.linger


def try_group(lane: Lane, head: Head, group: Group, waiting: Sequence[DueRequest]) -> Passed:
    """Try the front part of ``waiting``, requests of ``group``, without sealing anything."""
    kind, expiration = _kind(group), _expiration(lane, head)
    call = Call(
        treasury=group.treasury,
        encode=lambda items: kind.encode(group.step, items, expiration=expiration),
        predicted_gas=_predicted_gas(group),
        decode_revert=kind.decode_revert,
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


def _take_turns(queue: deque[Iterator[Sealed]], room: int) -> int:
    """One transaction of each campaign after the other, until none has more or the lane is full."""
    sealed = 0
    while queue and sealed < room:
        work = queue.popleft()
        outcome = next(work, None)
        if outcome in ("full", "stopped", "too_dear"):
            break
        if outcome == "sealed":
            sealed += 1
            queue.append(work)
    return sealed


@dataclass(frozen=True, slots=True)
class _Standing:
    """What bounds the campaigns, read for all of them at once; sealing checks it again."""

    headrooms: Headrooms
    rooms: Mapping[Address, int]
    """Payments that each campaign's run still takes."""
    under_way: frozenset[UnderWay]
    served: Mapping[Address, datetime]
    """When payments of a treasury were last sealed."""


def _read_standing(
    connection: Connection,
    lane: Lane,
    groups: Sequence[Group],
    served: Mapping[Address, datetime],
) -> _Standing:
    treasuries = list({group.treasury for group in groups})
    return _Standing(
        headrooms=headrooms(
            connection, chain_id=lane.chain_id, treasuries=treasuries, mined_only=True
        ),
        rooms=_rooms(connection, lane, treasuries),
        under_way=under_way(connection, lane.chain_id),
        served=served,
    )


def _in_turn(groups: Sequence[Group], standing: _Standing) -> list[Group]:
    """Confirmations first, by expiry; then who was served longest ago, or waits longest."""
    never = datetime.min.replace(tzinfo=UTC)
    return sorted(
        groups,
        key=lambda group: (
            _STEPS.index(group.step),
            group.waiting[0].expiration or NO_EXPIRY,
            standing.served.get(group.treasury, never),
            group.waiting[0].captured_at,
        ),
    )


@dataclass(frozen=True, slots=True)
class _Company:
    """Requests that travel together."""

    waiting: Sequence[DueRequest]
    joins_next: bool
    """Whether what does not fill a transaction waits for the next plan."""


def _seal_group(lane: Lane, head: Head, group: Group, standing: _Standing) -> Iterator[Sealed]:
    """Cut a group into transactions and seal them, one at each step of the iterator."""
    for company in _companies(group, standing):
        waiting = company.waiting
        while waiting:
            outcome, waiting = _seal_batch(lane, head, group, company, waiting)
            if outcome is None:
                break
            yield outcome
            if outcome != "sealed":
                return


def _companies(group: Group, standing: _Standing) -> list[_Company]:
    """Who travels together: what failed before goes alone, one at a time, beside all others."""
    waiting = _affordable(group, standing)
    found = []
    for failed in (False, True):
        those = [one for one in waiting if _failed_before(one) is failed]
        busy = UnderWay(group.treasury, BATCH_OF[group.step], failed) in standing.under_way
        if those:
            found.append(_Company(those[:1] if failed else those, busy))
    return found


def _seal_batch(
    lane: Lane, head: Head, group: Group, company: _Company, waiting: Sequence[DueRequest]
) -> tuple[Sealed | None, Sequence[DueRequest]]:
    """Try, then seal, one transaction; None when nothing was to be sealed. Returns who is left."""
    bounds = _bounds(lane, head, group)
    fitting = len(first_cut(waiting, bounds, predicted_gas=_predicted_gas(group)))
    is_full = fitting < len(waiting) or fitting == bounds.items
    if company.joins_next and not is_full:
        return None, waiting
    passed = try_group(lane, head, group, waiting)
    move_tried(lane, waiting, passed)
    if not passed.items or not _is_worth(lane, head, group, passed):
        return None, waiting
    target, calldata = lane.route.lead(group.treasury, passed.calldata)
    confirms = group.step != "create"
    plan = Plan(
        kind=BATCH_OF[group.step],
        target=target,
        treasury=group.treasury,
        calldata=calldata,
        gas_limit=passed.gas_limit,
        request_ids=tuple(request.request_id for request in passed.items),
        expiration=None if confirms else _expiration(lane, head),
        token=group.token if confirms else None,
        amount_base_units=_value(passed.items) if confirms else None,
    )
    outcome = try_seal(
        lane,
        head,
        plan,
        still=_still_open(lane, group, passed),
        also=lambda connection: _count(connection, lane, group, passed),
    )
    gone = {request.request_id for request in passed.items} | passed.moves.keys()
    return outcome, [request for request in waiting if request.request_id not in gone]


def _is_worth(lane: Lane, head: Head, group: Group, passed: Passed) -> bool:
    """Whether the fee is within what the operator pays for this value; what is not waits."""
    bound = lane.policy.worth
    if bound is None:
        return True
    fee = Wei(passed.gas_estimate * head.prices.gas_price())
    decimals = lane.decimals_of(group.token)
    if bound.is_worth(fee, value_base_units=_value(passed.items), token_decimals=decimals):
        return True
    reason = f"{FEE}{fee} wei are above {bound.fee_bps_max} bps of what they would settle"
    moves = {one.request_id: (one.state, Move("blocked", reason)) for one in passed.items}
    with lane.engine.begin() as connection:
        move(connection, moves)
    return False


def _still_open(lane: Lane, group: Group, passed: Passed) -> Callable[[Connection], bool]:
    """Check again, under the signer's lock: the treasury's tokens, and room in the run."""
    claimed = _value(passed.items) if group.step != "create" else TokenAmount(0)

    def holds(connection: Connection) -> bool:
        if claimed and claimed > _headroom(connection, lane, group):
            return False
        return _has_room(connection, lane, group, len(passed.items))

    return holds


def _count(connection: Connection, lane: Lane, group: Group, passed: Passed) -> None:
    """Count payments into their run once: when they are created, or settled in one call."""
    payments = 0 if group.step == "confirm" else len(passed.items)
    runs.count(connection, lane.chain_id, group.treasury, payments)


def _has_room(connection: Connection, lane: Lane, group: Group, payments: int) -> bool:
    """Whether the campaign's run still takes so many; a confirmation was counted when created."""
    if group.step == "confirm":
        return True
    return payments <= _rooms(connection, lane, [group.treasury])[group.treasury]


def _rooms(
    connection: Connection, lane: Lane, treasuries: Sequence[Address]
) -> Mapping[Address, int]:
    return runs.rooms(
        connection, lane.chain_id, treasuries, payments_max=lane.policy.run_payments_max
    )


def _affordable(group: Group, standing: _Standing) -> Sequence[DueRequest]:
    """The front part that the run takes and whose tokens have reached the treasury."""
    if group.step == "create":
        return group.waiting[: standing.rooms[group.treasury]]
    taken = len(group.waiting) if group.step == "confirm" else standing.rooms[group.treasury]
    left = standing.headrooms[group.treasury, group.token]
    chosen = list[DueRequest]()
    for request in group.waiting[:taken]:
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


def _last_served(connection: Connection, lane: Lane) -> dict[Address, datetime]:
    """When each treasury's newest payments were sealed, of those served within the hour."""
    rows = connection.execute(
        select(batches.c.treasury, func.max(batches.c.sealed_at).label("at"))
        .where(
            batches.c.chain_id == lane.chain_id,
            batches.c.sealed_at > func.now() - FAIRNESS_WINDOW,
            batches.c.kind.in_(tuple(BATCH_OF.values())),
        )
        .group_by(batches.c.treasury)
    )
    return {row.treasury: row.at for row in rows}


def _failed_before(request: DueRequest) -> bool:
    return request.strikes >= STRIKES_ALONE


def _value(items: Sequence[DueRequest]) -> TokenAmount:
    return TokenAmount(sum(request.amount_base_units for request in items))


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
