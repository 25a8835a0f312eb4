from __future__ import annotations

import ape
import building
import pytest
import world
from campaigns import assert_too_late, host_minimal_treasury
from eth_utils import keccak
from world import PLATFORM, REAL, REASON, ZERO, a_payment, assert_log, assert_reverts

ROLE = keccak(text="TREASURY_ROLE")
OTHER = keccak(text="another platform")
TYPE = keccak(text="a line item type")
GOAL_GATED = keccak(text="lastro.goalGated")
INVALID = "CampaignInfoInvalidInput(uint8)"
NOT_OWNER = "OwnableUnauthorizedAccount(address)"
NOT_LISTED = "GlobalParamsPlatformNotListed(bytes32)"
AUTO_UNPAUSED = keccak(text="Auto-unpaused during cancellation")


@pytest.fixture
def hosted(protocol, people):
    return host_minimal_treasury(protocol, people)


def test_set_platform_info_is_for_the_treasury_factory(campaign, people):
    arguments = [PLATFORM, people.stranger.address]
    error = "CampaignInfoUnauthorized()"
    for account in (people.stranger, people.platform_admin, people.protocol_admin):
        assert_reverts(campaign.setPlatformInfo, arguments, account, error)


@pytest.fixture
def factory(protocol):
    """The treasury factory as a caller: its inner reasons are lost to those who call it."""
    return protocol.treasuries


def test_set_platform_info_reverts_when_the_campaign_cannot_take_a_treasury(
    protocol, people, factory, now
):
    campaign = world.create_campaign(protocol, people, platforms=[], deadline=now + 100)
    arguments = [PLATFORM, people.stranger.address]

    def refused(error: str, *values: object) -> None:
        assert_reverts(campaign.setPlatformInfo, arguments, factory, error, *values)

    refused("CampaignInfoPlatformNotSelected(bytes32)", PLATFORM)
    campaign.pauseCampaign(REASON, sender=people.protocol_admin)
    refused("PausedError()")
    campaign.unpauseCampaign(REASON, sender=people.protocol_admin)
    ape.chain.mine(timestamp=now + 100)
    assert_too_late(campaign.setPlatformInfo, arguments, factory, now + 100)
    campaign.cancelCampaign(REASON, sender=people.creator)
    refused("CancelledError()")


def test_set_platform_info_reverts_when_the_platform_has_a_treasury(campaign, treasury, factory):
    arguments = [PLATFORM, treasury.address]
    error = "CampaignInfoPlatformAlreadyApproved(bytes32)"
    assert_reverts(campaign.setPlatformInfo, arguments, factory, error, PLATFORM)


def test_first_treasury_locks_the_campaign(campaign, treasury):
    assert campaign.isLocked()
    assert campaign.checkIfPlatformApproved(PLATFORM)
    assert [bytes(found) for found in campaign.getApprovedPlatformHashes()] == [PLATFORM]
    assert campaign.hasRole(ROLE, treasury)


def test_pause_campaign_emits_and_is_for_the_protocol_admin(campaign, people):
    account = people.protocol_admin.address
    (log,) = campaign.pauseCampaign(REASON, sender=people.protocol_admin).logs
    event = "Paused(address,bytes32)"
    assert_log(log, event, indexed=[account], types=["bytes32"], values=[REASON])
    (log,) = campaign.unpauseCampaign(REASON, sender=people.protocol_admin).logs
    event = "Unpaused(address,bytes32)"
    assert_log(log, event, indexed=[account], types=["bytes32"], values=[REASON])
    error = "AdminAccessCheckerUnauthorized()"
    for caller in (people.creator, people.platform_admin, people.stranger):
        assert_reverts(campaign.pauseCampaign, [REASON], caller, error)
        assert_reverts(campaign.unpauseCampaign, [REASON], caller, error)


def test_cancel_campaign_emits_and_is_final(campaign, people):
    for caller in (people.platform_admin, people.stranger):
        assert_reverts(campaign.cancelCampaign, [REASON], caller, "CampaignInfoUnauthorized()")
    (log,) = campaign.cancelCampaign(REASON, sender=people.creator).logs
    event = "Cancelled(address,bytes32)"
    account = people.creator.address
    assert_log(log, event, indexed=[account], types=["bytes32"], values=[REASON])
    assert_reverts(campaign.cancelCampaign, [REASON], people.creator, "CannotCancel()")


def test_transfer_ownership_moves_withdrawals(protocol, campaign, treasury, brla, people):
    campaign.transferOwnership(people.payee, sender=people.creator)
    world.confirmed(treasury, brla, people, a_payment(brla, amount=10_000))
    treasury.withdraw(sender=people.payee)
    assert brla.balanceOf(people.payee) == 9_600
    campaign.pauseCampaign(REASON, sender=people.protocol_admin)
    arguments = [people.creator.address]
    assert_reverts(campaign.transferOwnership, arguments, people.payee, "PausedError()")
    account = people.creator
    assert_reverts(campaign.transferOwnership, arguments, account, NOT_OWNER, account.address)
    campaign.cancelCampaign(REASON, sender=people.payee)
    assert_reverts(campaign.transferOwnership, arguments, people.payee, "CancelledError()")
    zero = "OwnableInvalidOwner(address)"
    fresh = world.create_campaign(protocol, people)
    assert_reverts(fresh.transferOwnership, [ZERO], people.creator, zero, ZERO)
    (log,) = fresh.transferOwnership(people.payee, sender=people.creator).logs
    event = "OwnershipTransferred(address,address)"
    assert_log(log, event, indexed=[people.creator.address, people.payee.address])


def test_config_views_answer_for_treasuries(campaign, params, brla, people):
    assert campaign.getAcceptedTokens() == [brla.address]
    assert campaign.isTokenAccepted(brla)
    assert not campaign.isTokenAccepted(people.stranger)
    assert campaign.getProtocolAdminAddress() == people.protocol_admin
    assert campaign.getPlatformAdminAddress(PLATFORM) == people.platform_admin
    assert campaign.getPlatformAdapter(PLATFORM) == ZERO
    assert campaign.getLiveParams() == params.getLiveParams()
    key = keccak(text="bufferTime")
    assert bytes(campaign.getDataFromRegistry(key)) == bytes(params.getFromRegistry(key))
    assert campaign.getBufferTime() == int.from_bytes(params.getFromRegistry(key), "big") == 3_600
    assert campaign.getPermit2Address() == "0x000000000022D473030F116dDEE9F6B43aC78BA3"
    assert not campaign.isGoalGated()
    assert_reverts(campaign.getPlatformData, [GOAL_GATED], people.stranger, INVALID, 1)
    assert campaign.supportsInterface(bytes.fromhex("80ac58cd"))  # ERC-721
    assert campaign.supportsInterface(bytes.fromhex("7965db0b"))  # AccessControl


def test_platform_views_answer_as_of_today(campaign, params, people):
    admin = people.platform_admin
    params.updatePlatformClaimDelay(PLATFORM, 77, sender=admin)
    params.setPlatformLineItemType(PLATFORM, TYPE, "frete", False, True, True, False, sender=admin)
    assert campaign.getPlatformClaimDelay(PLATFORM) == 77
    expected = (True, "frete", False, True, True, False)
    assert tuple(campaign.getLineItemType(PLATFORM, TYPE)) == expected
    params.delistPlatform(PLATFORM, sender=people.protocol_admin)
    for name in ("AdminAddress", "Adapter", "ClaimDelay"):
        method = getattr(campaign, f"getPlatform{name}")
        assert_reverts(method, [PLATFORM], people.stranger, NOT_LISTED, PLATFORM)
    assert campaign.getPlatformFeePercent(PLATFORM) == world.PLATFORM_FEE


def test_totals_skip_the_expected_amount_of_kinds_that_have_none(protocol, params, hosted, people):
    admin = people.creator
    params.enlistPlatform(OTHER, admin, 0, ZERO, sender=people.protocol_admin)
    treasuries, kind = protocol.treasuries, protocol.implementation
    treasuries.registerTreasuryImplementation(OTHER, 2, kind, sender=admin)
    campaign, none = hosted.campaign, [[], []]
    campaign.updateSelectedPlatform(OTHER, True, *none, sender=people.creator)
    receipt = treasuries.deploy(OTHER, campaign, 2, sender=admin)
    created = building.event(receipt, treasuries, "TreasuryFactoryTreasuryDeployed")
    treasury = building.at("PaymentTreasury", created.treasuryAddress)
    payment = a_payment(protocol.brla, amount=3 * REAL)
    treasury.createPayment(*payment.arguments, sender=admin)
    hosted.treasury.report(False, 5, 11, 6, sender=people.stranger)
    assert campaign.getTotalExpectedAmount() == 3 * REAL
    names = ["Raised", "AvailableRaised", "LifetimeRaised", "Refunded", "Cancelled"]
    totals = [getattr(campaign, f"getTotal{name}Amount") for name in names]
    assert [total() for total in totals] == [5, 5, 11, 6, 0]
    hosted.treasury.report(True, 5, 11, 6, sender=people.stranger)
    assert [total() for total in totals] == [0, 5, 11, 6, 5]
    assert [bytes(found) for found in campaign.getApprovedPlatformHashes()] == [PLATFORM, OTHER]


def test_totals_add_up_the_treasuries(campaign, treasury, brla, people):
    world.create(treasury, people, a_payment(brla, 1, amount=3 * REAL))
    world.confirmed(treasury, brla, people, a_payment(brla, 2, amount=5 * REAL))
    refunded = world.confirmed(treasury, brla, people, a_payment(brla, 3, amount=7 * REAL))
    treasury.claimRefund(refunded.payment_id, people.payee, sender=people.platform_admin)

    def totals() -> list[int]:
        names = ["Raised", "AvailableRaised", "LifetimeRaised", "Refunded", "Cancelled", "Expected"]
        return [getattr(campaign, f"getTotal{name}Amount")() // REAL for name in names]

    assert totals() == [5, 5, 12, 7, 0, 3]
    treasury.cancelTreasury(REASON, sender=people.platform_admin)
    assert totals() == [0, 5, 12, 7, 5, 3]


def test_totals_are_in_18_decimals_whatever_the_token(protocol, params, people):
    admin = people.protocol_admin
    tokens = [
        building.at("AnyDecimals", building.create(admin, "AnyDecimals", decimals).contract_address)
        for decimals in (6, 20)
    ]
    currency = b"USD".ljust(32, b"\0")
    for token in tokens:
        params.addTokenToCurrency(currency, token, sender=admin)
    campaign = world.create_campaign(protocol, people, currency=currency)
    treasury = world.create_treasury(protocol, people, campaign)
    six, twenty = tokens
    world.confirmed(treasury, six, people, a_payment(six, 1, amount=3_000_001))
    world.confirmed(treasury, twenty, people, a_payment(twenty, 2, amount=2 * 10**20 + 199))
    assert treasury.getRaisedAmount() == 3_000_001 * 10**12 + 2 * 10**18 + 1
    receipt = treasury.withdraw(sender=people.creator)
    withdrawn = [log for log in world.logs(receipt, treasury) if len(log["topics"]) == 3]
    assert len(withdrawn) == 2
    treasury.disburseFees(sender=people.stranger)
    assert six.balanceOf(treasury) == twenty.balanceOf(treasury) == 0


def test_campaign_cannot_be_initialized_twice(campaign, people):
    bare = building.at(
        "CampaignInfo", building.create(people.stranger, "CampaignInfo").contract_address
    )
    arguments = world.campaign_arguments(people)
    arguments = [
        arguments[0], people.stranger.address, *arguments[2:6], [], *arguments[6:]
    ]  # fmt: skip
    error = "InvalidInitialization()"
    for method in (campaign.initialize, bare.initialize):
        assert_reverts(method, arguments, people.stranger, error)


@pytest.mark.parametrize("caller", ["protocol_admin", "creator"])
def test_cancel_campaign_unpauses_it_first(campaign, people, caller):
    campaign.pauseCampaign(REASON, sender=people.protocol_admin)
    assert_reverts(campaign.pauseCampaign, [REASON], people.protocol_admin, "PausedError()")
    account = getattr(people, caller)
    logs = campaign.cancelCampaign(REASON, sender=account).logs
    expected = {"Unpaused(address,bytes32)": AUTO_UNPAUSED, "Cancelled(address,bytes32)": REASON}
    for log, (event, reason) in zip(logs, expected.items(), strict=True):
        assert_log(log, event, indexed=[account.address], types=["bytes32"], values=[reason])
    assert (campaign.paused(), campaign.cancelled()) == (False, True)
    admin = people.protocol_admin
    assert_reverts(campaign.pauseCampaign, [REASON], admin, "CancelledError()")
    assert_reverts(campaign.unpauseCampaign, [REASON], admin, "NotPausedError()")


def test_campaign_state_is_repeated_in_live_params(campaign, people):
    live = building.at("LiveParams", campaign.getLiveParams())
    admin = people.protocol_admin

    def states() -> list[tuple]:
        told = tuple(live.getCampaignState(campaign))
        return [told, (campaign.paused(), campaign.cancelled())]

    assert states() == [(False, False)] * 2
    campaign.pauseCampaign(REASON, sender=admin)
    assert states() == [(True, False)] * 2
    campaign.unpauseCampaign(REASON, sender=admin)
    assert states() == [(False, False)] * 2
    campaign.pauseCampaign(REASON, sender=admin)
    campaign.cancelCampaign(REASON, sender=people.creator)
    assert states() == [(False, True)] * 2
    assert campaign.cancellationTime() == ape.chain.blocks.head.timestamp
