from __future__ import annotations

import building
import pytest
import world
from eth_utils import keccak
from world import BRL, PLATFORM, ZERO, assert_log, assert_reverts

KEY = keccak(text="a key")
VALUE = keccak(text="a value")
OTHER = keccak(text="another platform")
TYPE = keccak(text="a line item type")
UNAUTHORIZED = "GlobalParamsUnauthorized()"
INVALID = "GlobalParamsInvalidInput(uint8)"
FEE_TOO_HIGH = "GlobalParamsFeePercentExceedsMax()"
FEES_TOO_HIGH = "GlobalParamsCombinedFeesExceedMax()"
NOT_LISTED = "GlobalParamsPlatformNotListed(bytes32)"
DATA_SET = "GlobalParamsPlatformDataAlreadySet()"
DATA_NOT_SET = "GlobalParamsPlatformDataNotSet()"
DATA_TAKEN = "GlobalParamsPlatformDataSlotTaken()"
NO_SUCH_TYPE = "GlobalParamsPlatformLineItemTypeNotFound(bytes32,bytes32)"
GOAL_GATED = keccak(text="lastro.goalGated")
PERMIT2 = "0x000000000022D473030F116dDEE9F6B43aC78BA3"


def test_initialize_sets_tokens_and_emits_no_token_event(people, brla):
    params = world.proxied(
        people.stranger, "GlobalParams", people.creator, 250, [BRL, KEY], [[brla.address], []]
    )
    assert params.getProtocolAdminAddress() == people.creator
    assert params.getProtocolFeePercent() == 250
    assert params.getTokensForCurrency(BRL) == [brla.address]
    assert params.getTokensForCurrency(KEY) == []
    assert params.getNumberOfListedPlatforms() == 0
    assert params.getPermit2Address() == PERMIT2


def test_initialize_takes_fees_up_to_the_whole(people):
    params = world.proxied(people.stranger, "GlobalParams", people.creator, 10_000, [], [])
    assert params.getProtocolFeePercent() == 10_000


def test_initialize_reverts_when_done_already(params, people):
    arguments = [people.creator.address, 0, [], []]
    error = "InvalidInitialization()"
    assert_reverts(params.initialize, arguments, people.protocol_admin, error)


def test_implementations_cannot_be_initialized(people, protocol):
    bare = building.at(
        "GlobalParams", building.create(people.stranger, "GlobalParams").contract_address
    )
    arguments = [people.stranger.address, 0, [], []]
    assert_reverts(bare.initialize, arguments, people.stranger, "InvalidInitialization()")
    treasury = building.at("PaymentTreasury", protocol.implementation)
    arguments = [PLATFORM, people.stranger.address]
    assert_reverts(treasury.initialize, arguments, people.stranger, "InvalidInitialization()")


@pytest.mark.parametrize(
    ("arguments", "error", "values"),
    [
        ((ZERO, 0, [], []), INVALID, [10]),
        ((world.ZERO[:-1] + "1", 10_001, [], []), FEE_TOO_HIGH, []),
        ((world.ZERO[:-1] + "1", 0, [BRL], []), "GlobalParamsCurrencyTokenLengthMismatch()", []),
        ((world.ZERO[:-1] + "1", 0, [BRL], [[ZERO]]), INVALID, [0]),
    ],
)
def test_initialize_reverts_when_an_argument_is_wrong(people, arguments, error, values):
    implementation = building.create(people.stranger, "GlobalParams").contract_address
    method = building.at("GlobalParams", implementation).initialize
    proxy = building.container("ERC1967Proxy")
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
    longest = int.from_bytes(params.getFromRegistry(keccak(text="maxPaymentExpiration")))
    assert longest == world.MAX_EXPIRATION


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
    assert_reverts(params.addTokenToCurrency, [BRL, ZERO], admin, INVALID, 10)
    assert_reverts(params.addTokenToCurrency, [bytes(32), ZERO], admin, INVALID, 10)
    assert_reverts(params.removeTokenFromCurrency, [BRL, ZERO], admin, INVALID, 10)


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
    assert params.getNumberOfListedPlatforms() == 2


def test_enlist_platform_reverts_when_an_argument_is_wrong(params, people):
    admin, someone = people.protocol_admin, people.creator.address
    # In the order in which they are checked: each case is wrong in every later way as well.
    cases = [
        ([bytes(32), ZERO, 10_001, ZERO], INVALID, [10]),
        ([bytes(32), someone, 10_001, ZERO], INVALID, [2]),
        ([PLATFORM, someone, 10_001, ZERO], FEE_TOO_HIGH, []),
        ([OTHER, someone, 2**256 - 1, ZERO], FEE_TOO_HIGH, []),
        ([PLATFORM, someone, 9_901, ZERO], FEES_TOO_HIGH, []),
        (
            [PLATFORM, someone, 9_900, ZERO],
            "GlobalParamsPlatformAlreadyListed(bytes32)",
            [PLATFORM],
        ),
    ]
    for arguments, error, values in cases:
        assert_reverts(params.enlistPlatform, arguments, admin, error, *values)


def test_delist_platform_clears_it_and_emits(params, people):
    (log,) = params.delistPlatform(PLATFORM, sender=people.protocol_admin).logs
    assert_log(log, "PlatformDelisted(bytes32)", indexed=[PLATFORM])
    assert not params.checkIfPlatformIsListed(PLATFORM)
    assert params.getNumberOfListedPlatforms() == 0
    getters = ["AdminAddress", "Adapter", "FeePercent", "ClaimDelay"]
    for method in (getattr(params, f"getPlatform{getter}") for getter in getters):
        assert_reverts(method, [PLATFORM], people.stranger, NOT_LISTED, PLATFORM)
    for arguments in ([people.platform_admin, 1, ZERO], [people.creator, 9_900, people.buyer]):
        params.enlistPlatform(PLATFORM, *arguments, sender=people.protocol_admin)
        assert params.getPlatformFeePercent(PLATFORM) == arguments[1]
        assert params.getPlatformAdapter(PLATFORM) == arguments[2]
        params.delistPlatform(PLATFORM, sender=people.protocol_admin)


def test_platform_admin_and_adapter_can_be_replaced(params, people):
    admin, new = people.protocol_admin, people.creator.address
    (log,) = params.updatePlatformAdminAddress(PLATFORM, new, sender=admin).logs
    assert_log(log, "PlatformAdminAddressUpdated(bytes32,address)", indexed=[PLATFORM, new])
    (log,) = params.setPlatformAdapter(PLATFORM, new, sender=admin).logs
    assert_log(log, "PlatformAdapterSet(bytes32,address)", indexed=[PLATFORM, new])
    assert params.getPlatformAdminAddress(PLATFORM) == new
    assert params.getPlatformAdapter(PLATFORM) == new
    assert params.getPlatformFeePercent(PLATFORM) == world.PLATFORM_FEE
    assert_reverts(params.updatePlatformAdminAddress, [PLATFORM, ZERO], admin, INVALID, 10)
    for method in (params.updatePlatformAdminAddress, params.setPlatformAdapter):
        assert_reverts(method, [OTHER, ZERO], admin, NOT_LISTED, OTHER)
    assert_reverts(params.delistPlatform, [OTHER], admin, NOT_LISTED, OTHER)


def test_protocol_admin_and_fee_can_be_replaced(params, people):
    admin, new = people.protocol_admin, people.creator
    (log,) = params.updateProtocolFeePercent(77, sender=admin).logs
    event = "ProtocolFeePercentUpdated(uint256)"
    assert_log(log, event, types=["uint256"], values=[77])
    assert_reverts(params.updateProtocolFeePercent, [10_001], admin, FEE_TOO_HIGH)
    assert_reverts(params.updateProtocolAdminAddress, [ZERO], admin, INVALID, 10)
    (log,) = params.updateProtocolAdminAddress(new, sender=admin).logs
    assert_log(log, "ProtocolAdminAddressUpdated(address)", indexed=[new.address])
    assert_reverts(params.updateProtocolFeePercent, [1], admin, UNAUTHORIZED)
    params.updateProtocolFeePercent(1, sender=new)


def test_update_protocol_fee_does_not_look_at_the_platforms(params, people):
    params.updateProtocolFeePercent(10_000, sender=people.protocol_admin)
    assert params.getProtocolFeePercent() == 10_000
    assert params.getPlatformFeePercent(PLATFORM) == world.PLATFORM_FEE


def test_update_platform_claim_delay_sets_and_emits(params, people):
    assert params.getPlatformClaimDelay(PLATFORM) == 0
    (log,) = params.updatePlatformClaimDelay(PLATFORM, 2**200, sender=people.platform_admin).logs
    event = "PlatformClaimDelayUpdated(bytes32,uint256)"
    assert_log(log, event, indexed=[PLATFORM], types=["uint256"], values=[2**200])
    assert params.getPlatformClaimDelay(PLATFORM) == 2**200


def test_platform_data_keys_are_added_and_removed_by_their_platform(params, people):
    admin, other = people.platform_admin, people.creator
    params.enlistPlatform(OTHER, other, 0, ZERO, sender=people.protocol_admin)
    assert not params.checkIfPlatformDataKeyValid(KEY)
    (log,) = params.addPlatformData(PLATFORM, KEY, sender=admin).logs
    assert_log(log, "PlatformDataAdded(bytes32,bytes32)", indexed=[PLATFORM, KEY])
    assert params.checkIfPlatformDataKeyValid(KEY)
    assert bytes(params.getPlatformDataOwner(KEY)) == PLATFORM
    assert_reverts(params.addPlatformData, [PLATFORM, KEY], admin, DATA_SET)
    assert_reverts(params.addPlatformData, [OTHER, KEY], other, DATA_SET)
    assert_reverts(params.removePlatformData, [OTHER, KEY], other, UNAUTHORIZED)
    (log,) = params.removePlatformData(PLATFORM, KEY, sender=admin).logs
    event = "PlatformDataRemoved(bytes32,bytes32)"
    assert_log(log, event, indexed=[PLATFORM], types=["bytes32"], values=[KEY])
    assert not params.checkIfPlatformDataKeyValid(KEY)
    assert bytes(params.getPlatformDataOwner(KEY)) == bytes(32)
    assert_reverts(params.removePlatformData, [PLATFORM, KEY], admin, DATA_NOT_SET)
    for method in (params.addPlatformData, params.removePlatformData):
        assert_reverts(method, [PLATFORM, bytes(32)], admin, INVALID, 3)


def test_goal_gating_key_is_valid_and_no_platforms(params, people):
    assert params.checkIfPlatformDataKeyValid(GOAL_GATED)
    assert bytes(params.getPlatformDataOwner(GOAL_GATED)) == bytes(32)
    arguments = [PLATFORM, GOAL_GATED]
    assert_reverts(params.addPlatformData, arguments, people.platform_admin, DATA_TAKEN)
    assert_reverts(params.removePlatformData, arguments, people.platform_admin, DATA_NOT_SET)


@pytest.mark.parametrize(
    "flags",
    [
        (True, False, True, False),
        (False, True, False, True),
        (False, False, False, True),
        (False, True, True, False),
        (False, False, False, False),
    ],
)
def test_line_item_type_is_set_and_emitted(params, people, flags):
    admin = people.platform_admin
    label = "frete com um nome bem mais longo que trinta e dois bytes"
    (log,) = params.setPlatformLineItemType(PLATFORM, TYPE, label, *flags, sender=admin).logs
    assert_log(
        log,
        "PlatformLineItemTypeSet(bytes32,bytes32,string,bool,bool,bool,bool)",
        indexed=[PLATFORM, TYPE],
        types=["string", "bool", "bool", "bool", "bool"],
        values=[label, *flags],
    )
    assert tuple(params.getPlatformLineItemType(PLATFORM, TYPE)) == (True, label, *flags)
    assert tuple(params.getPlatformLineItemType(OTHER, TYPE)) == (False, "", *[False] * 4)


@pytest.mark.parametrize(
    ("flags", "code"),
    [
        ((True, True, False, True), 6),
        ((True, False, False, True), 7),
        ((True, False, True, True), 8),
        ((False, False, True, True), 9),
        ((False, True, True, True), 9),
    ],
)
def test_line_item_type_reverts_when_its_flags_contradict(params, people, flags, code):
    method, admin = params.setPlatformLineItemType, people.platform_admin
    assert_reverts(method, [PLATFORM, TYPE, "x", *flags], admin, INVALID, code)
    assert_reverts(method, [PLATFORM, bytes(32), "x", *flags], admin, INVALID, 5)


def test_line_item_type_is_replaced_and_removed(params, people):
    admin = people.platform_admin
    set_type, remove = params.setPlatformLineItemType, params.removePlatformLineItemType
    assert_reverts(remove, [PLATFORM, TYPE], admin, NO_SUCH_TYPE, PLATFORM, TYPE)
    set_type(PLATFORM, TYPE, "a" * 40, True, False, True, False, sender=admin)
    set_type(PLATFORM, TYPE, "b", False, True, True, False, sender=admin)
    expected = ("b", False, True, True, False)
    assert tuple(params.getPlatformLineItemType(PLATFORM, TYPE)) == (True, *expected)
    (log,) = remove(PLATFORM, TYPE, sender=admin).logs
    event = "PlatformLineItemTypeRemoved(bytes32,bytes32)"
    assert_log(log, event, indexed=[PLATFORM, TYPE])
    assert tuple(params.getPlatformLineItemType(PLATFORM, TYPE)) == (False, *expected)
    assert_reverts(remove, [PLATFORM, TYPE], admin, NO_SUCH_TYPE, PLATFORM, TYPE)
    assert_reverts(remove, [PLATFORM, bytes(32)], admin, INVALID, 5)


def test_platform_writes_revert_when_the_caller_is_not_the_platform(params, people):
    writes = {
        "updatePlatformClaimDelay": [1],
        "addPlatformData": [KEY],
        "removePlatformData": [KEY],
        "setPlatformLineItemType": [TYPE, "x", False, False, False, False],
        "removePlatformLineItemType": [TYPE],
    }
    callers = [people.protocol_admin, people.creator, people.stranger]
    for name, arguments in writes.items():
        method = getattr(params, name)
        for account in callers:
            assert_reverts(method, [PLATFORM, *arguments], account, UNAUTHORIZED)
        assert_reverts(method, [OTHER, *arguments], people.stranger, NOT_LISTED, OTHER)


@pytest.mark.parametrize("caller", ["stranger", "platform_admin", "creator"])
def test_writes_revert_when_the_caller_is_not_the_protocol(params, people, brla, caller):
    account = getattr(people, caller)
    implementation = building.create(people.stranger, "GlobalParams").contract_address
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
    admin = people.platform_admin
    params.updatePlatformClaimDelay(PLATFORM, 5, sender=admin)
    params.addPlatformData(PLATFORM, KEY, sender=admin)
    params.setPlatformLineItemType(PLATFORM, TYPE, "x", True, False, True, False, sender=admin)

    def state() -> list:
        return [
            params.getLiveParams(),
            params.getProtocolAdminAddress(),
            params.getProtocolFeePercent(),
            params.getNumberOfListedPlatforms(),
            params.getPlatformAdminAddress(PLATFORM),
            params.getPlatformFeePercent(PLATFORM),
            params.getPlatformClaimDelay(PLATFORM),
            bytes(params.getPlatformDataOwner(KEY)),
            tuple(params.getPlatformLineItemType(PLATFORM, TYPE)),
            params.getTokensForCurrency(BRL),
            bytes(params.getFromRegistry(keccak(text="bufferTime"))),
        ]

    before = state()
    implementation = building.create(people.stranger, "GlobalParams").contract_address
    (log,) = params.upgradeToAndCall(implementation, b"", sender=people.protocol_admin).logs
    assert_log(log, "Upgraded(address)", indexed=[implementation])
    assert state() == before
    params.updatePlatformAdminAddress(PLATFORM, people.creator, sender=people.protocol_admin)
    arguments = [people.stranger.address, 0, [], []]
    assert_reverts(params.initialize, arguments, people.stranger, "InvalidInitialization()")
