"""Confirmations are bits of words that 256 payments share, in the order of creation."""

from __future__ import annotations

import ape
import pytest
import world
from recording import ALREADY_CONFIRMED, confirm_batch, create_batch, ids
from world import ZERO, a_payment, assert_reverts

# Ordinals around the ends of words, from 0.
BORDERS = [0, 254, 255, 256, 257, 258, 511, 512]
COUNT_SHIFT = 8 * 26  # where contracts/storage-layout.json has `_paymentCount` in slot 0


def set_count(treasury, count: int) -> None:
    """Give the next payment this ordinal, as if so many had been created."""
    rpc = ape.chain.provider.web3.provider.make_request
    slot = int(rpc("eth_getStorageAt", [treasury.address, "0x0", "latest"])["result"], 16)
    slot = slot & ~((2**32 - 1) << COUNT_SHIFT) | count << COUNT_SHIFT
    rpc("anvil_setStorageAt", [treasury.address, "0x0", f"0x{slot:064x}"])


@pytest.fixture
def long_run(treasury, brla, people):
    """Payments of a long run by ordinal, those around the ends of words, and their tokens."""
    batch = {ordinal: a_payment(brla, ordinal, amount=1 + ordinal) for ordinal in BORDERS}
    for ordinals in ([0], [254, 255, 256, 257, 258], [511, 512]):
        set_count(treasury, ordinals[0])
        create_batch(treasury, people, [batch[ordinal] for ordinal in ordinals])
    world.fund(treasury, brla, people, sum(payment.amount for payment in batch.values()))
    return batch


def assert_confirmed_only(treasury, batch, ordinals) -> None:
    for ordinal in BORDERS:
        stored = treasury.getPaymentData(batch[ordinal].payment_id)
        assert stored.isConfirmed == (ordinal in ordinals), ordinal
    assert treasury.getRaisedAmount() == sum(batch[ordinal].amount for ordinal in ordinals)


@pytest.mark.parametrize("ordinal", BORDERS)
def test_confirm_payment_confirms_no_other_when_at_a_words_end(treasury, long_run, people, ordinal):
    payment_id = long_run[ordinal].payment_id
    treasury.confirmPayment(payment_id, ZERO, sender=people.platform_admin)
    assert_confirmed_only(treasury, long_run, [ordinal])


@pytest.mark.parametrize(
    "ordinals",
    [
        [255, 256, 257],
        [257, 256, 255],
        [256, 255, 512, 0, 511, 257],
        [512, 258, 254],
    ],
)
def test_confirm_payment_batch_confirms_across_words_in_any_order(
    treasury, long_run, people, ordinals
):
    confirm_batch(treasury, people, [long_run[ordinal] for ordinal in ordinals])
    assert_confirmed_only(treasury, long_run, ordinals)


def test_confirm_payment_batch_keeps_what_earlier_ones_confirmed(treasury, long_run, people):
    confirm_batch(treasury, people, [long_run[ordinal] for ordinal in (254, 257)])
    confirm_batch(treasury, people, [long_run[ordinal] for ordinal in (256, 255)])
    treasury.confirmPayment(long_run[0].payment_id, ZERO, sender=people.platform_admin)
    assert_confirmed_only(treasury, long_run, [254, 257, 256, 255, 0])


def test_confirm_payment_batch_of_three_words_confirms_every_payment(treasury, brla, people):
    batch = [a_payment(brla, number, amount=1) for number in range(300)]
    set_count(treasury, 250)
    create_batch(treasury, people, batch)
    world.fund(treasury, brla, people, 300)
    confirm_batch(treasury, people, batch)

    for ordinal in (250, 255, 256, 511, 512, 549):
        assert treasury.getPaymentData(batch[ordinal - 250].payment_id).isConfirmed, ordinal
    assert treasury.getRaisedAmount() == 300
    assert treasury.getExpectedAmount() == 0


@pytest.mark.parametrize("buyer", ["nobody", "buyer"])
def test_confirm_payment_batch_mixes_bits_and_receipts_across_words(
    treasury, long_run, people, buyer
):
    ordinals = [255, 256, 257, 0]
    named = [people.buyer.address, ZERO, people.buyer.address, ZERO]
    buyers = named if buyer == "buyer" else [ZERO] * 4
    confirm_batch(treasury, people, [long_run[ordinal] for ordinal in ordinals], buyers)
    assert_confirmed_only(treasury, long_run, ordinals)


def test_confirm_payment_batch_reverts_when_an_id_is_there_twice_with_another_word_between(
    treasury, long_run, people
):
    chosen = ids([long_run[255], long_run[256], long_run[255]])
    arguments, admin = [chosen, [ZERO] * 3], people.platform_admin
    assert_reverts(treasury.confirmPaymentBatch, arguments, admin, ALREADY_CONFIRMED, chosen[0])


@pytest.mark.parametrize("ordinal", BORDERS)
def test_confirm_payment_reverts_when_its_bit_is_set(treasury, long_run, people, ordinal):
    payment_id, admin = long_run[ordinal].payment_id, people.platform_admin
    treasury.confirmPayment(payment_id, ZERO, sender=admin)
    arguments = [payment_id, ZERO]
    assert_reverts(treasury.confirmPayment, arguments, admin, ALREADY_CONFIRMED, payment_id)
