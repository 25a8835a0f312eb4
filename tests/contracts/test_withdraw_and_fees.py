from __future__ import annotations

import pytest
import world
from world import REAL, a_payment, assert_log, assert_reverts


@pytest.mark.parametrize("caller", ["platform_admin", "creator"])
def test_withdraw_pays_the_owner_and_sets_fees_aside(treasury, brla, people, caller):
    world.confirmed(treasury, brla, people, a_payment(brla, amount=51 * REAL))
    receipt = treasury.withdraw(sender=getattr(people, caller))

    fee = 51 * REAL * (world.PROTOCOL_FEE + world.PLATFORM_FEE) // 10_000
    (log,) = world.logs(receipt, treasury)
    assert_log(
        log,
        "WithdrawalWithFeeSuccessful(address,address,uint256,uint256)",
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
        "FeesDisbursed(address,uint256,uint256)",
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
