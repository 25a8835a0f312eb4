import hashlib
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offchain.card_numbers import holds_card_number

PUBLISHED = [
    "4242424242424242",
    "4111111111111111",
    "4222222222222",
    "5555555555554444",
    "2223003122003222",
    "378282246310005",
    "30569309025904",
    "3530111333300000",
    "6011111111111117",
    "6200000000000005",
    "5060666666666666666",
    "6362970000457013",
    "6062826786276634",
]
"""Visa, Mastercard, Amex, Diners, JCB, Discover, UnionPay, Verve, Elo, Hipercard."""


@pytest.mark.parametrize("number", PUBLISHED)
def test_holds_card_number_knows_the_published_test_numbers(number: str) -> None:
    assert holds_card_number(number)
    last = (int(number[-1]) + 1) % 10
    assert not holds_card_number(f"{number[:-1]}{last}")


@pytest.mark.parametrize(
    "text",
    [
        "4111 1111 1111 1111",
        "4111-1111-1111-1111",
        "4111.1111.1111.1111",
        "4111_1111_1111_1111",
        "4111 -1111 -1111 -1111",
        "4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1",
        "4111\u00a01111\u20111111\u00a01111",
        "４１１１１１１１１１１１１１１１",  # noqa: RUF001 - digits of full width
        "my card is 4111111111111111, thanks",
        "tok_4111111111111111",
        "cartao4111111111111111",
        "4111 1111 1111 1111 12/30 123",
        "order 12 4111111111111111",
        ";4111111111111111=30121010000000000000?",
        "4111\n1111\n1111\n1111",
        "4111111111111111a",
        "d4111111111111111",
        "0x4111111111111111",
        "4111,1111,1111,1111",
        "4111|1111|1111|1111",
        "4111:1111+1111*1111",
        "4111 - 1111 - 1111 - 1111",
        "4111\u200b1111\u200b1111\u200b1111",
        "4111 00000000-0000-4000-8000-000000000000 4111111111111111",
    ],
)
def test_holds_card_number_finds_one_in_longer_text_and_between_separators(text: str) -> None:
    assert holds_card_number(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "411111111111",
        "41111111111111111111",
        "1767225600000",
        "+55 11 91234-5678",
        "pm_1NXWPnCo6bFb1KQto6C8OWvE",
        "2026-11-29 10:30:15",
        "2026-11-29T10:30:15.004242+00:00",
        "2026-11-29T03:00:00Z",
        "0x4111111111111111aaaaaaaaaaaaaaaaaaaaaaaa",
        "4111 00000000-0000-4000-8000-000000000000 111111111111",
        "order 4111 for 1111",
    ],
)
def test_holds_card_number_lets_other_numbers_pass(text: str) -> None:
    assert not holds_card_number(text)


@given(st.uuids(), st.binary(min_size=16, max_size=64))
def test_holds_card_number_lets_identifiers_and_hashes_pass(name: uuid.UUID, data: bytes) -> None:
    assert not holds_card_number(str(name))
    assert not holds_card_number(name.hex)
    assert not holds_card_number(f"0x{hashlib.sha1(data, usedforsecurity=False).hexdigest()}")
    assert not holds_card_number(f"0x{hashlib.sha256(data).hexdigest()}")
    assert not holds_card_number(f"pay:{name}:create")
    assert not holds_card_number(hashlib.sha256(data).hexdigest())
