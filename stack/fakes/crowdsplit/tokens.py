"""The fake's bearer tokens: flat grants, bad credentials that are not found, odd units of time."""

import threading
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, Literal

from stack.fakes.clock import Clock
from stack.fakes.crowdsplit.words import Json, Refused, invalid, not_found, wrong_state

LIFE_S = 3600
Unit = Literal["s", "ms"]
"""What ``expires_in`` counts: documented as the one, exampled as the other."""


class Tokens:
    """Every token granted, until it expires by the fake's clock."""

    def __init__(
        self, clock: Clock, new_id: Callable[[], str], *, client_id: str, client_secret: str
    ) -> None:
        self._clock = clock
        self._new_id = new_id
        self._client = (client_id, client_secret)
        self._lock = threading.Lock()
        self._until: dict[str, float] = {}
        self._refreshing: set[str] = set()
        self.grants = 0

    def grant(self, body: Mapping[str, Any], unit: Unit) -> Json:
        """Grant a token; unknown merchants are not found, as at the real one."""
        if body.get("grant_type") != "client_credentials":
            raise invalid("grant_type must be client_credentials")
        given = (body.get("client_id"), body.get("client_secret"))
        if not all(isinstance(value, str) and value for value in given):
            raise invalid("client_id and client_secret are required")
        if given != self._client:
            raise not_found("merchant")
        access, refresh = self._make()
        return {
            "access_token": access,
            "token_type": "Bearer",
            "expires_in": LIFE_S if unit == "s" else LIFE_S * 1000,
            "refresh_token": refresh,
        }

    def refresh(self, body: Mapping[str, Any]) -> Json:
        """Exchange a refresh token, once; only here the words are camel-cased."""
        with self._lock:
            if body.get("refresh_token") not in self._refreshing:
                raise wrong_state("the refresh token is expired or invalid")
            self._refreshing.discard(str(body["refresh_token"]))
        access, refresh = self._make()
        return {"accessToken": access, "refreshToken": refresh}

    def check(self, authorization: str) -> None:
        """Let only live tokens pass."""
        expires = self._until.get(authorization.removeprefix("Bearer "), 0.0)
        if expires <= self._clock.now().timestamp():
            raise Refused(HTTPStatus.UNAUTHORIZED, "authentication_error", "token is not valid")

    def forget(self) -> None:
        """Make every token granted so far worthless."""
        with self._lock:
            self._until.clear()
            self._refreshing.clear()

    def _make(self) -> tuple[str, str]:
        access, refresh = f"tok-{self._new_id()}", f"ref-{self._new_id()}"
        with self._lock:
            self.grants += 1
            self._until[access] = self._clock.now().timestamp() + LIFE_S
            self._refreshing.add(refresh)
        return access, refresh
