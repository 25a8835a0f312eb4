from __future__ import annotations

import building
import pytest
import world
from eth_utils import keccak
from world import PLATFORM, REASON, ZERO, assert_reverts

KEY, VALUE = keccak(text="a key"), keccak(text="a value")
UNKNOWN = keccak(text="unknown")
LONGEST = keccak(text="maxPaymentExpiration")
UNAUTHORIZED = "UnauthorizedCaller(address)"


@pytest.fixture
def live(params):
    return building.at("LiveParams", params.getLiveParams())


def test_only_global_params_writes_what_is_the_protocols(live, people):
    accounts = [people.protocol_admin, people.platform_admin, people.stranger]
    for account in accounts:
        refused = [account, UNAUTHORIZED, account.address]
        assert_reverts(live.setPlatformAuthority, [PLATFORM, account.address, ZERO], *refused)
        assert_reverts(live.setRegistryValue, [KEY, VALUE], *refused)


def test_registry_values_arrive(live, params, people):
    assert bytes(live.getRegistryValue(KEY)) == bytes(32)
    params.addToRegistry(KEY, VALUE, sender=people.protocol_admin)
    assert bytes(live.getRegistryValue(KEY)) == VALUE == bytes(params.getFromRegistry(KEY))
    params.addToRegistry(KEY, bytes(32), sender=people.protocol_admin)
    assert bytes(live.getRegistryValue(KEY)) == bytes(32)


def test_platform_authority_is_zero_when_not_listed(live, params, people):
    admin = people.protocol_admin
    assert tuple(live.getPlatformAuthority(UNKNOWN)) == (ZERO, ZERO)
    assert tuple(live.getPlatformAuthority(PLATFORM)) == (people.platform_admin, ZERO)
    params.setPlatformAdapter(PLATFORM, people.buyer, sender=admin)
    params.updatePlatformAdminAddress(PLATFORM, people.payee, sender=admin)
    assert tuple(live.getPlatformAuthority(PLATFORM)) == (people.payee, people.buyer)
    params.delistPlatform(PLATFORM, sender=admin)
    assert tuple(live.getPlatformAuthority(PLATFORM)) == (ZERO, ZERO)


def test_treasury_rights_tell_the_admin_from_the_adapter(live, params, campaign, people):
    adapter = people.buyer
    params.setPlatformAdapter(PLATFORM, adapter, sender=people.protocol_admin)

    def rights(caller) -> tuple:
        return tuple(live.getTreasuryRights(PLATFORM, campaign, caller))

    admin = people.platform_admin
    assert rights(admin) == (admin, False, False, False)
    assert rights(adapter) == (admin, True, False, False)
    assert rights(people.stranger) == (admin, False, False, False)
    # An admin who is the adapter as well speaks for itself.
    params.setPlatformAdapter(PLATFORM, admin, sender=people.protocol_admin)
    assert rights(admin) == (admin, False, False, False)
    campaign.pauseCampaign(REASON, sender=people.protocol_admin)
    assert rights(admin) == (admin, False, True, False)
    campaign.cancelCampaign(REASON, sender=people.creator)
    assert rights(admin) == (admin, False, False, True)


def test_treasury_rights_do_not_revert_when_the_platform_is_delisted(
    live, params, campaign, people
):
    campaign.pauseCampaign(REASON, sender=people.protocol_admin)
    params.setPlatformAdapter(PLATFORM, people.buyer, sender=people.protocol_admin)
    params.delistPlatform(PLATFORM, sender=people.protocol_admin)
    for caller in (people.platform_admin, people.buyer, people.stranger):
        answer = tuple(live.getTreasuryRights(PLATFORM, campaign, caller))
        assert answer == (ZERO, False, True, False)


def test_longest_expiration_is_the_platforms_own_when_it_has_one(live, params, people):
    own = keccak(LONGEST + PLATFORM)
    set_value, admin = params.addToRegistry, people.protocol_admin
    assert live.getMaxPaymentExpiration(PLATFORM) == world.MAX_EXPIRATION
    set_value(own, (2**256 - 1).to_bytes(32, "big"), sender=admin)
    assert live.getMaxPaymentExpiration(PLATFORM) == 2**256 - 1
    assert live.getMaxPaymentExpiration(UNKNOWN) == world.MAX_EXPIRATION
    set_value(own, bytes(32), sender=admin)
    assert live.getMaxPaymentExpiration(PLATFORM) == world.MAX_EXPIRATION
    set_value(LONGEST, bytes(32), sender=admin)
    assert live.getMaxPaymentExpiration(PLATFORM) == 0


def test_campaign_state_is_the_callers_own(live, campaign, people):
    live.setCampaignState(True, True, sender=people.stranger)
    assert tuple(live.getCampaignState(people.stranger)) == (True, True)
    assert tuple(live.getCampaignState(campaign)) == (False, False)
    live.setCampaignState(False, True, sender=people.stranger)
    assert tuple(live.getCampaignState(people.stranger)) == (False, True)


def test_upgraded_global_params_go_on_writing_the_same_live_params(live, params, people):
    admin = people.protocol_admin
    implementation = building.create(people.stranger, "GlobalParams").contract_address
    params.upgradeToAndCall(implementation, b"", sender=admin)
    assert params.getLiveParams() == live
    params.addToRegistry(KEY, VALUE, sender=admin)
    assert bytes(live.getRegistryValue(KEY)) == VALUE
