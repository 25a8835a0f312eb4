from __future__ import annotations

import ape
import building
import pytest
import world
from eth_abi import encode
from eth_utils import keccak
from world import BRL, DAY, PLATFORM, ZERO, assert_log, assert_reverts

INVALID = "CampaignInfoFactoryInvalidInput(uint8)"
GOAL_GATED = keccak(text="lastro.goalGated")
ONE = (1).to_bytes(32, "big")
CREATED = "CampaignInfoFactoryCampaignCreated(bytes32,address)"


def assert_create_reverts(campaigns, people, error, *values: object, **changes: object):
    arguments = world.campaign_arguments(people, **changes)
    assert_reverts(campaigns.createCampaign, arguments, people.stranger, error, *values)


def test_create_campaign_emits_in_oaks_order_and_keeps_everything(campaigns, people):
    identifier = keccak(text="an identifier")
    arguments = world.campaign_arguments(people, identifier=identifier)
    receipt = campaigns.createCampaign(*arguments, sender=people.stranger)

    first, second, created, last = receipt.logs
    address = campaigns.identifierToCampaignInfo(identifier)
    transferred = "OwnershipTransferred(address,address)"
    assert_log(first, transferred, indexed=[ZERO, people.creator.address])
    assert_log(second, "Initialized(uint64)", types=["uint64"], values=[1])
    assert_log(created, CREATED, indexed=[identifier, address])
    assert_log(last, "CampaignInfoFactoryCampaignInitialized()")
    assert campaigns.isValidCampaignInfo(address)

    campaign = building.at("CampaignInfo", address)
    launch, deadline, goal, currency = arguments[5]
    assert campaign.owner() == people.creator
    assert campaign.getLaunchTime() == launch
    assert campaign.getDeadline() == deadline
    assert campaign.getGoalAmount() == goal
    assert bytes(campaign.getCampaignCurrency()) == currency
    assert campaign.name() == "Um livro"
    assert campaign.symbol() == "LIVRO"
    assert campaign.getImageURI() == "ipfs://image"
    assert campaign.contractURI() == "ipfs://collection"
    assert campaign.checkIfPlatformSelected(PLATFORM)
    assert campaign.getPlatformFeePercent(PLATFORM) == world.PLATFORM_FEE
    assert campaign.getProtocolFeePercent() == world.PROTOCOL_FEE
    assert bytes(campaign.getIdentifierHash()) == identifier
    assert not campaign.isLocked()


def test_campaign_clone_carries_its_arguments_in_its_code(campaign, protocol):
    code = bytes(ape.chain.provider.get_code(campaign.address))
    config = campaign.getCampaignConfig()
    arguments = [protocol.treasuries.address, world.PROTOCOL_FEE, bytes(config.identifierHash)]
    assert len(code) == 141
    assert code[-96:] == encode(["address", "uint256", "bytes32"], arguments)
    assert config.treasuryFactory == protocol.treasuries.address


def test_create_campaign_reverts_when_an_argument_is_out_of_range(campaigns, people, now):
    key = keccak(text="a data key")
    assert_create_reverts(campaigns, people, INVALID, 0, creator=ZERO)
    assert_create_reverts(campaigns, people, INVALID, 1, keys=[key])
    assert_create_reverts(campaigns, people, INVALID, 2, launch=now - 1)
    assert_create_reverts(campaigns, people, INVALID, 3, launch=now + 10, deadline=now + 69)
    assert_create_reverts(campaigns, people, INVALID, 4, keys=[key], values=[bytes(32)])


def test_create_campaign_checks_in_oaks_order(campaigns, campaign, people, now):
    # All wrong at once; each step mends what was refused last.
    key, other = keccak(text="a data key"), keccak(text="not listed")
    identifier = bytes(campaign.getIdentifierHash())
    changes = {
        "creator": ZERO,
        "keys": [key],
        "launch": now - 1,
        "deadline": now,
        "identifier": identifier,
        "platforms": [other],
        "currency": b"XXX".ljust(32, b"\0"),
    }
    taken = "CampaignInfoFactoryCampaignWithSameIdentifierExists(bytes32,address)"
    mended = [
        ((INVALID, 0), {"creator": people.creator.address}),
        ((INVALID, 1), {"values": [bytes(32)]}),
        ((INVALID, 2), {"launch": now + 10}),
        ((INVALID, 3), {"deadline": now + DAY}),
        ((INVALID, 4), {"keys": [GOAL_GATED]}),
        ((INVALID, 5), {"values": [ONE]}),
        ((taken, identifier, campaign.address), {"identifier": key}),
        (("CampaignInfoFactoryPlatformNotListed(bytes32)", other), {"platforms": []}),
        (("CampaignInfoInvalidTokenList()",), {"currency": BRL}),
    ]
    for refused, mend in mended:
        assert_create_reverts(campaigns, people, *refused, **changes)
        changes |= mend
    assert campaigns.createCampaign(
        *world.campaign_arguments(people, **changes), sender=people.stranger
    ).status


def test_create_campaign_keeps_platform_data(protocol, people):
    key, unset, value = keccak(text="a key"), keccak(text="unset"), keccak(text="a value")
    admin = people.platform_admin
    for name in (key, unset):
        protocol.params.addPlatformData(PLATFORM, name, sender=admin)
    campaigns = protocol.campaigns
    for keys, values, code in (
        ([key, keccak(text="unknown")], [value, value], 4),
        ([key, unset], [value, bytes(32)], 5),
    ):
        assert_create_reverts(campaigns, people, INVALID, code, keys=keys, values=values)
    # Oak takes a key of a platform that the campaign does not select.
    campaign = world.create_campaign(protocol, people, keys=[key], values=[value], platforms=[])
    assert bytes(campaign.getPlatformData(key)) == value
    error = "CampaignInfoInvalidInput(uint8)"
    assert_reverts(campaign.getPlatformData, [unset], people.stranger, error, 1)
    protocol.params.removePlatformData(PLATFORM, key, sender=admin)
    assert bytes(campaign.getPlatformData(key)) == value
    assert_create_reverts(campaigns, people, INVALID, 4, keys=[key], values=[value])


def test_create_campaign_gates_the_goal_when_asked(protocol, people, campaign):
    gated = world.create_campaign(protocol, people, keys=[GOAL_GATED], values=[ONE])
    assert gated.isGoalGated()
    assert bytes(gated.getPlatformData(GOAL_GATED)) == ONE
    assert not campaign.isGoalGated()


@pytest.mark.parametrize("number", [2, 2**255])
def test_create_campaign_reverts_when_goal_gating_is_neither_one_nor_left_out(
    campaigns, people, number
):
    values = [number.to_bytes(32, "big")]
    assert_create_reverts(campaigns, people, INVALID, 4, keys=[GOAL_GATED], values=values)
    assert_create_reverts(campaigns, people, INVALID, 5, keys=[GOAL_GATED], values=[bytes(32)])


def test_create_campaign_keeps_the_fees_of_the_moment(protocol, params, people, campaign):
    admin = people.protocol_admin
    params.updateProtocolFeePercent(7, sender=admin)
    params.delistPlatform(PLATFORM, sender=admin)
    params.enlistPlatform(PLATFORM, people.platform_admin, 11, ZERO, sender=admin)
    assert campaign.getProtocolFeePercent() == world.PROTOCOL_FEE
    assert campaign.getPlatformFeePercent(PLATFORM) == world.PLATFORM_FEE
    later = world.create_campaign(protocol, people)
    assert (later.getProtocolFeePercent(), later.getPlatformFeePercent(PLATFORM)) == (7, 11)


def test_create_campaign_honours_the_launch_buffer(campaigns, params, people, now):
    buffer = (600).to_bytes(32, "big")
    key = keccak(text="campaignLaunchBuffer")
    params.addToRegistry(key, buffer, sender=people.protocol_admin)
    assert_create_reverts(campaigns, people, INVALID, 2, launch=now + 599)
    assert campaigns.createCampaign(
        *world.campaign_arguments(people, launch=now + 700), sender=people.stranger
    ).status


def test_create_campaign_reverts_when_the_identifier_is_taken(campaigns, campaign, people):
    identifier = bytes(campaign.getIdentifierHash())
    error = "CampaignInfoFactoryCampaignWithSameIdentifierExists(bytes32,address)"
    assert_create_reverts(
        campaigns, people, error, identifier, campaign.address, identifier=identifier
    )


def test_create_campaign_reverts_when_a_platform_is_not_listed(campaigns, people):
    other = keccak(text="not listed")
    error = "CampaignInfoFactoryPlatformNotListed(bytes32)"
    assert_create_reverts(campaigns, people, error, other, platforms=[PLATFORM, other])


def test_create_campaign_reverts_when_the_currency_has_no_token(campaigns, people):
    currency = b"XXX".ljust(32, b"\0")
    assert_create_reverts(campaigns, people, "CampaignInfoInvalidTokenList()", currency=currency)


@pytest.mark.parametrize("text", ['a "quoted" name', "back\\slash", "coração", "line\nbreak"])
def test_create_campaign_reverts_when_a_text_breaks_json(campaigns, people, text):
    error = "CampaignInfoFactoryCampaignInitializationFailed()"
    assert_create_reverts(campaigns, people, error, name=text)
    assert_create_reverts(campaigns, people, error, image=text)


def test_create_campaign_reverts_when_a_token_is_there_twice(campaigns, params, brla, people):
    params.addTokenToCurrency(BRL, brla, sender=people.protocol_admin)
    error = "CampaignInfoFactoryCampaignInitializationFailed()"
    assert_create_reverts(campaigns, people, error)


def test_update_implementation_changes_future_campaigns(campaigns, people):
    implementation = building.create(people.stranger, "CampaignInfo").contract_address
    arguments = [implementation]
    error = "CampaignInfoFactoryUnauthorized()"
    assert_reverts(campaigns.updateImplementation, arguments, people.platform_admin, error)
    assert_reverts(campaigns.updateImplementation, [ZERO], people.protocol_admin, INVALID, 6)
    (log,) = campaigns.updateImplementation(implementation, sender=people.protocol_admin).logs
    event = "CampaignInfoFactoryImplementationUpdated(address)"
    assert_log(log, event, indexed=[implementation])


def test_initialize_reverts_when_an_address_is_zero(people, params):
    implementation = building.create(people.stranger, "CampaignInfoFactory").contract_address
    method = building.at("CampaignInfoFactory", implementation).initialize
    proxy = building.container("ERC1967Proxy")
    code = bytes.fromhex(proxy.contract_type.deployment_bytecode.bytecode.removeprefix("0x"))
    names = ["GlobalParams", "CampaignImplementation", "TreasuryFactoryAddress"]
    for position, name in enumerate(names):
        arguments = [params.address] * 3
        arguments[position] = ZERO
        message = encode(["address", "bytes"], [implementation, world.calldata(method, *arguments)])
        request = {"from": people.stranger.address, "data": "0x" + (code + message).hex()}
        answer = world.simulate(request)
        assert answer["error"]["data"] == world.error_bytes(f"CampaignInfoFactoryZero{name}()")


def test_upgrade_is_for_the_protocol_admin(campaigns, campaign, people):
    implementation = building.create(people.stranger, "CampaignInfoFactory").contract_address
    arguments = [implementation, b""]
    error = "CampaignInfoFactoryUnauthorized()"
    assert_reverts(campaigns.upgradeToAndCall, arguments, people.stranger, error)
    (log,) = campaigns.upgradeToAndCall(*arguments, sender=people.protocol_admin).logs
    assert_log(log, "Upgraded(address)", indexed=[implementation])
    assert campaigns.isValidCampaignInfo(campaign)
    identifier = bytes(campaign.getIdentifierHash())
    assert campaigns.identifierToCampaignInfo(identifier) == campaign
    assert campaigns.createCampaign(
        *world.campaign_arguments(people), sender=people.stranger
    ).status
    initialize = [people.stranger.address] * 3
    error = "InvalidInitialization()"
    assert_reverts(campaigns.initialize, initialize, people.stranger, error)
