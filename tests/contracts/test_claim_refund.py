from __future__ import annotations

import pytest
import treasuries
import world
from eth_utils import keccak
from world import ZERO, a_payment, assert_log, assert_reverts

NOT_CLAIMABLE = "PaymentTreasuryPaymentNotClaimable(bytes32,uint8)"


def test_claim_refund_pays_the_address_and_emits(treasury, brla, people):
    payment = world.confirmed(treasury, brla, people, a_payment(brla))
    receipt = treasury.claimRefund(payment.payment_id, people.payee, sender=people.platform_admin)

    (log,) = world.logs(receipt, treasury)
    assert_log(
        log,
        "RefundClaimed(bytes32,uint256,address)",
        indexed=[payment.payment_id, people.payee.address],
        types=["uint256"],
        values=[payment.amount],
    )
    assert brla.balanceOf(people.payee) == payment.amount
    assert treasury.getRaisedAmount() == treasury.getAvailableRaisedAmount() == 0
    assert treasury.getLifetimeRaisedAmount() == payment.amount
    assert treasury.getRefundedAmount() == payment.amount


def test_refunded_id_can_be_created_again(treasury, brla, people):
    payment = world.confirmed(treasury, brla, people, a_payment(brla))
    treasury.claimRefund(payment.payment_id, people.payee, sender=people.platform_admin)
    world.confirmed(treasury, brla, people, payment)
    assert treasury.getLifetimeRaisedAmount() == 2 * payment.amount
    assert treasury.getRaisedAmount() == payment.amount


def test_claim_refund_reverts_when_the_address_is_zero(treasury, brla, people):
    payment = world.confirmed(treasury, brla, people, a_payment(brla))
    arguments = [payment.payment_id, ZERO]
    error = "PaymentTreasuryInvalidInput(uint8)"
    assert_reverts(treasury.claimRefund, arguments, people.platform_admin, error, 6)


def test_claim_refund_reverts_when_the_id_is_zero(treasury, people):
    error, arguments = "PaymentTreasuryPaymentNotExist(bytes32)", [bytes(32), people.payee.address]
    assert_reverts(treasury.claimRefund, arguments, people.platform_admin, error, bytes(32))
    assert_reverts(treasury.claimRefund, [bytes(32)], people.stranger, error, bytes(32))


def test_claim_refund_reverts_when_unknown_pending_or_refunded_already(treasury, brla, people):
    payment = a_payment(brla)
    arguments, admin = [payment.payment_id, people.payee.address], people.platform_admin
    unknown = "PaymentTreasuryPaymentNotExist(bytes32)"
    pending = "PaymentTreasuryPaymentNotConfirmed(bytes32)"
    assert_reverts(treasury.claimRefund, arguments, admin, unknown, payment.payment_id)
    world.create(treasury, people, payment)
    assert_reverts(treasury.claimRefund, arguments, admin, pending, payment.payment_id)
    world.fund(treasury, brla, people, 2 * payment.amount)
    treasury.confirmPayment(payment.payment_id, ZERO, sender=admin)
    treasury.claimRefund(payment.payment_id, people.payee, sender=admin)
    assert_reverts(treasury.claimRefund, arguments, admin, unknown, payment.payment_id)


def test_claim_refund_reverts_when_the_money_was_withdrawn(treasury, brla, people):
    payment = world.confirmed(treasury, brla, people, a_payment(brla))
    treasury.withdraw(sender=people.platform_admin)
    # Tokens that nobody committed do not pay refunds.
    world.fund(treasury, brla, people, payment.amount)
    arguments = [payment.payment_id, people.payee.address]
    assert_reverts(
        treasury.claimRefund,
        arguments,
        people.platform_admin,
        NOT_CLAIMABLE,
        payment.payment_id,
        1,
    )


@pytest.mark.parametrize("caller", ["stranger", "creator", "protocol_admin", "buyer"])
def test_claim_refund_reverts_when_the_caller_is_not_the_platform(treasury, brla, people, caller):
    payment = world.confirmed(treasury, brla, people, a_payment(brla))
    account = getattr(people, caller)
    arguments = [payment.payment_id, account.address]
    assert_reverts(treasury.claimRefund, arguments, account, "AccessCheckerUnauthorized()")


def test_claim_refund_reverts_when_the_payment_has_a_receipt(treasury, brla, people):
    payment = world.confirmed(treasury, brla, people, a_payment(brla), people.buyer)
    assert_reverts(
        treasury.claimRefund,
        [payment.payment_id, people.payee.address],
        people.platform_admin,
        "PaymentTreasuryCryptoPayment(bytes32)",
        payment.payment_id,
    )


def settled(treasury, brla, people, buyer: str):
    """A payment of 10 settled for a buyer, and its witness."""
    payment_id, *witness, amount = treasuries.settlement(1, 10, buyer)
    world.fund(treasury, brla, people, amount)
    settlement = payment_id, *witness, amount
    world.send(treasury.settleBatch, brla, [settlement], sender=people.platform_admin)
    return payment_id, tuple(witness)


@pytest.mark.parametrize("minted", [False, True])
def test_claim_refund_reverts_when_the_payment_was_settled_for_a_buyer(
    treasury, brla, people, minted
):
    payment_id, witness = settled(treasury, brla, people, people.buyer.address)
    if minted:
        world.send(treasury.mintReceipt, payment_id, witness, sender=people.stranger)
    arguments, error = [payment_id, people.payee.address], "PaymentTreasuryCryptoPayment(bytes32)"
    assert_reverts(treasury.claimRefund, arguments, people.platform_admin, error, payment_id)


def test_claim_refund_pays_a_payment_settled_for_nobody(treasury, brla, people):
    payment_id, _ = settled(treasury, brla, people, ZERO)
    treasury.claimRefund(payment_id, people.payee, sender=people.platform_admin)
    assert brla.balanceOf(people.payee) == 10


def test_claim_refund_by_receipt_needs_the_receipt_of_a_settled_buyer(
    treasury, campaign, brla, people
):
    buyer = people.buyer
    payment_id, witness = settled(treasury, brla, people, buyer.address)
    assert_reverts(treasury.claimRefund, [payment_id], buyer, NOT_CLAIMABLE, payment_id, 3)
    world.send(treasury.mintReceipt, payment_id, witness, sender=people.stranger)
    campaign.setApprovalForAll(treasury, True, sender=buyer)
    before = brla.balanceOf(buyer)
    treasury.claimRefund(payment_id, sender=people.stranger)
    assert brla.balanceOf(buyer) - before == 10


def test_claim_refund_by_receipt_reverts_when_approved_by_the_former_owner(
    treasury, campaign, brla, people
):
    payment = world.confirmed(treasury, brla, people, a_payment(brla), people.buyer)
    campaign.approve(treasury, 1, sender=people.buyer)
    campaign.transferFrom(people.buyer, people.payee, 1, sender=people.buyer)
    error = "ERC721InsufficientApproval(address,uint256)"
    call = treasury.claimRefund, [payment.payment_id], people.buyer
    assert_reverts(*call, error, treasury.address, 1)


def test_claim_refund_by_receipt_pays_once(treasury, campaign, brla, people):
    payment = world.confirmed(treasury, brla, people, a_payment(brla, 1), people.buyer)
    world.confirmed(treasury, brla, people, a_payment(brla, 2))
    campaign.setApprovalForAll(treasury, True, sender=people.buyer)
    treasury.claimRefund(payment.payment_id, sender=people.stranger)
    call = treasury.claimRefund, [payment.payment_id], people.buyer
    assert_reverts(*call, "PaymentTreasuryPaymentNotExist(bytes32)", payment.payment_id)


def test_claim_refund_by_receipt_reverts_when_expected(treasury, brla, people):
    payment = a_payment(brla)
    world.create(treasury, people, payment)
    call = treasury.claimRefund, [payment.payment_id], people.buyer
    assert_reverts(*call, NOT_CLAIMABLE, payment.payment_id, 2)


def test_claim_refund_by_receipt_pays_its_owner_and_burns_it(treasury, campaign, brla, people):
    payment = world.confirmed(treasury, brla, people, a_payment(brla), people.buyer)
    campaign.transferFrom(people.buyer, people.payee, 1, sender=people.buyer)
    campaign.approve(treasury, 1, sender=people.payee)
    receipt = treasury.claimRefund(payment.payment_id, sender=people.stranger)

    (log,) = world.logs(receipt, treasury)
    assert_log(
        log,
        "RefundClaimed(bytes32,uint256,address)",
        indexed=[payment.payment_id, people.payee.address],
        types=["uint256"],
        values=[payment.amount],
    )
    burnt = world.logs(receipt, campaign)[-1]
    assert [bytes(found) for found in burnt["topics"][1:3]] == [
        world.word(people.payee.address),
        bytes(32),
    ]
    assert brla.balanceOf(people.payee) == payment.amount
    error = "ERC721NonexistentToken(uint256)"
    assert_reverts(campaign.ownerOf, [1], people.stranger, error, 1)


def test_claim_refund_by_receipt_reverts_when_not_approved(treasury, brla, people):
    payment = world.confirmed(treasury, brla, people, a_payment(brla), people.buyer)
    assert_reverts(
        treasury.claimRefund,
        [payment.payment_id],
        people.buyer,
        "ERC721InsufficientApproval(address,uint256)",
        treasury.address,
        1,
    )


def test_claim_refund_by_receipt_reverts_when_there_is_none(treasury, brla, people):
    unknown = keccak(text="unknown")
    error = "PaymentTreasuryPaymentNotExist(bytes32)"
    assert_reverts(treasury.claimRefund, [unknown], people.buyer, error, unknown)
    payment = world.confirmed(treasury, brla, people, a_payment(brla))
    assert_reverts(
        treasury.claimRefund,
        [payment.payment_id],
        people.buyer,
        NOT_CLAIMABLE,
        payment.payment_id,
        2,
    )


def test_claim_refund_by_receipt_reverts_when_the_money_was_withdrawn(
    treasury, campaign, brla, people
):
    payment = world.confirmed(treasury, brla, people, a_payment(brla), people.buyer)
    campaign.approve(treasury, 1, sender=people.buyer)
    treasury.withdraw(sender=people.creator)
    assert_reverts(
        treasury.claimRefund,
        [payment.payment_id],
        people.buyer,
        NOT_CLAIMABLE,
        payment.payment_id,
        4,
    )
