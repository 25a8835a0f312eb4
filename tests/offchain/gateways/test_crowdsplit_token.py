"""One grant in flight, kept five minutes at most, renewed when refused."""

import threading
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import httpx
import pytest
from pydantic import SecretStr

from indexer.errors import ConfigurationError
from offchain.gateways.crowdsplit.token import (
    FAILURE_KEPT_S,
    BearerToken,
    Credentials,
    token_life_s,
)
from offchain.gateways.errors import GatewayUnavailable
from offchain.gateways.pacing import FAILURES_UNTIL_OPEN, Pace
from tests.support.crowdsplit import FakeCrowdSplit, new_payment
from tests.support.waiting import eventually

THREADS = 8


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def bearer(
    answer: Callable[[httpx.Request], httpx.Response],
    clock: Callable[[], float] | None = None,
    pace: Pace | None = None,
) -> BearerToken:
    client = httpx.Client(transport=httpx.MockTransport(answer), base_url="http://gateway")
    credentials = Credentials("id", SecretStr("secret"))
    return BearerToken(client, credentials, pace, monotonic=clock or Clock())


class Grants:
    """Grants numbered tokens, and can hold one back."""

    def __init__(self, status: int = 200) -> None:
        self.status = status
        self.count = 0
        self.may_answer = threading.Event()
        self.may_answer.set()

    def __call__(self, _request: httpx.Request) -> httpx.Response:
        self.count += 1
        number = self.count
        assert self.may_answer.wait(10)
        return httpx.Response(
            self.status, json={"access_token": f"tok-{number}", "expires_in": 3600}
        )


def test_header_is_kept_until_a_minute_before_five_are_over() -> None:
    grants, clock = Grants(), Clock()
    token = bearer(grants, clock)
    assert token.header() == "Bearer tok-1"
    clock.now += 239
    assert token.header() == "Bearer tok-1"
    clock.now += 1
    assert token.header() == "Bearer tok-2"


def together(token: BearerToken, grants: Grants) -> list[str | Exception]:
    """Ask for the header from many threads while the first grant is in flight."""
    grants.may_answer.clear()

    def ask() -> str | Exception:
        try:
            return token.header()
        except GatewayUnavailable as error:
            return error

    def all_wait() -> bool:
        grant = token._granting
        waiting: list[object] = getattr(grant, "_condition")._waiters if grant else []  # noqa: B009
        return len(waiting) == THREADS - 1

    with ThreadPoolExecutor(THREADS) as pool:
        asked = [pool.submit(ask) for _ in range(THREADS)]
        eventually(all_wait)
        grants.may_answer.set()
        return [future.result(10) for future in asked]


def test_header_is_granted_once_when_many_ask_together() -> None:
    grants = Grants()
    assert together(bearer(grants), grants) == ["Bearer tok-1"] * THREADS
    assert grants.count == 1


def test_header_is_asked_for_again_some_seconds_after_a_grant_failed_for_all_who_came() -> None:
    grants, clock = Grants(status=503), Clock()
    token = bearer(grants, clock)
    answers = together(token, grants)
    assert all(isinstance(answer, GatewayUnavailable) for answer in answers)
    grants.status = 200
    for _ in range(2):  # who comes a moment later shares the failure too
        with pytest.raises(GatewayUnavailable, match="HTTP 503"):
            token.header()
    assert grants.count == 1
    clock.now += FAILURE_KEPT_S
    assert token.header() == "Bearer tok-2"


def test_grant_silences_all_calls_when_it_is_told_to_wait() -> None:
    pace = Pace("gateway", calls_per_s=100)
    token = bearer(lambda _request: httpx.Response(429, headers={"Retry-After": "60"}), pace=pace)
    with pytest.raises(GatewayUnavailable, match="HTTP 429"):
        token.header()
    with pytest.raises(GatewayUnavailable, match="quiet"), pace.turn():
        pass


def test_grant_is_not_sent_when_the_gateway_asked_for_quiet() -> None:
    grants, pace = Grants(), Pace("gateway", calls_per_s=100)
    pace.keep_quiet(60)
    with pytest.raises(GatewayUnavailable, match="quiet"):
        bearer(grants, pace=pace).header()
    assert grants.count == 0


def test_grants_open_the_breaker_when_they_have_failed_for_long() -> None:
    grants, clock, pace = Grants(status=503), Clock(), Pace("gateway", calls_per_s=100)
    token = bearer(grants, clock, pace)
    for _ in range(FAILURES_UNTIL_OPEN):
        with pytest.raises(GatewayUnavailable):
            token.header()
        clock.now += FAILURE_KEPT_S
    with pytest.raises(GatewayUnavailable, match="is down"):
        pace.refuse_if_down()


def test_renew_gives_a_token_up_once_however_many_threads_saw_it_refused() -> None:
    grants = Grants()
    token = bearer(grants)
    first = token.header()
    assert token.renew(first)
    second = token.header()
    assert token.renew(first)  # a thread that is late: its token is gone already
    assert token.header() == second != first


@pytest.mark.parametrize("status", [401, 403, 404, 422])
def test_header_names_the_setting_when_the_merchant_is_unknown(status: int) -> None:
    token = bearer(lambda _request: httpx.Response(status, json={"msg": "merchant not found"}))
    with pytest.raises(ConfigurationError, match="CROWDSPLIT_CLIENT_SECRET"):
        token.header()


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(500, json={}),
        httpx.Response(200, text="<html>"),
        httpx.Response(200, json=[]),
        httpx.Response(200, json={"access_token": 5}),
    ],
)
def test_header_is_unavailable_when_the_grant_is_unusable(answer: httpx.Response) -> None:
    with pytest.raises(GatewayUnavailable):
        bearer(lambda _request: answer).header()


@pytest.mark.parametrize(
    ("token", "expires_in", "life_s"),
    [
        ("opaque", 3600, 300),
        ("opaque", 120, 120),
        ("opaque", 3_600_000, 300),
        ("opaque", 90_000, 90),
        ("opaque", None, 300),
        ("opaque", -5, 300),
        ("opaque", 10**400, 300),
        # {"exp": 1767225700} unsigned: its own expiry wins over expires_in
        ("e30.eyJleHAiOjE3NjcyMjU3MDB9.x", 3600, 100),
        ("e30.eyJleHAiOjE3NjcyMjU1MDB9.x", 3600, 0),
    ],
)
def test_token_life_s_is_capped_when(token: str, expires_in: int | None, life_s: float) -> None:
    now = datetime.fromtimestamp(1767225600, UTC)
    assert token_life_s(token, expires_in, now=now) == life_s


def test_calls_share_one_grant_when_they_start_together(crowdsplit: FakeCrowdSplit) -> None:
    gateway, before = crowdsplit.adapter(), crowdsplit.grants()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: gateway.read_payment(str(uuid.uuid4())), range(8)))
    assert crowdsplit.grants() == before + 1


def test_calls_take_a_new_token_once_when_theirs_is_refused(crowdsplit: FakeCrowdSplit) -> None:
    gateway = crowdsplit.adapter()
    created = gateway.create_payment(new_payment())
    crowdsplit.control("/tokens/forget")
    before = crowdsplit.grants()
    assert gateway.read_payment(created.provider_payment_id) is not None
    assert crowdsplit.grants() == before + 1


def test_calls_name_the_setting_when_the_merchant_is_unknown(crowdsplit: FakeCrowdSplit) -> None:
    with pytest.raises(ConfigurationError, match="CROWDSPLIT_CLIENT_SECRET") as error:
        crowdsplit.adapter(client_secret="wrong").read_payment(str(uuid.uuid4()))
    assert "wrong" not in str(error.value)


def test_calls_go_through_when_expires_in_counts_milliseconds(crowdsplit: FakeCrowdSplit) -> None:
    crowdsplit.control("/switches", expires_in="ms")
    assert crowdsplit.adapter().create_payment(new_payment()).effect == "awaiting"
