"""When a call is repeated, and what it ends in when no usable answer comes."""

from contextlib import suppress

import httpx
import pytest

from indexer.errors import ConfigurationError
from offchain.gateways.calling import TRIES, Call, FixedKey
from offchain.gateways.errors import GatewayUnavailable, OutcomeUnknown
from offchain.gateways.pacing import FAILURES_UNTIL_OPEN
from tests.support.gateway_http import Answer, Clock, Server, Tokens, make_caller, refusal

READ = Call("GET", "/things")
KEYED = Call("POST", "/things", json={"a": 1}, key="k-1")
NAMED = Call("POST", "/things", json={"a": 1}, is_repeatable=True)
BARE = Call("POST", "/things", json={"a": 1})
OK = httpx.Response(200, json={"ok": True})


@pytest.fixture(autouse=True)
def _standing_breaker(monkeypatch: pytest.MonkeyPatch) -> None:
    """The breaker's clock stands: only counting opens it."""
    monkeypatch.setattr("circuitbreaker.monotonic", lambda: 0.0)


@pytest.mark.parametrize("status", [200, 201, 400, 404, 409, 410, 422])
def test_call_gives_back_at_once_what_is_said_about_the_request(status: int) -> None:
    server = Server(httpx.Response(status, json={"n": 1}))
    reply = make_caller(server).call(KEYED)
    assert (reply.status, reply.body, reply.is_success) == (status, {"n": 1}, status < 300)
    assert len(server.requests) == 1


def test_call_sends_its_key_its_body_and_the_credentials() -> None:
    server = Server(OK)
    make_caller(server).call(KEYED)
    (request,) = server.requests
    assert request.headers["Idempotency-Key"] == "k-1"
    assert request.headers["Authorization"] == "Bearer sk"
    assert request.headers["Oak-Version"] == "1"
    assert request.content == b'{"a":1}'


@pytest.mark.parametrize("call", [READ, KEYED, NAMED])
@pytest.mark.parametrize(
    "trouble",
    [
        refusal(408),
        refusal(429),
        refusal(500),
        refusal(502),
        refusal(503),
        refusal(504),
        httpx.Response(200, text="{"),
        httpx.Response(404, text="<html>not the gateway</html>"),
        httpx.Response(302, headers={"Location": "/login"}),
        httpx.ReadTimeout("slow"),
        httpx.RemoteProtocolError("closed"),
        httpx.ConnectError("down"),
    ],
    ids=repr,
)
def test_call_is_repeated_when_doing_it_twice_is_safe(call: Call, trouble: Answer) -> None:
    server = Server(trouble, trouble, OK)
    assert make_caller(server).call(call).is_success
    assert len(server.requests) == 3
    assert set(server.headers("Idempotency-Key")) == {call.key}


@pytest.mark.parametrize(
    "trouble", [refusal(503), httpx.ReadTimeout("slow"), httpx.ConnectError("down"), refusal(429)]
)
def test_call_is_tried_once_when_doing_it_twice_might_do_it_twice(trouble: Answer) -> None:
    server = Server(trouble, OK)
    with pytest.raises((GatewayUnavailable, OutcomeUnknown)):
        make_caller(server).call(BARE)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("troubles", "ends_in"),
    [
        ([httpx.ConnectError("down")], GatewayUnavailable),
        ([httpx.ConnectTimeout("down")], GatewayUnavailable),
        ([httpx.PoolTimeout("busy")], GatewayUnavailable),
        ([refusal(429)], GatewayUnavailable),
        ([refusal(401)], GatewayUnavailable),
        ([refusal(403)], GatewayUnavailable),
        ([httpx.ReadTimeout("slow")], OutcomeUnknown),
        ([httpx.WriteError("broken")], OutcomeUnknown),
        ([refusal(500)], OutcomeUnknown),
        ([refusal(408)], OutcomeUnknown),
        ([httpx.Response(201, text="{")], OutcomeUnknown),
        ([httpx.Response(302)], OutcomeUnknown),
        # One try that may have worked is enough, whatever came after it.
        ([httpx.ReadTimeout("slow"), httpx.ConnectError("down")], OutcomeUnknown),
        ([refusal(502), refusal(429)], OutcomeUnknown),
        ([httpx.ReadTimeout("slow"), refusal(403)], OutcomeUnknown),
        ([httpx.ConnectError("down"), httpx.ReadTimeout("slow")], OutcomeUnknown),
    ],
    ids=repr,
)
def test_write_ends_unknown_when_any_try_of_it_may_have_worked(
    troubles: list[Answer], ends_in: type[Exception]
) -> None:
    with pytest.raises(ends_in) as error:
        make_caller(Server(*troubles)).call(KEYED)
    assert type(error.value) is ends_in


@pytest.mark.parametrize("trouble", [refusal(500), httpx.ReadTimeout("slow"), refusal(429)])
def test_read_is_only_unavailable_whatever_happened(trouble: Answer) -> None:
    server = Server(trouble)
    with pytest.raises(GatewayUnavailable):
        make_caller(server).call(READ)
    assert len(server.requests) == TRIES


def test_error_names_the_call_and_no_secret() -> None:
    with pytest.raises(OutcomeUnknown, match=r"gateway POST /things: HTTP 500") as error:
        make_caller(Server(refusal(500)), authorization=FixedKey("sk_hush")).call(KEYED)
    assert "sk_hush" not in str(error.value)


def test_pauses_grow_between_tries_and_differ() -> None:
    clock = Clock()
    with pytest.raises(GatewayUnavailable):
        make_caller(Server(refusal(500)), clock=clock).call(READ)
    first, second = clock.pauses
    assert 0.16 <= first <= 0.24
    assert 0.32 <= second <= 0.48


@pytest.mark.parametrize("status", [429, 503])
def test_call_waits_as_long_as_it_is_told_to_before_the_next_try(status: int) -> None:
    clock = Clock()
    server = Server(refusal(status, **{"Retry-After": "3"}), OK)
    assert make_caller(server, clock=clock).call(READ).is_success
    assert sum(clock.pauses) == pytest.approx(3, abs=0.01)


def test_call_gives_up_at_once_when_it_is_told_to_wait_too_long() -> None:
    clock = Clock()
    server = Server(refusal(429, **{"Retry-After": "60"}), OK)
    caller = make_caller(server, clock=clock)
    with pytest.raises(GatewayUnavailable, match="quiet"):
        caller.call(KEYED)
    with pytest.raises(GatewayUnavailable, match="quiet"):
        caller.call(READ)
    assert len(server.requests) == 1
    clock.now += 60
    assert caller.call(READ).is_success


def test_success_that_says_retry_after_silences_nobody() -> None:
    clock = Clock()
    server = Server(httpx.Response(200, json={}, headers={"Retry-After": "60"}))
    caller = make_caller(server, clock=clock)
    caller.call(READ)
    assert caller.call(READ).is_success
    assert clock.pauses == []


def test_call_is_replayed_once_with_a_new_token_when_the_old_one_is_refused() -> None:
    server = Server(refusal(401), OK)
    assert make_caller(server, authorization=Tokens()).call(BARE).is_success
    assert server.headers("Authorization") == ["Bearer 1", "Bearer 2"]


def test_call_is_replayed_no_second_time_when_the_new_token_is_refused_too() -> None:
    server = Server(refusal(401))
    with pytest.raises(GatewayUnavailable, match="valid credentials"):
        make_caller(server, authorization=Tokens()).call(KEYED)
    assert len(server.requests) == 2


def test_call_is_not_replayed_when_no_other_key_can_be_had() -> None:
    server = Server(refusal(401))
    with pytest.raises(GatewayUnavailable):
        make_caller(server).call(KEYED)
    assert len(server.requests) == 1


def test_wrong_credentials_stop_the_call_unless_a_try_may_have_worked_before() -> None:
    tokens = Tokens(ConfigurationError("CROWDSPLIT_CLIENT_ID"))
    with pytest.raises(ConfigurationError):
        make_caller(Server(OK), authorization=tokens).call(KEYED)
    tokens = Tokens()

    def lose_the_reply_and_the_merchant(_request: httpx.Request) -> httpx.Response:
        tokens.error = ConfigurationError("CROWDSPLIT_CLIENT_ID")
        raise httpx.ReadTimeout("slow")

    with pytest.raises(OutcomeUnknown):
        make_caller(lose_the_reply_and_the_merchant, authorization=tokens).call(KEYED)


def test_breaker_leaves_a_gateway_alone_that_gave_no_usable_answer_for_long() -> None:
    server = Server(refusal(503))
    caller = make_caller(server)
    for _ in range(FAILURES_UNTIL_OPEN):
        with pytest.raises(GatewayUnavailable):
            caller.call(READ)
    assert len(server.requests) == FAILURES_UNTIL_OPEN
    # A write is not sent either, and so it surely did not happen.
    with pytest.raises(GatewayUnavailable, match="is down"):
        caller.call(KEYED)


def test_breaker_asks_for_no_token_when_the_gateway_is_down() -> None:
    tokens = Tokens()
    caller = make_caller(Server(refusal(503)), authorization=tokens)
    for _ in range(FAILURES_UNTIL_OPEN):
        with pytest.raises(GatewayUnavailable):
            caller.call(READ)
    tokens.error = AssertionError("asked for a token")
    with pytest.raises(GatewayUnavailable, match="is down"):
        caller.call(READ)


@pytest.mark.parametrize("status", [400, 401, 404, 422, 429])
def test_breaker_stays_closed_when_the_gateway_answers_at_all(status: int) -> None:
    server = Server(refusal(status))
    caller = make_caller(server)
    for _ in range(FAILURES_UNTIL_OPEN + 1):
        with suppress(GatewayUnavailable):
            caller.call(BARE)
    assert len(server.requests) == FAILURES_UNTIL_OPEN + 1
