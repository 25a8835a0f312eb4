"""Tokens that do not answer, answer false, take a fee, call back, or lie."""

from __future__ import annotations

import ape
import probing
import pytest
import treasuries
import world
from eth_abi import encode
from probing import REENTRANT, answers, entry_points
from world import REAL, REASON, ZERO, a_payment, assert_reverts

NOTHING, TRUE, FALSE = range(3)  # OddToken.Answer
FAILED = "SafeERC20FailedOperation(address)"
NOT_CLAIMABLE = "PaymentTreasuryPaymentNotClaimable(bytes32,uint8)"
INSUFFICIENT = "PaymentTreasuryInsufficientBalance(uint256,uint256)"
ADMINS = {"pauseTreasury", "unpauseTreasury", "cancelTreasury"}  # they move no money
WAYS_OUT = [
    "confirmPayment",
    "claimRefund",
    "claimRefund of a receipt",
    "withdraw",
    "disburseFees",
    "claimNonGoalLineItems",
    "claimExpiredFunds",
    "sweepSurplus",
]


@pytest.fixture(scope="module")
def odd(protocol, people):
    return probing.lay_odd(protocol, people)


@pytest.fixture(scope="module")
def life(odd, people):
    return probing.begin_life(odd, people)


def way_out(odd, life, people, name: str):
    """The call by which money leaves: method, arguments, sender, receiver, base units."""
    treasury, token = odd.treasury, odd.tokens[0]
    one, two, _, four = (payment.payment_id for payment in life)
    admin, amount = people.platform_admin, life[0].amount
    return {
        "confirmPayment": (treasury.confirmPayment, [four, ZERO], admin, admin, 99 * REAL // 10),
        "claimRefund": (treasury.claimRefund, [one, people.payee], admin, people.payee, amount),
        "claimRefund of a receipt": (
            treasury.claimRefund,
            [two],
            people.stranger,
            people.buyer,
            amount,
        ),
        "withdraw": (
            treasury.withdraw,
            [],
            people.creator,
            people.creator,
            3 * amount * 96 // 100,
        ),
        "disburseFees": (
            treasury.disburseFees,
            [],
            people.stranger,
            people.protocol_admin,
            REAL // 10,
        ),
        "claimNonGoalLineItems": (
            treasury.claimNonGoalLineItems,
            [token],
            admin,
            admin,
            99 * REAL // 10,
        ),
        "claimExpiredFunds": (
            treasury.claimExpiredFunds,
            [],
            admin,
            admin,
            3 * amount + 99 * REAL // 10,
        ),
        "sweepSurplus": (
            treasury.sweepSurplus,
            [token],
            admin,
            admin,
            1_000 * REAL - 4 * amount - 20 * REAL,
        ),
    }[name]


def make_ready(odd, name: str) -> None:
    if name == "claimExpiredFunds":
        ape.chain.mine(timestamp=odd.deadline)


def test_entry_points_tried_are_all_there_are(odd, life, people):
    tried = {name.split("(")[0] for name in entry_points(odd.treasury, life, people, odd.tokens[0])}
    abi = odd.treasury.contract_type.mutable_methods
    assert {method.name for method in abi} == tried | ADMINS | {"initialize"}


@pytest.mark.parametrize("name", WAYS_OUT)
@pytest.mark.parametrize("answer", [NOTHING, TRUE])
def test_token_is_sent_when_it_answers_nothing_or_true(odd, life, people, name, answer):
    token = odd.tokens[0]
    token.answer(answer, sender=people.stranger)
    make_ready(odd, name)
    method, arguments, sender, receiver, amount = way_out(odd, life, people, name)
    before = token.balanceOf(receiver)
    world.send(method, *arguments, sender=sender)
    assert token.balanceOf(receiver) - before == amount


@pytest.mark.parametrize("name", WAYS_OUT)
def test_nothing_happens_when_the_token_answers_false(odd, life, people, name):
    token = odd.tokens[0]
    token.answer(FALSE, sender=people.stranger)
    make_ready(odd, name)
    method, arguments, sender, _, _ = way_out(odd, life, people, name)
    assert_reverts(method, arguments, sender, FAILED, token.address)


@pytest.mark.parametrize("name", WAYS_OUT)
def test_token_that_calls_back_finds_every_entry_point_closed(odd, life, people, protocol, name):
    """It speaks as the platform's adapter: no right is missing but the guard's."""
    token, admin = odd.tokens[0], people.platform_admin
    protocol.params.setPlatformAdapter(world.PLATFORM, token, sender=people.protocol_admin)
    calls = entry_points(odd.treasury, life, people, token)
    suffix = bytes.fromhex(admin.address[2:])
    messages = [call + suffix for call in calls.values()]
    token.probe(odd.treasury, messages, sender=people.stranger)
    make_ready(odd, name)
    method, arguments, sender, receiver, amount = way_out(odd, life, people, name)
    before = token.balanceOf(receiver)
    world.send(method, *arguments, sender=sender)
    assert answers(token) == [(False, REENTRANT)] * len(messages)
    assert token.balanceOf(receiver) - before == amount


@pytest.mark.parametrize("name", [name for name in WAYS_OUT if name != "sweepSurplus"])
def test_views_read_during_a_transfer_are_those_after_it(odd, life, people, name):
    token, treasury = odd.tokens[0], odd.treasury
    views = [getattr(treasury, f"get{view}Amount") for view in treasuries.VIEWS]
    token.probe(treasury, [world.calldata(view) for view in views], sender=people.stranger)
    make_ready(odd, name)
    method, arguments, sender, _, _ = way_out(odd, life, people, name)
    world.send(method, *arguments, sender=sender)
    after = [(True, "0x" + encode(["uint256"], [view()]).hex()) for view in views]
    assert answers(token) == after


@pytest.mark.usefixtures("life")
def test_confirm_reverts_when_the_token_took_a_fee_on_the_way_in(odd, people):
    token, payment = odd.tokens[0], a_payment(odd.tokens[0], 7, amount=900 * REAL)
    world.create(odd.treasury, people, payment)
    token.mint(people.payee, 300 * REAL, sender=people.stranger)
    token.charge(1, sender=people.stranger)
    committed, held = 3 * 51 * REAL + 10 * REAL, 1_000 * REAL
    missing = committed + payment.amount - held
    token.transfer(odd.treasury, missing, sender=people.payee)
    assert_reverts(
        odd.treasury.confirmPayment,
        [payment.payment_id, ZERO],
        people.platform_admin,
        INSUFFICIENT,
        held + missing,
        held + missing - 1,
    )


def test_refund_of_a_token_that_takes_a_fee_costs_the_treasury_only_the_payment(odd, life, people):
    token, payment = odd.tokens[0], life[0]
    token.charge(7, sender=people.stranger)
    before = token.balanceOf(odd.treasury)
    arguments = [payment.payment_id, people.payee]
    odd.treasury.claimRefund(*arguments, sender=people.platform_admin)
    assert before - token.balanceOf(odd.treasury) == payment.amount
    assert token.balanceOf(people.payee) == payment.amount - 7
    assert odd.treasury.getRefundedAmount() == payment.amount


def test_goal_refund_owes_what_arrived_in_the_escrow_when_the_token_takes_a_fee(protocol, people):
    token = treasuries.odd_token(people)
    ground = treasuries.lay(protocol, people, tokens=(token,), gated=True)
    payment = a_payment(token)
    world.confirmed(ground.treasury, token, people, payment)
    ground.campaign.cancelCampaign(REASON, sender=people.creator)
    token.charge(7, sender=people.stranger)
    witness = (payment.buyer_id, payment.item_id, ZERO)
    refund = ground.treasury.refundMissedGoal
    refund([payment.payment_id], [witness], sender=people.stranger)
    owed = protocol.escrow.owed(ground.treasury, payment.payment_id)
    assert tuple(owed) == (world.PLATFORM, token, payment.amount - 7)
    assert token.balanceOf(protocol.escrow) == payment.amount - 7


@pytest.mark.parametrize("refund", ["claimRefund", "claimRefund of a receipt"])
def test_refund_reverts_when_the_token_says_less_is_here_than_is(odd, life, people, refund):
    token, payment = odd.tokens[0], life[0]
    token.lie(odd.treasury, payment.amount - 1 - 1_000 * REAL, sender=people.stranger)
    method, arguments, sender, _, _ = way_out(odd, life, people, refund)
    insufficient_contract_balance = 6
    values = (arguments[0], insufficient_contract_balance)
    assert_reverts(method, arguments, sender, NOT_CLAIMABLE, *values)


def test_token_that_says_more_is_here_than_is_harms_only_its_own_payments(odd, life, people):
    token, honest = odd.tokens
    treasury, admin = odd.treasury, people.platform_admin
    fair = world.confirmed(treasury, honest, people, a_payment(honest, 20))
    phantom = a_payment(token, 21, amount=5_000 * REAL)
    world.create(treasury, people, phantom)
    token.lie(treasury, 10_000 * REAL, sender=people.stranger)
    treasury.confirmPayment(phantom.payment_id, ZERO, sender=admin)
    overflow, values = world.PANIC_OVERFLOW
    assert_reverts(
        treasury.claimRefund, [phantom.payment_id, people.payee], admin, overflow, values
    )
    treasury.claimRefund(fair.payment_id, people.payee, sender=admin)
    treasury.claimRefund(life[0].payment_id, people.payee, sender=admin)
    assert honest.balanceOf(people.payee) == fair.amount
    assert treasuries.account_of(treasury, honest)["committed"] == 0


@pytest.mark.parametrize(("decimals", "raised"), [(0, 51 * 10**18), (6, 51 * 10**12), (24, 0)])
def test_views_count_in_18_decimals_and_books_in_base_units(protocol, people, decimals, raised):
    token = treasuries.token_of(decimals, people)
    ground = treasuries.lay(protocol, people, tokens=(token,))
    treasury = ground.treasury
    payment = world.confirmed(treasury, token, people, a_payment(token, amount=51))
    assert treasury.getRaisedAmount() == raised
    assert treasuries.account_of(treasury, token)["lifetime"] == 51
    treasury.claimRefund(payment.payment_id, people.payee, sender=people.platform_admin)
    assert token.balanceOf(people.payee) == 51


def test_views_of_tokens_with_more_decimals_round_down(protocol, people):
    token = treasuries.token_of(24, people)
    treasury = treasuries.lay(protocol, people, tokens=(token,)).treasury
    world.confirmed(treasury, token, people, a_payment(token, amount=3 * 10**6 - 1))
    assert treasury.getRaisedAmount() == 2
