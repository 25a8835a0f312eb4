from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.pages.formats import Formats, clean_line, shortened
from api.pages.negotiation import (
    CHOICES_MAX,
    ENGLISH,
    PORTUGUESE,
    Language,
    choose_language,
    prefers_json,
)
from api.schemas.shared import Amount

NBSP = "\u00a0"
IN_PORTUGUESE, IN_ENGLISH = Formats(PORTUGUESE), Formats(ENGLISH)


@pytest.mark.parametrize(
    ("asked", "header", "chosen"),
    [
        (None, None, PORTUGUESE),
        (None, "", PORTUGUESE),
        (None, "en", ENGLISH),
        (None, "en-GB,pt;q=0.9", ENGLISH),
        (None, "pt-PT,en;q=0.9", PORTUGUESE),
        (None, "en;q=0.3, pt-BR;q=0.8", PORTUGUESE),
        (None, "de, fr;q=0.9, en;q=0.1", ENGLISH),
        (None, "de,fr", PORTUGUESE),
        (None, "en;q=0", PORTUGUESE),
        (None, "en;q=much", PORTUGUESE),
        (None, "EN-us", ENGLISH),
        (None, "*", PORTUGUESE),
        ("en", "pt-BR", ENGLISH),
        ("pt", "en", PORTUGUESE),
        ("xx", "en", ENGLISH),
        ("", "en", ENGLISH),
        ("pt-BR", None, PORTUGUESE),
        (None, "xx," * CHOICES_MAX + "en", PORTUGUESE),
    ],
)
def test_language_is_the_one_asked_for_else_the_browsers_favourite(
    asked: str | None, header: str | None, chosen: Language
) -> None:
    assert choose_language(asked, header) is chosen


@pytest.mark.parametrize(
    ("accept", "is_json"),
    [
        (None, False),
        ("*/*", False),
        ("text/html,application/xhtml+xml,*/*;q=0.8", False),
        ("application/json", True),
        ("application/problem+json, text/html;q=0.5", True),
        ("application/json;q=0.4, text/html;q=0.5", False),
        ("application/json, */*", True),
        ("application/json;q=0", False),
        ("image/png", False),
    ],
)
def test_json_is_for_those_who_name_it_before_a_page(accept: str | None, is_json: bool) -> None:  # noqa: FBT001 - a table
    assert prefers_json(accept) is is_json


@given(st.text(), st.text())
def test_no_header_breaks_the_choice(asked: str, header: str) -> None:
    assert choose_language(asked, header) in {PORTUGUESE, ENGLISH}
    assert prefers_json(header) in {True, False}


def amount(raw: int, display: str, *, currency: str = "BRL", decimals: int = 2) -> Amount:
    return Amount(raw=str(raw), decimals=decimals, currency=currency, display=display)


def test_money_is_written_as_readers_write_it_and_never_rounded() -> None:
    reais = amount(123_456_780, "1234567.80")
    assert IN_PORTUGUESE.money(reais) == f"R${NBSP}1.234.567,80"
    assert IN_ENGLISH.money(reais) == "R$1,234,567.80"
    assert IN_PORTUGUESE.money(amount(5, "0.05")) == f"R${NBSP}0,05"
    assert IN_ENGLISH.money(amount(500, "500", currency="JPY", decimals=0)) == "¥500"
    dinar = amount(1_001, "1.001", currency="KWD", decimals=3)
    assert IN_ENGLISH.money(dinar) == "KWD1.001"


def test_tokens_keep_every_place_and_an_unknown_token_its_base_units() -> None:
    whole = amount(50 * 10**18, "50.00", decimals=18)
    tiny = amount(50 * 10**18 + 1, "50.000000000000000001", decimals=18)
    unknown = Amount(raw="1500", decimals=None, currency=None, display=None)
    assert IN_PORTUGUESE.tokens(whole, "BRLA") == f"50,00{NBSP}BRLA"
    assert IN_ENGLISH.tokens(tiny, "BRLA") == f"50.000000000000000001{NBSP}BRLA"
    assert IN_ENGLISH.tokens(unknown, None) == "1,500"
    assert IN_ENGLISH.money(unknown) == "1,500"


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [(0, 100, "0%"), (999, 1000, "99%"), (1000, 1000, "100%"), (2555, 1000, "255%"), (1, 0, "0%")],
)
def test_percent_says_all_of_it_only_when_it_is(part: int, whole: int, text: str) -> None:
    assert IN_PORTUGUESE.percent(part, whole) == text


def test_sizes_and_times_are_those_of_the_reader() -> None:
    assert IN_PORTUGUESE.size(2_345_678) == "2,3 MB"
    assert IN_ENGLISH.size(45_678) == "46 kB"
    assert IN_ENGLISH.size(1) == "1 kB"
    late = IN_PORTUGUESE.moment(datetime(2026, 3, 2, 1, 5, tzinfo=UTC))
    assert (late.iso, late.text) == ("2026-03-02T01:05:00Z", "1 de março de 2026, 22:05")


@given(st.text())
def test_clean_line_leaves_nothing_that_turns_or_breaks_a_line(text: str) -> None:
    cleaned = clean_line(text)
    assert all(
        sign.isprintable() or sign in "\u200c\u200d \u00a0" or sign.isspace() for sign in cleaned
    )
    assert not set(cleaned) & set(
        "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\n\r\t\u2028"
    )
    assert clean_line(cleaned) == cleaned


def test_clean_line_leaves_words_of_every_script_alone() -> None:
    for text in ("Pão de açúcar", "مدرسة", "נֵר", "می‌خواهم", "👩‍🌾 horta", "a  b"):
        assert clean_line(text) == text


def test_shortened_keeps_both_ends() -> None:
    assert shortened("0x1234567890abcdef1234567890abcdef12345678") == "0x1234…5678"
