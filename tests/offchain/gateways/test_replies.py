"""Reading what a gateway answers: its JSON, and how long it wants to be left alone."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest

from offchain.gateways.calling import read_reply, retry_after_s

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("120", 120),
        (" 7 ", 7),
        ("Thu, 01 Jan 2026 00:00:30 GMT", 30),
        ("Thu, 01 Jan 2026 01:00:30 +0100", 30),
        ("Thu, 01 Jan 2026 00:00:30 -0000", 30),
        ("Wed, 31 Dec 2025 23:59:00 GMT", 0),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("²", None),
        ("Thu, 01 Jan 99999999999999999999 00:00:30 GMT", None),
        ("", None),
    ],
)
def test_retry_after_is_read_when_it_is(text: str, seconds: float | None) -> None:
    headers = [(b"Retry-After", text.encode())]
    assert retry_after_s(httpx.Response(429, headers=headers), now=NOW) == seconds


def test_retry_after_is_none_when_absent_and_by_our_clock_when_a_date() -> None:
    assert retry_after_s(httpx.Response(429)) is None
    soon = (datetime.now(UTC) + timedelta(seconds=30)).strftime("%a, %d %b %Y %H:%M:%S GMT")
    found = retry_after_s(httpx.Response(429, headers={"Retry-After": soon}))
    assert found is not None
    assert 0 < found <= 30


def test_reply_is_read_when_there_is_no_content_and_only_then_without_json() -> None:
    empty = read_reply(httpx.Response(204))
    assert empty is not None
    assert (empty.status, empty.body) == (204, None)
    assert read_reply(httpx.Response(200, text="")) is None
    assert read_reply(httpx.Response(400, text="no json")) is None
    assert read_reply(httpx.Response(302, json={})) is None
    assert read_reply(httpx.Response(200, text="[" * 100_000)) is None
