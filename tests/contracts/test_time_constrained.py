"""A treasury that records from launch to deadline plus buffer, and pays out after the launch."""

from __future__ import annotations

import building
import clock
import pytest
import treasuries
import world
from clock import assert_passes_at, assert_reverts_at
from treasuries import line_item, settlement
from world import DAY, REASON, ZERO, a_payment

OUTSIDE = "CurrentTimeIsNotWithinRange(uint256,uint256)"
TOO_EARLY = "CurrentTimeIsLess(uint256,uint256)"
CLAIM_TOO_EARLY = "PaymentTreasuryClaimWindowNotReached(uint256)"
EXPECTED, PLAIN, WITH_RECEIPT, SETTLED = range(1, 5)
RECORDING = [
    "createPayment",
    "createPaymentBatch",
    "settleBatch",
    "cancelPayment",
    "confirmPayment",
    "confirmPaymentBatch",
]
PAYING = [
    "claimRefund to",
    "refundBuyer",
    "claimRefund by receipt",
    "withdraw",
    "disburseFees",
    "claimNonGoalLineItems",
    "sweepSurplus",
]
ANY_TIME = ["pauseTreasury", "cancelTreasury", "mintReceipt"]


def identity(number: int) -> bytes:
    return world.keccak(text=f"payment {number}")


@pytest.fixture(scope="module")
def ground(protocol, people, brla):
    """A treasury that recorded, in the first second, all that calls need."""
    treasuries.set_item_types(protocol, people)
    made = treasuries.lay(protocol, people, building.TIME_CONSTRAINED_ID, (brla,))
    treasury, admin, buyer = made.treasury, people.platform_admin, people.buyer
    world.fund(treasury, brla, people, 1_000)
    late, tip = {"amount": 10, "expiration": made.deadline + 2 * DAY}, (line_item("tip", 5),)
    batch = [
        a_payment(brla, EXPECTED, **late),
        a_payment(brla, PLAIN, **late, line_items=tip),
        a_payment(brla, WITH_RECEIPT, **late),
    ]
    clock.go_to(made.launch)
    world.send(treasury.createPaymentBatch, *world.columns(batch), sender=admin)
    ids = [identity(PLAIN), identity(WITH_RECEIPT)]
    treasury.confirmPaymentBatch(ids, [ZERO, buyer], sender=admin)
    made.campaign.approve(treasury, 1, sender=buyer)
    settled = settlement(SETTLED, 10, buyer.address)
    world.send(treasury.settleBatch, brla, [settled], sender=admin)
    return made


@pytest.fixture
def calls(ground, brla, people):
    """Method, arguments and sender by name; every one would succeed at the right time."""
    treasury, admin = ground.treasury, people.platform_admin
    new = a_payment(brla, 9, expiration=ground.deadline + 2 * DAY)
    witness = settlement(SETTLED, 10, people.buyer.address)[1:4]
    return {
        "createPayment": (treasury.createPayment, new.arguments, admin),
        "createPaymentBatch": (treasury.createPaymentBatch, world.columns([new]), admin),
        "settleBatch": (treasury.settleBatch, [brla, [settlement(9, 1)]], admin),
        "cancelPayment": (treasury.cancelPayment, [identity(EXPECTED)], admin),
        "confirmPayment": (treasury.confirmPayment, [identity(EXPECTED), ZERO], admin),
        "confirmPaymentBatch": (
            treasury.confirmPaymentBatch,
            [[identity(EXPECTED)], [ZERO]],
            admin,
        ),
        "claimRefund to": (treasury.claimRefund, [identity(PLAIN), people.payee], admin),
        "claimRefund by receipt": (
            treasury.claimRefund,
            [identity(WITH_RECEIPT)],
            people.stranger,
        ),
        "refundBuyer": (treasury.refundBuyer, [identity(SETTLED), witness], admin),
        "withdraw": (treasury.withdraw, [], people.creator),
        "disburseFees": (treasury.disburseFees, [], people.stranger),
        "claimNonGoalLineItems": (treasury.claimNonGoalLineItems, [brla.address], admin),
        "sweepSurplus": (treasury.sweepSurplus, [brla.address], admin),
        "claimExpiredFunds": (treasury.claimExpiredFunds, [], admin),
        "pauseTreasury": (treasury.pauseTreasury, [REASON], admin),
        "cancelTreasury": (treasury.cancelTreasury, [REASON], admin),
        "mintReceipt": (treasury.mintReceipt, [identity(SETTLED), witness], people.stranger),
    }


@pytest.mark.parametrize("name", RECORDING)
def test_recording_passes_from_the_launch_to_the_end_of_the_buffer(ground, calls, name):
    end = ground.deadline + world.BUFFER_TIME
    for second in (ground.launch, ground.deadline, end):
        assert_passes_at(second, *calls[name])
    for second in (ground.launch - 1, end + 1):
        assert_reverts_at(second, *calls[name], OUTSIDE, ground.launch, end)


def test_process_crypto_payment_passes_from_the_launch_to_the_end_of_the_buffer(ground, people):
    arguments = [bytes(32), REASON, people.buyer, ZERO, 1, [], [], (0, 0, b"")]
    call = ground.treasury.processCryptoPayment, arguments, people.stranger
    end = ground.deadline + world.BUFFER_TIME
    for second in (ground.launch, end):
        assert_reverts_at(second, *call, "PaymentTreasuryZeroPaymentId()")
    for second in (ground.launch - 1, end + 1):
        assert_reverts_at(second, *call, OUTSIDE, ground.launch, end)


def test_recording_follows_the_buffer_time_of_the_moment(ground, calls, protocol, people):
    longer = (world.BUFFER_TIME + 1).to_bytes(32, "big")
    key, admin = world.keccak(text="bufferTime"), people.protocol_admin
    protocol.params.addToRegistry(key, longer, sender=admin)
    end = ground.deadline + world.BUFFER_TIME + 1
    assert_passes_at(end, *calls["confirmPayment"])
    assert_reverts_at(end + 1, *calls["confirmPayment"], OUTSIDE, ground.launch, end)


@pytest.mark.parametrize("name", PAYING)
def test_paying_passes_from_the_second_after_the_launch_on(ground, calls, name):
    for second in (ground.launch - 1, ground.launch):
        assert_reverts_at(second, *calls[name], TOO_EARLY, ground.launch, second)
    for second in (ground.launch + 1, ground.deadline + 400 * DAY):
        assert_passes_at(second, *calls[name])


def test_claim_expired_funds_waits_for_launch_and_claim_window(ground, calls):
    call = calls["claimExpiredFunds"]
    assert_reverts_at(ground.launch, *call, TOO_EARLY, ground.launch, ground.launch)
    for second in (ground.launch + 1, ground.deadline - 1):
        assert_reverts_at(second, *call, CLAIM_TOO_EARLY, ground.deadline)
    assert_passes_at(ground.deadline, *call)


@pytest.mark.parametrize("name", ANY_TIME)
def test_rest_passes_at_any_time(ground, calls, name):
    for second in (ground.launch - 1, ground.launch, ground.deadline + 400 * DAY):
        assert_passes_at(second, *calls[name])


def test_views_answer_at_any_time(ground):
    for second in (ground.launch - 1, ground.deadline + 400 * DAY):
        (raised,) = clock.view_at(second, ground.treasury.getRaisedAmount, ["uint256"])
        assert raised == 30


def test_plain_treasury_has_no_times(protocol, people, brla):
    plain = treasuries.lay(protocol, people, tokens=(brla,))
    world.fund(plain.treasury, brla, people, 1)
    settle = plain.treasury.settleBatch, [brla, [settlement(1, 1)]], people.platform_admin
    for second in (plain.launch - 1, plain.deadline + 400 * DAY):
        assert_passes_at(second, *settle)
    world.send(settle[0], *settle[1], sender=settle[2])
    withdraw = plain.treasury.withdraw, [], people.creator
    assert_passes_at(plain.launch - 1, *withdraw)
