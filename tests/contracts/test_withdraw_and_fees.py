from __future__ import annotations

import clock
import pytest
import treasuries
import world
from world import REAL, a_payment, assert_log, assert_reverts

FEES = "FeesDisbursed(address,uint256,uint256)"
WITHDRAWN = "WithdrawalWithFeeSuccessful(address,address,uint256,uint256)"


@pytest.mark.parametrize("caller", ["platform_admin", "creator"])
def test_withdraw_pays_the_owner_and_sets_fees_aside(treasury, brla, people, caller):
    world.confirmed(treasury, brla, people, a_payment(brla, amount=51 * REAL))
    receipt = treasury.withdraw(sender=getattr(people, caller))

    fee = 51 * REAL * (world.PROTOCOL_FEE + world.PLATFORM_FEE) // 10_000
    (log,) = world.logs(receipt, treasury)
    assert_log(
        log,
        WITHDRAWN,
        indexed=[brla.address, people.creator.address],
        types=["uint256", "uint256"],
        values=[51 * REAL - fee, fee],
    )
    assert brla.balanceOf(people.creator) == 51 * REAL - fee
    assert brla.balanceOf(treasury) == fee
    assert treasury.getAvailableRaisedAmount() == 0
    assert treasury.getRaisedAmount() == 51 * REAL


def test_withdraw_rounds_each_fee_down(treasury, brla, people):
    world.confirmed(treasury, brla, people, a_payment(brla, amount=99))
    treasury.withdraw(sender=people.creator)
    assert brla.balanceOf(people.creator) == 97  # 99 - floor(0.99) - floor(2.97)


def test_withdraw_reverts_when_there_is_nothing(treasury, brla, people):
    error = "PaymentTreasuryAlreadyWithdrawn()"
    assert_reverts(treasury.withdraw, [], people.creator, error)
    world.confirmed(treasury, brla, people, a_payment(brla))
    treasury.withdraw(sender=people.creator)
    assert_reverts(treasury.withdraw, [], people.creator, error)


@pytest.mark.parametrize("caller", ["stranger", "protocol_admin", "buyer"])
def test_withdraw_reverts_when_the_caller_is_neither_platform_nor_owner(treasury, people, caller):
    account = getattr(people, caller)
    assert_reverts(treasury.withdraw, [], account, "AccessCheckerUnauthorized()")


def test_withdraw_reverts_when_the_fees_exceed_the_money(protocol, params, brla, people):
    params.updateProtocolFeePercent(10_000, sender=people.protocol_admin)
    campaign = world.create_campaign(protocol, people)
    treasury = world.create_treasury(protocol, people, campaign)
    world.confirmed(treasury, brla, people, a_payment(brla, amount=10_000))
    error = "PaymentTreasuryInsufficientFundsForFee(uint256,uint256)"
    assert_reverts(treasury.withdraw, [], people.creator, error, 10_000, 10_300)


def test_fees_are_those_of_the_campaigns_creation(treasury, params, brla, people):
    params.updateProtocolFeePercent(5_000, sender=people.protocol_admin)
    world.confirmed(treasury, brla, people, a_payment(brla, amount=10_000))
    treasury.withdraw(sender=people.creator)
    assert brla.balanceOf(people.creator) == 9_600


def test_disburse_fees_pays_both_admins_once(treasury, brla, people):
    world.confirmed(treasury, brla, people, a_payment(brla, amount=10_000))
    treasury.withdraw(sender=people.creator)
    receipt = treasury.disburseFees(sender=people.stranger)

    (log,) = world.logs(receipt, treasury)
    assert_log(
        log,
        FEES,
        indexed=[brla.address],
        types=["uint256", "uint256"],
        values=[100, 300],
    )
    assert brla.balanceOf(people.protocol_admin) == 100
    assert brla.balanceOf(people.platform_admin) == 300
    assert world.logs(treasury.disburseFees(sender=people.stranger), treasury) == []
    assert brla.balanceOf(treasury) == 0


def test_fees_set_aside_do_not_back_new_payments(treasury, brla, people):
    world.confirmed(treasury, brla, people, a_payment(brla, 1, amount=10_000))
    treasury.withdraw(sender=people.creator)
    payment = a_payment(brla, 2, amount=100)
    world.create(treasury, people, payment)
    assert_reverts(
        treasury.confirmPayment,
        [payment.payment_id, world.ZERO],
        people.platform_admin,
        "PaymentTreasuryInsufficientBalance(uint256,uint256)",
        500,
        400,
    )


@pytest.fixture
def two_tokens(protocol, people, brla):
    return treasuries.lay(protocol, people, tokens=(brla, treasuries.token_of(6, people)))


def test_withdraw_and_fees_go_token_by_token(two_tokens, brla, people):
    treasury, (_, other) = two_tokens.treasury, two_tokens.tokens
    world.confirmed(treasury, brla, people, a_payment(brla, 1, amount=10_000))
    treasury.withdraw(sender=people.creator)
    world.confirmed(treasury, other, people, a_payment(other, 2, amount=20_000))
    event, types = WITHDRAWN, ["uint256"] * 2
    indexed = [other.address, people.creator.address]
    (log,) = world.logs(treasury.withdraw(sender=people.creator), treasury)
    assert_log(log, event, indexed=indexed, types=types, values=[19_200, 800])

    first, second = world.logs(treasury.disburseFees(sender=people.stranger), treasury)
    for log, token, values in ((first, brla, [100, 300]), (second, other, [200, 600])):
        assert_log(log, FEES, indexed=[token.address], types=types, values=values)


def test_withdraw_takes_what_refunds_left(treasury, brla, people):
    for number in (1, 2):
        world.confirmed(treasury, brla, people, a_payment(brla, number, amount=10_000))
    refunded = world.keccak(text="payment 1")
    treasury.claimRefund(refunded, people.payee, sender=people.platform_admin)
    treasury.withdraw(sender=people.creator)
    assert brla.balanceOf(people.creator) == 9_600


def test_withdraw_leaves_line_items_where_they_are(protocol, treasury, brla, people):
    treasuries.set_item_types(protocol, people)
    units = {"reward extra": 1_000, "shipping": 2_000, "tip": 4_000}
    items = tuple(treasuries.line_item(label, amount) for label, amount in units.items())
    payment = a_payment(brla, amount=9_000, line_items=items)
    world.create(treasury, people, payment)
    world.fund(treasury, brla, people, 16_000)
    treasury.confirmPayment(payment.payment_id, world.ZERO, sender=people.platform_admin)
    treasury.withdraw(sender=people.creator)
    assert brla.balanceOf(people.creator) == 9_600
    assert brla.balanceOf(treasury) == 6_000 + 400
    (log,) = world.logs(treasury.disburseFees(sender=people.stranger), treasury)
    types, values = ["uint256"] * 2, [100 + 20 + 40, 300]
    assert_log(log, FEES, indexed=[brla.address], types=types, values=values)


@pytest.mark.parametrize("funded", [False, True])
def test_withdraw_ignores_expected_payments_and_surplus(treasury, brla, people, funded):
    world.create(treasury, people, a_payment(brla))
    if funded:
        world.fund(treasury, brla, people, 100 * REAL)
    error = "PaymentTreasuryAlreadyWithdrawn()"
    assert_reverts(treasury.withdraw, [], people.creator, error)


def test_withdraw_pays_the_owner_of_the_moment(treasury, campaign, brla, people):
    world.confirmed(treasury, brla, people, a_payment(brla, amount=10_000))
    campaign.transferOwnership(people.payee, sender=people.creator)
    error = "AccessCheckerUnauthorized()"
    assert_reverts(treasury.withdraw, [], people.creator, error)
    treasury.withdraw(sender=people.platform_admin)
    assert brla.balanceOf(people.payee) == 9_600


def test_money_of_a_campaign_without_owner_waits_for_the_claim_window(
    treasury, campaign, brla, people
):
    world.confirmed(treasury, brla, people, a_payment(brla, amount=10_000))
    campaign.renounceOwnership(sender=people.creator)
    admin, error = people.platform_admin, "ERC20InvalidReceiver(address)"
    assert_reverts(treasury.withdraw, [], admin, error, world.ZERO)
    clock.go_to(campaign.getDeadline())
    treasury.claimExpiredFunds(sender=admin)
    assert brla.balanceOf(treasury) == 0


def test_disburse_fees_pays_the_admins_of_the_moment(treasury, params, brla, people):
    world.confirmed(treasury, brla, people, a_payment(brla, amount=10_000))
    treasury.withdraw(sender=people.creator)
    params.updatePlatformAdminAddress(world.PLATFORM, people.payee, sender=people.protocol_admin)
    params.updateProtocolAdminAddress(people.buyer, sender=people.protocol_admin)
    before = brla.balanceOf(people.buyer)
    treasury.disburseFees(sender=people.stranger)
    assert brla.balanceOf(people.payee) == 300
    assert brla.balanceOf(people.buyer) - before == 100
