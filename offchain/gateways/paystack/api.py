"""Calls to Paystack and its envelope ``{status, message, data, meta}``."""

from collections.abc import Iterator, Mapping
from typing import Any

import httpx

from offchain.gateways.calling import Call, Caller, Params, Reply
from offchain.gateways.errors import GatewayRefused, GatewayUnavailable
from offchain.gateways.paystack.wire import NAME, error_code, is_unknown

PAGE = 100
PAGES_MAX = 1000


class Api:
    """One integration's calls. Safe to share between threads."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def find(self, path: str) -> Mapping[str, Any] | None:
        """Read one thing; None when Paystack knows none there."""
        reply = self._get(path)
        return None if _is_refusal(reply) and is_unknown(reply.body) else data_of(reply)

    def rows(self, path: str, filters: Params) -> Iterator[Mapping[str, Any]]:
        """Every row of a list; one that grows meanwhile shows a row twice, and misses none."""
        for page in range(1, PAGES_MAX + 1):
            reply = self._get(path, {**filters, "perPage": PAGE, "page": page})
            if reply.status == httpx.codes.NOT_FOUND and is_unknown(reply.body):
                return  # some lists say so when they are empty
            rows = _member(reply)
            if not isinstance(rows, list):
                raise GatewayUnavailable(f"{NAME} answered {path} without a list")
            yield from (row for row in rows if isinstance(row, Mapping))
            if len(rows) < PAGE:
                return
        raise GatewayUnavailable(f"{NAME} lists too much under {path} to look through")

    def post(self, path: str, body: Mapping[str, Any], *, is_repeatable: bool) -> Reply:
        """Send a write.

        Args:
            path: Where to.
            body: What.
            is_repeatable: Whether Paystack recognizes it when it comes twice.
        """
        return self._caller.call(Call("POST", path, json=body, is_repeatable=is_repeatable))

    def close(self) -> None:
        """Close the connections."""
        self._caller.close()

    def _get(self, path: str, params: Params | None = None) -> Reply:
        return self._caller.call(Call("GET", path, params=params))


def data_of(reply: Reply) -> Mapping[str, Any]:
    """The ``data`` of a successful answer; empty when there is none.

    Raises:
        GatewayRefused: It is not a success.
    """
    found = _member(reply)
    return found if isinstance(found, Mapping) else {}


def _member(reply: Reply) -> object:
    """Whatever ``data`` holds."""
    if _is_refusal(reply):
        raise GatewayRefused(NAME, reply.status, error_code(reply.body))
    return reply.body.get("data") if isinstance(reply.body, Mapping) else None


def _is_refusal(reply: Reply) -> bool:
    """Whether Paystack said no; ``status: false`` does so under any HTTP status."""
    says_no = isinstance(reply.body, Mapping) and reply.body.get("status") is False
    return says_no or not reply.is_success
