"""Refunds that anyone may open when a gated campaign missed its goal or was cancelled."""

from __future__ import annotations

import building
import clock
import goals
import pytest
import treasuries
import world
from goals import CLOSED, GOAL, MISSED, NOT_GATED, OPEN, RELEASED
from treasuries import settlement
from world import DAY, PLATFORM, REAL, REASON, ZERO, a_payment, assert_log, assert_reverts

NOT_CONFIRMED = "PaymentTreasuryPaymentNotConfirmed(bytes32)"
MISMATCH = "WitnessMismatch(bytes32)"
REFUND_CLAIMED = "RefundClaimed(bytes32,uint256,address)"
REFERENCE = world.keccak(text="a fiat refund")


@pytest.fixture(scope="module")
def gate(protocol, people, brla):
    treasuries.set_item_types(protocol, people)
    return goals.gated(protocol, people, brla)


def refunds(receipt, gate) -> list[dict]:
    logs, found = world.logs(receipt, gate.treasury), world.topic(REFUND_CLAIMED)
    return [log for log in logs if bytes(log["topics"][0]) == found]


def assert_refund(receipt, gate, number: int, amount: int, to: str) -> None:
    """The one RefundClaimed of a transaction."""
    (log,) = refunds(receipt, gate)
    indexed = [goals.payment_id(number), to]
    assert_log(log, REFUND_CLAIMED, indexed=indexed, types=["uint256"], values=[amount])


def owed(escrow, gate, number: int) -> tuple:
    platform, token, amount = escrow.owed(gate.treasury, goals.payment_id(number))
    return bytes(platform), token, amount


def assert_refuses(gate, people, named, error: str, *values: object) -> None:
    arguments = gate.refunds(*named)
    assert_reverts(gate.treasury.refundMissedGoal, arguments, people.stranger, error, *values)


def test_refund_missed_goal_sends_fiat_payments_to_the_escrow(gate, brla, people, protocol):
    goals.settle(gate, people, settlement(1, 30), settlement(2, 12))
    goals.miss(gate)
    receipt = goals.refund(gate, people, 1)

    missed, _ = world.logs(receipt, gate.treasury)
    assert_log(missed, goals.GOAL_MISSED, types=["uint256"] * 2, values=[42, GOAL])
    assert_refund(receipt, gate, 1, 30, protocol.escrow.address)
    (deposited,) = world.logs(receipt, protocol.escrow)
    event = "RefundDeposited(address,bytes32,address,uint256)"
    indexed = [gate.treasury.address, goals.payment_id(1), brla.address]
    assert_log(deposited, event, indexed=indexed, types=["uint256"], values=[30])
    assert owed(protocol.escrow, gate, 1) == (PLATFORM, brla.address, 30)
    assert owed(protocol.escrow, gate, 2) == (bytes(32), ZERO, 0)
    assert brla.balanceOf(gate.treasury) == 12


@pytest.mark.parametrize("caller", ["stranger", "creator", "protocol_admin", "buyer"])
def test_escrow_pays_back_to_the_platform_only(gate, brla, people, protocol, caller):
    goals.settle(gate, people, settlement(1, 30))
    goals.miss(gate)
    goals.refund(gate, people, 1)
    arguments = [gate.treasury.address, goals.payment_id(1), REFERENCE]
    account, error = getattr(people, caller), "UnauthorizedCaller(address,bytes32)"
    assert_reverts(protocol.escrow.payBack, arguments, account, error, account.address, PLATFORM)
    before = brla.balanceOf(people.platform_admin)
    protocol.escrow.payBack(*arguments, sender=people.platform_admin)
    assert brla.balanceOf(people.platform_admin) - before == 30


def test_refund_missed_goal_pays_the_settled_buyer(gate, brla, people):
    buyer = people.payee.address
    goals.settle(gate, people, settlement(1, 30, buyer))
    goals.miss(gate)
    assert_refund(goals.refund(gate, people, (1, buyer)), gate, 1, 30, buyer)
    assert brla.balanceOf(buyer) == 30


@pytest.mark.parametrize("part", ["buyer id", "item id", "buyer", "no buyer"])
def test_refund_missed_goal_reverts_when_the_witness_does_not_match(gate, people, part):
    thief, buyer = people.stranger.address, people.payee.address
    goals.settle(gate, people, settlement(1, 30, buyer))
    goals.miss(gate)
    true = goals.witness(1, buyer)
    false = {
        "buyer id": (true[1], true[1], buyer),
        "item id": (true[0], true[0], buyer),
        "buyer": (*true[:2], thief),
        "no buyer": (*true[:2], ZERO),
    }[part]
    arguments = [[goals.payment_id(1)], [false]]
    call = gate.treasury.refundMissedGoal, arguments, people.stranger
    assert_reverts(*call, MISMATCH, goals.payment_id(1))


@pytest.mark.parametrize("transferred", [False, True])
@pytest.mark.parametrize("way", ["confirmed", "minted"])
def test_refund_missed_goal_pays_the_receipts_owner_and_burns_it(
    gate, brla, people, way, transferred
):
    buyer, owner = people.buyer, people.payee if transferred else people.buyer
    if way == "confirmed":
        world.confirmed(gate.treasury, brla, people, a_payment(brla, 1, amount=30), buyer.address)
    else:
        goals.settle(gate, people, settlement(1, 30, buyer.address))
        mint = gate.treasury.mintReceipt, goals.payment_id(1), goals.witness(1, buyer.address)
        world.send(*mint, sender=people.stranger)
    if transferred:
        gate.campaign.transferFrom(buyer, owner, 1, sender=buyer)
    goals.miss(gate)
    before = brla.balanceOf(owner)
    receipt = goals.refund(gate, people, 1)  # the witness is not read
    assert_refund(receipt, gate, 1, 30, owner.address)
    assert brla.balanceOf(owner) - before == 30
    error = "ERC721NonexistentToken(uint256)"
    assert_reverts(gate.campaign.ownerOf, [1], people.stranger, error, 1)


def test_refund_missed_goal_returns_line_items_whole(gate, brla, people, protocol):
    items = treasuries.line_item("reward extra", 2_000), treasuries.line_item("packaging", 500)
    world.create(gate.treasury, people, a_payment(brla, 1, amount=10_000, line_items=items))
    world.fund(gate.treasury, brla, people, 12_500)
    gate.treasury.confirmPayment(goals.payment_id(1), ZERO, sender=people.platform_admin)
    goals.miss(gate)
    goals.refund(gate, people, 1)
    assert owed(protocol.escrow, gate, 1) == (PLATFORM, brla.address, 12_500)
    assert brla.balanceOf(gate.treasury) == 0


def test_refund_missed_goal_returns_all_that_was_confirmed(gate, brla, people, protocol):
    buyer, admin, treasury = people.buyer.address, people.platform_admin, gate.treasury
    shipped = a_payment(brla, 1, amount=7, line_items=(treasuries.line_item("packaging", 10_000),))
    world.create(treasury, people, shipped, a_payment(brla, 2, amount=11))
    world.fund(treasury, brla, people, 10_018)
    ids = [goals.payment_id(1), goals.payment_id(2)]
    treasury.confirmPaymentBatch(ids, [ZERO, buyer], sender=admin)
    goals.settle(gate, people, settlement(3, 13, buyer), settlement(4, 17))
    treasury.claimRefund(goals.payment_id(4), people.payee, sender=admin)
    goals.settle(gate, people, settlement(4, 19))
    goals.miss(gate)
    before = brla.balanceOf(buyer)
    treasury.disburseFees(sender=people.stranger)
    goals.refund(gate, people, 4, 2, (3, buyer), 1)
    assert brla.balanceOf(buyer) - before == 11 + 13
    assert protocol.escrow.held(brla) == 7 + 10_000 + 19
    assert brla.balanceOf(treasury) == treasury.getRaisedAmount() == 0


def test_refund_missed_goal_pays_each_in_its_token(protocol, people):
    tokens = [treasuries.token_of(decimals, people) for decimals in (6, 18)]
    gate = goals.gated(protocol, people, *tokens)
    buyer = people.payee.address
    for number, token in enumerate(tokens):
        goals.settle(gate, people, settlement(number, 5 + number, buyer), token=token)
    goals.miss(gate)
    goals.refund(gate, people, (1, buyer), (0, buyer))
    assert [token.balanceOf(buyer) for token in tokens] == [5, 6]


def test_refund_missed_goal_of_nothing_decides(gate, people):
    goals.miss(gate)
    (log,) = goals.refund(gate, people).logs
    assert_log(log, goals.GOAL_MISSED, types=["uint256"] * 2, values=[0, GOAL])
    assert goals.refund(gate, people).logs == []


@pytest.mark.parametrize(("ids", "witnesses"), [(1, 0), (0, 1), (2, 1), (1, 2)])
def test_refund_missed_goal_reverts_when_the_arrays_differ(gate, people, ids, witnesses):
    goals.settle(gate, people, settlement(1), settlement(2))
    goals.miss(gate)
    all_ids, all_witnesses = gate.refunds(1, 2)
    arguments = [all_ids[:ids], all_witnesses[:witnesses]]
    error = "PaymentTreasuryBatchArrayLengthMismatch()"
    assert_reverts(gate.treasury.refundMissedGoal, arguments, people.stranger, error)


@pytest.mark.parametrize("position", [0, 1, 2])
@pytest.mark.parametrize("case", ["zero", "unknown", "twice", "refunded"])
def test_refund_missed_goal_passes_over_payments_that_are_gone(gate, brla, people, case, position):
    """Somebody who is faster, for one payment, does not stop the others."""
    buyer = people.payee.address
    goals.settle(gate, people, *(settlement(number, number, buyer) for number in (1, 2, 3)))
    goals.miss(gate)
    if case == "refunded":
        goals.refund(gate, people, (3, buyer))
    ids, witnesses = gate.refunds((1, buyer), (2, buyer))
    gone = {
        "zero": bytes(32),
        "unknown": goals.payment_id(4),
        "twice": ids[1 if position == 0 else 0],
        "refunded": goals.payment_id(3),
    }[case]
    witness = witnesses[1 if position == 0 else 0]
    ids = [*ids[:position], gone, *ids[position:]]
    witnesses = [*witnesses[:position], witness, *witnesses[position:]]
    before = brla.balanceOf(buyer)
    call = gate.treasury.refundMissedGoal, ids, witnesses
    receipt = world.send(*call, sender=people.stranger)
    assert brla.balanceOf(buyer) - before == 1 + 2
    assert len(refunds(receipt, gate)) == 2


@pytest.mark.parametrize("position", [0, 1, 2])
def test_refund_missed_goal_reverts_when_one_is_not_confirmed(gate, brla, people, position):
    goals.settle(gate, people, settlement(1), settlement(2))
    world.create(gate.treasury, people, a_payment(brla, 3))
    goals.miss(gate)
    named = [1, 2]
    named.insert(position, 3)
    assert_refuses(gate, people, named, NOT_CONFIRMED, goals.payment_id(3))


@pytest.mark.parametrize("position", [0, 1, 2])
def test_refund_missed_goal_reverts_when_one_witness_does_not_match(gate, people, position):
    buyer = people.buyer.address
    goals.settle(gate, people, *(settlement(number, 5, buyer) for number in (1, 2, 3)))
    goals.miss(gate)
    named = [(number, buyer) for number in (1, 2, 3)]
    named[position] = position + 1, people.stranger.address
    assert_refuses(gate, people, named, MISMATCH, goals.payment_id(position + 1))


def test_refund_missed_goal_reverts_when_the_campaign_is_not_gated(treasury, brla, people):
    world.confirmed(treasury, brla, people, a_payment(brla))
    treasury.cancelTreasury(REASON, sender=people.creator)
    arguments = [[goals.payment_id(1)], [goals.witness(1)]]
    call = treasury.refundMissedGoal, arguments, people.platform_admin
    assert_reverts(*call, CLOSED, NOT_GATED)


@pytest.mark.parametrize("amount", [GOAL - 1, GOAL])
def test_refund_missed_goal_reverts_until_the_goal_is_missed(gate, people, amount):
    goals.settle(gate, people, settlement(1, amount))
    call = gate.treasury.refundMissedGoal, gate.refunds(1), people.stranger
    clock.assert_reverts_at(gate.decides_at - 1, *call, CLOSED, OPEN)
    if amount == GOAL:
        clock.assert_reverts_at(gate.decides_at + 400 * DAY, *call, CLOSED, OPEN)
    else:
        clock.assert_passes_at(gate.decides_at, *call)


@pytest.mark.parametrize("then", ["nothing", "cancelTreasury", "cancelCampaign"])
def test_refund_missed_goal_reverts_when_the_goal_was_released(gate, people, then):
    goals.settle(gate, people, settlement(1, GOAL))
    clock.go_to(gate.decides_at)
    gate.treasury.withdraw(sender=people.creator)
    goals.settle(gate, people, settlement(2))
    if then != "nothing":
        owner = gate.treasury if then == "cancelTreasury" else gate.campaign
        getattr(owner, then)(REASON, sender=people.creator)
    assert_refuses(gate, people, [2], CLOSED, RELEASED)
    gate.treasury.claimRefund(goals.payment_id(2), people.payee, sender=people.platform_admin)


@pytest.mark.parametrize("state", ["cancelTreasury", "cancelCampaign"])
@pytest.mark.parametrize("amount", [1, GOAL])
def test_refund_missed_goal_opens_at_once_when_cancelled(gate, people, protocol, state, amount):
    goals.settle(gate, people, settlement(1, amount))
    owner = gate.treasury if state == "cancelTreasury" else gate.campaign
    getattr(owner, state)(REASON, sender=people.creator)
    goals.refund(gate, people, 1)
    assert owed(protocol.escrow, gate, 1)[2] == amount


def test_no_pause_stops_refund_missed_goal(gate, people, protocol):
    goals.settle(gate, people, settlement(1), settlement(2, 5, people.buyer.address))
    gate.treasury.pauseTreasury(REASON, sender=people.platform_admin)
    gate.campaign.pauseCampaign(REASON, sender=people.protocol_admin)
    goals.miss(gate)
    goals.refund(gate, people, 1, (2, people.buyer.address))
    assert owed(protocol.escrow, gate, 1)[2] == REAL


def test_refund_missed_goal_needs_no_platform(gate, brla, people, protocol):
    buyer = people.payee.address
    goals.settle(gate, people, settlement(1), settlement(2, 5, buyer))
    protocol.params.delistPlatform(PLATFORM, sender=people.protocol_admin)
    goals.miss(gate)
    goals.refund(gate, people, 1, (2, buyer))
    assert brla.balanceOf(buyer) == 5
    arguments = [gate.treasury.address, goals.payment_id(1), REFERENCE]
    admin, error = people.platform_admin, "UnauthorizedCaller(address,bytes32)"
    assert_reverts(protocol.escrow.payBack, arguments, admin, error, admin.address, PLATFORM)
    protocol.params.enlistPlatform(PLATFORM, people.stranger, 0, ZERO, sender=people.protocol_admin)
    protocol.escrow.payBack(*arguments, sender=people.stranger)
    assert brla.balanceOf(people.stranger) == REAL


@pytest.mark.parametrize("kind", [building.TIME_CONSTRAINED_ID, building.MIRROR_ID])
def test_every_kind_of_treasury_refunds_a_missed_goal(protocol, people, brla, kind):
    gate = goals.gated(protocol, people, brla, kind=kind)
    goals.settle(gate, people, settlement(1), second=gate.launch)
    clock.go_to(gate.decides_at + DAY)
    goals.refund(gate, people, 1)
    assert owed(protocol.escrow, gate, 1)[2] == REAL
    assert gate.outcome(gate.decides_at + 2 * DAY)[0] == MISSED
