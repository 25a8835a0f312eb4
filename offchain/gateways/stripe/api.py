"""Reads, lists and writes as Stripe answers them.

What a lost or doubtful answer of a write means follows from Stripe's idempotency (API v1):

- The first answer whose execution began is stored under the key, for a day at least, **also a
  500**. Repeating finds out what happened after a lost answer, but not after a stored 500: that
  one comes back unchanged, whether or not its effect took place. Only a list can tell.
- A refused parameter, a 429 and a 409 are not stored: the same key may be used again.
- 409: a call with this key is at work this very moment. Ours is not executed, but that one may be.
- ``idempotency_error`` with 400: an earlier call with this key was executed with other parameters.
- After the key was forgotten the same call would be executed a second time.

Hence ``OutcomeUnknown`` means: look it up. Writes that move money look for themselves first
(``Stripe.refund``, ``Stripe.transfer``), so that repeating them stays safe after a day, and
succeeds then although a 500 stands in the way until that day is over.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import httpx

from offchain.gateways.calling import Call, Caller
from offchain.gateways.errors import GatewayRefused, GatewayUnavailable, OutcomeUnknown
from offchain.gateways.reading import mapping
from offchain.gateways.stripe.wire import NAME, error_code, form, is_key_taken

BASE_PATH = "/v1"
PAGE = 100


class KeyTaken(OutcomeUnknown):
    """Another call with this idempotency key was or is being executed; ours was not."""


class Api:
    """One account's API. Safe to share between threads."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def read(self, path: str) -> Mapping[str, Any] | None:
        """One object; None when Stripe does not know it.

        Raises:
            GatewayUnavailable: There was no usable answer.
            GatewayRefused: Stripe said no.
        """
        reply = self._caller.call(Call("GET", BASE_PATH + path))
        if reply.status == httpx.codes.NOT_FOUND:
            return None
        if not reply.is_success:
            raise GatewayRefused(NAME, reply.status, error_code(reply.body))
        return mapping(reply.body)

    def rows(
        self, path: str, fields: Mapping[str, Any], *, pages_max: int
    ) -> Iterator[Mapping[str, Any]]:
        """A list, newest first, page after page.

        Raises:
            GatewayUnavailable: There was no usable answer, or there are more pages than that: what
                was yielded is true but not all.
            GatewayRefused: Stripe said no.
        """
        cursor: str | None = None
        for _ in range(pages_max):
            params = form({**fields, "limit": PAGE, "starting_after": cursor})
            reply = self._caller.call(Call("GET", BASE_PATH + path, params=params))
            if not reply.is_success:
                raise GatewayRefused(NAME, reply.status, error_code(reply.body))
            page = mapping(reply.body)
            data = page.get("data")
            if not isinstance(data, list):  # no list at all is not an empty one
                raise GatewayUnavailable(f"{NAME} answered {path} without a list")
            rows = [mapping(row) for row in data]
            yield from rows
            if page.get("has_more") is not True:
                return
            cursor = str(rows[-1].get("id")) if rows else None
            if cursor is None:
                raise GatewayUnavailable(f"{NAME} says that {path} goes on after an empty page")
        raise GatewayUnavailable(f"{NAME} lists more of {path} than is read at once")

    def write(self, path: str, fields: Mapping[str, Any], *, key: str | None) -> Mapping[str, Any]:
        """Write with an idempotency key; without one only what may be done twice.

        Raises:
            GatewayUnavailable: Nothing was done.
            OutcomeUnknown: It may have been done (see above).
            GatewayRefused: Stripe said no; nothing was done.
        """
        call = Call("POST", BASE_PATH + path, form=form(fields), key=key, is_repeatable=key is None)
        reply = self._caller.call(call)
        if is_key_taken(reply.status, reply.body):
            raise KeyTaken(f"{NAME} POST {path}: {error_code(reply.body)}")
        if not reply.is_success:
            raise GatewayRefused(NAME, reply.status, error_code(reply.body))
        return mapping(reply.body)

    def close(self) -> None:
        """Close its connections."""
        self._caller.close()
