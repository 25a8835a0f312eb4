"""One JSON-RPC node over HTTP: requests, batches, its budget, and what counts as an answer."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from time import perf_counter

import httpx
import msgspec

from indexer.chain.answers import (
    Answer,
    Call,
    ErrorBody,
    in_order,
    is_single,
    methods_of,
    read_many,
    read_one,
    revert_bytes,
    write_many,
    write_one,
)
from indexer.chain.limits import Budget
from indexer.chain.observer import UNOBSERVED, Outcome, RpcObserver
from indexer.chain.refusals import (
    HTTP_TOO_LARGE,
    BatchRefused,
    OtherRefusal,
    RateLimited,
    TooWide,
    classify,
    outcome_of,
    refuses_batches,
)
from indexer.chain.urls import HTTP, Redaction, public_url, url_fault
from indexer.errors import ConfigurationError, RpcError, RpcUnavailable

TIMEOUT = httpx.Timeout(15, connect=3)
HTTP_BAD_REQUEST = 400
"""The one HTTP error under which some providers put any JSON-RPC error meant for the caller; under
the others only what a refusal says in words is read, the rest is about our account there."""
_HTTP_NO_BATCHES = frozenset({400, 405, 413, 415, 422, 501})
"""Statuses with which gateways that know no batch, or none so large, turn one away."""
BATCH_CALLS_MAX = 200
"""Calls in one HTTP request until the node refuses them; go-ethereum takes 1,000 by default."""
_SHRINK = 4
REST_AWAITED_S = 10.0
"""Longest rest of the provider that a call waits for; it is refused at once while more is left."""


class NodeUnusable(RpcUnavailable):
    """One node gave no usable answer.

    Attributes:
        kind: What went wrong.
        retry_after_s: Seconds until the node may be asked again; None when it said nothing.
    """

    def __init__(self, message: str, kind: Outcome, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.kind: Outcome = kind
        self.retry_after_s = retry_after_s


class _BatchTooLarge(Exception):  # noqa: N818 - says what the node said
    def __init__(self, cap_calls: int | None) -> None:
        super().__init__()
        self.cap_calls = cap_calls


class Node:
    """One node behind one URL. Safe to share between threads."""

    def __init__(
        self,
        url: str,
        *,
        name: str | None = None,
        calls_per_s: float = 0.0,
        observer: RpcObserver = UNOBSERVED,
    ) -> None:
        """Open a keep-alive connection pool.

        Args:
            url: HTTP URL; credentials in it are used but never shown.
            name: What it is called; None names it by ``public_url``.
            calls_per_s: Budget the provider grants; 0 for any.
            observer: Told of every request.

        Raises:
            ConfigurationError: The URL is malformed; shows nothing of it.
        """
        fault = url_fault(url, HTTP)
        if fault is not None:
            raise ConfigurationError(f"a node's URL is malformed: {fault}")
        self._url = url
        self._redact = Redaction(url)
        self.name = public_url(url) if name is None else name
        self.budget = Budget(calls_per_s)
        self._observer = observer
        self._batch_calls_max = BATCH_CALLS_MAX
        # httpx asks for gzip by itself; logs shrink tenfold on the way.
        self._client = httpx.Client(timeout=TIMEOUT, headers={"Content-Type": "application/json"})

    def ask(self, method: str, *parameters: object) -> msgspec.Raw:
        """Make one call.

        Raises:
            RpcUnavailable: No usable answer.
            RpcError: The node refused.
        """
        (result,) = self._request([(method, parameters)], is_batch=False)
        return result

    def ask_many(self, calls: Sequence[Call]) -> list[msgspec.Raw]:
        """Make several calls in as few requests as the node takes; answers in order of the calls.

        A refused batch is cut, down to single calls, and what the node takes is remembered.

        Raises:
            RpcUnavailable: No usable answer, or some call has none.
            RpcError: The node refused one of them.
        """
        results: list[msgspec.Raw] = []
        while len(results) < len(calls):
            part = calls[len(results) : len(results) + self._batch_calls_max]
            try:
                results += self._request(part, is_batch=len(part) > 1)
            except _BatchTooLarge as refusal:
                cap = refusal.cap_calls
                smaller = cap if cap is not None and cap < len(part) else len(part) // _SHRINK
                self._batch_calls_max = max(min(self._batch_calls_max, smaller), 1)
        return results

    def useless(self, reason: str, kind: Outcome, *, method: str = "answer") -> NodeUnusable:
        """The failure of an answer that came whole and turned out to be none; the observer is told.

        Args:
            reason: What is wrong with it.
            kind: What it counts as.
            method: What was asked.
        """
        self._observer.request(self.name, method, 0.0, kind)
        return NodeUnusable(f"{self.name} {self._redact(reason)}", kind)

    def close(self) -> None:
        """Close its connections; who waits for its budget gets ``RpcUnavailable``."""
        self.budget.close()
        self._client.close()

    def _request(self, calls: Sequence[Call], *, is_batch: bool) -> list[msgspec.Raw]:
        left_s = self.budget.resting_s
        if left_s > REST_AWAITED_S:
            raise NodeUnusable(
                f"{self.name} is asked too much", "rate_limited", retry_after_s=left_s
            )
        self.budget.take(len(calls))
        started = perf_counter()
        outcome: Outcome = "malformed"
        try:
            response = self._post(write_many(calls) if is_batch else write_one(calls[0]))
            if not response.is_success:
                self._refuse(response, calls, is_batch=is_batch)
            results = self._read(response.content, calls, is_batch=is_batch)
            outcome = "ok"
        except NodeUnusable as failure:
            outcome = failure.kind
            raise
        except RpcError as refusal:
            outcome = outcome_of(classify(refusal.code, refusal.message))
            raise
        except _BatchTooLarge:
            outcome = "batch_refused"
            raise
        finally:
            seconds = perf_counter() - started
            self._observer.request(self.name, methods_of(calls), seconds, outcome)
        self.budget.granted()
        return results

    def _post(self, body: bytes) -> httpx.Response:
        try:
            return self._client.post(self._url, content=body)
        except httpx.HTTPError as error:
            kind: Outcome = (
                "timed_out" if isinstance(error, httpx.TimeoutException) else "unreachable"
            )
            raise NodeUnusable(
                f"{self.name} did not answer: {type(error).__name__}", kind
            ) from error

    def _read(self, body: bytes, calls: Sequence[Call], *, is_batch: bool) -> list[msgspec.Raw]:
        try:
            if not is_batch:
                return [self._accept(read_one(body))]
            if is_single(body):
                self._refuse_batch(read_one(body), calls)
            answers = read_many(body)
            if answers and all(answer.error is not None for answer in answers):
                self._refuse_batch(answers[0], calls)
            return [self._accept(answer) for answer in in_order(answers, len(calls))]
        except (msgspec.DecodeError, UnicodeDecodeError, ValueError) as error:
            reason = self._redact(str(error))
            raise NodeUnusable(
                f"{self.name} answered no usable JSON-RPC: {reason}", "malformed"
            ) from error

    def _refuse_batch(self, answer: Answer, calls: Sequence[Call]) -> None:
        """Raise what one answer to a whole batch says.

        Raises:
            ValueError: It says nothing.
        """
        if answer.error is None:
            raise ValueError("a batch was answered with a single result")
        refusal = refuses_batches(answer.error.code, answer.error.message)
        if refusal is not None:
            raise _BatchTooLarge(refusal.cap_calls)
        meaning = classify(answer.error.code, answer.error.message)
        if isinstance(meaning, TooWide) and all(method != "eth_getLogs" for method, _ in calls):
            raise _BatchTooLarge(None)  # the answers together are too long, not a range of logs
        self._accept(answer)

    def _refuse(self, response: httpx.Response, calls: Sequence[Call], *, is_batch: bool) -> None:
        """Raise what an answer with an HTTP error status says."""
        status = response.status_code
        retry_after_s = _retry_after_s(response.headers.get("Retry-After"))
        error = _error_in(response.content)
        code, message = (0, "") if error is None else (error.code, error.message)
        meaning = classify(code, message, http_status=status, retry_after_s=retry_after_s)
        if isinstance(meaning, RateLimited):
            raise self._rest(meaning)
        asks_logs = any(method == "eth_getLogs" for method, _ in calls)
        if (
            status == HTTP_TOO_LARGE
            and isinstance(meaning, OtherRefusal)
            and (asks_logs or not is_batch)
        ):
            words = self._redact(f"response too large (HTTP {status}) {message}")
            raise RpcError(code, words.rstrip())
        if is_batch:
            refusal = refuses_batches(code, message, http_status=status)
            if refusal is None and error is None and status in _HTTP_NO_BATCHES:
                refusal = BatchRefused()
            if refusal is not None:
                raise _BatchTooLarge(refusal.cap_calls)
        if error is not None and (
            status == HTTP_BAD_REQUEST or not isinstance(meaning, OtherRefusal)
        ):
            raise RpcError(code, self._redact(message), revert_bytes(error.data))
        if retry_after_s is not None:  # 503 says it too
            self.budget.rest(retry_after_s)
        raise NodeUnusable(
            f"{self.name} answered HTTP {status}", "http_error", retry_after_s=retry_after_s
        )

    def _accept(self, answer: Answer) -> msgspec.Raw:
        error = answer.error
        if error is not None:
            meaning = classify(error.code, error.message)
            if isinstance(meaning, RateLimited):
                raise self._rest(meaning)
            raise RpcError(error.code, self._redact(error.message), revert_bytes(error.data))
        if len(answer.result) == 0:
            raise ValueError("neither a result nor an error")
        return answer.result

    def _rest(self, limit: RateLimited) -> NodeUnusable:
        seconds = self.budget.rest(limit.retry_after_s)
        return NodeUnusable(f"{self.name} is asked too much", "rate_limited", retry_after_s=seconds)


def _error_in(body: bytes) -> ErrorBody | None:
    """The JSON-RPC error that an HTTP error carries, if it carries one."""
    with suppress(msgspec.DecodeError):
        return (
            read_one(body).error
            if is_single(body)
            else next((one.error for one in read_many(body)), None)
        )
    return None


def _retry_after_s(text: str | None) -> float | None:
    """``Retry-After`` as seconds from now: a number, or a date (RFC 9110 §10.2.3)."""
    if text is None:
        return None
    with suppress(ValueError):
        return max(float(text), 0.0)
    with suppress(ValueError):
        when = parsedate_to_datetime(text)
        return max((when.astimezone(UTC) - datetime.now(UTC)).total_seconds(), 0.0)
    return None
