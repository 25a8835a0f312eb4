"""When a campaign that gates on its goal pays out, and when it has missed it."""

from __future__ import annotations

import building
import clock
import goals
import pytest
import treasuries
import world
from clock import assert_passes_at, assert_reverts_at
from goals import GOAL, MISSED, NOT_DECIDED, NOT_REACHED, OPEN, RELEASED
from treasuries import settlement
from world import DAY, REAL, ZERO, a_payment, assert_log, assert_reverts


@pytest.fixture(scope="module")
def gate(protocol, people, brla):
    treasuries.set_item_types(protocol, people)
    return goals.gated(protocol, people, brla)


def test_get_goal_outcome_is_all_zero_when_the_campaign_is_not_gated(treasury):
    assert tuple(treasury.getGoalOutcome()) == (0, 0, 0, 0)


def test_get_goal_outcome_is_missed_from_the_decision_on_when_below_the_goal(gate, people):
    goals.settle(gate, people, settlement(1, GOAL - 1))
    for second in (gate.deadline, gate.decides_at - 1):
        assert gate.outcome(second) == (OPEN, GOAL - 1)
    assert gate.outcome(gate.decides_at) == (MISSED, GOAL - 1)


@pytest.mark.parametrize("amount", [GOAL, GOAL + 1])
def test_get_goal_outcome_stays_open_when_the_goal_is_met(gate, people, amount):
    goals.settle(gate, people, settlement(1, amount))
    assert gate.outcome(gate.decides_at) == gate.outcome(gate.decides_at + DAY) == (OPEN, amount)


def test_get_goal_outcome_counts_neither_expected_nor_uncommitted_money(gate, brla, people):
    world.create(gate.treasury, people, a_payment(brla, amount=GOAL))
    world.fund(gate.treasury, brla, people, 2 * GOAL)
    assert gate.outcome(gate.decides_at) == (MISSED, 0)


def test_time_of_decision_is_that_of_the_treasurys_deployment(gate, protocol, people):
    later = (5 * DAY).to_bytes(32, "big")
    protocol.params.addToRegistry(
        world.keccak(text="bufferTime"), later, sender=people.protocol_admin
    )
    assert gate.outcome(gate.decides_at) == (MISSED, 0)


@pytest.mark.parametrize(
    ("decimals", "amounts"),
    [
        ((6,), (100 * 10**6,)),
        ((18,), (100 * 10**18,)),
        ((6, 18), (60 * 10**6, 40 * 10**18)),
        ((18, 6), (99 * 10**18, 10**6)),
        ((24,), (100 * 10**24,)),
    ],
)
def test_goal_is_compared_in_18_decimals(protocol, people, decimals, amounts):
    tokens = [treasuries.token_of(number, people) for number in decimals]
    gate = goals.gated(protocol, people, *tokens)
    for number, (token, amount) in enumerate(zip(tokens, amounts, strict=True)):
        short = amount - 1 if number == 0 else amount
        goals.settle(gate, people, settlement(number, short), token=token)
    missing = 10 ** max(18 - decimals[0], 0)
    assert gate.outcome(gate.decides_at) == (MISSED, GOAL - missing)
    goals.settle(gate, people, settlement(9, 1), token=tokens[0])
    assert gate.outcome(gate.decides_at) == (OPEN, GOAL)


@pytest.mark.parametrize("caller", ["creator", "platform_admin"])
def test_withdraw_reverts_until_the_goal_is_decided(gate, people, caller):
    goals.settle(gate, people, settlement(1, GOAL))
    call = gate.treasury.withdraw, [], getattr(people, caller)
    for second in (gate.launch, gate.deadline, gate.decides_at - 1):
        assert_reverts_at(second, *call, NOT_DECIDED, gate.decides_at)
    assert_passes_at(gate.decides_at, *call)


def test_withdraw_reverts_when_the_goal_is_not_reached(gate, people):
    goals.settle(gate, people, settlement(1, GOAL - 1))
    call = gate.treasury.withdraw, [], people.creator
    for second in (gate.decides_at, gate.decides_at + DAY):
        assert_reverts_at(second, *call, NOT_REACHED, GOAL - 1, GOAL)


@pytest.mark.parametrize("late", [False, True])
def test_withdraw_releases_the_goal_once(gate, people, late):
    goals.settle(gate, people, settlement(1, GOAL + 1))
    clock.go_to(gate.decides_at + (DAY if late else 0))
    reached, paid = world.logs(gate.treasury.withdraw(sender=people.creator), gate.treasury)
    types = ["uint256", "uint256"]
    assert_log(reached, goals.GOAL_REACHED, types=types, values=[GOAL + 1, GOAL])
    assert bytes(paid["topics"][0]) == world.topic(
        "WithdrawalWithFeeSuccessful(address,address,uint256,uint256)"
    )
    assert gate.outcome(gate.decides_at + 2 * DAY) == (RELEASED, GOAL + 1)
    goals.settle(gate, people, settlement(2, 1))
    assert len(world.logs(gate.treasury.withdraw(sender=people.creator), gate.treasury)) == 1


def test_refunds_cannot_undo_the_goal_after_the_first_withdrawal(gate, people):
    goals.settle(gate, people, settlement(1, GOAL))
    clock.go_to(gate.decides_at)
    gate.treasury.withdraw(sender=people.creator)
    goals.settle(gate, people, settlement(2, GOAL - 1))
    arguments = [goals.payment_id(1), people.payee.address]
    error = "PaymentTreasuryPaymentNotClaimable(bytes32,uint8)"
    admin = people.platform_admin
    assert_reverts(gate.treasury.claimRefund, arguments, admin, error, arguments[0], 1)
    gate.treasury.claimRefund(goals.payment_id(2), people.payee, sender=admin)
    assert gate.outcome(gate.decides_at + DAY) == (RELEASED, GOAL)


def test_goal_is_missed_when_refunds_before_the_decision_undo_it(gate, people):
    goals.settle(gate, people, settlement(1, 1), settlement(2, GOAL - 1))
    gate.treasury.claimRefund(goals.payment_id(1), people.payee, sender=people.platform_admin)
    assert gate.outcome(gate.decides_at) == (MISSED, GOAL - 1)
    goals.settle(gate, people, settlement(3, 1), second=gate.decides_at - 1)
    assert gate.outcome(gate.decides_at) == (OPEN, GOAL)


def test_goal_is_missed_when_refunds_after_the_decision_undo_it(gate, brla, people):
    world.confirmed(gate.treasury, brla, people, a_payment(brla, 1, amount=1), people.buyer)
    gate.campaign.approve(gate.treasury, 1, sender=people.buyer)
    goals.settle(gate, people, settlement(2, GOAL - 1))
    clock.go_to(gate.decides_at)
    gate.treasury.claimRefund(goals.payment_id(1), sender=people.stranger)
    assert gate.outcome(gate.decides_at + 1) == (MISSED, GOAL - 1)
    goals.settle(gate, people, settlement(3, 1))
    assert gate.outcome(gate.decides_at + 2) == (MISSED, GOAL)
    assert_reverts(gate.treasury.withdraw, [], people.creator, NOT_REACHED, GOAL, GOAL)


@pytest.mark.parametrize("way", ["confirmPayment", "confirmPaymentBatch", "settleBatch"])
def test_late_payment_does_not_reach_the_goal_after_all(gate, brla, people, way):
    treasury, admin = gate.treasury, people.platform_admin
    goals.settle(gate, people, settlement(1, GOAL - 1))
    clock.go_to(gate.decides_at - DAY)
    late = a_payment(brla, 2, amount=GOAL, expiration=gate.decides_at + DAY)
    world.create(treasury, people, late)
    world.fund(treasury, brla, people, GOAL)
    arguments = {
        "confirmPayment": [late.payment_id, ZERO],
        "confirmPaymentBatch": [[late.payment_id], [ZERO]],
        "settleBatch": [brla, [settlement(3, 1)]],
    }[way]
    clock.go_to(gate.decides_at)
    receipt = world.send(getattr(treasury, way), *arguments, sender=admin)
    missed = world.logs(receipt, treasury)[0]
    types = ["uint256", "uint256"]
    assert_log(missed, goals.GOAL_MISSED, types=types, values=[GOAL - 1, GOAL])

    raised = GOAL if way == "settleBatch" else 2 * GOAL - 1
    assert gate.outcome(gate.decides_at + 1) == (MISSED, raised)
    assert_reverts(treasury.withdraw, [], people.creator, NOT_REACHED, raised, GOAL)
    topics = [bytes(log["topics"][0]) for log in goals.settle(gate, people, settlement(4, 5)).logs]
    assert world.topic(goals.GOAL_MISSED) not in topics


def test_payment_in_the_last_second_before_the_decision_reaches_the_goal(gate, people):
    goals.settle(gate, people, settlement(1, GOAL - 1))
    receipt = goals.settle(gate, people, settlement(2, 1), second=gate.decides_at - 1)
    assert receipt.timestamp == gate.decides_at - 1
    assert gate.outcome(gate.decides_at) == (OPEN, GOAL)
    assert_passes_at(gate.decides_at, gate.treasury.withdraw, [], people.creator)


def test_claim_expired_funds_reverts_until_the_goal_is_released(gate, people):
    treasury, admin = gate.treasury, people.platform_admin
    goals.settle(gate, people, settlement(1, GOAL))
    for second in (gate.deadline, gate.decides_at + 400 * DAY):
        call = treasury.claimExpiredFunds, [], admin
        assert_reverts_at(second, *call, NOT_REACHED, GOAL, GOAL)
    clock.go_to(gate.decides_at)
    treasury.withdraw(sender=people.creator)
    goals.settle(gate, people, settlement(2, 5))
    treasury.claimExpiredFunds(sender=admin)
    assert gate.tokens[0].balanceOf(treasury) == 0


@pytest.mark.parametrize("state", ["cancelTreasury", "cancelCampaign"])
def test_claim_expired_funds_reverts_when_cancelled_before_the_release(gate, people, state):
    goals.settle(gate, people, settlement(1, GOAL))
    owner = gate.treasury if state == "cancelTreasury" else gate.campaign
    getattr(owner, state)(world.REASON, sender=people.creator)
    call = gate.treasury.claimExpiredFunds, [], people.platform_admin
    assert_reverts_at(gate.decides_at + 400 * DAY, *call, NOT_REACHED, GOAL, GOAL)


@pytest.mark.parametrize("label", ["tip", "service", "shipping"])
@pytest.mark.parametrize("position", [0, 1, 2])
def test_create_payment_reverts_when_a_refund_would_not_return_an_item(
    gate, brla, people, label, position
):
    kept = treasuries.line_item("packaging", REAL), treasuries.line_item("reward extra", REAL)
    batch = [a_payment(brla, number, line_items=kept) for number in (1, 2, 3)]
    lost = (*kept, treasuries.line_item(label, 100))
    batch[position] = batch[position].but(line_items=lost)
    admin, error = people.platform_admin, "GoalItemsNotRefundable(bytes32)"
    identity = batch[position].payment_id
    columns = world.columns(batch)
    assert_reverts(gate.treasury.createPaymentBatch, columns, admin, error, identity)
    single = batch[position].arguments
    assert_reverts(gate.treasury.createPayment, single, admin, error, identity)


def test_create_payment_reverts_when_the_escrow_could_not_owe_the_whole(
    gate, treasury, brla, people
):
    extra = [treasuries.line_item(label, 1) for label in ("reward extra", "packaging")]
    whole = a_payment(brla, amount=2**96 - 2, line_items=tuple(extra))
    error = "SafeCastOverflowedUintDowncast(uint8,uint256)"
    admin = people.platform_admin
    assert_reverts(gate.treasury.createPayment, whole.arguments, admin, error, 96, 2**96)
    world.create(gate.treasury, people, whole.but(amount=2**96 - 3))
    world.create(treasury, people, whole)


def initialised(protocol, people, campaign, escrow: str, live: str | None = None) -> dict:
    """Create a treasury behind a proxy, which answers with the treasury's own error."""
    live = live or protocol.params.getLiveParams()
    made = building.create(people.stranger, "PaymentTreasury", live, escrow).contract_address
    initialize = building.at("PaymentTreasury", made).initialize
    data = world.calldata(initialize, world.PLATFORM, campaign)
    code = building.artifact("ERC1967Proxy")["bytecode"]
    arguments = world.encode(["address", "bytes"], [made, data]).hex()
    return world.simulate({"from": people.stranger.address, "data": code + arguments})


def test_initialize_reverts_when_the_campaign_is_gated_and_there_is_no_escrow(
    gate, campaign, protocol, people
):
    answer = initialised(protocol, people, gate.campaign, ZERO)
    assert answer["error"]["data"] == world.error_bytes("RefundEscrowMissing()")
    assert "error" not in initialised(protocol, people, campaign, ZERO)


@pytest.mark.usefixtures("gate")
def test_initialize_reverts_when_the_decision_lies_beyond_40_bits(protocol, people):
    keys = {"keys": [world.GOAL_GATED], "values": [(1).to_bytes(32, "big")]}
    campaign = world.create_campaign(protocol, people, deadline=2**40, **keys)
    answer = initialised(protocol, people, campaign, protocol.escrow.address)
    error = "SafeCastOverflowedUintDowncast(uint8,uint256)"
    decides_at = 2**40 - 1 + world.BUFFER_TIME
    assert answer["error"]["data"] == world.error_bytes(error, 40, decides_at)


@pytest.mark.parametrize("gated", [False, True])
def test_initialize_reverts_when_the_campaign_is_of_another_deployment(
    gate, campaign, protocol, people, gated
):
    """Such a treasury would take the campaign for one of Oak's, and its goal for none."""
    other = building.create(people.stranger, "LiveParams").contract_address
    chosen = gate.campaign if gated else campaign
    answer = initialised(protocol, people, chosen, protocol.escrow.address, other)
    live_params = protocol.params.getLiveParams()
    assert answer["error"]["data"] == world.error_bytes("ForeignLiveParams(address)", live_params)


def test_get_refund_escrow_names_the_implementations(gate, protocol):
    assert gate.treasury.getRefundEscrow() == protocol.escrow.address
