"""Our treasuries in Oak's campaigns: of April 2026, and of January 2026, which Oak calls 2.0."""

from __future__ import annotations

from dataclasses import replace

import ape
import building
import hosts
import pytest
import treasuries
import world
from eth_utils import keccak
from world import DAY, PLATFORM, REAL, REASON, ZERO, assert_log, assert_reverts

HOSTS = ["OakHostHead", "OakHost2"]
KINDS = sorted(building.TREASURY_KINDS)
UNAUTHORIZED = "AccessCheckerUnauthorized()"
CAMPAIGN_CLOSED = "PaymentTreasuryCampaignInfoIsPaused()"
TIP = keccak(text="tip")


@pytest.fixture(scope="module")
def odd_admin(accounts):
    """The platform's admin at Oak, who is nobody in our own LiveParams."""
    return accounts[7]


@pytest.fixture(scope="module")
def adapter(accounts):
    return accounts[8]


@pytest.fixture(scope="module")
def everywhere(protocol, people, odd_admin, adapter):
    """A treasury of each kind in each host.

    All at once: Ape's isolation ends with a fixture of a module that has parameters.
    """
    made = {}
    for name in HOSTS:
        for kind in KINDS:
            host = hosts.new_host(protocol, people, odd_admin, name)
            made[name, kind] = hosts.deploy(host, protocol, people, kind, adapter, odd_admin)
    return made


@pytest.fixture(params=HOSTS)
def host_name(request):
    return request.param


@pytest.fixture(params=KINDS)
def any_kind(request, host_name, everywhere):
    return everywhere[host_name, request.param]


@pytest.fixture
def hosted(host_name, everywhere):
    return everywhere[host_name, building.PAYMENT_TREASURY_ID]


@pytest.fixture
def as_oak(people, odd_admin):
    """The builders' people, with Oak's platform admin."""
    return replace(people, platform_admin=odd_admin)


def test_initialize_reads_the_campaigns_fees_and_tokens(any_kind, brla, as_oak):
    treasury = any_kind.treasury
    assert treasury.getplatformHash() == PLATFORM
    assert treasury.getplatformFeePercent() == 300
    assert treasury.getGoalOutcome() == (0, 0, 0, 0)
    world.create(treasury, as_oak, world.a_payment(brla))
    assert hosts.totals(any_kind.host)["Expected"] == 51 * REAL


def test_whole_life_runs_when_hosted(any_kind, brla, as_oak):
    host, treasury, admin = any_kind.host, any_kind.treasury, as_oak.platform_admin
    single, *batch = world.payments(brla, 4)
    world.create(treasury, as_oak, single)
    world.send(treasury.createPaymentBatch, *world.columns(batch), sender=admin)
    amounts = [payment.amount for payment in (single, *batch)]
    assert hosts.totals(host)["Expected"] == sum(amounts)
    world.fund(treasury, brla, as_oak, sum(amounts) + 90 * REAL)

    treasury.cancelPayment(batch[2].payment_id, sender=admin)
    treasury.confirmPayment(single.payment_id, as_oak.buyer, sender=admin)
    ids = [payment.payment_id for payment in batch[:2]]
    treasury.confirmPaymentBatch(ids, [ZERO, as_oak.stranger], sender=admin)
    settled = [
        treasuries.settlement(10, 40 * REAL),
        treasuries.settlement(11, 50 * REAL, as_oak.buyer.address),
    ]
    world.send(treasury.settleBatch, brla, settled, sender=admin)
    raised = sum(amounts[:3]) + 90 * REAL
    assert host.ownerOf(1) == as_oak.buyer
    assert host.ownerOf(2) == as_oak.stranger
    witness = (*settled[1][1:3], as_oak.buyer.address)
    treasury.mintReceipt(settled[1][0], witness, sender=as_oak.stranger)
    assert host.ownerOf(3) == as_oak.buyer
    assert hosts.totals(host) == {
        "Raised": raised,
        "AvailableRaised": raised,
        "LifetimeRaised": raised,
        "Refunded": 0,
        "Cancelled": 0,
        "Expected": 0,
    }

    treasury.claimRefund(ids[0], as_oak.payee, sender=admin)
    host.approve(treasury, 1, sender=as_oak.buyer)
    world.send(treasury.claimRefund, single.payment_id, sender=as_oak.stranger)
    refunded = amounts[0] + amounts[1]
    assert hosts.totals(host)["Refunded"] == refunded
    left = raised - refunded
    receipt = treasury.withdraw(sender=as_oak.creator)
    fee = left // 100 + 3 * left // 100
    (log,) = world.logs(receipt, treasury)
    assert_log(
        log,
        "WithdrawalWithFeeSuccessful(address,address,uint256,uint256)",
        indexed=[brla.address, as_oak.creator.address],
        types=["uint256", "uint256"],
        values=[left - fee, fee],
    )
    treasury.disburseFees(sender=as_oak.stranger)
    assert brla.balanceOf(as_oak.payee) == amounts[1]
    assert brla.balanceOf(as_oak.buyer) == amounts[0]
    assert brla.balanceOf(as_oak.creator) == left - fee
    assert brla.balanceOf(as_oak.protocol_admin) == left // 100
    assert brla.balanceOf(admin) == 3 * left // 100
    assert brla.balanceOf(treasury) == amounts[3]

    treasury.sweepSurplus(brla, sender=admin)
    treasury.cancelTreasury(REASON, sender=admin)
    assert brla.balanceOf(treasury) == 0
    assert hosts.totals(host)["Raised"] == 0
    assert hosts.totals(host)["Cancelled"] == left


def test_line_items_follow_the_campaigns_types_when_hosted(hosted, brla, as_oak):
    hosted.host.setLineItemType(TIP, (True, "tip", False, True, False, False), sender=as_oak.buyer)
    payment = world.a_payment(brla, line_items=[(TIP, 10 * REAL)])
    world.create(hosted.treasury, as_oak, payment)
    world.fund(hosted.treasury, brla, as_oak, 61 * REAL)
    admin = as_oak.platform_admin
    hosted.treasury.confirmPayment(payment.payment_id, ZERO, sender=admin)
    before = brla.balanceOf(admin)
    hosted.treasury.claimNonGoalLineItems(brla, sender=admin)
    assert brla.balanceOf(admin) - before == 99 * REAL // 10


def test_claim_expired_funds_opens_a_day_after_the_deadline_when_hosted(hosted, brla, as_oak):
    treasury, admin = hosted.treasury, as_oak.platform_admin
    world.confirmed(treasury, brla, as_oak, world.a_payment(brla))
    opens = hosted.host.getDeadline() + DAY
    error = "PaymentTreasuryClaimWindowNotReached(uint256)"
    assert_reverts(treasury.claimExpiredFunds, [], admin, error, opens)
    ape.chain.mine(timestamp=opens)
    before = brla.balanceOf(admin)
    treasury.claimExpiredFunds(sender=admin)
    assert brla.balanceOf(admin) - before == 51 * REAL
    assert hosts.totals(hosted.host)["Refunded"] == 0


def test_expiration_is_bound_by_the_platforms_registry_key_then_the_global_one(
    hosted, brla, as_oak
):
    key = keccak(text="maxPaymentExpiration")
    own = keccak(key + PLATFORM)
    treasury, admin = hosted.treasury, as_oak.platform_admin
    now = ape.chain.pending_timestamp
    late = world.a_payment(brla, expiration=now + 500 * DAY)
    world.create(treasury, as_oak, late)
    for set_key, days in ((key, 40), (own, 20)):
        hosted.host.setRegistry(set_key, (days * DAY).to_bytes(32, "big"), sender=as_oak.buyer)
        too_late = world.a_payment(brla, 2, expiration=now + (days + 1) * DAY)
        data = world.calldata(treasury.createPayment, *too_late.arguments)
        answer = world.call(treasury.address, data, admin.address)["error"]["data"]
        assert answer[:10] == "0xecab9f18"
        assert int(answer[10:74], 16) == too_late.expiration
        assert int(answer[74:], 16) <= now + (days + 1) * DAY - 1
    fine = too_late.but(expiration=now + 19 * DAY)
    world.create(treasury, as_oak, fine)


def test_time_constrained_treasury_reads_the_buffer_time_from_the_registry_when_hosted(
    host_name, protocol, people, brla, as_oak, odd_admin
):
    host = hosts.new_host(protocol, people, odd_admin, host_name)
    treasury = hosts.deploy(host, protocol, people, building.TIME_CONSTRAINED_ID).treasury
    host.setRegistry(keccak(text="bufferTime"), (600).to_bytes(32, "big"), sender=people.stranger)
    last = host.getDeadline() + 600
    ape.chain.pending_timestamp = last
    world.create(treasury, as_oak, world.a_payment(brla, 1, expiration=last + DAY))
    ape.chain.mine(timestamp=last + 1)
    arguments = world.a_payment(brla, 2).arguments
    error = "CurrentTimeIsNotWithinRange(uint256,uint256)"
    starts = host.getLaunchTime()
    assert_reverts(treasury.createPayment, arguments, odd_admin, error, starts, last)


@pytest.mark.parametrize(("paused", "cancelled"), [(True, False), (False, True)])
def test_campaign_that_is_paused_or_cancelled_closes_its_treasury(
    hosted, brla, as_oak, paused, cancelled
):
    treasury, admin = hosted.treasury, as_oak.platform_admin
    payment = world.confirmed(treasury, brla, as_oak, world.a_payment(brla))
    hosted.host.setState(paused, cancelled, sender=as_oak.stranger)
    closed = {
        treasury.createPayment: world.a_payment(brla, 2).arguments,
        treasury.confirmPayment: [payment.payment_id, ZERO],
        treasury.confirmPaymentBatch: [[], []],
        treasury.settleBatch: [brla, [treasuries.settlement(3, REAL)]],
        treasury.withdraw: [],
    }
    for method, arguments in closed.items():
        assert_reverts(method, arguments, admin, CAMPAIGN_CLOSED)
    refund = [payment.payment_id, as_oak.payee]
    if paused:
        assert_reverts(treasury.claimRefund, refund, admin, CAMPAIGN_CLOSED)
        assert_reverts(treasury.disburseFees, [], admin, CAMPAIGN_CLOSED)
    else:
        treasury.claimRefund(*refund, sender=admin)
        treasury.disburseFees(sender=admin)
        assert brla.balanceOf(as_oak.payee) == payment.amount


def test_delisted_platform_is_nobody_and_leaves_what_others_may_do_open(hosted, brla, as_oak):
    host, treasury, admin = hosted.host, hosted.treasury, as_oak.platform_admin
    world.confirmed(treasury, brla, as_oak, world.a_payment(brla, 1), as_oak.buyer)
    world.confirmed(treasury, brla, as_oak, world.a_payment(brla, 2))
    host.setPlatform(ZERO, ZERO, sender=as_oak.stranger)
    error = "GlobalParamsPlatformNotListed(bytes32)"
    assert_reverts(host.getPlatformAdminAddress, [PLATFORM], admin, error, PLATFORM)
    for method, arguments in {
        treasury.createPayment: world.a_payment(brla, 3).arguments,
        treasury.pauseTreasury: [REASON],
        treasury.claimExpiredFunds: [],
        treasury.sweepSurplus: [brla],
    }.items():
        assert_reverts(method, arguments, admin, UNAUTHORIZED)
    host.approve(treasury, 1, sender=as_oak.buyer)
    world.send(treasury.claimRefund, keccak(text="payment 1"), sender=as_oak.stranger)
    treasury.withdraw(sender=as_oak.creator)
    treasury.disburseFees(sender=as_oak.stranger)
    assert brla.balanceOf(as_oak.buyer) == 51 * REAL
    assert brla.balanceOf(as_oak.protocol_admin) == 51 * REAL // 100
    assert brla.balanceOf(treasury) == 3 * 51 * REAL // 100


def test_our_own_platform_admin_is_nobody_when_hosted(hosted, brla, people):
    arguments = world.a_payment(brla).arguments
    admin = people.platform_admin
    assert_reverts(hosted.treasury.createPayment, arguments, admin, UNAUTHORIZED)


def test_adapter_speaks_for_the_platform_when_hosted(hosted, brla, as_oak, adapter):
    treasury = hosted.treasury
    payment = world.a_payment(brla)
    for sender, error in (
        (as_oak.stranger, UNAUTHORIZED),
        (None, "PaymentTreasuryInvalidSender()"),
    ):
        suffix = bytes(20) if sender is None else bytes.fromhex(sender.address[2:])
        data = world.calldata(treasury.createPayment, *payment.arguments) + suffix
        answer = world.call(treasury.address, data, adapter.address)
        assert answer["error"]["data"] == world.error_bytes(error)
    data = hosts.forwarded(treasury.createPayment, *payment.arguments, sender=as_oak.platform_admin)
    adapter.transfer(treasury, 0, data=data)
    assert treasury.getExpectedAmount() == payment.amount


def test_replaced_adapter_counts_at_once_but_in_oak_2_which_froze_it(
    host_name, hosted, brla, as_oak, adapter, accounts
):
    treasury, admin, newer = hosted.treasury, as_oak.platform_admin, accounts[9]
    hosted.host.setPlatform(admin, newer, sender=as_oak.stranger)
    frozen = host_name == "OakHost2"
    trusted, refused = (adapter, newer) if frozen else (newer, adapter)
    data = hosts.forwarded(treasury.createPayment, *world.a_payment(brla).arguments, sender=admin)
    answer = world.call(treasury.address, data, refused.address)
    assert answer["error"]["data"] == world.error_bytes(UNAUTHORIZED)
    assert "result" in world.call(treasury.address, data, trusted.address)


def test_oak_2_without_an_adapter_works_though_its_campaign_cannot_say(
    protocol, people, brla, as_oak, odd_admin
):
    host = hosts.new_host(protocol, people, odd_admin, "OakHost2")
    treasury = hosts.deploy(host, protocol, people, building.PAYMENT_TREASURY_ID).treasury
    world.create(treasury, as_oak, world.a_payment(brla))
    arguments = world.a_payment(brla, 2).arguments
    assert_reverts(treasury.createPayment, arguments, people.stranger, UNAUTHORIZED)


def test_initialize_reverts_when_the_campaign_names_other_live_params(protocol, people, odd_admin):
    other = people.stranger.address
    host = hosts.claiming(protocol, people, odd_admin, other)
    arguments = [PLATFORM, protocol.implementations[building.PAYMENT_TREASURY_ID]]
    error = "ForeignLiveParams(address)"
    assert_reverts(host.deploy, arguments, people.stranger, error, other)


def test_campaign_that_claims_our_live_params_gets_their_rights_not_its_own(
    protocol, people, brla, odd_admin
):
    host = hosts.claiming(protocol, people, odd_admin, protocol.params.getLiveParams())
    treasury = hosts.deploy(host, protocol, people, building.PAYMENT_TREASURY_ID).treasury
    payment = world.a_payment(brla)
    assert_reverts(treasury.createPayment, payment.arguments, odd_admin, UNAUTHORIZED)
    world.create(treasury, people, payment)
    host.setState(True, False, sender=people.stranger)
    world.create(treasury, people, world.a_payment(brla, 2))
    assert treasury.getExpectedAmount() == 2 * payment.amount


def test_initialize_reverts_when_done_already(hosted, people):
    again = "InvalidInitialization()"
    stranger, treasury = people.stranger, hosted.treasury
    assert_reverts(treasury.initialize, [PLATFORM, hosted.host], stranger, again)
    assert_reverts(treasury.initialize, [PLATFORM, hosted.host, ZERO], stranger, again)
