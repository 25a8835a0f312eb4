"""CrowdSplit's API below its base path: envelopes, refusals, lists page by page, in its dialect."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, TypeVar

import httpx

from offchain.gateways.calling import Call, Caller, Reply
from offchain.gateways.crowdsplit.token import BASE_PATH, NAME
from offchain.gateways.crowdsplit.wire import Dialect, error_code
from offchain.gateways.errors import GatewayRefused, GatewayUnavailable, OutcomeUnknown
from offchain.gateways.reading import mapping

READ_TRIES = 3
"""What was just created may not be readable at once."""
PAGE = 100
PAGES_MAX: Final = 20

Query = Mapping[str, str | int]
T = TypeVar("T")


class Api:
    """One merchant's API. Safe to share between threads."""

    def __init__(self, caller: Caller, dialect: Dialect) -> None:
        self.dialect = dialect
        self._caller = caller

    @property
    def keeps_keys(self) -> bool:
        """Whether it promises to do a write with an idempotency key once; gen 2 does not."""
        return self.dialect == "gen3"

    def get(self, path: str, params: Query | None = None) -> Reply:
        """Read."""
        return self._caller.call(Call("GET", BASE_PATH + path, params=params))

    def read(self, path: str) -> Mapping[str, Any] | None:
        """Read one thing; None when it stays unknown.

        Raises:
            GatewayRefused: It refuses for another reason.
        """
        for _ in range(READ_TRIES):
            reply = self.get(path)
            if reply.status != httpx.codes.NOT_FOUND:
                return data_of(reply)
        return None

    def post(self, path: str, body: Mapping[str, Any], *, key: str) -> Reply:
        """Write; repeated only where the gateway promises to do it once."""
        kept = key if self.keeps_keys else None
        return self._caller.call(Call("POST", BASE_PATH + path, json=body, key=kept))

    def delete(self, path: str) -> Reply:
        """Remove; doing it twice is the same."""
        return self._caller.call(Call("DELETE", BASE_PATH + path, is_repeatable=True))

    def close(self) -> None:
        """Close the connections."""
        self._caller.close()

    def rows(
        self,
        path: str,
        name: str,
        query: Query | None = None,
        *,
        pages_max: int = PAGES_MAX,
    ) -> Iterator[Mapping[str, Any]]:
        """Every row of a list, newest first, page by page as it is asked for.

        Raises:
            GatewayUnavailable: There are more pages than ``pages_max``.
        """
        at: dict[str, str | int] = {}
        for page in range(pages_max):
            reply = self.get(path, {**(query or {}), "limit": PAGE, **at})
            if reply.status == httpx.codes.NOT_FOUND:  # the sandbox answers an empty list so
                return
            rows = rows_of(reply, name)
            yield from rows
            if not _has_more(reply, len(rows)):
                return
            at = {"offset": (page + 1) * PAGE}
            if self.dialect == "gen3":
                at = {"starting_after": str(rows[-1].get("id"))}
        raise GatewayUnavailable(f"{NAME} lists too much in {path} to look through")


def _has_more(reply: Reply, count: int) -> bool:
    says = mapping(mapping(reply.body).get("data")).get("has_more")
    return count > 0 and (says if isinstance(says, bool) else count >= PAGE)


def rows_of(reply: Reply, name: str) -> list[Mapping[str, Any]]:
    """The rows of a list's answer, which stand in its envelope or bare.

    Raises:
        GatewayRefused: It is not a success.
    """
    if not reply.is_success:
        raise refusal(reply)
    data = mapping(reply.body).get("data")
    rows = data if isinstance(data, list) else mapping(data).get(name)
    return [row for row in rows if isinstance(row, Mapping)] if isinstance(rows, list) else []


def data_of(reply: Reply) -> Mapping[str, Any]:
    """The ``data`` member of a successful answer; empty when there is none.

    Raises:
        GatewayRefused: It is not a success.
    """
    if not reply.is_success:
        raise refusal(reply)
    return mapping(mapping(reply.body).get("data"))


def refusal(reply: Reply) -> GatewayRefused:
    """What a refused call ends in."""
    return GatewayRefused(NAME, reply.status, error_code(reply.body))


def made_before(look: Callable[[], T | None], refused: GatewayRefused) -> T:
    """What an earlier try made, whose key or money this one was refused for.

    Raises:
        OutcomeUnknown: An earlier try is still at work there, or it cannot be told.
        GatewayRefused: There was none: the refusal stands.
    """
    try:
        made = look()
    except (GatewayUnavailable, GatewayRefused) as error:
        raise OutcomeUnknown(f"{refused}; whether it was made before: {error}") from None
    if made is not None:
        return made
    if refused.status == httpx.codes.CONFLICT:
        raise OutcomeUnknown(f"{NAME} has this key but shows nothing of it yet")
    raise refused
