from __future__ import annotations

import ape
import clock
import pytest
import treasuries
import world
from world import DAY, REASON, ZERO, a_payment, assert_log, assert_reverts

AUTO_UNPAUSED = bytes.fromhex("231da0eace2a459b43889b78bbd1fc88a89e3192ee6cbcda7015c539d577e2cd")
PAUSED = "PausedError()"
CANCELLED = "CancelledError()"
CAMPAIGN_CLOSED = "PaymentTreasuryCampaignInfoIsPaused()"

# Which calls each state closes: (name, arguments). Refunds and fees stay open unless paused.
WRITES = ["createPayment", "createPaymentBatch", "cancelPayment", "confirmPayment"]
WRITES = [*WRITES, "confirmPaymentBatch", "settleBatch", "withdraw"]
PAYOUTS = ["claimRefund to", "claimRefund by receipt", "refundBuyer", "disburseFees", "mintReceipt"]
PAYOUTS = [*PAYOUTS, "claimNonGoalLineItems", "claimExpiredFunds", "sweepSurplus"]
EXPECTED, PLAIN, WITH_RECEIPT, SETTLED = range(1, 5)
NO_PLATFORM = ["withdraw", "claimRefund by receipt", "disburseFees", "mintReceipt"]


def identity(number: int) -> bytes:
    return world.keccak(text=f"payment {number}")


@pytest.fixture(scope="module")
def ground(protocol, people, brla):
    """A treasury with payments of every kind, a tip to claim, and surplus."""
    treasuries.set_item_types(protocol, people)
    made = treasuries.lay(protocol, people, tokens=(brla,))
    treasury, admin = made.treasury, people.platform_admin
    changes = {"amount": 10, "expiration": made.deadline + 2 * DAY}
    tip = (treasuries.line_item("tip", 100),)
    batch = [
        a_payment(brla, EXPECTED, **changes),
        a_payment(brla, PLAIN, **changes, line_items=tip),
        a_payment(brla, WITH_RECEIPT, **changes),
    ]
    world.send(treasury.createPaymentBatch, *world.columns(batch), sender=admin)
    world.fund(treasury, brla, people, 1_000)
    ids = [identity(PLAIN), identity(WITH_RECEIPT)]
    treasury.confirmPaymentBatch(ids, [ZERO, people.buyer], sender=admin)
    made.campaign.approve(treasury, 1, sender=people.buyer)
    settled = treasuries.settlement(SETTLED, 10, people.buyer.address)
    world.send(treasury.settleBatch, brla, [settled], sender=admin)
    return made


@pytest.fixture
def treasury(ground):
    return ground.treasury


@pytest.fixture
def campaign(ground):
    return ground.campaign


@pytest.fixture
def calls(ground, brla, people):
    """Every call that a state may close, in a world where it would succeed after the deadline."""
    treasury = ground.treasury
    settled = treasuries.settlement(SETTLED, 10, people.buyer.address)
    new = a_payment(brla, 9, expiration=ground.deadline + 2 * DAY)
    admin = people.platform_admin
    return {
        "createPayment": (treasury.createPayment, new.arguments, admin),
        "createPaymentBatch": (treasury.createPaymentBatch, world.columns([new]), admin),
        "cancelPayment": (treasury.cancelPayment, [identity(EXPECTED)], admin),
        "confirmPayment": (treasury.confirmPayment, [identity(EXPECTED), ZERO], admin),
        "confirmPaymentBatch": (
            treasury.confirmPaymentBatch,
            [[identity(EXPECTED)], [ZERO]],
            admin,
        ),
        "withdraw": (treasury.withdraw, [], people.creator),
        "claimRefund to": (
            treasury.claimRefund,
            [identity(PLAIN), people.payee.address],
            admin,
        ),
        "claimRefund by receipt": (
            treasury.claimRefund,
            [identity(WITH_RECEIPT)],
            people.stranger,
        ),
        "disburseFees": (treasury.disburseFees, [], people.stranger),
        "refundBuyer": (treasury.refundBuyer, [settled[0], settled[1:4]], admin),
        "settleBatch": (treasury.settleBatch, [brla, [treasuries.settlement(9, 1)]], admin),
        "mintReceipt": (treasury.mintReceipt, [settled[0], settled[1:4]], people.stranger),
        "claimNonGoalLineItems": (treasury.claimNonGoalLineItems, [brla.address], admin),
        "claimExpiredFunds": (treasury.claimExpiredFunds, [], admin),
        "sweepSurplus": (treasury.sweepSurplus, [brla.address], admin),
    }


@pytest.fixture
def assert_open(ground, calls):
    def check(names) -> None:
        for name in names:
            clock.assert_passes_at(ground.deadline, *calls[name])

    return check


@pytest.fixture
def assert_closed(ground, calls):
    def check(names, error: str) -> None:
        for name in names:
            clock.assert_reverts_at(ground.deadline, *calls[name], error)

    return check


def test_every_call_is_open_when_nothing_is_paused_or_cancelled(calls, assert_open):
    assert_open(calls)


def test_paused_treasury_closes_everything(treasury, calls, people, assert_open, assert_closed):
    receipt = treasury.pauseTreasury(REASON, sender=people.platform_admin)
    (log,) = receipt.logs
    account = people.platform_admin.address
    assert_log(
        log, "Paused(address,bytes32)", indexed=[account], types=["bytes32"], values=[REASON]
    )
    assert treasury.paused()
    assert_closed(calls, PAUSED)
    again = [REASON]
    assert_reverts(treasury.pauseTreasury, again, people.platform_admin, PAUSED)

    receipt = treasury.unpauseTreasury(REASON, sender=people.platform_admin)
    (log,) = receipt.logs
    assert_log(
        log, "Unpaused(address,bytes32)", indexed=[account], types=["bytes32"], values=[REASON]
    )
    assert_open(calls)
    error = "NotPausedError()"
    assert_reverts(treasury.unpauseTreasury, again, people.platform_admin, error)


@pytest.mark.parametrize("caller", ["platform_admin", "creator"])
def test_cancelled_treasury_leaves_refunds_and_fees_open(
    treasury, people, caller, assert_open, assert_closed
):
    account = getattr(people, caller)
    receipt = treasury.cancelTreasury(REASON, sender=account)
    (log,) = receipt.logs
    assert_log(
        log,
        "Cancelled(address,bytes32)",
        indexed=[account.address],
        types=["bytes32"],
        values=[REASON],
    )
    assert treasury.cancelled()
    assert treasury.cancellationTime() == receipt.timestamp
    assert_closed(WRITES, CANCELLED)
    assert_open(PAYOUTS)
    assert_reverts(treasury.cancelTreasury, [REASON], account, "CannotCancel()")
    assert_reverts(treasury.pauseTreasury, [REASON], people.platform_admin, CANCELLED)


def test_cancel_treasury_unpauses_it_first(treasury, people):
    treasury.pauseTreasury(REASON, sender=people.platform_admin)
    receipt = treasury.cancelTreasury(REASON, sender=people.creator)
    unpaused, _ = receipt.logs
    assert_log(
        unpaused,
        "Unpaused(address,bytes32)",
        indexed=[people.creator.address],
        types=["bytes32"],
        values=[AUTO_UNPAUSED],
    )
    assert not treasury.paused()


@pytest.mark.parametrize("caller", ["stranger", "creator", "protocol_admin", "buyer"])
def test_pause_treasury_reverts_when_the_caller_is_not_the_platform(treasury, people, caller):
    account = getattr(people, caller)
    error = "AccessCheckerUnauthorized()"
    assert_reverts(treasury.pauseTreasury, [REASON], account, error)
    assert_reverts(treasury.unpauseTreasury, [REASON], account, error)


@pytest.mark.parametrize("caller", ["stranger", "protocol_admin", "buyer"])
def test_cancel_treasury_reverts_when_the_caller_is_neither_platform_nor_owner(
    treasury, people, caller
):
    account = getattr(people, caller)
    error = "PaymentTreasuryUnAuthorized()"
    assert_reverts(treasury.cancelTreasury, [REASON], account, error)


def test_paused_campaign_closes_its_treasuries(campaign, calls, people, assert_open, assert_closed):
    campaign.pauseCampaign(REASON, sender=people.protocol_admin)
    assert campaign.paused()
    assert_closed(calls, CAMPAIGN_CLOSED)
    campaign.unpauseCampaign(REASON, sender=people.protocol_admin)
    assert_open(calls)


@pytest.mark.parametrize("caller", ["protocol_admin", "creator"])
def test_cancelled_campaign_leaves_refunds_and_fees_open(
    campaign, people, caller, assert_open, assert_closed
):
    campaign.cancelCampaign(REASON, sender=getattr(people, caller))
    assert campaign.cancelled()
    assert_closed(WRITES, CAMPAIGN_CLOSED)
    assert_open(PAYOUTS)


def test_delisted_platform_leaves_open_what_needs_no_platform(
    protocol, calls, people, assert_open, assert_closed
):
    protocol.params.delistPlatform(world.PLATFORM, sender=people.protocol_admin)
    for name in calls:
        if calls[name][-1] == people.platform_admin:
            assert_closed([name], "AccessCheckerUnauthorized()")
    assert_open(NO_PLATFORM)


def test_delisted_platform_has_no_admin_that_anyone_could_be(treasury, protocol, people):
    protocol.params.delistPlatform(world.PLATFORM, sender=people.protocol_admin)
    unauthorized = world.error_bytes("AccessCheckerUnauthorized()")
    for method in (treasury.pauseTreasury, treasury.unpauseTreasury):
        answer = world.call(treasury.address, world.calldata(method, REASON), ZERO)
        assert answer["error"]["data"] == unauthorized
    answer = world.call(treasury.address, world.calldata(treasury.withdraw), ZERO)
    assert answer["error"]["data"] == unauthorized
    answer = world.call(treasury.address, world.calldata(treasury.cancelTreasury, REASON), ZERO)
    assert answer["error"]["data"] == world.error_bytes("PaymentTreasuryUnAuthorized()")


def test_delisted_platforms_share_waits_for_the_platform(protocol, brla, people):
    treasury = treasuries.lay(protocol, people, tokens=(brla,)).treasury
    world.confirmed(treasury, brla, people, a_payment(brla, amount=10_000))
    protocol.params.delistPlatform(world.PLATFORM, sender=people.protocol_admin)
    treasury.withdraw(sender=people.creator)
    assert brla.balanceOf(people.creator) == 9_600
    (log,) = world.logs(treasury.disburseFees(sender=people.stranger), treasury)
    event, types = "FeesDisbursed(address,uint256,uint256)", ["uint256"] * 2
    assert_log(log, event, indexed=[brla.address], types=types, values=[100, 0])
    assert world.logs(treasury.disburseFees(sender=people.stranger), treasury) == []
    assert brla.balanceOf(treasury) == 300

    again = world.PLATFORM, people.payee, 0, ZERO
    protocol.params.enlistPlatform(*again, sender=people.protocol_admin)
    (log,) = world.logs(treasury.disburseFees(sender=people.stranger), treasury)
    assert_log(log, event, indexed=[brla.address], types=types, values=[0, 300])
    assert brla.balanceOf(people.payee) == 300


def test_owner_of_a_delisted_platforms_paused_treasury_cancels_it(treasury, protocol, brla, people):
    buyer = people.buyer
    treasury.pauseTreasury(REASON, sender=people.platform_admin)
    protocol.params.delistPlatform(world.PLATFORM, sender=people.protocol_admin)
    treasury.cancelTreasury(REASON, sender=people.creator)
    before = brla.balanceOf(buyer)
    treasury.claimRefund(identity(WITH_RECEIPT), sender=people.stranger)
    assert brla.balanceOf(buyer) - before == 10


@pytest.mark.parametrize("state", ["treasury paused", "treasury cancelled", "paused", "cancelled"])
def test_process_crypto_payment_is_closed_like_other_writes(treasury, campaign, people, state):
    admin, protocol_admin = people.platform_admin, people.protocol_admin
    close, account, error = {
        "treasury paused": (treasury.pauseTreasury, admin, PAUSED),
        "treasury cancelled": (treasury.cancelTreasury, admin, CANCELLED),
        "paused": (campaign.pauseCampaign, protocol_admin, CAMPAIGN_CLOSED),
        "cancelled": (campaign.cancelCampaign, protocol_admin, CAMPAIGN_CLOSED),
    }[state]
    arguments = [bytes(32), REASON, people.buyer, ZERO, 1, [], [], (0, 0, b"")]
    call = treasury.processCryptoPayment, arguments, people.stranger
    assert_reverts(*call, "PaymentTreasuryZeroPaymentId()")
    close(REASON, sender=account)
    assert_reverts(*call, error)


def test_new_platform_admin_takes_effect_at_once(treasury, protocol, people):
    protocol.params.updatePlatformAdminAddress(
        world.PLATFORM, people.stranger, sender=people.protocol_admin
    )
    error = "AccessCheckerUnauthorized()"
    assert_reverts(treasury.pauseTreasury, [REASON], people.platform_admin, error)
    treasury.pauseTreasury(REASON, sender=people.stranger)


def test_cancellation_times_are_block_times(treasury, campaign, people):
    assert treasury.cancellationTime() == campaign.cancellationTime() == 0
    campaign.cancelCampaign(REASON, sender=people.creator)
    assert campaign.cancellationTime() == ape.chain.blocks.head.timestamp
