from __future__ import annotations

import ape
import pytest
import steps
import world
from world import DAY, REAL, ZERO, a_payment, assert_log, assert_reverts

NOT_EXIST = "PaymentTreasuryPaymentNotExist(bytes32)"
ALREADY_CONFIRMED = "PaymentTreasuryPaymentAlreadyConfirmed(bytes32)"
ALREADY_EXPIRED = "PaymentTreasuryPaymentAlreadyExpired(bytes32)"
INSUFFICIENT_BALANCE = "PaymentTreasuryInsufficientBalance(uint256,uint256)"


@pytest.fixture
def batch(treasury, brla, people):
    """Three created payments and the tokens for them."""
    created = world.payments(brla, 3)
    world.create(treasury, people, *created)
    world.fund(treasury, brla, people, sum(payment.amount for payment in created))
    return created


def ids(batch):
    return [payment.payment_id for payment in batch]


def test_confirm_payment_commits_the_tokens_and_emits(treasury, brla, people):
    payment = a_payment(brla)
    world.create(treasury, people, payment)
    world.fund(treasury, brla, people, payment.amount)
    receipt = treasury.confirmPayment(payment.payment_id, ZERO, sender=people.platform_admin)

    (log,) = receipt.logs
    assert_log(log, "PaymentConfirmed(bytes32)", indexed=[payment.payment_id])
    assert treasury.getPaymentData(payment.payment_id).isConfirmed
    assert treasury.getExpectedAmount() == 0
    assert treasury.getRaisedAmount() == payment.amount
    assert treasury.getAvailableRaisedAmount() == payment.amount
    assert treasury.getLifetimeRaisedAmount() == payment.amount
    assert treasury.getRefundedAmount() == 0


def test_confirm_payment_reverts_when_the_tokens_are_not_there(treasury, brla, people):
    admin = people.platform_admin
    world.confirmed(treasury, brla, people, a_payment(brla, 1))
    payment = a_payment(brla, 2)
    world.create(treasury, people, payment)
    world.fund(treasury, brla, people, payment.amount - 1)
    held = 2 * payment.amount - 1
    assert_reverts(
        treasury.confirmPayment,
        [payment.payment_id, ZERO],
        admin,
        INSUFFICIENT_BALANCE,
        2 * payment.amount,
        held,
    )
    world.fund(treasury, brla, people, 1)
    treasury.confirmPayment(payment.payment_id, ZERO, sender=admin)


def test_confirm_payment_reverts_when_it_does_not_exist(treasury, brla, people):
    unknown = a_payment(brla).payment_id
    arguments = [unknown, ZERO]
    admin = people.platform_admin
    assert_reverts(treasury.confirmPayment, arguments, admin, NOT_EXIST, unknown)


def test_confirm_payment_reverts_when_confirmed_already(treasury, brla, people):
    payment = world.confirmed(treasury, brla, people, a_payment(brla))
    world.fund(treasury, brla, people, payment.amount)
    arguments = [payment.payment_id, ZERO]
    admin = people.platform_admin
    assert_reverts(treasury.confirmPayment, arguments, admin, ALREADY_CONFIRMED, payment.payment_id)


def test_confirm_payment_succeeds_until_the_second_it_expires(treasury, brla, people, now):
    payment = a_payment(brla, expiration=now + DAY)
    world.create(treasury, people, payment)
    world.fund(treasury, brla, people, payment.amount)
    with ape.chain.isolate():
        ape.chain.pending_timestamp = payment.expiration - 1
        treasury.confirmPayment(payment.payment_id, ZERO, sender=people.platform_admin)
    ape.chain.mine(timestamp=payment.expiration)
    assert_reverts(
        treasury.confirmPayment,
        [payment.payment_id, ZERO],
        people.platform_admin,
        ALREADY_EXPIRED,
        payment.payment_id,
    )


@pytest.mark.parametrize("caller", ["stranger", "creator", "protocol_admin", "buyer"])
def test_confirm_payment_reverts_when_the_caller_is_not_the_platform(
    treasury, batch, people, caller
):
    account = getattr(people, caller)
    error = "AccessCheckerUnauthorized()"
    assert_reverts(treasury.confirmPayment, [batch[0].payment_id, ZERO], account, error)
    assert_reverts(treasury.confirmPaymentBatch, [ids(batch), [ZERO] * 3], account, error)


def test_confirm_payment_mints_a_receipt_when_a_buyer_is_named(treasury, campaign, brla, people):
    payment = a_payment(brla)
    world.create(treasury, people, payment)
    world.fund(treasury, brla, people, payment.amount)
    receipt = treasury.confirmPayment(
        payment.payment_id, people.buyer, sender=people.platform_admin
    )

    minted, transfer = world.logs(receipt, campaign)
    assert_log(
        minted,
        "PledgeNFTMinted(uint256,address,address,bytes32)",
        indexed=[1, people.buyer.address, treasury.address],
        types=["bytes32"],
        values=[payment.item_id],
    )
    assert_log(
        transfer, "Transfer(address,address,uint256)", indexed=[ZERO, people.buyer.address, 1]
    )
    assert campaign.ownerOf(1) == people.buyer
    assert campaign.getPledgeCount() == 1
    assert treasury.getPaymentData(payment.payment_id).buyerAddress == people.buyer


def test_confirm_payment_batch_equals_singles(protocol, treasury, batch, brla, people):
    receipt = treasury.confirmPaymentBatch(ids(batch), [ZERO] * 3, sender=people.platform_admin)

    (log,) = receipt.logs
    assert_log(log, "PaymentBatchConfirmed(bytes32[])", types=["bytes32[]"], values=[ids(batch)])
    other = world.create_treasury(protocol, people, world.create_campaign(protocol, people))
    for payment in batch:
        world.confirmed(other, brla, people, payment)
    for view in ("Raised", "AvailableRaised", "LifetimeRaised", "Refunded", "Expected"):
        method = f"get{view}Amount"
        assert getattr(treasury, method)() == getattr(other, method)()
    for payment_id in ids(batch):
        assert treasury.getPaymentData(payment_id) == other.getPaymentData(payment_id)


def test_confirm_payment_batch_mints_in_order_for_those_with_a_buyer(
    treasury, campaign, batch, people
):
    buyers = [people.buyer, ZERO, people.stranger]
    receipt = treasury.confirmPaymentBatch(ids(batch), buyers, sender=people.platform_admin)

    minted = [log for log in world.logs(receipt, campaign) if len(log["data"]) == 32]
    assert [bytes(log["data"]) for log in minted] == [batch[0].item_id, batch[2].item_id]
    assert campaign.ownerOf(1) == people.buyer
    assert campaign.ownerOf(2) == people.stranger


def test_confirm_payment_batch_reverts_when_the_sum_is_not_there(treasury, brla, people):
    batch = world.payments(brla, 3)
    world.create(treasury, people, *batch)
    total = sum(payment.amount for payment in batch)
    world.fund(treasury, brla, people, total - 1)
    assert_reverts(
        treasury.confirmPaymentBatch,
        [ids(batch), [ZERO] * 3],
        people.platform_admin,
        INSUFFICIENT_BALANCE,
        total,
        total - 1,
    )


@pytest.mark.parametrize("position", [0, 1, 2])
def test_confirm_payment_batch_reverts_when_one_payment_cannot_be(
    treasury, brla, batch, people, position
):
    admin = people.platform_admin
    unknown = a_payment(brla, 99).payment_id
    chosen = ids(batch)
    bad = [*chosen[:position], unknown, *chosen[position + 1 :]]
    assert_reverts(treasury.confirmPaymentBatch, [bad, [ZERO] * 3], admin, NOT_EXIST, unknown)

    treasury.confirmPayment(chosen[position], ZERO, sender=admin)
    arguments = [chosen, [ZERO] * 3]
    assert_reverts(
        treasury.confirmPaymentBatch, arguments, admin, ALREADY_CONFIRMED, chosen[position]
    )


def test_confirm_payment_batch_reverts_when_one_payment_expired(treasury, brla, batch, people, now):
    early = a_payment(brla, 50, expiration=now + 600)
    world.create(treasury, people, early)
    world.fund(treasury, brla, people, early.amount)
    ape.chain.mine(timestamp=now + 601)
    chosen = [*ids(batch), early.payment_id]
    assert_reverts(
        treasury.confirmPaymentBatch,
        [chosen, [ZERO] * 4],
        people.platform_admin,
        ALREADY_EXPIRED,
        early.payment_id,
    )


def test_confirm_payment_batch_reverts_when_an_id_is_there_twice(treasury, batch, people):
    twice = [batch[0].payment_id] * 2
    assert_reverts(
        treasury.confirmPaymentBatch,
        [twice, [ZERO] * 2],
        people.platform_admin,
        ALREADY_CONFIRMED,
        twice[0],
    )


def test_confirm_payment_batch_reverts_when_lengths_differ(treasury, batch, people):
    arguments = [ids(batch), [ZERO] * 2]
    error = "PaymentTreasuryInvalidInput(uint8)"
    assert_reverts(treasury.confirmPaymentBatch, arguments, people.platform_admin, error, 5)


def test_confirm_payment_batch_succeeds_when_empty(treasury, people):
    receipt = treasury.confirmPaymentBatch([], [], sender=people.platform_admin)
    (log,) = receipt.logs
    assert_log(log, "PaymentBatchConfirmed(bytes32[])", types=["bytes32[]"], values=[[]])


def test_confirm_payment_batch_takes_more_than_oaks_fifty_up_to_its_constant(
    treasury, brla, people
):
    batch = world.payments(brla, 60)
    world.send(treasury.createPaymentBatch, *world.columns(batch), sender=people.platform_admin)
    world.fund(treasury, brla, people, 10_000 * REAL)
    treasury.confirmPaymentBatch(ids(batch), [ZERO] * 60, sender=people.platform_admin)
    assert treasury.getExpectedAmount() == 0
    too_many = [[payment.payment_id for payment in world.payments(brla, 1001)], [ZERO] * 1001]
    error = "PaymentTreasuryArrayTooLong()"
    assert_reverts(treasury.confirmPaymentBatch, too_many, people.platform_admin, error)


def test_confirm_payment_reverts_when_the_buyer_cannot_take_receipts(treasury, brla, people):
    payment = a_payment(brla)
    world.create(treasury, people, payment)
    world.fund(treasury, brla, people, payment.amount)
    assert_reverts(
        treasury.confirmPayment,
        [payment.payment_id, treasury.address],
        people.platform_admin,
        "ERC721InvalidReceiver(address)",
        treasury.address,
    )


@pytest.mark.parametrize("entry", ["claimRefund", "withdraw", "disburseFees"])
def test_confirm_payment_reverts_when_the_buyer_calls_back_into_the_treasury(
    treasury, brla, people, entry
):
    payment = a_payment(brla)
    world.create(treasury, people, payment)
    world.fund(treasury, brla, people, payment.amount)
    address = steps.create(people.stranger, "ReentrantBuyer").contract_address
    arguments = [payment.payment_id] if entry == "claimRefund" else []
    message = world.calldata(getattr(treasury, entry), *arguments)
    steps.at("ReentrantBuyer", address).aim(treasury, message, sender=people.stranger)
    assert_reverts(
        treasury.confirmPayment,
        [payment.payment_id, address],
        people.platform_admin,
        "ReentrancyGuardReentrantCall()",
    )
