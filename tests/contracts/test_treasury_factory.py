from __future__ import annotations

import ape
import building
import pytest
import world
from eth_abi import encode
from eth_utils import keccak
from world import PLATFORM, REASON, ZERO, assert_log, assert_reverts

UNAUTHORIZED = "AdminAccessCheckerUnauthorized()"
NOT_OFFERED = "TreasuryFactoryImplementationNotSetOrApproved()"
REFUSED = "TreasuryFactorySettingPlatformInfoFailed()"
NOT_SET = "TreasuryFactoryImplementationNotSet()"
KIND = building.PAYMENT_TREASURY_ID


def test_deploy_emits_in_oaks_order_and_clones_the_implementation(protocol, people):
    campaign = world.create_campaign(protocol, people)
    treasuries = protocol.treasuries
    receipt = treasuries.deploy(PLATFORM, campaign, KIND, sender=people.platform_admin)

    initialized, granted, attached, deployed = receipt.logs
    address = "0x" + bytes(deployed["data"])[12:].hex()
    treasury = building.at("PaymentTreasury", address)
    assert_log(initialized, "Initialized(uint64)", types=["uint64"], values=[1])
    role = keccak(text="TREASURY_ROLE")
    assert_log(
        granted,
        "RoleGranted(bytes32,address,address)",
        indexed=[role, address, treasuries.address],
    )
    event = "CampaignInfoPlatformInfoUpdated(bytes32,address)"
    assert_log(attached, event, indexed=[PLATFORM, address])
    assert_log(
        deployed,
        "TreasuryFactoryTreasuryDeployed(bytes32,uint256,address,address)",
        indexed=[PLATFORM, KIND, campaign.address],
        types=["address"],
        values=[address],
    )
    code = bytes(ape.chain.provider.get_code(treasury.address)).hex()
    assert len(code) == 2 * 45
    assert protocol.implementation[2:].lower() in code
    assert bytes(treasury.getplatformHash()) == PLATFORM
    assert treasury.getplatformFeePercent() == world.PLATFORM_FEE


def test_deploy_reverts_when_the_caller_is_not_the_platform(treasuries, campaign, people):
    arguments = [PLATFORM, campaign.address, KIND]
    for account in (people.creator, people.protocol_admin, people.stranger):
        assert_reverts(treasuries.deploy, arguments, account, UNAUTHORIZED)


def test_deploy_reverts_when_the_kind_is_not_set_or_not_approved(protocol, people):
    campaign = world.create_campaign(protocol, people)
    treasuries, admin = protocol.treasuries, people.platform_admin
    arguments = [PLATFORM, campaign.address, 7]
    assert_reverts(treasuries.deploy, arguments, admin, NOT_OFFERED)
    other = building.create(admin, "MinimalTreasury").contract_address
    treasuries.registerTreasuryImplementation(PLATFORM, 7, other, sender=admin)
    assert_reverts(treasuries.deploy, arguments, admin, NOT_OFFERED)
    treasuries.approveTreasuryImplementation(PLATFORM, 7, sender=people.protocol_admin)
    treasuries.deploy(*arguments, sender=admin)


def test_deploy_reverts_when_the_campaign_is_not_the_factorys(treasuries, people):
    arguments = [PLATFORM, people.stranger.address, KIND]
    error = "TreasuryFactoryInvalidCampaignInfo()"
    assert_reverts(treasuries.deploy, arguments, people.platform_admin, error)


def test_deploy_reverts_when_no_campaign_factory_is_set(protocol, people, params, campaign):
    treasuries = world.proxied(people.stranger, "TreasuryFactory", params)
    implementation = protocol.implementation
    admin = people.platform_admin
    treasuries.registerTreasuryImplementation(PLATFORM, KIND, implementation, sender=admin)
    treasuries.approveTreasuryImplementation(PLATFORM, KIND, sender=people.protocol_admin)
    arguments = [PLATFORM, campaign.address, KIND]
    error = "TreasuryFactoryInvalidCampaignInfo()"
    assert_reverts(treasuries.deploy, arguments, admin, error)


def test_deploy_reverts_when_the_treasury_refuses_its_settings(protocol, people):
    # A token where a treasury should be: it has no initialize.
    admin = people.platform_admin
    implementation = protocol.brla.address
    treasuries = protocol.treasuries
    treasuries.registerTreasuryImplementation(PLATFORM, 8, implementation, sender=admin)
    treasuries.approveTreasuryImplementation(PLATFORM, 8, sender=people.protocol_admin)
    campaign = world.create_campaign(protocol, people)
    arguments = [PLATFORM, campaign.address, 8]
    error = "TreasuryFactoryTreasuryInitializationFailed()"
    assert_reverts(treasuries.deploy, arguments, admin, error)


def test_initialize_reverts_when_the_campaign_accepts_more_tokens_than_a_byte_counts(
    protocol, people
):
    tokens = [f"0x{number:040x}" for number in range(1, 257)]
    nobody = people.stranger.address
    made = building.create(people.stranger, "OakHostHead", nobody, nobody, nobody, tokens)
    host = building.at("OakHostHead", made.contract_address)
    error = "PaymentTreasuryTooManyTokens(uint256)"
    arguments = [PLATFORM, protocol.implementation]
    assert_reverts(host.deploy, arguments, people.stranger, error, 256)


@pytest.mark.parametrize("state", ["second treasury", "cancelled", "paused", "not selected"])
def test_deploy_reverts_when_the_campaign_refuses_the_treasury(protocol, people, state):
    platforms = [] if state == "not selected" else [PLATFORM]
    campaign = world.create_campaign(protocol, people, platforms=platforms)
    if state == "second treasury":
        world.create_treasury(protocol, people, campaign)
    if state == "cancelled":
        campaign.cancelCampaign(REASON, sender=people.creator)
    if state == "paused":
        campaign.pauseCampaign(REASON, sender=people.protocol_admin)
    arguments = [PLATFORM, campaign.address, KIND]
    assert_reverts(protocol.treasuries.deploy, arguments, people.platform_admin, REFUSED)


def test_register_and_remove_implementation_emit(treasuries, people):
    admin, address = people.platform_admin, people.stranger.address
    receipt = treasuries.registerTreasuryImplementation(PLATFORM, 9, address, sender=admin)
    (log,) = receipt.logs
    event = "TreasuryImplementationRegistered(bytes32,uint256,address)"
    assert_log(log, event, indexed=[PLATFORM, 9, address])
    (log,) = treasuries.removeTreasuryImplementation(PLATFORM, 9, sender=admin).logs
    event = "TreasuryImplementationRemoved(bytes32,uint256)"
    assert_log(log, event, indexed=[PLATFORM, 9])
    assert_reverts(treasuries.removeTreasuryImplementation, [PLATFORM, 9], admin, NOT_SET)
    approve = treasuries.approveTreasuryImplementation
    assert_reverts(approve, [PLATFORM, 9], people.protocol_admin, NOT_SET)
    error = "TreasuryFactoryInvalidAddress()"
    assert_reverts(treasuries.registerTreasuryImplementation, [PLATFORM, 9, ZERO], admin, error)


def test_approval_goes_with_the_address_and_can_be_withdrawn(protocol, people):
    treasuries, address = protocol.treasuries, protocol.implementation
    admin = people.protocol_admin
    event = "TreasuryImplementationApproval(address,bool)"
    (log,) = treasuries.approveTreasuryImplementation(PLATFORM, KIND, sender=admin).logs
    assert_log(log, event, indexed=[address], types=["bool"], values=[True])
    (log,) = treasuries.disapproveTreasuryImplementation(address, sender=admin).logs
    assert_log(log, event, indexed=[address], types=["bool"], values=[False])
    campaign = world.create_campaign(protocol, people)
    arguments = [PLATFORM, campaign.address, KIND]
    assert_reverts(treasuries.deploy, arguments, people.platform_admin, NOT_OFFERED)


def test_writes_revert_when_the_caller_is_not_the_admin_they_are_for(protocol, people):
    treasuries, address = protocol.treasuries, protocol.implementation
    for name, arguments in {
        "approveTreasuryImplementation": [PLATFORM, KIND],
        "disapproveTreasuryImplementation": [address],
        "setCampaignInfoFactory": [address],
        "upgradeToAndCall": [address, b""],
    }.items():
        method = getattr(treasuries, name)
        assert_reverts(method, arguments, people.platform_admin, UNAUTHORIZED)
    for name, arguments in {
        "registerTreasuryImplementation": [PLATFORM, 1, address],
        "removeTreasuryImplementation": [PLATFORM, KIND],
    }.items():
        method = getattr(treasuries, name)
        assert_reverts(method, arguments, people.protocol_admin, UNAUTHORIZED)


def test_addresses_must_not_be_zero(treasuries, people):
    error = "TreasuryFactoryInvalidAddress()"
    assert_reverts(treasuries.setCampaignInfoFactory, [ZERO], people.protocol_admin, error)
    implementation = building.create(people.stranger, "TreasuryFactory").contract_address
    bare = building.at("TreasuryFactory", implementation)
    assert_reverts(bare.initialize, [ZERO], people.stranger, "InvalidInitialization()")
    proxy = building.container("ERC1967Proxy")
    code = bytes.fromhex(proxy.contract_type.deployment_bytecode.bytecode.removeprefix("0x"))
    message = [implementation, world.calldata(bare.initialize, ZERO)]
    data = "0x" + (code + encode(["address", "bytes"], message)).hex()
    answer = world.simulate({"from": people.stranger.address, "data": data})
    assert answer["error"]["data"] == world.error_bytes(error)


def test_factory_hosts_several_kinds_by_implementation_id(protocol, people):
    admin, treasuries = people.platform_admin, protocol.treasuries
    other = building.create(people.stranger, "MinimalTreasury").contract_address
    for kind, implementation in ((KIND, protocol.implementation), (2**256 - 1, other)):
        treasuries.registerTreasuryImplementation(PLATFORM, kind, implementation, sender=admin)
        treasuries.approveTreasuryImplementation(PLATFORM, kind, sender=people.protocol_admin)
        campaign = world.create_campaign(protocol, people)
        receipt = treasuries.deploy(PLATFORM, campaign, kind, sender=admin)
        created = building.event(receipt, treasuries, "TreasuryFactoryTreasuryDeployed")
        code = bytes(ape.chain.provider.get_code(created.treasuryAddress))
        assert len(code) == 45
        assert code[10:30].hex() == implementation[2:].lower()
        assert campaign.hasRole(keccak(text="TREASURY_ROLE"), created.treasuryAddress)
    treasury = building.at("MinimalTreasury", created.treasuryAddress)
    assert (bytes(treasury.platformHash()), treasury.campaign()) == (PLATFORM, campaign)


def test_deploy_reverts_when_the_id_is_another_platforms(protocol, params, people):
    other, admin = keccak(text="another platform"), people.payee
    params.enlistPlatform(other, admin, 0, ZERO, sender=people.protocol_admin)
    campaign = world.create_campaign(protocol, people, platforms=[other])
    arguments = [other, campaign.address, KIND]
    assert_reverts(protocol.treasuries.deploy, arguments, admin, NOT_OFFERED)


def test_calls_revert_when_the_platform_is_not_listed(protocol, params, people):
    params.delistPlatform(PLATFORM, sender=people.protocol_admin)
    error = "GlobalParamsPlatformNotListed(bytes32)"
    address = protocol.implementation
    for name, arguments in {
        "deploy": [PLATFORM, address, KIND],
        "registerTreasuryImplementation": [PLATFORM, 1, address],
        "removeTreasuryImplementation": [PLATFORM, KIND],
    }.items():
        method = getattr(protocol.treasuries, name)
        assert_reverts(method, arguments, people.platform_admin, error, PLATFORM)


def test_deploy_reverts_when_the_deadline_has_come(protocol, people, now):
    campaign = world.create_campaign(protocol, people, deadline=now + 100)
    ape.chain.mine(timestamp=now + 100)
    arguments = [PLATFORM, campaign.address, KIND]
    assert_reverts(protocol.treasuries.deploy, arguments, people.platform_admin, REFUSED)


def test_upgrade_keeps_the_implementations(protocol, people):
    treasuries = protocol.treasuries
    implementation = building.create(people.stranger, "TreasuryFactory").contract_address
    (log,) = treasuries.upgradeToAndCall(implementation, b"", sender=people.protocol_admin).logs
    assert_log(log, "Upgraded(address)", indexed=[implementation])
    world.create_treasury(protocol, people, world.create_campaign(protocol, people))
    arguments = [people.stranger.address]
    error = "InvalidInitialization()"
    assert_reverts(treasuries.initialize, arguments, people.stranger, error)
