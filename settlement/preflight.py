"""Try a batch on the newest state before it is sealed, and drop what would make it revert.

An error that names a payment costs one more call, not a search; one that names none halves the
batch until the payment at fault stands alone.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

import structlog

from indexer.chain.types import Address, TokenAmount, to_hex
from indexer.errors import RpcError
from settlement.batching import Limits, first_cut, fitting_items, gas_limit
from settlement.calldata import internal_payment_id
from settlement.lane import Lane
from settlement.lifecycle import EXPIRED, TREASURY, Move
from settlement.reverts import Revert, decode_revert
from settlement.types import DueRequest

log = structlog.get_logger()

REVERTED_CODE = 3
"""JSON-RPC code of a reverted call (go-ethereum); others say it in words."""
TRIALS_MAX = 64
"""Calls spent on one batch; what is left waits for the next turn."""


@dataclass(frozen=True, slots=True)
class Call:
    """How a batch of payments becomes a call."""

    treasury: Address
    encode: Callable[[Sequence[DueRequest]], bytes]
    predicted_gas: Callable[[int], int]
    decode_revert: Callable[[bytes | None], Revert] = decode_revert
    """Of the treasury's kind."""
    if_silent: str | None = None
    """What it means that the call reverts without data, whatever it carries; None if that may be
    one payment's doing."""


@dataclass(frozen=True, slots=True)
class Shortage:
    """Nothing but missing tokens keeps these from passing."""

    items: tuple[DueRequest, ...]
    reason: str
    free: TokenAmount | None
    """Tokens the treasury holds beyond all it confirmed, as it said itself; None if it did not."""


@dataclass(frozen=True, slots=True)
class Passed:
    """What passed: empty when nothing did."""

    items: tuple[DueRequest, ...] = ()
    calldata: bytes = field(default=b"", repr=False)
    """Of the treasury."""
    gas_estimate: int = 0
    gas_limit: int = 0
    moves: dict[UUID, Move] = field(default_factory=dict)
    """Where requests go that can never pass, or not for a while."""
    shortage: Shortage | None = None


def try_batch(lane: Lane, call: Call, waiting: Sequence[DueRequest], bounds: Limits) -> Passed:
    """Find the longest front part of ``waiting`` that passes within bounds.

    A node that refuses to try even one payment does so for all: they wait, with its words.

    Raises:
        RpcUnavailable: No node answers.
    """
    cut = first_cut(waiting, bounds, predicted_gas=call.predicted_gas)
    items, moves = list(cut), dict[UUID, Move]()
    for _ in range(TRIALS_MAX):
        if not items:
            break
        calldata = call.encode(items)
        outcome = estimate_call(lane, call, calldata)
        if isinstance(outcome, Revert):
            if outcome.is_silent and call.if_silent is not None:
                outcome = replace(outcome, blame="treasury", reason=call.if_silent)
            if outcome.blame == "funds":
                return Passed(moves=moves, shortage=_shortage(items, outcome))
            if outcome.blame == "node" and len(items) == 1:
                items = list(cut)
                outcome = replace(outcome, blame="treasury")
            items = _without_fault(items, outcome, moves)
            continue
        fitting = fitting_items(
            len(items), estimate=outcome, calldata_bytes=len(calldata), bounds=bounds
        )
        if fitting == len(items):
            return Passed(tuple(items), calldata, outcome, gas_limit(outcome), moves)
        items = items[:fitting]
    return Passed(moves=moves)


def estimate_call(lane: Lane, call: Call, calldata: bytes) -> int | Revert:
    """Estimate what is sent so that the treasury gets ``calldata``, or say why it would revert.

    The direct call is tried first in every case: only its refusal says why.

    Raises:
        RpcUnavailable: No node answers.
    """
    direct = estimate(lane, call.treasury, calldata, decode=call.decode_revert)
    target, led = lane.route.lead(call.treasury, calldata)
    if isinstance(direct, Revert) or target == call.treasury:
        return direct
    return estimate(lane, target, led)


def estimate(
    lane: Lane,
    target: Address,
    calldata: bytes,
    *,
    value_wei: int = 0,
    decode: Callable[[bytes | None], Revert] = decode_revert,
) -> int | Revert:
    """Estimate a call from the lane's account, or say why it cannot be sent.

    Raises:
        RpcUnavailable: No node answers.
    """
    call = {"from": to_hex(lane.sender), "to": to_hex(target), "data": to_hex(calldata)}
    if value_wei:
        call["value"] = hex(value_wei)
    try:
        return lane.reader.estimate_gas(call)
    except RpcError as refusal:
        said_revert = refusal.code == REVERTED_CODE or "revert" in refusal.message.lower()
        if refusal.data is None and not said_revert:
            return Revert("node", f"the node refused a trial: {refusal.message}")
        return decode(refusal.data)


def _shortage(items: list[DueRequest], revert: Revert) -> Shortage:
    wanted = sum(item.amount_base_units for item in items)
    free = None if revert.missing is None else TokenAmount(wanted - revert.missing)
    return Shortage(tuple(items), revert.reason, free)


def _without_fault(
    items: list[DueRequest], revert: Revert, moves: dict[UUID, Move]
) -> list[DueRequest]:
    """What to try next after a revert; ``moves`` gains where the dropped go."""
    named = [item for item in items if _is_named(item, revert)]
    log.info("batch_trial_reverted", reason=revert.reason, items=len(items), named=len(named))
    if revert.blame in ("item", "known") and named:
        if revert.blame == "item" and revert.permanent:
            moves.update((item.request_id, _fault(revert)) for item in named)
        return [item for item in items if item not in named]
    if revert.blame == "treasury":
        moves.update((item.request_id, Move("blocked", TREASURY + revert.reason)) for item in items)
        return []
    if len(items) == 1:
        moves[items[0].request_id] = Move("quarantined", revert.reason)
        return []
    return items[: len(items) // 2]


def _fault(revert: Revert) -> Move:
    if revert.expired:
        return Move("blocked", EXPIRED + revert.reason)
    return Move("quarantined", revert.reason)


def _is_named(item: DueRequest, revert: Revert) -> bool:
    if revert.amount is not None:
        return item.amount_base_units == revert.amount
    names = (item.payment_id, internal_payment_id(item.payment_id))
    return revert.payment is not None and revert.payment in names
