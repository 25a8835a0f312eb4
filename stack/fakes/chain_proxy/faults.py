"""What can go wrong with a node's answers, to which of them it happens, and how often it did."""

import random
import threading
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal[
    "drop_one_log",
    "empty_answer",
    "lag",
    "mixed_forks",
    "http_429",
    "timeout",
    "pruned_history",
    "batch_refused",
    "clamp_past_head",
    "duplicated_logs",
    "reordered_logs",
    "truncated_json",
    "other_chain_id",
    "latency",
    "error_after_accept",
    "accept_then_drop",
    "error_not_sent",
    "garbage",
]
LOGS = ("eth_getLogs",)
SENDS = ("eth_sendRawTransaction",)
HISTORY = ("eth_getLogs", "eth_getBlockReceipts", "eth_call", "eth_getBalance", "eth_getCode")
METHODS: dict[Kind, tuple[str, ...] | None] = {
    "drop_one_log": LOGS,
    "empty_answer": LOGS,
    "lag": None,
    "mixed_forks": None,
    "http_429": None,
    "timeout": None,
    "pruned_history": HISTORY,
    "batch_refused": None,
    "clamp_past_head": LOGS,
    "duplicated_logs": LOGS,
    "reordered_logs": LOGS,
    "truncated_json": None,
    "other_chain_id": ("eth_chainId", "net_version"),
    "latency": None,
    "error_after_accept": SENDS,
    "accept_then_drop": SENDS,
    "error_not_sent": SENDS,
    "garbage": None,
}
"""Methods a fault concerns when it names none; None for all."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong. Give the fields that its kind reads; the others are ignored."""

    kind: Kind
    methods: tuple[str, ...] | None = None
    """Methods it concerns; None for those its kind is usual for (``METHODS``)."""
    probability: float = 1.0
    every: int = 1
    """Strikes each n-th request that it concerns."""
    times: int | None = None
    """Strikes at most so often."""
    blocks: int = 0
    """``lag``, ``clamp_past_head``: blocks behind the head. ``pruned_history``: the first kept."""
    seconds: float = 0.0
    """``http_429``: its Retry-After; ``timeout``, ``latency``: how long it holds the request."""
    target_url: str = ""
    """``mixed_forks``: the node that answers instead."""
    chain_id: int = 0
    """``other_chain_id``: what it claims to be."""
    silently: bool = False
    """``pruned_history``: answer nothing instead of an error."""

    def concerns(self, method: str) -> bool:
        """Whether a method is one of those it may strike."""
        methods = METHODS[self.kind] if self.methods is None else self.methods
        return methods is None or method in methods


@dataclass(slots=True)
class _Active:
    fault: Fault
    concerned: int = 0
    struck: int = 0


@dataclass(slots=True)
class Faults:
    """The faults of one proxy, and what they did. Safe to change while it serves."""

    seed: int = 0
    struck: Counter[Kind] = field(default_factory=Counter)
    """How often each kind struck a request."""
    requests: Counter[str] = field(default_factory=Counter)
    """Calls by method, those in batches included."""
    http_requests: int = 0
    """Requests, a batch being one."""
    _active: list[_Active] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _random: random.Random = field(init=False)

    def __post_init__(self) -> None:
        """Make the series of strikes repeatable."""
        self._random = random.Random(self.seed)  # noqa: S311 - chooses faults, guards nothing

    def add(self, fault: Fault) -> Fault:
        """Let it go wrong from now on."""
        with self._lock:
            self._active.append(_Active(fault))
        return fault

    def remove(self, fault: Fault) -> None:
        """Let it go right again."""
        with self._lock:
            self._active = [one for one in self._active if one.fault is not fault]

    def clear(self) -> None:
        """Let everything go right again; the counts stay."""
        with self._lock:
            self._active.clear()

    def choose(self, methods: Iterable[str]) -> list[Fault]:
        """Count a request with these methods, and choose the faults that may strike it.

        ``note`` counts those that did: some find nothing to change.
        """
        asked = list(methods)
        with self._lock:
            self.http_requests += 1
            self.requests.update(asked)
            return [
                one.fault
                for one in self._active
                if any(map(one.fault.concerns, asked)) and self._strikes(one)
            ]

    def note(self, fault: Fault) -> None:
        """Count that a fault struck."""
        with self._lock:
            self.struck[fault.kind] += 1
            for one in self._active:
                if one.fault is fault:
                    one.struck += 1

    def pick(self, count: int) -> int:
        """A random place below ``count``."""
        with self._lock:
            return self._random.randrange(count)

    def _strikes(self, one: _Active) -> bool:
        one.concerned += 1
        fault = one.fault
        if fault.times is not None and one.struck >= fault.times:
            return False
        if one.concerned % fault.every:
            return False
        return fault.probability >= 1 or self._random.random() < fault.probability
