from __future__ import annotations

import ape
import pytest
import world
from eth_utils import keccak
from recording import (
    ALREADY_CONFIRMED,
    ALREADY_EXIST,
    INSUFFICIENT_BALANCE,
    LENGTH_MISMATCH,
    MAX_AMOUNT,
    MAX_BATCH_SIZE,
    OVERFLOW,
    TOO_LONG,
    a_settlement,
    assert_ids_logged,
    assert_only_the_platform,
    assert_settled,
    internal_id,
    settle,
    settle_arguments,
    token_of,
    treasury_of_tokens,
)
from world import REAL, REASON, ZERO, a_payment, assert_reverts

BLOCK_GAS = 30_000_000
BOOK_SLOT = 3  # of `_book.payments`, in contracts/storage-layout.json


@pytest.fixture
def batch(people):
    """Three settlements, the second with a buyer."""
    buyer = people.buyer.address
    return [a_settlement(1), a_settlement(2, buyer=buyer), a_settlement(3)]


def assert_not_settled(treasury, token, people, batch, error: str, *values: object) -> None:
    arguments = settle_arguments(token, batch)
    assert_reverts(treasury.settleBatch, arguments, people.platform_admin, error, *values)


def test_settle_batch_emits_each_payment_and_then_their_confirmation(treasury, brla, batch, people):
    receipt = settle(treasury, brla, people, *batch)

    *created, confirmed = receipt.logs  # no PaymentConfirmed, PaymentBatchCreated or receipt
    for log, settlement in zip(created, batch, strict=True):
        assert_settled(log, settlement, brla)
    assert_ids_logged(confirmed, "PaymentBatchConfirmed", batch)


def test_settle_batch_equals_creating_and_confirming(protocol, treasury, brla, people):
    batch = [a_settlement(number) for number in (1, 2, 3)]
    settle(treasury, brla, people, *batch)
    other = world.create_treasury(protocol, people, world.create_campaign(protocol, people))
    for payment in world.payments(brla, 3):
        world.confirmed(other, brla, people, payment)
    for view in ("Raised", "AvailableRaised", "LifetimeRaised", "Refunded", "Expected"):
        method = f"get{view}Amount"
        assert getattr(treasury, method)() == getattr(other, method)()


def test_settled_payment_is_confirmed_without_expiration(treasury, campaign, brla, batch, people):
    settle(treasury, brla, people, *batch)
    for settlement in batch:
        stored = treasury.getPaymentData(settlement.payment_id)
        assert stored.isConfirmed
        assert not stored.isCryptoPayment
        assert (stored.amount, stored.expiration) == (settlement.amount, 0)
        assert stored.paymentToken == brla.address
        assert stored.buyerAddress == ZERO
    assert campaign.getPledgeCount() == 0


def test_settled_payment_is_that_of_its_witness_only(treasury, brla, batch, people):
    settle(treasury, brla, people, *batch)
    for settlement in batch:
        buyer_id, item_id, buyer = settlement.witness
        assert treasury.isPaymentOf(settlement.payment_id, settlement.witness)
        other = people.stranger.address if buyer == ZERO else ZERO
        wrong = [
            (item_id, item_id, buyer),
            (buyer_id, buyer_id, buyer),
            (buyer_id, item_id, other),
            (buyer_id, item_id, people.payee.address),
        ]
        for witness in wrong:
            assert not treasury.isPaymentOf(settlement.payment_id, witness)
    assert not treasury.isPaymentOf(batch[0].payment_id, batch[1].witness)


def test_commitments_of_payments_with_the_same_terms_differ(treasury, brla, people):
    """They cover the id: what is searched for one payment helps with no other."""
    first = a_settlement(1, buyer=people.buyer.address)
    second = first.but(payment_id=a_settlement(2).payment_id)
    settle(treasury, brla, people, first, second)
    slots = []
    for settlement in (first, second):
        place = keccak(settlement.payment_id + BOOK_SLOT.to_bytes(32, "big"))
        slots.append(ape.chain.provider.get_storage(treasury.address, int.from_bytes(place, "big")))
    assert any(slots[0])
    assert slots[0] != slots[1]


def test_settle_batch_uses_no_place_in_the_bitmap(treasury, brla, batch, people):
    """Ordinals 0 and 1 stay those of the payments created before and after."""
    before, after = a_payment(brla, 10), a_payment(brla, 11)
    world.create(treasury, people, before)
    settle(treasury, brla, people, *batch)
    world.create(treasury, people, after)
    assert not treasury.getPaymentData(before.payment_id).isConfirmed
    slot = ape.chain.provider.get_storage(treasury.address, 0)
    assert int.from_bytes(slot, "big") >> 208 & 0xFFFFFFFF == 2


def test_settle_batch_takes_what_fills_the_field(treasury, brla, people):
    widest = a_settlement(amount=MAX_AMOUNT, buyer=people.buyer.address)
    settle(treasury, brla, people, widest, a_settlement(2, amount=1))
    stored = treasury.getPaymentData(widest.payment_id)
    assert (stored.amount, stored.paymentToken) == (MAX_AMOUNT, brla.address)
    assert treasury.isPaymentOf(widest.payment_id, widest.witness)
    assert treasury.getRaisedAmount() == 2**96


@pytest.mark.parametrize("decimals", [6, 20])
def test_settle_batch_counts_in_18_decimals_when_the_token_has_others(
    protocol, brla, people, decimals
):
    token = token_of(people, decimals)
    treasury = treasury_of_tokens(protocol, people, token)
    settle(treasury, brla, people, a_settlement(1, amount=3 * REAL))
    settle(treasury, token, people, a_settlement(2, amount=5 * 10**decimals))
    assert treasury.getRaisedAmount() == 8 * REAL
    assert treasury.getExpectedAmount() == 0


@pytest.mark.parametrize(
    "fault",
    [
        ({"payment_id": bytes(32)}, "PaymentTreasuryZeroPaymentId()", []),
        ({"buyer_id": bytes(32)}, "PaymentTreasuryZeroBuyerId()", []),
        ({"item_id": bytes(32)}, "PaymentTreasuryZeroItemId()", []),
        ({"amount": 0}, "PaymentTreasuryZeroAmount()", []),
        ({"amount": MAX_AMOUNT + 1}, OVERFLOW, [96, MAX_AMOUNT + 1]),
    ],
)
def test_settle_batch_reverts_when_one_payment_is_wrong(treasury, brla, batch, people, fault):
    change, error, values = fault
    for position in range(3):
        wrong = list(batch)
        wrong[position] = batch[position].but(**change)
        assert_not_settled(treasury, brla, people, wrong, error, *values)


@pytest.mark.parametrize("position", [0, 1, 2])
@pytest.mark.parametrize("kind", ["expected", "confirmed", "settled"])
def test_settle_batch_reverts_when_one_id_is_in_use(treasury, brla, batch, people, position, kind):
    taken = a_payment(brla, position + 1)
    if kind == "expected":
        world.create(treasury, people, taken)
    elif kind == "confirmed":
        world.confirmed(treasury, brla, people, taken, people.buyer)
    else:
        settle(treasury, brla, people, batch[position])
    used = internal_id(taken.payment_id)
    assert_not_settled(treasury, brla, people, batch, ALREADY_EXIST, used)


def test_settle_batch_reverts_when_an_id_is_there_twice(treasury, brla, batch, people):
    for first, second in ((0, 1), (0, 2), (1, 2)):
        wrong = list(batch)
        twice = batch[first].payment_id
        wrong[second] = batch[second].but(payment_id=twice)
        assert_not_settled(treasury, brla, people, wrong, ALREADY_EXIST, internal_id(twice))


def test_settle_batch_reverts_when_the_token_is_not_accepted(treasury, batch, people):
    error = "PaymentTreasuryTokenNotAccepted(address)"
    foreign = world.new_token(people.stranger).address
    for token in (foreign, ZERO):
        assert_not_settled(treasury, token, people, batch, error, token)


def test_settle_batch_reverts_when_empty(treasury, brla, people):
    assert_not_settled(treasury, brla, people, [], LENGTH_MISMATCH)


def test_settle_batch_reverts_when_longer_than_its_constant(treasury, brla, people):
    nothing = a_settlement(payment_id=bytes(32))
    assert_not_settled(treasury, brla, people, [nothing] * (MAX_BATCH_SIZE + 1), TOO_LONG)
    # The next check is only reached when the number is right.
    error = "PaymentTreasuryZeroPaymentId()"
    assert_not_settled(treasury, brla, people, [nothing] * MAX_BATCH_SIZE, error)


def test_settle_batch_runs_out_of_gas_and_changes_nothing_when_larger_than_a_block(
    treasury, brla, people
):
    batch = [a_settlement(number) for number in range(1, 1_101)]
    world.fund(treasury, brla, people, sum(each.amount for each in batch))
    data = world.calldata(treasury.settleBatch, *settle_arguments(brla, batch))
    half = world.calldata(treasury.settleBatch, *settle_arguments(brla, batch[:550]))
    request = {
        "from": people.platform_admin.address,
        "to": treasury.address,
        "gas": hex(BLOCK_GAS),
    }
    whole = world.simulate(request | {"data": "0x" + data.hex()})
    # The clone's call runs out of gas: it reverts without a reason of ours.
    assert whole["error"].get("data") in ("0x", None)
    assert treasury.getLifetimeRaisedAmount() == 0
    assert "error" not in world.simulate(request | {"data": "0x" + half.hex()})


def test_settle_batch_reverts_when_the_tokens_are_not_there(treasury, brla, batch, people):
    """What is owed to others does not pay; what merely is expected does not count."""
    before = world.confirmed(treasury, brla, people, a_payment(brla, 9))
    world.create(treasury, people, a_payment(brla, 10))
    total = sum(settlement.amount for settlement in batch)
    world.fund(treasury, brla, people, total - 1)
    required = before.amount + total
    assert_not_settled(treasury, brla, people, batch, INSUFFICIENT_BALANCE, required, required - 1)
    world.fund(treasury, brla, people, 1)
    arguments = settle_arguments(brla, batch)
    world.send(treasury.settleBatch, *arguments, sender=people.platform_admin)
    assert treasury.getRaisedAmount() == required


@pytest.mark.parametrize("buyer", ["nobody", "buyer"])
def test_settled_payment_cannot_be_confirmed_cancelled_or_created(treasury, brla, people, buyer):
    whom = ZERO if buyer == "nobody" else people.buyer.address
    settled, admin = a_settlement(buyer=whom), people.platform_admin
    settle(treasury, brla, people, settled)
    world.fund(treasury, brla, people, settled.amount)
    payment_id = settled.payment_id
    for named in (ZERO, people.buyer.address):
        arguments = [payment_id, named]
        assert_reverts(treasury.confirmPayment, arguments, admin, ALREADY_CONFIRMED, payment_id)
        arguments = [[payment_id], [named]]
        batched = treasury.confirmPaymentBatch
        assert_reverts(batched, arguments, admin, ALREADY_CONFIRMED, payment_id)
    assert_reverts(treasury.cancelPayment, [payment_id], admin, ALREADY_CONFIRMED, payment_id)
    again, used = a_payment(brla).arguments, internal_id(payment_id)
    assert_reverts(treasury.createPayment, again, admin, ALREADY_EXIST, used)


def test_settled_payment_is_refunded_by_the_platform_when_it_names_no_buyer(treasury, brla, people):
    settled = a_settlement()
    settle(treasury, brla, people, settled)
    treasury.claimRefund(settled.payment_id, people.payee, sender=people.platform_admin)
    assert brla.balanceOf(people.payee) == settled.amount
    assert treasury.getRaisedAmount() == 0


def test_settled_payment_is_not_refunded_by_the_platform_when_it_names_a_buyer(
    treasury, brla, people
):
    """Neither where the platform likes, nor as if there were a receipt (see refundBuyer)."""
    settled = a_settlement(buyer=people.buyer.address)
    settle(treasury, brla, people, settled)
    payment_id = settled.payment_id
    arguments, admin = [payment_id, people.payee.address], people.platform_admin
    error = "PaymentTreasuryCryptoPayment(bytes32)"
    assert_reverts(treasury.claimRefund, arguments, admin, error, payment_id)
    error = "PaymentTreasuryPaymentNotClaimable(bytes32,uint8)"
    assert_reverts(treasury.claimRefund, [payment_id], people.buyer, error, payment_id, 3)


def test_settle_batch_reverts_when_the_caller_is_not_the_platform(treasury, brla, batch, people):
    arguments = settle_arguments(brla, batch)
    assert_only_the_platform(treasury.settleBatch, arguments, people)


def test_settle_batch_reverts_when_treasury_or_campaign_is_closed(
    treasury, campaign, brla, batch, people
):
    admin, protocol_admin = people.platform_admin, people.protocol_admin
    campaign.pauseCampaign(REASON, sender=protocol_admin)
    closed = "PaymentTreasuryCampaignInfoIsPaused()"
    assert_not_settled(treasury, brla, people, batch, closed)
    campaign.cancelCampaign(REASON, sender=protocol_admin)
    assert_not_settled(treasury, brla, people, batch, closed)
    treasury.pauseTreasury(REASON, sender=admin)
    assert_not_settled(treasury, brla, people, batch, "PausedError()")
    treasury.cancelTreasury(REASON, sender=admin)
    assert_not_settled(treasury, brla, people, batch, "CancelledError()")
