"""What a refund returns of a payment with line items."""

from __future__ import annotations

import clock
import pytest
import treasuries
import world
from treasuries import line_item
from world import PLATFORM, ZERO, a_payment, assert_log, assert_reverts

ALL = {"reward extra": 30, "shipping": 10_000, "tip": 20_000, "service": 40_000}
NOT_CLAIMABLE = "PaymentTreasuryPaymentNotClaimable(bytes32,uint8)"


@pytest.fixture(scope="module")
def ground(protocol, people, brla):
    treasuries.set_item_types(protocol, people)
    return treasuries.lay(protocol, people, tokens=(brla,))


def confirmed(ground, token, people, number=1, *, amount=50, buyer=ZERO, items=ALL):
    listed = tuple(line_item(label, units) for label, units in items.items())
    payment = a_payment(token, number, amount=amount, line_items=listed)
    world.create(ground.treasury, people, payment)
    world.fund(ground.treasury, token, people, amount + sum(items.values()))
    ground.treasury.confirmPayment(payment.payment_id, buyer, sender=people.platform_admin)
    return payment


def assert_not_claimable(ground, people, payment, code: int) -> None:
    arguments = [payment.payment_id, people.payee.address]
    call = ground.treasury.claimRefund, arguments, people.platform_admin
    assert_reverts(*call, NOT_CLAIMABLE, payment.payment_id, code)


@pytest.mark.parametrize("way", ["platform", "receipt"])
def test_claim_refund_returns_goal_items_and_refundable_ones_but_for_the_fee(
    ground, brla, people, way
):
    treasury, owner = ground.treasury, people.payee
    if way == "platform":
        payment = confirmed(ground, brla, people)
        receipt = treasury.claimRefund(payment.payment_id, owner, sender=people.platform_admin)
    else:
        payment = confirmed(ground, brla, people, buyer=owner)
        ground.campaign.approve(treasury, 1, sender=owner)
        receipt = treasury.claimRefund(payment.payment_id, sender=people.stranger)
    (log,) = world.logs(receipt, treasury)
    assert_log(
        log,
        "RefundClaimed(bytes32,uint256,address)",
        indexed=[payment.payment_id, owner.address],
        types=["uint256"],
        values=[50 + 30 + 9_900],
    )
    assert brla.balanceOf(owner) == 50 + 30 + 9_900
    figures = treasuries.figures(treasury)
    assert (figures["Refunded"], figures["LifetimeRaised"], figures["Raised"]) == (80, 80, 0)


def test_claim_refund_leaves_tips_and_fees_with_those_they_belong_to(ground, brla, people):
    treasury, admin = ground.treasury, people.platform_admin
    payment = confirmed(ground, brla, people)
    treasury.claimRefund(payment.payment_id, people.payee, sender=admin)
    fees = 100 + 200 + 400
    assert brla.balanceOf(treasury) == 19_800 + fees
    treasury.claimNonGoalLineItems(brla, sender=admin)
    before = brla.balanceOf(people.protocol_admin)
    treasury.disburseFees(sender=people.stranger)
    assert brla.balanceOf(people.protocol_admin) - before == fees
    assert brla.balanceOf(treasury) == 0


def test_claim_refund_leaves_the_items_of_other_payments(ground, brla, people):
    treasury, admin = ground.treasury, people.platform_admin
    first, second = (confirmed(ground, brla, people, number) for number in (1, 2))
    for payment in (second, first):
        treasury.claimRefund(payment.payment_id, people.payee, sender=admin)
    assert brla.balanceOf(people.payee) == 2 * 9_980


def test_refunded_id_keeps_no_line_items(ground, brla, people):
    treasury, admin = ground.treasury, people.platform_admin
    payment = confirmed(ground, brla, people)
    confirmed(ground, brla, people, 2)
    for paid in (9_980, 9_980 + 50):
        treasury.claimRefund(payment.payment_id, people.payee, sender=admin)
        assert brla.balanceOf(people.payee) == paid
        world.confirmed(treasury, brla, people, a_payment(brla, 1, amount=50))


@pytest.mark.parametrize("change", ["removed", "replaced"])
def test_claim_refund_goes_by_the_types_of_the_payments_creation(
    ground, brla, people, protocol, change
):
    payment = confirmed(ground, brla, people, items={"shipping": 10_000})
    kind, admin, params = line_item("shipping", 0)[0], people.platform_admin, protocol.params
    if change == "removed":
        params.removePlatformLineItemType(PLATFORM, kind, sender=admin)
    else:
        flags = [False, False, False, True]
        params.setPlatformLineItemType(PLATFORM, kind, "shipping", *flags, sender=admin)
    ground.treasury.claimRefund(payment.payment_id, people.payee, sender=admin)
    assert brla.balanceOf(people.payee) == 50 + 9_900


def test_claim_refund_reverts_when_the_amount_was_withdrawn(ground, brla, people):
    payment = confirmed(ground, brla, people)
    ground.treasury.withdraw(sender=people.creator)
    confirmed(ground, brla, people, 2, amount=49, items={"shipping": 5})
    assert_not_claimable(ground, people, payment, 1)


def test_claim_refund_reverts_when_the_goal_items_were_withdrawn(ground, brla, people):
    payment = confirmed(ground, brla, people)
    ground.treasury.withdraw(sender=people.creator)
    confirmed(ground, brla, people, 2, amount=79, items={"shipping": 5})
    assert_not_claimable(ground, people, payment, 4)
    confirmed(ground, brla, people, 3, amount=1, items={"shipping": 5})
    ground.treasury.claimRefund(payment.payment_id, people.payee, sender=people.platform_admin)


def test_claim_refund_reverts_when_the_refundable_items_were_swept(ground, brla, people):
    payment = confirmed(ground, brla, people)
    clock.go_to(ground.deadline + 1)
    ground.treasury.claimExpiredFunds(sender=people.platform_admin)
    confirmed(ground, brla, people, 2, amount=80, items={"shipping": 5_000})
    assert_not_claimable(ground, people, payment, 5)


def test_claim_refund_reverts_when_the_token_lost_what_was_committed(protocol, people):
    token = treasuries.odd_token(people)
    ground = treasuries.lay(protocol, people, tokens=(token,))
    payment = confirmed(ground, token, people, items={"shipping": 100})
    token.lie(ground.treasury, -2, sender=people.stranger)  # the fee of 1 would have covered one
    assert_not_claimable(ground, people, payment, 6)
    token.lie(ground.treasury, -1, sender=people.stranger)
    ground.treasury.claimRefund(payment.payment_id, people.payee, sender=people.platform_admin)
