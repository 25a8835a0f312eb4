import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offchain.identity import buyer_commitment, campaign_identifier, item_id
from offchain.money import MinorUnits, base_units, read_currency


def test_base_units_is_ten_to_the_sixteenth_when_one_centavo_and_eighteen_decimals() -> None:
    assert base_units(MinorUnits(1), token_decimals=18) == 10**16


@given(st.integers(1, 10**12), st.integers(2, 30))
def test_base_units_loses_nothing_when_turned_back(minor: int, decimals: int) -> None:
    units = base_units(MinorUnits(minor), token_decimals=decimals)
    assert divmod(units, 10 ** (decimals - 2)) == (minor, 0)


def test_base_units_refuses_when_the_token_is_coarser_than_the_minor_unit() -> None:
    with pytest.raises(ValueError, match="1 decimals"):
        base_units(MinorUnits(1), token_decimals=1)


def test_read_currency_refuses_when_it_is_not_taken() -> None:
    assert read_currency("BRL") == "brl"
    assert [read_currency(code) for code in ("NGN", "Ghs", "zar", "KES")] == [
        "ngn",
        "ghs",
        "zar",
        "kes",
    ]
    with pytest.raises(ValueError, match="currency must be one of"):
        read_currency("jpy")


def test_buyer_commitment_differs_when_pledge_backer_or_salt_differ() -> None:
    backer, pledge, other = uuid.uuid4(), uuid.uuid4(), uuid.uuid4()
    commitments = {
        buyer_commitment(b"a" * 32, backer_id=backer, pledge_id=pledge),
        buyer_commitment(b"a" * 32, backer_id=backer, pledge_id=other),
        buyer_commitment(b"a" * 32, backer_id=other, pledge_id=pledge),
        buyer_commitment(b"b" * 32, backer_id=backer, pledge_id=pledge),
    }
    assert len(commitments) == 4
    assert {len(commitment) for commitment in commitments} == {32}


def test_item_id_names_the_plain_contribution_when_there_is_no_reward() -> None:
    identifier = campaign_identifier(uuid.UUID(int=1))
    assert item_id(None, identifier_hash=identifier) == item_id(
        "contribution", identifier_hash=identifier
    )
    assert item_id("book", identifier_hash=identifier) != item_id(None, identifier_hash=identifier)
