"""What a node means when it refuses a call. Pure.

Providers agree on no code and on few words, so both are read (``refusal_words``). Codes: JSON-RPC
2.0, EIP-1474, ethereum/execution-apis #875 (a range past the head is -32602), EIP-4444 (4444).
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import assert_never

from indexer.chain.observer import Outcome
from indexer.chain.refusal_words import (
    BACKOFF,
    BATCH_WORDS,
    BEYOND_WORDS,
    CAP_BLOCKS,
    CAP_CALLS,
    CAP_LOGS,
    NOT_A_RANGE,
    PRUNED_WORDS,
    RATE_CODES,
    RATE_WORDS,
    SUGGESTED,
    WIDE_WORDS,
)
from indexer.errors import RpcError

HTTP_TOO_LARGE = 413
HTTP_TOO_MANY_REQUESTS = 429
_SPOKEN = frozenset({200, 400})
"""Statuses under which an error is about the request; others are about our account."""
_INVALID_REQUEST = -32600
_INVALID_PARAMS = -32602
_LIMIT_EXCEEDED = -32005
_PRUNED = 4444
_REVERTED = 3


@dataclass(frozen=True, slots=True)
class TooWide:
    """A logs range holds too many blocks or logs, or took too long: ask for less."""

    suggested: tuple[int, int] | None = None
    """First and last block that the node says would do; some suggest what they just refused."""
    cap_blocks: int | None = None
    """Most blocks the node accepts."""
    cap_logs: int | None = None
    """Most logs the node returns."""


@dataclass(frozen=True, slots=True)
class RateLimited:
    """Too many calls for this account: the same call later is fine."""

    retry_after_s: float | None = None
    """Seconds to wait, where the node says it."""


@dataclass(frozen=True, slots=True)
class PrunedHistory:
    """The node no longer has these blocks, or the state at them; another may."""


@dataclass(frozen=True, slots=True)
class BeyondHead:
    """The range ends past this node's head: it lags, or the chain is not there yet."""


@dataclass(frozen=True, slots=True)
class BatchRefused:
    """The node takes no batch, or none of this many calls."""

    cap_calls: int | None = None
    """Most calls in one request, where the node says it."""


@dataclass(frozen=True, slots=True)
class OtherRefusal:
    """Anything else: a revert, a bad transaction, an unknown method."""


Refusal = TooWide | RateLimited | PrunedHistory | BeyondHead | BatchRefused | OtherRefusal


def classify(
    code: int, message: str, *, http_status: int = 200, retry_after_s: float | None = None
) -> Refusal:
    """Say what a refusal means.

    Args:
        code: JSON-RPC error code; 0 when there is only an HTTP status.
        message: The node's own words.
        http_status: Status of the answer that carried it.
        retry_after_s: The answer's ``Retry-After``.
    """
    words = message.lower().replace("eth_getlogs", "")
    if code == _REVERTED or "execution reverted" in words:
        return OtherRefusal()  # what follows are the words of a contract
    if http_status == HTTP_TOO_MANY_REQUESTS or code in RATE_CODES or _has(words, RATE_WORDS):
        return RateLimited(retry_after_s if retry_after_s is not None else _backoff(words))
    if code == _PRUNED or _has(words, PRUNED_WORDS):
        return PrunedHistory()
    if _has(words, BEYOND_WORDS):
        return BeyondHead()
    if _has(words, BATCH_WORDS):
        return BatchRefused(_first(CAP_CALLS, words))
    return _too_wide(words) if _is_too_wide(code, words, http_status) else OtherRefusal()


def _too_wide(words: str) -> TooWide:
    bare = _without_ranges(words)
    cap_logs = _first(CAP_LOGS, bare)
    cap_blocks = None if cap_logs is not None else _first(CAP_BLOCKS, bare)
    return TooWide(_suggested(words), cap_blocks, cap_logs)


def refuses_batches(code: int, message: str, *, http_status: int = 200) -> BatchRefused | None:
    """Read an error that answers a whole batch: does it refuse batches as such, or their size?

    A bare "invalid request" does, for each call alone is a valid one.
    """
    refusal = classify(code, message, http_status=http_status)
    if isinstance(refusal, BatchRefused):
        return refusal
    if http_status == HTTP_TOO_LARGE and isinstance(refusal, OtherRefusal):
        return BatchRefused()
    told_to_us = http_status in _SPOKEN
    if told_to_us and code == _INVALID_REQUEST and isinstance(refusal, OtherRefusal):
        return BatchRefused(1)
    return None


def refusal_of(error: RpcError) -> Refusal:
    """Say what a node's refusal means."""
    return classify(error.code, error.message)


def outcome_of(refusal: Refusal) -> Outcome:
    """The kind of error that a refusal counts as."""
    match refusal:
        case TooWide():
            return "too_wide"
        case RateLimited():
            return "rate_limited"
        case PrunedHistory():
            return "pruned_history"
        case BeyondHead():
            return "beyond_head"
        case BatchRefused():
            return "batch_refused"
        case OtherRefusal():
            return "refused"
        case _:
            assert_never(refusal)


def _is_too_wide(code: int, words: str, http_status: int) -> bool:
    if _has(words, NOT_A_RANGE):
        return False
    return (
        _has(words, WIDE_WORDS)
        or code == _LIMIT_EXCEEDED
        or (code == _INVALID_PARAMS and "range" in words and "exceeds" in words)
        or (http_status == HTTP_TOO_LARGE and "logs" in words)
    )


def _has(words: str, signs: Iterable[str]) -> bool:
    return any(sign in words for sign in signs)


def _suggested(words: str) -> tuple[int, int] | None:
    for pattern in SUGGESTED:
        found = pattern.search(words)
        if found is not None:
            low, high = (int(text, 0) for text in found.groups())
            return (low, high) if low <= high else None
    return None


def _without_ranges(words: str) -> str:
    for pattern in SUGGESTED:
        words = pattern.sub("", words)
    return words


def _first(patterns: Iterable[re.Pattern[str]], words: str) -> int | None:
    """The first number that a pattern finds; ``10k`` and ``10,000`` are ten thousand."""
    for pattern in patterns:
        found = pattern.search(words)
        if found is not None:
            digits, thousand = found.groups()
            number = int(re.sub(r"[,_.]", "", digits)) * (1000 if thousand else 1)
            return number or None
    return None


def _backoff(words: str) -> float | None:
    found = BACKOFF.search(words)
    if found is None:
        return None
    amount, unit = found.groups()
    return float(amount) / 1000 if unit == "ms" else float(amount)
