"""Upload tokens: ours, of one campaign, until they are over."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offchain.media.tokens import (
    LIFE_MAX,
    TOKEN_CHARACTERS,
    Grant,
    read_token,
    sign_token,
    upload_link,
)

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
SECRET = b"a secret of the tests"
CAMPAIGN = uuid.UUID("7d5b4f2c-8a19-4c9e-9d0a-2f6f1f0c1a11")
GRANT = Grant(CAMPAIGN, NOW + timedelta(days=7))


def test_token_is_read_back() -> None:
    token = sign_token(GRANT, secret=SECRET)
    assert len(token) == TOKEN_CHARACTERS
    assert read_token(token, secret=SECRET, now=NOW) == GRANT


def test_token_of_another_secret_is_forged() -> None:
    token = sign_token(GRANT, secret=b"another")
    assert read_token(token, secret=SECRET, now=NOW) == "forged"


@given(place=st.integers(0, TOKEN_CHARACTERS - 2), other=st.sampled_from("AZaz09-_"))
def test_token_with_any_other_character_grants_nothing(place: int, other: str) -> None:
    token = sign_token(GRANT, secret=SECRET)
    changed = token[:place] + other + token[place + 1 :]
    expected = GRANT if changed == token else "forged"
    assert read_token(changed, secret=SECRET, now=NOW) == expected


@given(st.text(max_size=100))
def test_any_text_grants_nothing(text: str) -> None:
    assert read_token(text, secret=SECRET, now=NOW) in {"not_a_token", "forged"}


@pytest.mark.parametrize("text", ["", "x" * 74, "é" * 75, "A" * 75 + "=", "A B" * 25])
def test_text_of_another_form_is_no_token(text: str) -> None:
    assert read_token(text, secret=SECRET, now=NOW) == "not_a_token"


@pytest.mark.parametrize(
    ("life", "is_over"),
    [
        (timedelta(seconds=1), False),
        (timedelta(0), True),
        (-timedelta(days=1), True),
        (LIFE_MAX, False),
        (LIFE_MAX + timedelta(seconds=1), True),
    ],
)
def test_token_is_over_at_its_end_and_never_good_for_longer_than_a_link_may_be(
    life: timedelta, *, is_over: bool
) -> None:
    token = sign_token(Grant(CAMPAIGN, NOW + life), secret=SECRET)
    assert (read_token(token, secret=SECRET, now=NOW) == "over") is is_over


def test_link_holds_the_token_where_no_server_sees_it() -> None:
    link = upload_link("https://pages.example/", "a-school", "TOKEN")
    assert link == "https://pages.example/campaigns/a-school#upload=TOKEN"
