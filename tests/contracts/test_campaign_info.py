from __future__ import annotations

import ape
import pytest
import steps
import world
from eth_utils import keccak
from world import PLATFORM, REAL, REASON, ZERO, a_payment, assert_log, assert_reverts

ROLE = keccak(text="TREASURY_ROLE")
NO_ROLE = "AccessControlUnauthorizedAccount(address,bytes32)"


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
    answer = world.call(
        campaign.address, world.calldata(campaign.setPlatformInfo, *arguments), factory.address
    )
    assert answer["error"]["data"].startswith(
        world.error_bytes("CurrentTimeIsGreater(uint256,uint256)", now + 100, 0)[:74]
    )
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


def test_transfer_ownership_moves_withdrawals(campaign, treasury, brla, people):
    campaign.transferOwnership(people.payee, sender=people.creator)
    world.confirmed(treasury, brla, people, a_payment(brla, amount=10_000))
    treasury.withdraw(sender=people.payee)
    assert brla.balanceOf(people.payee) == 9_600
    campaign.pauseCampaign(REASON, sender=people.protocol_admin)
    arguments = [people.creator.address]
    assert_reverts(campaign.transferOwnership, arguments, people.payee, "PausedError()")


def test_receipts_are_minted_and_burnt_by_treasuries_only(campaign, treasury, brla, people):
    account = people.platform_admin
    mint = [people.buyer.address, REASON, brla.address, 1, 0, 0]
    assert_reverts(campaign.mintNFTForPledge, mint, account, NO_ROLE, account.address, ROLE)
    world.confirmed(treasury, brla, people, a_payment(brla), people.buyer)
    assert_reverts(campaign.burn, [1], people.buyer, NO_ROLE, people.buyer.address, ROLE)


def test_config_views_answer_for_treasuries(campaign, params, brla, people):
    assert campaign.getAcceptedTokens() == [brla.address]
    assert campaign.isTokenAccepted(brla)
    assert not campaign.isTokenAccepted(people.stranger)
    assert campaign.getProtocolAdminAddress() == people.protocol_admin
    assert campaign.getPlatformAdminAddress(PLATFORM) == people.platform_admin
    assert campaign.getPlatformAdapter(PLATFORM) == ZERO
    assert campaign.getMaxPaymentExpiration(PLATFORM) == world.MAX_EXPIRATION
    key = keccak(text="bufferTime")
    assert bytes(campaign.getDataFromRegistry(key)) == bytes(params.getFromRegistry(key))
    context = campaign.getTreasuryContext(PLATFORM)
    assert context.platformAdmin == people.platform_admin
    assert (context.platformAdapter, context.paused, context.cancelled) == (ZERO, False, False)
    assert campaign.supportsInterface(bytes.fromhex("80ac58cd"))  # ERC-721
    assert campaign.supportsInterface(bytes.fromhex("7965db0b"))  # AccessControl


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
        steps.at("AnyDecimals", steps.create(admin, "AnyDecimals", decimals).contract_address)
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
    arguments = world.campaign_arguments(people)
    arguments = [
        arguments[0], people.stranger.address, *arguments[2:6], [], *arguments[6:]
    ]  # fmt: skip
    error = "InvalidInitialization()"
    assert_reverts(campaign.initialize, arguments, people.stranger, error)


def test_times_beyond_40_bits_are_kept_as_the_latest_there_is(protocol, people):
    campaign = world.create_campaign(protocol, people, deadline=2**60)
    assert campaign.getDeadline() == 2**40 - 1
    world.create_treasury(protocol, people, campaign)
