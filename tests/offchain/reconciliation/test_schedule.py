"""When a payment is read again, by what is known of it."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offchain.payments.attempts import Attempt, attempt_of
from offchain.reconciliation.schedule import (
    PAID_WINDOW,
    UNMATCHED_PAUSE_MAX,
    next_read,
    unmatched_pause,
)
from offchain.tables import payment_attempts

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def made(age: timedelta, **columns: Any) -> Attempt:
    """An attempt of some age; whatever columns it has are null unless told."""
    row: dict[Any, Any] = dict.fromkeys(column.name for column in payment_attempts.c)
    row |= {
        "id": uuid.UUID(int=1),
        "amount_minor": 5000,
        "currency": "brl",
        "fiat_status": "awaiting",
        "chain_status": "none",
        "claim_status": "none",
        "created_at": NOW - age,
        **columns,
    }
    return attempt_of(cast("Any", row))  # it is read by name only


def gap(attempt: Attempt) -> timedelta | None:
    moment = next_read(attempt, now=NOW, poll_gap=MINUTE)
    return None if moment is None else moment - NOW


@pytest.mark.parametrize(
    ("age", "expected"),
    [
        (timedelta(0), MINUTE),
        (4 * MINUTE, MINUTE),
        (20 * MINUTE, 5 * MINUTE),
        (8 * HOUR, HOUR),
        (4 * DAY, DAY),
        (300 * DAY, DAY),
    ],
)
@pytest.mark.parametrize("fiat", ["created", "awaiting", "authorized"])
def test_next_read_of_an_open_payment_comes_after_a_quarter_of_its_age(
    fiat: str, age: timedelta, expected: timedelta
) -> None:
    assert gap(made(age, fiat_status=fiat)) == expected


def test_next_read_of_an_open_payment_is_no_later_than_its_expiry() -> None:
    assert gap(made(40 * MINUTE, expires_at=NOW + 3 * MINUTE)) == 3 * MINUTE
    assert gap(made(40 * MINUTE, expires_at=NOW)) == 10 * MINUTE


@pytest.mark.parametrize("fiat", ["failed", "expired", "canceled"])
def test_next_read_of_an_ended_payment_is_planned_for_three_days_past_its_expiry(
    fiat: str,
) -> None:
    late = made(6 * DAY, fiat_status=fiat, expires_at=NOW - 3 * DAY + MINUTE)
    assert gap(late) == HOUR
    assert gap(made(6 * DAY, fiat_status=fiat, expires_at=NOW - 3 * DAY)) is None
    assert gap(made(3 * DAY, fiat_status=fiat)) is None


@pytest.mark.parametrize("fiat", ["captured", "late_paid", "mismatch", "returned"])
def test_next_read_of_a_paid_payment_comes_after_twice_its_age_for_two_weeks(fiat: str) -> None:
    def paid(ago: timedelta) -> timedelta | None:
        return gap(made(90 * DAY, fiat_status=fiat, captured_at=NOW - ago))

    assert [paid(ago) for ago in (timedelta(0), HOUR, 5 * HOUR, 13 * DAY)] == [
        HOUR,
        HOUR,
        5 * HOUR,
        13 * DAY,
    ]
    assert paid(PAID_WINDOW) is None


@pytest.mark.parametrize("claim", ["refund_pending", "disputed"])
def test_next_read_is_hourly_while_a_claim_is_open_however_old_the_payment(claim: str) -> None:
    old = made(300 * DAY, fiat_status="captured", claim_status=claim, captured_at=NOW - 299 * DAY)
    assert gap(old) == HOUR


@given(st.timedeltas(timedelta(0), timedelta(days=400)))
def test_a_paid_payment_is_read_a_dozen_times_at_most(first: timedelta) -> None:
    read, now = 0, NOW + first
    attempt = made(timedelta(0), fiat_status="captured", captured_at=NOW)
    while (moment := next_read(attempt, now=now, poll_gap=MINUTE)) is not None:
        read, now = read + 1, moment
    assert read <= 12


@given(st.timedeltas(timedelta(days=-1), timedelta(days=400)))
def test_unmatched_pause_stays_between_a_minute_and_a_day(waited: timedelta) -> None:
    assert MINUTE <= unmatched_pause(waited) <= UNMATCHED_PAUSE_MAX


def test_unmatched_pause_doubles_what_was_waited() -> None:
    waits = [timedelta(0)]
    while waits[-1] < 3 * DAY:
        waits.append(waits[-1] + unmatched_pause(waits[-1]))
    assert waits[1:5] == [MINUTE, 2 * MINUTE, 4 * MINUTE, 8 * MINUTE]
    assert waits[-1] - waits[-2] == DAY
