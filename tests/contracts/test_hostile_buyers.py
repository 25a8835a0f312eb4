"""Buyers that do not take their receipts, or call back when they get them."""

from __future__ import annotations

import ape
import building
import probing
import pytest
import treasuries
import world
from probing import REENTRANT, answers, entry_points
from world import DAY, REAL, ZERO, a_payment, assert_reverts

TAKES, ANSWERS_WRONGLY, REVERTS, BURNS_ALL_GAS = range(4)  # HostileBuyer.Manner


@pytest.fixture(scope="module")
def odd(protocol, people):
    return probing.lay_odd(protocol, people)


@pytest.fixture(scope="module")
def life(odd, people):
    return probing.begin_life(odd, people)


@pytest.fixture(scope="module")
def hostile(people):
    made = building.create(people.stranger, "HostileBuyer")
    return building.at("HostileBuyer", made.contract_address)


@pytest.mark.usefixtures("life")
@pytest.mark.parametrize("position", [0, 1, 2])
@pytest.mark.parametrize(
    ("manner", "error"),
    [
        (ANSWERS_WRONGLY, "ERC721InvalidReceiver(address)"),
        (REVERTS, "NoThanks()"),
        (BURNS_ALL_GAS, "ERC721InvalidReceiver(address)"),
    ],
)
def test_confirm_batch_reverts_when_a_buyer_does_not_take_the_receipt(
    odd, hostile, people, position, manner, error
):
    _, honest = odd.tokens
    hostile.behave(manner, sender=people.stranger)
    batch = world.payments(honest, 3, first=30)
    world.send(odd.treasury.createPaymentBatch, *world.columns(batch), sender=people.platform_admin)
    honest.mint(odd.treasury, 1_000 * REAL, sender=people.stranger)
    ids = [payment.payment_id for payment in batch]
    buyers = [people.buyer.address] * 3
    buyers[position] = hostile.address
    values = [hostile.address] if "address" in error else []
    arguments = [ids, buyers]
    admin = people.platform_admin
    assert_reverts(odd.treasury.confirmPaymentBatch, arguments, admin, error, *values)
    buyers[position] = ZERO
    odd.treasury.confirmPaymentBatch(ids, buyers, sender=admin)
    assert odd.treasury.getPaymentData(ids[position]).isConfirmed


def test_mint_receipt_reverts_when_the_buyer_does_not_take_it(odd, hostile, people):
    _, honest = odd.tokens
    honest.mint(odd.treasury, REAL, sender=people.stranger)
    settled = treasuries.settlement(40, REAL, hostile.address)
    world.send(odd.treasury.settleBatch, honest, [settled], sender=people.platform_admin)
    hostile.behave(REVERTS, sender=people.stranger)
    arguments = [settled[0], settled[1:4]]
    assert_reverts(odd.treasury.mintReceipt, arguments, people.stranger, "NoThanks()")
    hostile.behave(TAKES, sender=people.stranger)
    odd.treasury.mintReceipt(*arguments, sender=people.stranger)
    assert odd.campaign.balanceOf(hostile) == 1


@pytest.mark.parametrize("path", ["confirmPayment", "confirmPaymentBatch", "mintReceipt"])
def test_buyer_that_calls_back_finds_every_entry_point_closed(
    odd, life, hostile, people, protocol, path
):
    token, honest = odd.tokens
    treasury, admin = odd.treasury, people.platform_admin
    protocol.params.setPlatformAdapter(world.PLATFORM, hostile, sender=people.protocol_admin)
    suffix = bytes.fromhex(admin.address[2:])
    calls = entry_points(treasury, life, people, token)
    honest.mint(treasury, 1_000 * REAL, sender=people.stranger)
    payment = a_payment(honest, 50, expiration=ape.chain.pending_timestamp + DAY)
    settled = treasuries.settlement(51, REAL, hostile.address)
    world.create(treasury, people, payment)
    world.send(treasury.settleBatch, honest, [settled], sender=admin)
    messages = [call + suffix for call in calls.values()]
    hostile.probe(treasury, messages, sender=people.stranger)
    arguments = {
        "confirmPayment": [payment.payment_id, hostile],
        "confirmPaymentBatch": [[payment.payment_id], [hostile]],
        "mintReceipt": [settled[0], settled[1:4]],
    }[path]
    getattr(treasury, path)(*arguments, sender=admin)
    assert answers(hostile) == [(False, REENTRANT)] * len(messages)
    assert odd.campaign.balanceOf(hostile) == 1
