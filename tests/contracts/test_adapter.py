"""The platform's ERC-2771 forwarder, its adapter: whose sender counts, and for what."""

from __future__ import annotations

import pytest
import treasuries
import world
from treasuries import settlement
from world import PLATFORM, REAL, REASON, ZERO, a_payment, assert_log, assert_reverts

UNAUTHORIZED = "AccessCheckerUnauthorized()"
INVALID_SENDER = "PaymentTreasuryInvalidSender()"
EXPECTED, PLAIN, SETTLED = 1, 2, 3


def identity(number: int) -> bytes:
    return world.keccak(text=f"payment {number}")


@pytest.fixture(scope="module")
def adapter(people):
    return people.stranger


@pytest.fixture(scope="module")
def ground(protocol, people, brla, adapter):
    """A treasury with an expected payment, a confirmed one with a tip, and surplus."""
    treasuries.set_item_types(protocol, people)
    made = treasuries.lay(protocol, people, tokens=(brla,))
    tip = (treasuries.line_item("tip", 100),)
    world.create(made.treasury, people, a_payment(brla, EXPECTED))
    world.create(made.treasury, people, a_payment(brla, PLAIN, amount=REAL, line_items=tip))
    world.fund(made.treasury, brla, people, 60 * REAL)
    made.treasury.confirmPayment(identity(PLAIN), ZERO, sender=people.platform_admin)
    settled = settlement(SETTLED, REAL, people.buyer.address)
    world.send(made.treasury.settleBatch, brla, [settled], sender=people.platform_admin)
    protocol.params.setPlatformAdapter(PLATFORM, adapter, sender=people.protocol_admin)
    return made


@pytest.fixture
def calls(ground, brla, people):
    treasury = ground.treasury
    new = a_payment(brla, 9)
    witness = settlement(SETTLED, REAL, people.buyer.address)[1:4]
    return {
        "createPayment": (treasury.createPayment, new.arguments),
        "createPaymentBatch": (treasury.createPaymentBatch, world.columns([new])),
        "settleBatch": (treasury.settleBatch, [brla, [settlement(9)]]),
        "cancelPayment": (treasury.cancelPayment, [identity(EXPECTED)]),
        "confirmPayment": (treasury.confirmPayment, [identity(EXPECTED), ZERO]),
        "confirmPaymentBatch": (treasury.confirmPaymentBatch, [[identity(EXPECTED)], [ZERO]]),
        "claimRefund": (treasury.claimRefund, [identity(PLAIN), people.payee]),
        "refundBuyer": (treasury.refundBuyer, [identity(SETTLED), witness]),
        "withdraw": (treasury.withdraw, []),
        "claimNonGoalLineItems": (treasury.claimNonGoalLineItems, [brla]),
        "sweepSurplus": (treasury.sweepSurplus, [brla]),
        "pauseTreasury": (treasury.pauseTreasury, [REASON]),
        "cancelTreasury": (treasury.cancelTreasury, [REASON]),
    }


NAMES = [
    "createPayment",
    "createPaymentBatch",
    "settleBatch",
    "cancelPayment",
    "confirmPayment",
    "confirmPaymentBatch",
    "claimRefund",
    "refundBuyer",
    "withdraw",
    "claimNonGoalLineItems",
    "sweepSurplus",
    "pauseTreasury",
    "cancelTreasury",
]


def suffix(account) -> bytes:
    return bytes.fromhex(account.address[2:])


def forwarded(call, sender: str, tail: bytes) -> dict:
    """What a call with these bytes at its end would answer."""
    method, arguments = call
    return world.call(method.contract.address, world.calldata(method, *arguments) + tail, sender)


def forward(call, adapter, account):
    """Send a call as the adapter, for an account."""
    method, arguments = call
    message = world.calldata(method, *arguments) + suffix(account)
    return adapter.transfer(method.contract, 0, data=message)


def refused(name: str) -> str:
    error = "PaymentTreasuryUnAuthorized()" if name == "cancelTreasury" else UNAUTHORIZED
    return world.error_bytes(error)


@pytest.mark.parametrize("name", NAMES)
def test_adapter_speaks_for_the_platform_admin(calls, people, adapter, name):
    assert "error" not in forwarded(calls[name], adapter.address, suffix(people.platform_admin))


@pytest.mark.parametrize("name", NAMES)
def test_adapter_speaks_for_nobody_with_more_rights_than_they_have(calls, people, adapter, name):
    for account in (people.buyer, people.protocol_admin, adapter):
        answer = forwarded(calls[name], adapter.address, suffix(account))
        assert answer["error"]["data"] == refused(name)


@pytest.mark.parametrize("name", NAMES)
def test_only_the_adapter_may_append_a_sender(calls, people, name):
    for account in (people.buyer, people.protocol_admin, people.payee):
        answer = forwarded(calls[name], account.address, suffix(people.platform_admin))
        assert answer["error"]["data"] == refused(name)


@pytest.mark.parametrize("name", ["withdraw", "cancelTreasury"])
def test_adapter_speaks_for_the_campaigns_owner(calls, people, adapter, name):
    assert "error" not in forwarded(calls[name], adapter.address, suffix(people.creator))


def test_adapter_never_speaks_for_the_owner_where_the_platform_is_asked(calls, people, adapter):
    for name in NAMES:
        if name in {"withdraw", "cancelTreasury"}:
            continue
        answer = forwarded(calls[name], adapter.address, suffix(people.creator))
        assert answer["error"]["data"] == world.error_bytes(UNAUTHORIZED)


@pytest.mark.parametrize("name", NAMES)
def test_adapter_is_refused_when_it_appends_the_zero_address(calls, adapter, name):
    answer = forwarded(calls[name], adapter.address, bytes(20))
    assert answer["error"]["data"] == world.error_bytes(INVALID_SENDER)


def test_adapter_is_refused_when_the_call_is_too_short_for_a_sender(calls, people, adapter):
    admin = suffix(people.platform_admin)
    for tail in (b"", admin[1:]):
        answer = forwarded(calls["withdraw"], adapter.address, tail)
        assert answer["error"]["data"] == world.error_bytes(INVALID_SENDER)


def test_last_twenty_bytes_are_the_sender_when_more_are_appended(calls, people, adapter):
    admin, buyer = suffix(people.platform_admin), suffix(people.buyer)
    assert "error" not in forwarded(calls["withdraw"], adapter.address, buyer + admin)
    answer = forwarded(calls["withdraw"], adapter.address, admin + buyer)
    assert answer["error"]["data"] == world.error_bytes(UNAUTHORIZED)


def test_platform_admin_itself_needs_to_append_nothing(calls, people):
    admin = people.platform_admin
    for tail in (b"", suffix(people.buyer), bytes(20)):
        assert "error" not in forwarded(calls["withdraw"], admin.address, tail)


def test_forwarded_calls_pay_and_name_the_platform_admin(calls, ground, brla, people, adapter):
    admin, treasury = people.platform_admin, ground.treasury
    before = brla.balanceOf(admin), brla.balanceOf(adapter)
    (log,) = world.logs(forward(calls["claimNonGoalLineItems"], adapter, admin), treasury)
    event = "NonGoalLineItemsClaimed(address,uint256,address)"
    assert_log(log, event, indexed=[brla.address, admin.address], types=["uint256"], values=[99])
    (log,) = world.logs(forward(calls["sweepSurplus"], adapter, admin), treasury)
    surplus = 60 * REAL - 51 * REAL - 2 * REAL - 100
    event, indexed = "SurplusSwept(address,address,uint256)", [brla.address, admin.address]
    assert_log(log, event, indexed=indexed, types=["uint256"], values=[surplus])
    assert brla.balanceOf(admin) - before[0] == 99 + surplus
    assert brla.balanceOf(adapter) == before[1]
    (log,) = forward(calls["pauseTreasury"], adapter, admin).logs
    event, types = "Paused(address,bytes32)", ["bytes32"]
    assert_log(log, event, indexed=[admin.address], types=types, values=[REASON])
    (_, log) = forward(calls["cancelTreasury"], adapter, people.creator).logs
    event = "Cancelled(address,bytes32)"
    assert_log(log, event, indexed=[people.creator.address], types=types, values=[REASON])


def test_calls_that_anyone_may_make_need_a_sender_from_the_adapter_too(ground, people, adapter):
    call = ground.treasury.disburseFees, []
    answer = forwarded(call, adapter.address, b"")
    assert answer["error"]["data"] == world.error_bytes(INVALID_SENDER)
    assert "error" not in forwarded(call, adapter.address, suffix(people.buyer))


@pytest.mark.parametrize("change", ["replaced", "removed", "delisted"])
def test_adapter_loses_its_voice_at_once(calls, protocol, people, adapter, change):
    params, admin = protocol.params, suffix(people.platform_admin)
    if change == "delisted":
        params.delistPlatform(PLATFORM, sender=people.protocol_admin)
    else:
        new = people.payee if change == "replaced" else ZERO
        params.setPlatformAdapter(PLATFORM, new, sender=people.protocol_admin)
    for name in NAMES:
        answer = forwarded(calls[name], adapter.address, admin)
        assert answer["error"]["data"] == refused(name)
    if change == "replaced":
        assert "error" not in forwarded(calls["withdraw"], people.payee.address, admin)


def test_adapter_takes_effect_in_treasuries_that_exist(treasury, protocol, people, brla):
    method, arguments = treasury.createPayment, a_payment(brla).arguments
    assert_reverts(method, arguments, people.payee, UNAUTHORIZED)
    protocol.params.setPlatformAdapter(PLATFORM, people.payee, sender=people.protocol_admin)
    forward((method, arguments), people.payee, people.platform_admin)
    assert treasury.getExpectedAmount() == a_payment(brla).amount
