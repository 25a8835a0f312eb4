from __future__ import annotations

import ape
import pytest
import world
from campaigns import assert_too_late
from eth_utils import keccak
from world import DAY, PLATFORM, REASON, ZERO, assert_log, assert_reverts

OTHER = keccak(text="another platform")
KEY, VALUE = keccak(text="a key"), keccak(text="a value")
UNSET = keccak(text="a key of no platform")
GOAL_GATED = keccak(text="lastro.goalGated")
ONE = (1).to_bytes(32, "big")
INVALID = "CampaignInfoInvalidInput(uint8)"
LOCKED = "CampaignInfoIsLocked()"
NOT_OWNER = "OwnableUnauthorizedAccount(address)"
NOT_ITS_KEY = "CampaignInfoPlatformDataKeyNotOwnedByPlatform(bytes32,bytes32)"
INVALID_UPDATE = "CampaignInfoInvalidPlatformUpdate(bytes32,bool)"


def test_times_beyond_40_bits_are_kept_as_the_latest_there_is(protocol, people):
    campaign = world.create_campaign(protocol, people, deadline=2**60)
    assert campaign.getDeadline() == 2**40 - 1
    (log,) = campaign.updateDeadline(2**256 - 1, sender=people.creator).logs
    event = "CampaignInfoDeadlineUpdated(uint256)"
    assert_log(log, event, types=["uint256"], values=[2**40 - 1])
    world.create_treasury(protocol, people, campaign)


UPDATES = {
    "updateLaunchTime": lambda now: [now + 100],
    "updateDeadline": lambda now: [now + 40 * DAY],
    "updateGoalAmount": lambda _now: [7],
    "updateSelectedPlatform": lambda _now: [PLATFORM, False, [], []],
    "setImageURI": lambda _now: ["ipfs://other"],
    "updateContractURI": lambda _now: ["ipfs://other"],
}


@pytest.mark.parametrize("name", UPDATES)
def test_settings_change_by_the_owner_before_the_launch_only(protocol, people, now, name):
    campaign = world.create_campaign(protocol, people, launch=now + 1_000)
    method, arguments = getattr(campaign, name), UPDATES[name](now)
    for account in (people.protocol_admin, people.platform_admin, people.stranger):
        assert_reverts(method, arguments, account, NOT_OWNER, account.address)
    paused = people.protocol_admin
    texts = name in ("setImageURI", "updateContractURI")
    if not texts:
        campaign.pauseCampaign(REASON, sender=paused)
        assert_reverts(method, arguments, people.creator, "PausedError()")
        campaign.unpauseCampaign(REASON, sender=paused)
    world.create_treasury(protocol, people, campaign)
    if name == "updateSelectedPlatform":
        error = "CampaignInfoPlatformAlreadyApproved(bytes32)"
        assert_reverts(method, arguments, people.creator, error, PLATFORM)
    elif not texts:
        assert_reverts(method, arguments, people.creator, LOCKED)
    campaign.cancelCampaign(REASON, sender=people.creator)
    if texts:
        method(*arguments, sender=people.creator)
    else:
        assert_reverts(method, arguments, people.creator, "CancelledError()")
    ape.chain.mine(timestamp=now + 1_000)
    assert_too_late(method, arguments, people.creator, now + 1_000)


def test_update_launch_time_keeps_oaks_distances(protocol, params, people, now):
    campaign = world.create_campaign(protocol, people, launch=now + 500, deadline=now + 2_000)
    owner, registry = people.creator, params.addToRegistry
    for key, seconds in (("campaignLaunchBuffer", 300), ("minimumCampaignDuration", 600)):
        value = seconds.to_bytes(32, "big")
        registry(keccak(text=key), value, sender=people.protocol_admin)
    for launch in (now + 200, now + 1_401, now + 2_000, now + 3_000):
        assert_reverts(campaign.updateLaunchTime, [launch], owner, INVALID, 2)
    (log,) = campaign.updateLaunchTime(now + 1_400, sender=owner).logs
    event = "CampaignInfoLaunchTimeUpdated(uint256)"
    assert_log(log, event, types=["uint256"], values=[now + 1_400])
    assert campaign.getLaunchTime() == now + 1_400


def test_update_launch_time_reverts_at_the_deadline_even_without_a_minimum(
    protocol, params, people, now
):
    key = keccak(text="minimumCampaignDuration")
    params.addToRegistry(key, bytes(32), sender=people.protocol_admin)
    campaign = world.create_campaign(protocol, people, launch=now + 500, deadline=now + 2_000)
    method, owner = campaign.updateLaunchTime, people.creator
    assert_reverts(method, [now + 2_000], owner, INVALID, 2)
    method(now + 1_999, sender=owner)
    # As in Oak, nothing but the minimum keeps a deadline behind the launch.
    campaign.updateDeadline(now + 1_999, sender=owner)


def test_update_deadline_keeps_the_minimum_duration(protocol, people, now):
    campaign = world.create_campaign(protocol, people, launch=now + 500)
    owner = people.creator
    assert_reverts(campaign.updateDeadline, [now + 559], owner, INVALID, 3)
    (log,) = campaign.updateDeadline(now + 560, sender=owner).logs
    event = "CampaignInfoDeadlineUpdated(uint256)"
    assert_log(log, event, types=["uint256"], values=[now + 560])
    assert campaign.getDeadline() == now + 560


def test_update_goal_amount_sets_and_emits(protocol, people, now):
    campaign = world.create_campaign(protocol, people, launch=now + 500)
    (log,) = campaign.updateGoalAmount(2**256 - 1, sender=people.creator).logs
    event = "CampaignInfoGoalAmountUpdated(uint256)"
    assert_log(log, event, types=["uint256"], values=[2**256 - 1])
    assert campaign.getGoalAmount() == 2**256 - 1
    assert_reverts(campaign.updateGoalAmount, [0], people.creator, INVALID, 4)


def test_set_image_uri_and_contract_uri_set_and_emit(protocol, people, now):
    campaign = world.create_campaign(protocol, people, launch=now + 500)
    owner = people.creator
    (log,) = campaign.setImageURI("ipfs://new", sender=owner).logs
    assert_log(log, "ImageURIUpdated(string)", types=["string"], values=["ipfs://new"])
    (log,) = campaign.updateContractURI('é "livre"', sender=owner).logs
    assert_log(log, "ContractURIUpdated(string)", types=["string"], values=['é "livre"'])
    assert (campaign.getImageURI(), campaign.contractURI()) == ("ipfs://new", 'é "livre"')
    for text in ('"', "\\", "é", "\n", "\x7f"):
        error = "PledgeNFTInvalidJsonString()"
        assert_reverts(campaign.setImageURI, [text], owner, error)


@pytest.fixture
def early(protocol, params, people, now):
    """A campaign without treasury that has not launched, and a second platform with a data key."""
    params.enlistPlatform(OTHER, people.payee, 55, ZERO, sender=people.protocol_admin)
    params.addPlatformData(OTHER, KEY, sender=people.payee)
    return world.create_campaign(protocol, people, launch=now + 500)


def test_update_selected_platform_selects_with_the_fee_of_the_moment(early, people):
    update = early.updateSelectedPlatform
    (log,) = update(OTHER, True, [KEY], [VALUE], sender=people.creator).logs
    event = "CampaignInfoSelectedPlatformUpdated(bytes32,bool)"
    assert_log(log, event, indexed=[OTHER], types=["bool"], values=[True])
    assert early.checkIfPlatformSelected(OTHER)
    assert not early.checkIfPlatformApproved(OTHER)
    assert early.getPlatformFeePercent(OTHER) == 55
    assert bytes(early.getPlatformData(KEY)) == VALUE
    (log,) = update(OTHER, False, [GOAL_GATED], [bytes(32)], sender=people.creator).logs
    assert_log(log, event, indexed=[OTHER], types=["bool"], values=[False])
    assert not early.checkIfPlatformSelected(OTHER)
    assert early.getPlatformFeePercent(OTHER) == 0
    assert bytes(early.getPlatformData(KEY)) == VALUE  # kept, as in Oak


def test_update_selected_platform_reverts_when_an_argument_is_wrong(early, params, people):
    update, owner = early.updateSelectedPlatform, people.creator
    unknown = keccak(text="unknown")
    params.addPlatformData(PLATFORM, unknown, sender=people.platform_admin)
    cases = [
        ([PLATFORM, True, [KEY], []], INVALID, [5]),
        ([OTHER, False, [KEY], []], INVALID, [5]),
        ([unknown, True, [KEY], []], INVALID_UPDATE, [unknown, True]),
        ([OTHER, True, [KEY], []], INVALID, [6]),
        ([PLATFORM, False, [KEY], []], INVALID, [6]),
        ([OTHER, True, [KEY, UNSET], [VALUE, bytes(32)]], INVALID, [7]),
        ([OTHER, True, [unknown], [bytes(32)]], NOT_ITS_KEY, [OTHER, unknown]),
        ([OTHER, True, [KEY], [bytes(32)]], INVALID, [8]),
    ]
    for arguments, error, values in cases:
        assert_reverts(update, arguments, owner, error, *values)
    params.delistPlatform(PLATFORM, sender=people.protocol_admin)
    arguments = [PLATFORM, False, [], []]
    assert_reverts(update, arguments, owner, INVALID_UPDATE, PLATFORM, False)


def test_update_selected_platform_cannot_gate_the_goal_later(early, people):
    update, owner = early.updateSelectedPlatform, people.creator
    arguments = [OTHER, True, [GOAL_GATED], [ONE]]
    assert_reverts(update, arguments, owner, NOT_ITS_KEY, OTHER, GOAL_GATED)
    assert not early.isGoalGated()


def test_update_selected_platform_works_when_locked(early, protocol, people):
    world.create_treasury(protocol, people, early)
    early.updateSelectedPlatform(OTHER, True, [], [], sender=people.creator)
    assert early.checkIfPlatformSelected(OTHER)
