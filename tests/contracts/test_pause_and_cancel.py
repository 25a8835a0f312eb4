from __future__ import annotations

import ape
import pytest
import world
from world import REASON, ZERO, a_payment, assert_log, assert_reverts

AUTO_UNPAUSED = bytes.fromhex("231da0eace2a459b43889b78bbd1fc88a89e3192ee6cbcda7015c539d577e2cd")
PAUSED = "PausedError()"
CANCELLED = "CancelledError()"
CAMPAIGN_CLOSED = "PaymentTreasuryCampaignInfoIsPaused()"

# Which calls each state closes: (name, arguments). Refunds and fees stay open unless paused.
WRITES = ["createPayment", "createPaymentBatch", "cancelPayment", "confirmPayment"]
WRITES = [*WRITES, "confirmPaymentBatch", "withdraw"]
PAYOUTS = ["claimRefund to", "claimRefund by receipt", "disburseFees"]


@pytest.fixture
def calls(treasury, campaign, brla, people):
    """Every call that a state may close, in a world where it would succeed."""
    pending = a_payment(brla, 1)
    world.create(treasury, people, pending)
    world.fund(treasury, brla, people, pending.amount)
    plain = world.confirmed(treasury, brla, people, a_payment(brla, 2))
    with_receipt = world.confirmed(treasury, brla, people, a_payment(brla, 3), people.buyer)
    campaign.approve(treasury, 1, sender=people.buyer)
    new = a_payment(brla, 4)
    admin = people.platform_admin
    return {
        "createPayment": (treasury.createPayment, new.arguments, admin),
        "createPaymentBatch": (treasury.createPaymentBatch, world.columns([new]), admin),
        "cancelPayment": (treasury.cancelPayment, [pending.payment_id], admin),
        "confirmPayment": (treasury.confirmPayment, [pending.payment_id, ZERO], admin),
        "confirmPaymentBatch": (
            treasury.confirmPaymentBatch,
            [[pending.payment_id], [ZERO]],
            admin,
        ),
        "withdraw": (treasury.withdraw, [], people.creator),
        "claimRefund to": (
            treasury.claimRefund,
            [plain.payment_id, people.payee.address],
            admin,
        ),
        "claimRefund by receipt": (
            treasury.claimRefund,
            [with_receipt.payment_id],
            people.stranger,
        ),
        "disburseFees": (treasury.disburseFees, [], people.stranger),
    }


def assert_open(calls, names):
    for name in names:
        method, arguments, sender = calls[name]
        answer = world.call(
            method.contract.address, world.calldata(method, *arguments), sender.address
        )
        assert "error" not in answer, name


def assert_closed(calls, names, error):
    for name in names:
        assert_reverts(*calls[name], error)


def test_every_call_is_open_when_nothing_is_paused_or_cancelled(calls):
    assert_open(calls, calls)


def test_paused_treasury_closes_everything(treasury, calls, people):
    receipt = treasury.pauseTreasury(REASON, sender=people.platform_admin)
    (log,) = receipt.logs
    account = people.platform_admin.address
    assert_log(
        log, "Paused(address,bytes32)", indexed=[account], types=["bytes32"], values=[REASON]
    )
    assert treasury.paused()
    assert_closed(calls, calls, PAUSED)
    again = [REASON]
    assert_reverts(treasury.pauseTreasury, again, people.platform_admin, PAUSED)

    receipt = treasury.unpauseTreasury(REASON, sender=people.platform_admin)
    (log,) = receipt.logs
    assert_log(
        log, "Unpaused(address,bytes32)", indexed=[account], types=["bytes32"], values=[REASON]
    )
    assert_open(calls, calls)
    error = "NotPausedError()"
    assert_reverts(treasury.unpauseTreasury, again, people.platform_admin, error)


@pytest.mark.parametrize("caller", ["platform_admin", "creator"])
def test_cancelled_treasury_leaves_refunds_and_fees_open(treasury, calls, people, caller):
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
    assert_closed(calls, WRITES, CANCELLED)
    assert_open(calls, PAYOUTS)
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


def test_paused_campaign_closes_its_treasuries(campaign, calls, people):
    campaign.pauseCampaign(REASON, sender=people.protocol_admin)
    assert campaign.paused()
    assert_closed(calls, calls, CAMPAIGN_CLOSED)
    campaign.unpauseCampaign(REASON, sender=people.protocol_admin)
    assert_open(calls, calls)


@pytest.mark.parametrize("caller", ["protocol_admin", "creator"])
def test_cancelled_campaign_leaves_refunds_and_fees_open(campaign, calls, people, caller):
    campaign.cancelCampaign(REASON, sender=getattr(people, caller))
    assert campaign.cancelled()
    assert_closed(calls, WRITES, CAMPAIGN_CLOSED)
    assert_open(calls, PAYOUTS)


def test_delisted_platform_closes_its_treasuries(params, calls, people):
    params.delistPlatform(world.PLATFORM, sender=people.protocol_admin)
    for call in calls.values():
        assert_reverts(*call, "GlobalParamsPlatformNotListed(bytes32)", world.PLATFORM)


def test_new_platform_admin_takes_effect_at_once(treasury, params, people):
    params.updatePlatformAdminAddress(world.PLATFORM, people.stranger, sender=people.protocol_admin)
    error = "AccessCheckerUnauthorized()"
    assert_reverts(treasury.pauseTreasury, [REASON], people.platform_admin, error)
    treasury.pauseTreasury(REASON, sender=people.stranger)


def test_adapter_speaks_for_the_sender_it_appends(treasury, params, brla, people):
    adapter = people.stranger
    params.setPlatformAdapter(world.PLATFORM, adapter, sender=people.protocol_admin)
    payment = a_payment(brla)
    message = world.calldata(treasury.createPayment, *payment.arguments)

    def forwarded(suffix: bytes) -> dict:
        return world.call(treasury.address, message + suffix, adapter.address)

    admin = bytes.fromhex(people.platform_admin.address[2:])
    invalid = world.error_bytes("PaymentTreasuryInvalidSender()")
    unauthorized = world.error_bytes("AccessCheckerUnauthorized()")
    assert forwarded(bytes(20))["error"]["data"] == invalid
    creator = bytes.fromhex(people.creator.address[2:])
    assert forwarded(creator)["error"]["data"] == unauthorized
    adapter.transfer(treasury, 0, data=message + admin)
    assert treasury.getExpectedAmount() == payment.amount

    params.setPlatformAdapter(world.PLATFORM, ZERO, sender=people.protocol_admin)
    assert forwarded(admin)["error"]["data"] == unauthorized


def test_adapter_is_refused_when_the_call_is_too_short_for_a_sender(treasury, params, people):
    params.setPlatformAdapter(world.PLATFORM, people.stranger, sender=people.protocol_admin)
    answer = world.call(
        treasury.address, world.calldata(treasury.withdraw), people.stranger.address
    )
    assert answer["error"]["data"] == world.error_bytes("PaymentTreasuryInvalidSender()")


def test_cancellation_times_are_block_times(treasury, campaign, people):
    assert treasury.cancellationTime() == campaign.cancellationTime() == 0
    campaign.cancelCampaign(REASON, sender=people.creator)
    assert campaign.cancellationTime() == ape.chain.blocks.head.timestamp
