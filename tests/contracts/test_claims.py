"""What the platform takes: its line items, what is left at the end, and what is nobody's."""

from __future__ import annotations

import building
import clock
import pytest
import treasuries
import world
from treasuries import line_item, settlement
from world import DAY, PLATFORM, REAL, REASON, ZERO, a_payment, assert_log, assert_reverts

UNAUTHORIZED = "AccessCheckerUnauthorized()"
NOTHING = "PaymentTreasuryNoFundsToClaim()"
TOO_EARLY = "PaymentTreasuryClaimWindowNotReached(uint256)"
EXPIRED = "ExpiredFundsClaimed(address,uint256,uint256)"
SWEPT = "SurplusSwept(address,address,uint256)"
DELAY = 7 * DAY
OTHERS = ["stranger", "creator", "protocol_admin", "buyer"]


@pytest.fixture(scope="module")
def other(people):
    return treasuries.token_of(6, people)


@pytest.fixture(scope="module")
def ground(protocol, people, brla, other):
    """A treasury of two tokens, of a platform with a claim delay and line item types."""
    treasuries.set_item_types(protocol, people)
    protocol.params.updatePlatformClaimDelay(PLATFORM, DELAY, sender=people.platform_admin)
    return treasuries.lay(protocol, people, tokens=(brla, other))


@pytest.fixture
def claim(ground, people):
    return lambda token: ground.treasury.claimNonGoalLineItems(token, sender=people.platform_admin)


def confirm_with(ground, token, people, number: int, amount: int, **items: int):
    """Create, fund and confirm a payment; underscores in labels stand for spaces."""
    listed = tuple(line_item(label.replace("_", " "), units) for label, units in items.items())
    payment = a_payment(token, number, amount=amount, line_items=listed)
    world.create(ground.treasury, people, payment)
    world.fund(ground.treasury, token, people, amount + sum(items.values()))
    ground.treasury.confirmPayment(payment.payment_id, ZERO, sender=people.platform_admin)
    return payment


def test_claim_non_goal_line_items_pays_the_platform_its_items_and_emits(
    ground, brla, other, people, claim
):
    confirm_with(ground, brla, people, 1, 50, tip=10_000, shipping=700, reward_extra=30)
    confirm_with(ground, brla, people, 2, 60, tip=20_000)
    confirm_with(ground, other, people, 3, 70, tip=40_000)
    before = brla.balanceOf(people.platform_admin)
    (log,) = world.logs(claim(brla), ground.treasury)
    assert_log(
        log,
        "NonGoalLineItemsClaimed(address,uint256,address)",
        indexed=[brla.address, people.platform_admin.address],
        types=["uint256"],
        values=[29_700],
    )
    assert brla.balanceOf(people.platform_admin) - before == 29_700
    assert brla.balanceOf(ground.treasury) == 50 + 60 + 700 + 30 + 300
    claim(other)
    assert other.balanceOf(people.platform_admin) == 39_600


def test_claim_non_goal_line_items_reverts_when_there_are_none(ground, brla, people, claim):
    call = ground.treasury.claimNonGoalLineItems, [brla.address], people.platform_admin
    nothing = "PaymentTreasuryInvalidInput(uint8)"
    confirm_with(ground, brla, people, 1, 50, shipping=700, service=900)
    assert_reverts(*call, nothing, 7)
    expected = a_payment(brla, 2, line_items=(line_item("tip", 5),))
    world.create(ground.treasury, people, expected)
    world.fund(ground.treasury, brla, people, expected.amount + 5)
    assert_reverts(*call, nothing, 7)
    ground.treasury.confirmPayment(expected.payment_id, ZERO, sender=people.platform_admin)
    claim(brla)
    assert_reverts(*call, nothing, 7)


def test_claim_non_goal_line_items_reverts_when_the_token_is_not_accepted(ground, people):
    token = world.new_token(people.stranger)
    world.fund(ground.treasury, token, people, REAL)
    call = ground.treasury.claimNonGoalLineItems, [token.address], people.platform_admin
    assert_reverts(*call, "PaymentTreasuryTokenNotAccepted(address)", token.address)


@pytest.mark.parametrize("caller", OTHERS)
def test_claims_revert_when_the_caller_is_not_the_platform(ground, brla, people, caller):
    confirm_with(ground, brla, people, 1, 50, tip=700)
    account, treasury = getattr(people, caller), ground.treasury
    after = ground.deadline + DELAY
    for method, arguments in (
        (treasury.claimNonGoalLineItems, [brla.address]),
        (treasury.claimExpiredFunds, []),
        (treasury.sweepSurplus, [brla.address]),
    ):
        clock.assert_reverts_at(after, method, arguments, account, UNAUTHORIZED)


def test_claim_expired_funds_reverts_until_the_delay_after_the_deadline(ground, brla, people):
    confirm_with(ground, brla, people, 1, 50)
    call = ground.treasury.claimExpiredFunds, [], people.platform_admin
    claimable_at = ground.deadline + DELAY
    for second in (ground.deadline, claimable_at - 1):
        clock.assert_reverts_at(second, *call, TOO_EARLY, claimable_at)
    clock.assert_passes_at(claimable_at, *call)


def test_claim_expired_funds_follows_the_platforms_delay(ground, brla, people, protocol):
    confirm_with(ground, brla, people, 1, 50)
    protocol.params.updatePlatformClaimDelay(PLATFORM, 0, sender=people.platform_admin)
    call = ground.treasury.claimExpiredFunds, [], people.platform_admin
    clock.assert_reverts_at(ground.deadline - 1, *call, TOO_EARLY, ground.deadline)
    clock.assert_passes_at(ground.deadline, *call)


def test_claim_expired_funds_pays_everything_left_and_emits(ground, brla, other, people):
    treasury = ground.treasury
    confirm_with(ground, brla, people, 1, 10_000)
    treasury.withdraw(sender=people.creator)  # leaves fees of 100 and 300
    confirm_with(ground, brla, people, 2, 50, tip=10_000, shipping=20_000, reward_extra=30)
    expected = a_payment(other, 3, amount=80)
    world.create(treasury, people, expected)
    world.fund(treasury, other, people, 80)
    clock.go_to(ground.deadline + DELAY)
    accounts = people.platform_admin, people.protocol_admin
    before = [brla.balanceOf(account) for account in accounts]
    logs = world.logs(treasury.claimExpiredFunds(sender=people.platform_admin), treasury)

    platform = 300 + 50 + 30 + 9_900 + 19_800
    protocol = 100 + 300
    (log,) = logs  # one per token of which something was committed
    types, values = ["uint256"] * 2, [platform, protocol]
    assert_log(log, EXPIRED, indexed=[brla.address], types=types, values=values)
    paid = [brla.balanceOf(account) for account in accounts]
    assert [after - was for after, was in zip(paid, before, strict=True)] == values
    assert (brla.balanceOf(treasury), other.balanceOf(treasury)) == (0, 80)


def test_claim_expired_funds_is_neither_raised_nor_refunded_any_more(ground, brla, people):
    treasury = ground.treasury
    confirm_with(ground, brla, people, 1, 50, reward_extra=20)
    clock.go_to(ground.deadline + DELAY)
    treasury.claimExpiredFunds(sender=people.platform_admin)
    assert treasuries.figures(treasury) == {
        "Raised": 0,
        "AvailableRaised": 0,
        "LifetimeRaised": 70,
        "Refunded": 0,
        "Expected": 0,
    }


def test_claim_expired_funds_ends_refunds_of_what_it_took(ground, brla, people):
    treasury, admin = ground.treasury, people.platform_admin
    payment = confirm_with(ground, brla, people, 1, 50)
    clock.go_to(ground.deadline + DELAY)
    treasury.claimExpiredFunds(sender=admin)
    arguments = [payment.payment_id, people.payee.address]
    error = "PaymentTreasuryPaymentNotClaimable(bytes32,uint8)"
    assert_reverts(treasury.claimRefund, arguments, admin, error, payment.payment_id, 1)
    later = a_payment(brla, 2, amount=60)
    world.confirmed(treasury, brla, people, later)
    treasury.claimRefund(later.payment_id, people.payee, sender=admin)
    assert brla.balanceOf(people.payee) == 60


def test_claim_expired_funds_reverts_when_nothing_is_committed(ground, brla, people):
    call = ground.treasury.claimExpiredFunds, [], people.platform_admin
    world.fund(ground.treasury, brla, people, REAL)
    clock.go_to(ground.deadline + DELAY)
    assert_reverts(*call, NOTHING)
    goal = settlement(1)
    world.send(ground.treasury.settleBatch, brla, [goal], sender=people.platform_admin)
    ground.treasury.claimExpiredFunds(sender=people.platform_admin)
    assert_reverts(*call, NOTHING)


def test_sweep_surplus_sends_what_belongs_to_no_payment_and_emits(ground, brla, people):
    treasury, admin = ground.treasury, people.platform_admin
    confirm_with(ground, brla, people, 1, 10_000)
    treasury.withdraw(sender=people.creator)  # leaves fees of 400
    confirm_with(ground, brla, people, 2, 50, tip=10_000, shipping=20_000)
    world.create(treasury, people, a_payment(brla, 3, amount=80))
    world.fund(treasury, brla, people, 80 + 7)
    before = brla.balanceOf(admin)
    (log,) = world.logs(treasury.sweepSurplus(brla, sender=admin), treasury)
    indexed = [brla.address, admin.address]
    assert_log(log, SWEPT, indexed=indexed, types=["uint256"], values=[7])
    assert brla.balanceOf(admin) - before == 7
    assert brla.balanceOf(treasury) == 400 + 50 + 30_000 + 80
    treasury.confirmPayment(world.keccak(text="payment 3"), ZERO, sender=admin)


def test_sweep_surplus_leaves_the_line_items_of_expected_payments(ground, brla, people):
    treasury, admin = ground.treasury, people.platform_admin
    labels = ("reward extra", "shipping", "tip", "service")
    items = tuple(line_item(label, 1_000) for label in labels)
    payment = a_payment(brla, 1, amount=80, line_items=items)
    world.create(treasury, people, payment, payment.but(payment_id=REASON))
    world.fund(treasury, brla, people, 2 * 4_080)
    call = treasury.sweepSurplus, [brla.address], admin
    assert_reverts(*call, NOTHING)
    treasury.cancelPayment(REASON, sender=admin)
    treasury.sweepSurplus(brla, sender=admin)
    assert brla.balanceOf(treasury) == 4_080
    treasury.confirmPayment(payment.payment_id, ZERO, sender=admin)
    assert_reverts(*call, NOTHING)
    assert brla.balanceOf(treasury) == 4_080 - 990  # the service left at once, but for its fee


@pytest.mark.parametrize("state", ["cancelTreasury", "cancelCampaign"])
def test_sweep_surplus_frees_tokens_of_payments_that_can_never_be_confirmed(
    ground, brla, people, state
):
    treasury, admin = ground.treasury, people.platform_admin
    confirm_with(ground, brla, people, 1, 50, shipping=700)
    world.create(treasury, people, a_payment(brla, 2, line_items=(line_item("tip", 5),)))
    world.fund(treasury, brla, people, 51 * REAL + 5)
    owner = treasury if state == "cancelTreasury" else ground.campaign
    getattr(owner, state)(REASON, sender=people.creator)
    (log,) = world.logs(treasury.sweepSurplus(brla, sender=admin), treasury)
    indexed = [brla.address, admin.address]
    assert_log(log, SWEPT, indexed=indexed, types=["uint256"], values=[51 * REAL + 5])
    assert brla.balanceOf(treasury) == 750


def test_sweep_surplus_frees_expected_tokens_when_the_time_to_confirm_is_over(
    protocol, people, brla
):
    kind = building.TIME_CONSTRAINED_ID
    ground = treasuries.lay(protocol, people, kind, (brla,))
    treasury, call = ground.treasury, [brla.address]
    clock.go_to(ground.launch)
    world.create(treasury, people, a_payment(brla, 1, amount=80))
    world.fund(treasury, brla, people, 80)
    end, admin = ground.deadline + world.BUFFER_TIME, people.platform_admin
    clock.assert_reverts_at(end, treasury.sweepSurplus, call, admin, NOTHING)
    clock.go_to(end + 1)
    treasury.sweepSurplus(brla, sender=admin)
    assert brla.balanceOf(treasury) == 0


def test_sweep_surplus_sends_tokens_that_are_not_accepted(ground, people):
    token = world.new_token(people.stranger)
    world.fund(ground.treasury, token, people, 5)
    admin = people.platform_admin
    (log,) = world.logs(ground.treasury.sweepSurplus(token, sender=admin), ground.treasury)
    indexed = [token.address, admin.address]
    assert_log(log, SWEPT, indexed=indexed, types=["uint256"], values=[5])
    assert token.balanceOf(admin) == 5


@pytest.mark.parametrize("short", [0, 1])
def test_sweep_surplus_reverts_when_there_is_none(ground, brla, people, short):
    confirm_with(ground, brla, people, 1, 50)
    world.create(ground.treasury, people, a_payment(brla, 2, amount=80))
    world.fund(ground.treasury, brla, people, 80 - short)
    call = ground.treasury.sweepSurplus, [brla.address], people.platform_admin
    assert_reverts(*call, NOTHING)
