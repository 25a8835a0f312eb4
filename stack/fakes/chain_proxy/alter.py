"""How faults change calls before a node sees them, and answers before the caller does. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from eth_hash.auto import keccak

from stack.fakes.chain_proxy.calls import (
    CallAsked,
    as_height,
    block_answered,
    block_named,
    raw_transaction,
)
from stack.fakes.chain_proxy.faults import Fault

Pick = Callable[[int], int]
"""A random place below a count."""

BEYOND_HEAD = (-32602, "block range extends beyond current head block")
PRUNED = (4444, "pruned history unavailable")
INTERNAL = (-32603, "internal error")
GARBAGE = (
    b"<html><body><h1>504 Gateway Time-out</h1></body></html>",
    b'{"jsonrpc":"2.0","id":null}',
    b'{"jsonrpc":"2.0","id":0,"result":{"unexpected":[]}}',
    b"[]",
    b"",
)
"""What answers with status 200 and holds no answer."""


@dataclass(frozen=True, slots=True)
class Marks:
    """Where the node truly stands: the heights behind its tags."""

    head: int = 0
    safe: int = 0
    finalized: int = 0

    def behind(self, tag: str, blocks: int) -> int | None:
        """The height of a tag on a node that lags; None for what is no tag of a moving block."""
        height = {
            "latest": self.head,
            "pending": self.head,
            "safe": self.safe,
            "finalized": self.finalized,
        }.get(tag)
        return None if height is None else max(height - blocks, 0)


def needs_marks(fault: Fault) -> bool:
    """Whether a fault is counted from where the node truly stands."""
    return fault.kind in {"lag", "clamp_past_head"}


def before(fault: Fault, call: CallAsked, *, marks: Marks) -> bool:
    """Answer or rewrite a call in the node's place; whether it did.

    Args:
        fault: Concerns the call.
        call: Not answered yet.
        marks: Where the node stands, where ``needs_marks``.
    """
    visible = max(marks.head - fault.blocks, 0)
    match fault.kind:
        case "lag":
            return _lag(call, visible, fault.blocks, marks)
        case "clamp_past_head":
            return _clamp(call, visible)
        case "pruned_history":
            named = block_named(call)
            if named is None or named >= fault.blocks:
                return False
            _prune(fault, call)
        case "other_chain_id" if call.method == "eth_chainId":
            call.succeed(hex(fault.chain_id))
        case "other_chain_id":
            call.succeed(str(fault.chain_id))
        case "accept_then_drop":
            call.succeed("0x" + keccak(raw_transaction(call) or b"").hex())
        case "error_not_sent":
            call.refuse(*INTERNAL)
        case _:
            return False
    return True


def after(fault: Fault, call: CallAsked, *, marks: Marks, pick: Pick) -> bool:
    """Change the answer that the node gave; whether there was anything to change."""
    match fault.kind:
        case "lag":
            number = block_answered(call)
            if (
                call.method == "eth_getLogs"
                or number is None
                or number <= marks.head - fault.blocks
            ):
                return False
            call.succeed(None)
        case "pruned_history":
            number = block_answered(call)
            if call.method == "eth_getLogs" or number is None or number >= fault.blocks:
                return False
            _prune(fault, call)
        case "empty_answer":
            return _empty(call)
        case "error_after_accept" if call.result is not None:
            call.refuse(*INTERNAL)
        case "drop_one_log" | "duplicated_logs" | "reordered_logs":
            return _disturb(fault, call, pick)
        case _:
            return False
    return True


def spoilt(fault: Fault, answer: bytes, *, pick: Pick) -> bytes:
    """What arrives instead of a whole answer."""
    if fault.kind == "garbage":
        return GARBAGE[pick(len(GARBAGE))]
    return answer[: len(answer) // 2]


def _lag(call: CallAsked, visible: int, blocks: int, marks: Marks) -> bool:
    if call.method == "eth_blockNumber":
        call.succeed(hex(visible))
        return True
    if call.method == "eth_getLogs":
        low, high = _range(call.params[0])
        if max(low or 0, high or 0) > visible:
            call.refuse(*BEYOND_HEAD)
            return True
        return _clamp(call, visible)
    for place, value in enumerate(call.params):
        height = marks.behind(value, blocks) if isinstance(value, str) else None
        if height is not None:
            call.params[place] = hex(height)
            return True
    return False


def _clamp(call: CallAsked, visible: int) -> bool:
    """Let a range end at ``visible`` as if it had been asked so."""
    wanted = call.params[0]
    if "blockHash" in wanted:
        return False
    low, high = _range(wanted)
    if high is not None and high <= visible:
        return False
    if low is not None and low > visible:
        call.succeed([])
    else:
        call.params[0] = {**wanted, "toBlock": hex(visible)}
    return True


def _range(wanted: dict[str, Any]) -> tuple[int | None, int | None]:
    return as_height(wanted.get("fromBlock")), as_height(wanted.get("toBlock"))


def _prune(fault: Fault, call: CallAsked) -> None:
    if fault.silently:
        call.succeed([] if call.method == "eth_getLogs" else None)
    else:
        call.refuse(*PRUNED)


def _empty(call: CallAsked) -> bool:
    if not call.result:
        return False
    call.succeed([] if isinstance(call.result, list) else None)
    return True


def _disturb(fault: Fault, call: CallAsked, pick: Pick) -> bool:
    """Drop, repeat or swap logs, in a list of them or inside receipts."""
    lists = _lists_of_logs(call)
    needed = 2 if fault.kind == "reordered_logs" else 1
    able = [logs for logs in lists if len(logs) >= needed]
    if not able:
        return False
    logs = able[pick(len(able))]
    place = pick(len(logs))
    if fault.kind == "drop_one_log":
        del logs[place]
    elif fault.kind == "duplicated_logs":
        logs.insert(place, logs[place])
    else:
        other = (place + 1) % len(logs)
        logs[place], logs[other] = logs[other], logs[place]
    return True


def _lists_of_logs(call: CallAsked) -> list[list[Any]]:
    result = call.result
    if call.method == "eth_getLogs":
        return [result] if isinstance(result, list) else []
    receipts = result if isinstance(result, list) else [result]
    return [one["logs"] for one in receipts if isinstance(one, dict) and "logs" in one]
