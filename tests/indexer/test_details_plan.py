"""Which calls and receipts belong to a confirmation or a creation, decided without a chain."""

from dataclasses import replace

import pytest

from indexer.chain.types import ZERO_ADDRESS, BlockHash, BlockNumber, PaymentId, TxHash
from indexer.details.calldata import Confirmation, Creation, NewCampaign
from indexer.details.plan import (
    ExtrasHashes,
    PendingBuyer,
    PendingCampaign,
    PendingItems,
    Place,
    buyer_asked,
    buyer_minted,
    campaign_asked,
    items_asked,
    pairs_hash,
)
from tests.support.protocol_logs import address

TREASURY, TOKEN, BUYER, OTHER = map(address, ("treasury", "token", "buyer", "other"))
ID = PaymentId(b"p" * 32)
PLACE = Place(BlockNumber(7), 3, 1, BlockHash(b"h" * 32), TxHash(b"t" * 32))
ITEMS = ((b"i" * 32, 5),)
CREATED = PendingItems(PLACE, TREASURY, ID, TOKEN, 10, None)
ASKED = Creation(TREASURY, ID, 10, TOKEN, ITEMS)
CONFIRMED = PendingBuyer(PLACE, TREASURY, ID, 2, (BUYER, OTHER), is_plain=True)


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ((ASKED,), (ITEMS, ())),
        ((ASKED, ASKED), (ITEMS, ())),
        ((replace(ASKED, token=None),), (ITEMS, ())),
        ((), None),
        ((replace(ASKED, treasury=OTHER),), None),
        ((replace(ASKED, payment_id=PaymentId(b"q" * 32)),), None),
        ((replace(ASKED, amount=11),), None),
        ((replace(ASKED, token=OTHER),), None),
        ((ASKED, replace(ASKED, line_items=())), None),
    ],
    ids=(
        *("the call", "twice the same", "without token", "none", "another treasury"),
        *("another payment", "another amount", "another token", "two that differ"),
    ),
)
def test_line_items_are_those_of_the_one_call_that_fits(
    asked: tuple[Creation, ...], found: object
) -> None:
    assert items_asked(CREATED, asked) == found


def test_line_items_are_those_under_the_logged_hash_when_two_calls_differ() -> None:
    logged = replace(CREATED, extras=ExtrasHashes(pairs_hash(ITEMS), pairs_hash(())))
    calls = (replace(ASKED, line_items=()), ASKED, replace(ASKED, external_fees=ITEMS))
    assert items_asked(logged, calls) == (ITEMS, ())


def test_buyer_is_told_by_receipts_when_there_are_none_or_one_for_each() -> None:
    assert buyer_minted(CONFIRMED) == OTHER
    assert buyer_minted(replace(CONFIRMED, minted_to=())) == ZERO_ADDRESS
    assert buyer_minted(replace(CONFIRMED, minted_to=(BUYER,))) is None


def test_buyer_is_not_told_by_receipts_when_a_buyer_paid_in_the_same_transaction() -> None:
    mixed = replace(CONFIRMED, is_plain=False)
    assert buyer_minted(mixed) is None
    assert buyer_minted(replace(mixed, minted_to=())) is None


def test_buyer_is_that_of_the_call_when_a_receipt_bears_it_out() -> None:
    call = Confirmation(TREASURY, ID, BUYER)
    nobody = Confirmation(TREASURY, ID, ZERO_ADDRESS)
    assert buyer_asked(CONFIRMED, (call,)) == BUYER
    assert buyer_asked(CONFIRMED, (nobody,)) == ZERO_ADDRESS
    assert buyer_asked(CONFIRMED, (call, nobody)) is None
    assert buyer_asked(replace(CONFIRMED, minted_to=(OTHER,)), (call,)) is None
    assert buyer_asked(CONFIRMED, (Confirmation(OTHER, ID, BUYER),)) is None


def test_campaign_is_that_of_its_factory_and_identifier() -> None:
    pending = PendingCampaign(PLACE, OTHER, address("campaign"), b"x" * 32)
    call = NewCampaign(OTHER, BUYER, b"x" * 32, (), 1, 2, 3, None)
    assert campaign_asked(pending, (call,)) == call
    assert campaign_asked(pending, (replace(call, factory=TREASURY),)) is None
    assert campaign_asked(pending, (replace(call, identifier_hash=b"y" * 32),)) is None
