import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.values import checksum, checksum_within, display_amount, minor_unit_digits, parse_address


@pytest.mark.parametrize(
    ("raw", "decimals", "digits_min", "expected"),
    [
        (5_000, 2, 2, "50.00"),
        (5, 2, 2, "0.05"),
        (0, 2, 2, "0.00"),
        (-1_250, 2, 2, "-12.50"),
        (7, 0, 0, "7"),
        (50 * 10**18, 18, 2, "50.00"),
        (10**16, 18, 2, "0.01"),
        (1, 18, 2, "0.000000000000000001"),
        (25 * 10**9, 18, 0, "0.000000025"),
        (10**18, 18, 0, "1"),
        (1_234_567, 6, 2, "1.234567"),
    ],
)
def test_display_amount_is_exact(raw: int, decimals: int, digits_min: int, expected: str) -> None:
    assert display_amount(raw, decimals=decimals, digits_min=digits_min) == expected


@given(st.integers(-(2**256), 2**256), st.integers(0, 30), st.integers(0, 4))
def test_display_amount_loses_nothing(raw: int, decimals: int, digits_min: int) -> None:
    text = display_amount(raw, decimals=decimals, digits_min=digits_min)
    whole, _, fraction = text.partition(".")
    assert int(whole + fraction.ljust(decimals, "0")) == raw


@pytest.mark.parametrize(
    ("currency", "digits"), [("brl", 2), ("BRL", 2), ("JPY", 0), ("KWD", 3), ("usd", 2)]
)
def test_minor_unit_digits_follow_iso_4217(currency: str, digits: int) -> None:
    assert minor_unit_digits(currency) == digits


@given(st.binary(min_size=20, max_size=20))
def test_parse_address_reads_every_spelling_of_checksum(raw: bytes) -> None:
    text = checksum(raw)
    assert parse_address(text) == parse_address(text.lower()) == raw
    assert parse_address("0x" + text[2:].upper()) == raw


@pytest.mark.parametrize("text", ["", "0x", "0X" + "ab" * 20, "ab" * 20, "0x" + "ab" * 21])
def test_parse_address_refuses_what_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="expected an address"):
        parse_address(text)


def test_checksum_within_reaches_nested_addresses_and_nothing_else() -> None:
    plain = "0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed"
    right = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
    found = checksum_within({"a": [plain, {"b": plain}], "hash": "0x" + "ab" * 32, "n": 1})
    assert found == {"a": [right, {"b": right}], "hash": "0x" + "ab" * 32, "n": 1}
