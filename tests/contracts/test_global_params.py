from __future__ import annotations

import pytest
import steps
import world
from eth_utils import keccak
from world import BRL, PLATFORM, ZERO, assert_log, assert_reverts

KEY = keccak(text="a key")
VALUE = keccak(text="a value")
OTHER = keccak(text="another platform")
UNAUTHORIZED = "AdminAccessCheckerUnauthorized()"
INVALID = "GlobalParamsInvalidInput(uint8)"
INVALID_FEE = "GlobalParamsInvalidFeePercent(uint256,uint256)"
NOT_LISTED = "GlobalParamsPlatformNotListed(bytes32)"


def test_initialize_sets_tokens_and_emits_no_token_event(people, brla):
    params = world.proxied(
        people.stranger, "GlobalParams", people.creator, 250, [BRL, KEY], [[brla.address], []]
    )
    assert params.getProtocolAdminAddress() == people.creator
    assert params.getProtocolFeePercent() == 250
    assert params.getTokensForCurrency(BRL) == [brla.address]
    assert params.getTokensForCurrency(KEY) == []


def test_initialize_reverts_when_done_already(params, people):
    arguments = [people.creator.address, 0, [], []]
    error = "InvalidInitialization()"
    assert_reverts(params.initialize, arguments, people.protocol_admin, error)


def test_implementations_cannot_be_initialized(people, protocol):
    bare = steps.at("GlobalParams", steps.create(people.stranger, "GlobalParams").contract_address)
    arguments = [people.stranger.address, 0, [], []]
    assert_reverts(bare.initialize, arguments, people.stranger, "InvalidInitialization()")
    treasury = steps.at("PaymentTreasury", protocol.implementation)
    arguments = [PLATFORM, people.stranger.address]
    assert_reverts(treasury.initialize, arguments, people.stranger, "InvalidInitialization()")


@pytest.mark.parametrize(
    ("arguments", "error", "values"),
    [
        ((ZERO, 0, [], []), INVALID, [10]),
        ((world.ZERO[:-1] + "1", 10_001, [], []), INVALID_FEE, [10_001, 0]),
        ((world.ZERO[:-1] + "1", 0, [BRL], []), "GlobalParamsCurrencyTokenLengthMismatch()", []),
        ((world.ZERO[:-1] + "1", 0, [BRL], [[ZERO]]), INVALID, [0]),
        ((world.ZERO[:-1] + "1", 0, [bytes(32)], [[world.ZERO[:-1] + "1"]]), INVALID, [4]),
    ],
)
def test_initialize_reverts_when_an_argument_is_wrong(people, arguments, error, values):
    implementation = steps.create(people.stranger, "GlobalParams").contract_address
    method = steps.at("GlobalParams", implementation).initialize
    proxy = steps.container("ERC1967Proxy")
    message = proxy.constructor.encode_input(implementation, world.calldata(method, *arguments))
    code = bytes.fromhex(proxy.contract_type.deployment_bytecode.bytecode.removeprefix("0x"))
    request = {"from": people.stranger.address, "data": "0x" + (code + message).hex()}
    answer = world.simulate(request)
    assert answer["error"]["data"] == world.error_bytes(error, *values)


def test_add_to_registry_sets_and_emits(params, people):
    receipt = params.addToRegistry(KEY, VALUE, sender=people.protocol_admin)
    (log,) = receipt.logs
    event = "DataAddedToRegistry(bytes32,bytes32)"
    assert_log(log, event, indexed=[KEY], types=["bytes32"], values=[VALUE])
    assert bytes(params.getFromRegistry(KEY)) == VALUE
    arguments = [bytes(32), VALUE]
    assert_reverts(params.addToRegistry, arguments, people.protocol_admin, INVALID, 1)


def test_registry_keys_are_hashes_of_their_names(params):
    assert int.from_bytes(params.getFromRegistry(keccak(text="minimumCampaignDuration"))) == 60
    assert params.getMaxPaymentExpiration(PLATFORM) == world.MAX_EXPIRATION


def test_tokens_of_a_currency_are_added_and_removed_by_swapping(params, brla, people):
    admin = people.protocol_admin
    second, third = (world.new_token(people.stranger) for _ in range(2))
    (log,) = params.addTokenToCurrency(BRL, second, sender=admin).logs
    event = "TokenAddedToCurrency(bytes32,address)"
    assert_log(log, event, indexed=[BRL, second.address])
    params.addTokenToCurrency(BRL, third, sender=admin)
    (log,) = params.removeTokenFromCurrency(BRL, brla, sender=admin).logs
    event = "TokenRemovedFromCurrency(bytes32,address)"
    assert_log(log, event, indexed=[BRL, brla.address])
    assert params.getTokensForCurrency(BRL) == [third.address, second.address]
    assert_reverts(
        params.removeTokenFromCurrency,
        [BRL, brla.address],
        admin,
        "GlobalParamsTokenNotInCurrency(bytes32,address)",
        BRL,
        brla.address,
    )
    assert_reverts(params.addTokenToCurrency, [bytes(32), brla.address], admin, INVALID, 4)
    assert_reverts(params.addTokenToCurrency, [BRL, ZERO], admin, INVALID, 0)


def test_enlist_platform_sets_and_emits(params, people):
    receipt = params.enlistPlatform(
        OTHER, people.creator, 500, people.buyer, sender=people.protocol_admin
    )
    enlisted, adapted = receipt.logs
    assert_log(
        enlisted,
        "PlatformEnlisted(bytes32,address,uint256)",
        indexed=[OTHER, people.creator.address],
        types=["uint256"],
        values=[500],
    )
    event = "PlatformAdapterSet(bytes32,address)"
    assert_log(adapted, event, indexed=[OTHER, people.buyer.address])
    assert params.checkIfPlatformIsListed(OTHER)
    assert params.getPlatformAdminAddress(OTHER) == people.creator
    assert params.getPlatformAdapter(OTHER) == people.buyer
    assert params.getPlatformFeePercent(OTHER) == 500
    authority = params.getPlatformAuthority(OTHER)
    assert (authority.admin, authority.adapter) == (people.creator, people.buyer)
    assert params.getNumberOfListedPlatforms() == 2


def test_enlist_platform_reverts_when_an_argument_is_wrong(params, people):
    admin, someone = people.protocol_admin, people.creator.address
    cases = [
        ([OTHER, ZERO, 0, ZERO], INVALID, [10]),
        ([bytes(32), someone, 0, ZERO], INVALID, [2]),
        ([PLATFORM, someone, 0, ZERO], "GlobalParamsPlatformAlreadyListed(bytes32)", [PLATFORM]),
        ([OTHER, someone, 9_901, ZERO], INVALID_FEE, [100, 9_901]),
        ([OTHER, someone, 2**256 - 1, ZERO], INVALID_FEE, [100, 2**256 - 1]),
    ]
    for arguments, error, values in cases:
        assert_reverts(params.enlistPlatform, arguments, admin, error, *values)


def test_delist_platform_clears_it_and_emits(params, people):
    (log,) = params.delistPlatform(PLATFORM, sender=people.protocol_admin).logs
    assert_log(log, "PlatformDelisted(bytes32)", indexed=[PLATFORM])
    assert not params.checkIfPlatformIsListed(PLATFORM)
    assert params.getNumberOfListedPlatforms() == 0
    getters = ["AdminAddress", "Adapter", "FeePercent", "Authority"]
    for method in (getattr(params, f"getPlatform{getter}") for getter in getters):
        assert_reverts(method, [PLATFORM], people.stranger, NOT_LISTED, PLATFORM)


def test_platform_admin_and_adapter_can_be_replaced(params, people):
    admin, new = people.protocol_admin, people.creator.address
    (log,) = params.updatePlatformAdminAddress(PLATFORM, new, sender=admin).logs
    assert_log(log, "PlatformAdminAddressUpdated(bytes32,address)", indexed=[PLATFORM, new])
    (log,) = params.setPlatformAdapter(PLATFORM, new, sender=admin).logs
    assert_log(log, "PlatformAdapterSet(bytes32,address)", indexed=[PLATFORM, new])
    assert params.getPlatformAdminAddress(PLATFORM) == new
    assert params.getPlatformAdapter(PLATFORM) == new
    assert_reverts(params.updatePlatformAdminAddress, [PLATFORM, ZERO], admin, INVALID, 10)
    for method in (params.updatePlatformAdminAddress, params.setPlatformAdapter):
        assert_reverts(method, [OTHER, new], admin, NOT_LISTED, OTHER)
    assert_reverts(params.delistPlatform, [OTHER], admin, NOT_LISTED, OTHER)


def test_protocol_admin_and_fee_can_be_replaced(params, people):
    admin, new = people.protocol_admin, people.creator
    (log,) = params.updateProtocolFeePercent(77, sender=admin).logs
    event = "ProtocolFeePercentUpdated(uint256)"
    assert_log(log, event, types=["uint256"], values=[77])
    assert_reverts(params.updateProtocolFeePercent, [10_001], admin, INVALID_FEE, 10_001, 0)
    assert_reverts(params.updateProtocolAdminAddress, [ZERO], admin, INVALID, 10)
    (log,) = params.updateProtocolAdminAddress(new, sender=admin).logs
    assert_log(log, "ProtocolAdminAddressUpdated(address)", indexed=[new.address])
    assert_reverts(params.updateProtocolFeePercent, [1], admin, UNAUTHORIZED)
    params.updateProtocolFeePercent(1, sender=new)


@pytest.mark.parametrize("caller", ["stranger", "platform_admin", "creator"])
def test_writes_revert_when_the_caller_is_not_the_protocol(params, people, brla, caller):
    account = getattr(people, caller)
    implementation = steps.create(people.stranger, "GlobalParams").contract_address
    writes = {
        "addToRegistry": [KEY, VALUE],
        "addTokenToCurrency": [BRL, brla.address],
        "removeTokenFromCurrency": [BRL, brla.address],
        "enlistPlatform": [OTHER, account.address, 0, ZERO],
        "delistPlatform": [PLATFORM],
        "updatePlatformAdminAddress": [PLATFORM, account.address],
        "setPlatformAdapter": [PLATFORM, account.address],
        "updateProtocolFeePercent": [0],
        "updateProtocolAdminAddress": [account.address],
        "upgradeToAndCall": [implementation, b""],
    }
    for name, arguments in writes.items():
        assert_reverts(getattr(params, name), arguments, account, UNAUTHORIZED)


def test_upgrade_keeps_the_state(params, people):
    implementation = steps.create(people.stranger, "GlobalParams").contract_address
    (log,) = params.upgradeToAndCall(implementation, b"", sender=people.protocol_admin).logs
    assert_log(log, "Upgraded(address)", indexed=[implementation])
    assert params.getPlatformAdminAddress(PLATFORM) == people.platform_admin
