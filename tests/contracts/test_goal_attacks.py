"""Ways to take, to keep or to lock the money of a campaign that gates on its goal."""

from __future__ import annotations

import building
import clock
import goals
import paying
import pytest
import treasuries
import world
from goals import GOAL, MISSED, NOT_DECIDED, NOT_REACHED, PLATFORM_CLOSED
from paying import a_checkout
from treasuries import line_item, settlement
from world import DAY, PLATFORM, REAL, REASON, ZERO, a_payment, assert_reverts

NOT_CLAIMABLE = "PaymentTreasuryPaymentNotClaimable(bytes32,uint8)"
OTHER = world.keccak(text="another platform")
ENDS = ["missed", "treasury cancelled", "campaign cancelled"]


@pytest.fixture(scope="module")
def gate(protocol, people, brla):
    treasuries.set_item_types(protocol, people)
    paying.deploy_permit2(people.stranger)
    paying.let_pay(brla, people.buyer, 1_000 * REAL)
    return goals.gated(protocol, people, brla)


def end(gate, people, way: str) -> None:
    """Open the goal refunds; by time alone nothing is written yet."""
    if way == "missed":
        clock.go_to(gate.decides_at + DAY)
        gate.tokens[0].mint(people.stranger, 0, sender=people.stranger)
    else:
        owner = gate.treasury if way == "treasury cancelled" else gate.campaign
        cancel = owner.cancelTreasury if owner == gate.treasury else owner.cancelCampaign
        cancel(REASON, sender=people.creator)


def paid_on_chain(gate, brla, people, number: int, amount: int, **changes: object):
    checkout = a_checkout(gate.treasury, brla, people.buyer, number, amount=amount, **changes)
    return checkout, paying.pay(gate.treasury, checkout, people.stranger)


@pytest.mark.parametrize("way", ENDS)
def test_platform_cannot_direct_a_refund_that_anyone_may_open(gate, people, way):
    goals.settle(gate, people, settlement(1), settlement(2, 5, people.buyer.address))
    call = gate.treasury.claimRefund, [goals.payment_id(1), people.payee], people.platform_admin
    clock.assert_passes_at(gate.deadline - 1, *call)
    end(gate, people, way)
    assert_reverts(*call, PLATFORM_CLOSED, goals.payment_id(1))
    goals.refund(gate, people, (2, people.buyer.address))  # now it is written, too
    assert_reverts(*call, PLATFORM_CLOSED, goals.payment_id(1))


@pytest.mark.parametrize("way", ENDS)
def test_platform_and_owner_cannot_take_the_money_of_a_campaign_that_failed(
    gate, brla, people, way
):
    treasury, admin = gate.treasury, people.platform_admin
    goals.settle(gate, people, settlement(1), settlement(2, 5, people.buyer.address))
    world.fund(treasury, brla, people, 7)
    end(gate, people, way)
    raised = REAL + 5
    closed = {
        "missed": (NOT_REACHED, raised, GOAL),
        "treasury cancelled": ("CancelledError()",),
        "campaign cancelled": ("PaymentTreasuryCampaignInfoIsPaused()",),
    }[way]
    for account in (people.creator, admin):
        assert_reverts(treasury.withdraw, [], account, *closed)
    expired = treasury.claimExpiredFunds, [], admin
    clock.assert_reverts_at(gate.decides_at + 999 * DAY, *expired, NOT_REACHED, raised, GOAL)
    items = treasury.claimNonGoalLineItems, [brla.address], admin
    assert_reverts(*items, "PaymentTreasuryInvalidInput(uint8)", 7)
    assert treasury.disburseFees(sender=people.stranger).logs == []
    treasury.sweepSurplus(brla, sender=admin)
    assert brla.balanceOf(treasury) == raised


def test_platform_refunds_early_whom_it_likes(gate, brla, people):
    goals.settle(gate, people, settlement(1))
    gate.treasury.claimRefund(goals.payment_id(1), people.payee, sender=people.platform_admin)
    assert brla.balanceOf(people.payee) == REAL


def test_thief_cannot_use_the_witness_of_a_payment_of_their_own(gate, people):
    thief, buyer = people.stranger.address, people.buyer.address
    goals.settle(gate, people, settlement(1, 5, thief), settlement(2, 500, buyer))
    end(gate, people, "missed")
    arguments = [[goals.payment_id(2)], [goals.witness(1, thief)]]
    call = gate.treasury.refundMissedGoal, arguments, people.stranger
    assert_reverts(*call, "WitnessMismatch(bytes32)", goals.payment_id(2))


def test_crypto_payment_is_refunded_to_the_receipts_owner(gate, brla, people):
    checkout, _ = paid_on_chain(gate, brla, people, 1, 30)
    gate.campaign.transferFrom(people.buyer, people.payee, 1, sender=people.buyer)
    end(gate, people, "missed")
    goals.refund(gate, people, 1)
    assert brla.balanceOf(people.payee) == 30
    error = "PaymentTreasuryPaymentNotExist(bytes32)"
    arguments, admin = [checkout.payment_id], people.platform_admin
    assert_reverts(gate.treasury.getPaymentData, arguments, admin, error, checkout.payment_id)


def test_crypto_payment_is_not_locked_when_the_platform_takes_its_id(gate, brla, people, protocol):
    checkout, _ = paid_on_chain(gate, brla, people, 1, 30)
    goals.settle(gate, people, settlement(1, 50))
    end(gate, people, "missed")
    key = world.keccak(checkout.payment_id + bytes.fromhex(checkout.buyer[2:]))
    before = brla.balanceOf(people.buyer)
    arguments = [[key, checkout.payment_id], [goals.witness(1)] * 2]
    world.send(gate.treasury.refundMissedGoal, *arguments, sender=people.stranger)
    assert brla.balanceOf(people.buyer) - before == 30
    assert protocol.escrow.owed(gate.treasury, checkout.payment_id)[2] == 50


def test_holder_refunds_themselves_when_the_goal_was_missed(gate, brla, people):
    checkout, _ = paid_on_chain(gate, brla, people, 1, 30)
    gate.campaign.approve(gate.treasury, 1, sender=people.buyer)
    end(gate, people, "missed")
    before = brla.balanceOf(people.buyer)
    gate.treasury.claimRefund(checkout.payment_id, sender=people.stranger)
    assert brla.balanceOf(people.buyer) - before == 30
    assert gate.outcome(gate.decides_at + 2 * DAY) == (MISSED, 0)


@pytest.mark.parametrize("buffer", [0, world.BUFFER_TIME])
def test_borrowed_money_cannot_reach_the_goal_and_leave_in_one_block(
    protocol, people, brla, buffer
):
    """Buyers can pay until the second before the deadline, owners withdraw no earlier than then."""
    key, admin = world.keccak(text="bufferTime"), people.protocol_admin
    protocol.params.addToRegistry(key, buffer.to_bytes(32, "big"), sender=admin)
    gate = goals.gated(protocol, people, brla)
    decides_at = gate.deadline + buffer
    late = {"amount": GOAL, "deadline": gate.deadline + DAY}
    checkout = a_checkout(gate.treasury, brla, people.buyer, **late)
    pay = gate.treasury.processCryptoPayment, checkout.arguments, people.stranger
    error = "GoalDeadlinePassed(uint256)"
    clock.assert_reverts_at(gate.deadline, *pay, error, gate.deadline)
    clock.assert_reverts_at(gate.deadline + DAY - 1, *pay, error, gate.deadline)
    clock.assert_passes_at(gate.deadline - 1, *pay)
    clock.go_to(gate.deadline - 1)
    paying.pay(gate.treasury, checkout, people.stranger)
    withdraw = gate.treasury.withdraw, [], people.creator
    clock.assert_reverts_at(decides_at - 1, *withdraw, NOT_DECIDED, decides_at)
    clock.assert_passes_at(decides_at, *withdraw)


@pytest.mark.parametrize("met", [False, True])
@pytest.mark.parametrize("way", ["claimRefund", "refundBuyer"])
def test_platform_cannot_choose_refunds_from_the_deadline_on(gate, people, way, met):
    buyer = people.buyer.address if way == "refundBuyer" else ZERO
    goals.settle(gate, people, settlement(1, REAL, buyer), settlement(2, GOAL if met else 1))
    to = goals.witness(1, buyer) if way == "refundBuyer" else people.payee
    call = getattr(gate.treasury, way), [goals.payment_id(1), to], people.platform_admin
    clock.assert_passes_at(gate.deadline - 1, *call)
    for second in (gate.deadline, gate.decides_at - 1, gate.decides_at, gate.decides_at + DAY):
        clock.assert_reverts_at(second, *call, PLATFORM_CLOSED, goals.payment_id(1))


@pytest.mark.parametrize("label", ["tip", "service", "shipping"])
def test_crypto_payment_reverts_when_a_refund_would_not_return_an_item(gate, brla, people, label):
    items = line_item("packaging", 100), line_item(label, 100)
    checkout = a_checkout(gate.treasury, brla, people.buyer, line_items=items)
    call = gate.treasury.processCryptoPayment, checkout.arguments, people.stranger
    assert_reverts(*call, "GoalItemsNotRefundable(bytes32)", checkout.payment_id)


def test_pledge_that_released_the_goal_cannot_be_taken_back(gate, brla, people):
    """Whoever fills the gap to let the owner withdraw has paid for good."""
    goals.settle(gate, people, settlement(2, GOAL - 1))
    checkout, _ = paid_on_chain(gate, brla, people, 1, 1)
    gate.campaign.approve(gate.treasury, 1, sender=people.buyer)
    clock.go_to(gate.decides_at)
    gate.treasury.withdraw(sender=people.creator)
    call = gate.treasury.claimRefund, [checkout.payment_id], people.buyer
    assert_reverts(*call, NOT_CLAIMABLE, checkout.payment_id, 4)


def test_pledge_taken_back_before_the_withdrawal_does_not_count(gate, brla, people):
    goals.settle(gate, people, settlement(2, GOAL - 1))
    checkout, _ = paid_on_chain(gate, brla, people, 1, 1)
    gate.campaign.approve(gate.treasury, 1, sender=people.buyer)
    clock.go_to(gate.decides_at)
    gate.treasury.claimRefund(checkout.payment_id, sender=people.stranger)
    assert_reverts(gate.treasury.withdraw, [], people.creator, NOT_REACHED, GOAL - 1, GOAL)
    goals.refund(gate, people, 2)


@pytest.mark.parametrize("attack", ["owner gone", "paused", "paused and delisted"])
def test_money_that_reached_the_goal_is_not_locked(gate, people, protocol, attack):
    treasury, admin = gate.treasury, people.platform_admin
    goals.settle(gate, people, settlement(1, GOAL))
    clock.go_to(gate.decides_at)
    if attack == "owner gone":
        gate.campaign.renounceOwnership(sender=people.creator)
        error = "ERC20InvalidReceiver(address)"
        assert_reverts(treasury.withdraw, [], admin, error, ZERO)
        treasury.cancelTreasury(REASON, sender=admin)
    else:
        treasury.pauseTreasury(REASON, sender=admin)
        if attack == "paused and delisted":
            protocol.params.delistPlatform(PLATFORM, sender=people.protocol_admin)
        assert_reverts(treasury.withdraw, [], people.creator, "PausedError()")
        treasury.cancelTreasury(REASON, sender=people.creator)
    goals.refund(gate, people, 1)
    assert protocol.escrow.owed(treasury, goals.payment_id(1))[2] == GOAL


def test_foreign_deposit_in_the_escrow_changes_nothing(gate, brla, people, protocol):
    """Deposits are the depositor's own, even under the same payment and platform."""
    thief, escrow = people.stranger, protocol.escrow
    brla.mint(escrow, 1, sender=thief)
    escrow.deposit(world.keccak(text="mine"), goals.payment_id(1), brla, 1, sender=thief)
    goals.settle(gate, people, settlement(1, 30))
    end(gate, people, "missed")
    goals.refund(gate, people, 1)
    platform, token, amount = escrow.owed(gate.treasury, goals.payment_id(1))
    assert (bytes(platform), token, amount) == (PLATFORM, brla.address, 30)
    error = "UnauthorizedCaller(address,bytes32)"
    arguments = [gate.treasury.address, goals.payment_id(1), REASON]
    assert_reverts(escrow.payBack, arguments, thief, error, thief.address, PLATFORM)


@pytest.mark.parametrize("again", ["same", "other"])
def test_token_that_calls_back_is_paid_nothing_twice(protocol, people, again):
    token = treasuries.odd_token(people)
    gate = goals.gated(protocol, people, token)
    buyer = people.payee.address
    goals.settle(gate, people, settlement(1, 5, buyer), settlement(2, 6, buyer))
    end(gate, people, "missed")
    number = 1 if again == "same" else 2
    inner = world.calldata(gate.treasury.refundMissedGoal, *gate.refunds((number, buyer)))
    token.aim(gate.treasury, inner, sender=people.stranger)
    call = gate.treasury.refundMissedGoal, gate.refunds((1, buyer)), people.stranger
    assert_reverts(*call, "ReentrancyGuardReentrantCall()")
    token.aim(ZERO, b"", sender=people.stranger)
    goals.refund(gate, people, (1, buyer), (2, buyer))
    assert token.balanceOf(buyer) == 11


def test_tokens_of_payments_never_confirmed_are_not_locked(gate, brla, people):
    treasury, admin = gate.treasury, people.platform_admin
    world.create(treasury, people, a_payment(brla, 1, amount=30))
    world.fund(treasury, brla, people, 30)
    goals.settle(gate, people, settlement(2, 12))
    end(gate, people, "campaign cancelled")
    before = brla.balanceOf(admin)
    treasury.sweepSurplus(brla, sender=admin)
    assert brla.balanceOf(admin) - before == 30
    goals.refund(gate, people, 2)


def test_confirming_after_the_goal_was_missed_leads_to_a_refund(gate, brla, people, protocol):
    late = a_payment(brla, 1, amount=30, expiration=gate.deadline + 3 * DAY)
    world.create(gate.treasury, people, late)
    world.fund(gate.treasury, brla, people, 30)
    end(gate, people, "missed")
    gate.treasury.confirmPayment(late.payment_id, ZERO, sender=people.platform_admin)
    goals.refund(gate, people, 1)
    assert protocol.escrow.owed(gate.treasury, late.payment_id)[2] == 30


def shared(protocol, people, brla, implementation: str, kind: str):
    """A gated campaign of two platforms, and the treasury of the other one."""
    admin, factory = people.payee, protocol.treasuries
    protocol.params.enlistPlatform(OTHER, admin, 0, ZERO, sender=people.protocol_admin)
    factory.registerTreasuryImplementation(OTHER, 1, implementation, sender=admin)
    factory.approveTreasuryImplementation(OTHER, 1, sender=people.protocol_admin)
    gate = goals.gated(protocol, people, brla, platforms=[PLATFORM, OTHER])
    receipt = factory.deploy(OTHER, gate.campaign, 1, sender=admin)
    created = building.event(receipt, factory, "TreasuryFactoryTreasuryDeployed")
    return gate, building.at(kind, created.treasuryAddress)


def test_receipt_that_another_treasury_burnt_does_not_lock_the_money(protocol, people, brla):
    made = building.create(people.stranger, "MinimalTreasury").contract_address
    gate, other = shared(protocol, people, brla, made, "MinimalTreasury")
    world.confirmed(gate.treasury, brla, people, a_payment(brla, 1, amount=30), people.buyer)
    other.ask(world.calldata(gate.campaign.burnRefunded, 1), sender=people.stranger)
    end(gate, people, "missed")
    goals.refund(gate, people, 1)
    assert protocol.escrow.owed(gate.treasury, goals.payment_id(1))[2] == 30


def test_goal_is_each_treasurys_own(protocol, people, brla):
    gate, other = shared(protocol, people, brla, protocol.implementation, "PaymentTreasury")
    goals.settle(gate, people, settlement(1, GOAL - 1))
    world.fund(other, brla, people, GOAL)
    world.send(other.settleBatch, brla, [settlement(2, GOAL)], sender=people.payee)
    assert gate.campaign.getTotalRaisedAmount() == 2 * GOAL - 1
    assert gate.outcome(gate.decides_at) == (MISSED, GOAL - 1)
    clock.assert_passes_at(gate.decides_at, other.withdraw, [], people.creator)
