"""Treasuries are accounts here: what the escrow asks of a treasury is that it is its caller."""

from __future__ import annotations

import building
import pytest
import world
from eth_utils import keccak
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from world import PLATFORM, ZERO, assert_log, assert_reverts

OTHER = keccak(text="another platform")
FIRST, SECOND, THIRD = (keccak(text=f"payment {number}") for number in (1, 2, 3))
REFERENCE, REFERENCE_2 = keccak(text="a refund"), keccak(text="another refund")
NOBODY = (bytes(32), ZERO, 0)
DEPOSITED = "RefundDeposited(address,bytes32,address,uint256)"
PAID_BACK = "RefundPaidBack(address,bytes32,address,uint256,bytes32)"
MISSING = "DepositMissing(address,uint256,uint256)"
UNAUTHORIZED = "UnauthorizedCaller(address,bytes32)"
WRONG_PLATFORM = "WrongPlatform(address,bytes32,bytes32)"
NOTHING_OWED = "NothingOwed(address,bytes32)"
REENTRANT = "ReentrancyGuardReentrantCall()"


@pytest.fixture
def escrow(params, people):
    receipt = building.create(people.stranger, "RefundEscrow", params.getLiveParams())
    return building.at("RefundEscrow", receipt.contract_address)


@pytest.fixture
def treasury(people):
    return people.buyer


@pytest.fixture
def odd(people):
    return building.at("OddToken", building.create(people.stranger, "OddToken").contract_address)


def put(escrow, token, treasury, payment: bytes, amount: int, platform: bytes = PLATFORM):
    """Transfer, then deposit, as a treasury does."""
    token.mint(treasury, amount, sender=treasury)
    token.transfer(escrow, amount, sender=treasury)
    return escrow.deposit(platform, payment, token, amount, sender=treasury)


def owed(escrow, treasury, payment: bytes) -> tuple:
    platform, token, amount = escrow.owed(treasury, payment)
    return bytes(platform), token, amount


def test_deposit_records_the_payment_and_emits(escrow, brla, treasury):
    for payment, amount in ((FIRST, 5), (SECOND, 7)):
        (log,) = world.logs(put(escrow, brla, treasury, payment, amount), escrow)
        indexed = [treasury.address, payment, brla.address]
        assert_log(log, DEPOSITED, indexed=indexed, types=["uint256"], values=[amount])
        assert owed(escrow, treasury, payment) == (PLATFORM, brla, amount)
    assert escrow.held(brla) == brla.balanceOf(escrow) == 12
    assert owed(escrow, treasury, THIRD) == NOBODY


def test_deposit_adds_up_when_a_payment_id_lived_again(escrow, brla, treasury, people):
    put(escrow, brla, treasury, FIRST, 5)
    (log,) = world.logs(put(escrow, brla, treasury, FIRST, 2), escrow)
    indexed = [treasury.address, FIRST, brla.address]
    assert_log(log, DEPOSITED, indexed=indexed, types=["uint256"], values=[2])
    assert owed(escrow, treasury, FIRST) == (PLATFORM, brla, 7)
    receipt = escrow.payBack(treasury, FIRST, REFERENCE, sender=people.platform_admin)
    (log,) = world.logs(receipt, escrow)
    types, values = ["uint256", "bytes32"], [7, REFERENCE]
    assert_log(log, PAID_BACK, indexed=indexed, types=types, values=values)


def test_deposit_reverts_when_the_payment_is_owed_in_another_token(escrow, brla, treasury, people):
    second = world.new_token(people.stranger)
    put(escrow, brla, treasury, FIRST, 5)
    second.mint(escrow, 5, sender=treasury)
    error = "OwedInAnotherToken(bytes32,address,address)"
    values = [FIRST, brla.address, second.address]
    arguments = [PLATFORM, FIRST, second.address, 5]
    assert_reverts(escrow.deposit, arguments, treasury, error, *values)
    # Once paid back, the id may come in any token.
    escrow.payBack(treasury, FIRST, REFERENCE, sender=people.platform_admin)
    escrow.deposit(*arguments, sender=treasury)
    assert owed(escrow, treasury, FIRST) == (PLATFORM, second, 5)


def test_deposit_reverts_when_the_tokens_are_not_there(escrow, brla, treasury, people):
    put(escrow, brla, treasury, FIRST, 5)
    # What is owed already cannot be deposited again, by anyone.
    for account in (treasury, people.stranger):
        arguments = [PLATFORM, SECOND, brla.address, 7]
        assert_reverts(escrow.deposit, arguments, account, MISSING, brla.address, 12, 5)


def test_deposit_owes_what_arrived_when_the_token_took_a_fee(escrow, odd, treasury):
    odd.charge(1, sender=treasury)
    odd.mint(treasury, 100, sender=treasury)
    odd.transfer(escrow, 100, sender=treasury)
    escrow.deposit(PLATFORM, FIRST, odd, 100, sender=treasury)
    assert escrow.owed(treasury, FIRST)[1:] == (odd.address, 99)
    assert escrow.held(odd) == 99


def test_deposit_reverts_when_an_argument_is_wrong(escrow, brla, treasury):
    brla.mint(escrow, 2**200, sender=treasury)
    token, too_large = brla.address, "SafeCastOverflowedUintDowncast(uint8,uint256)"
    nowhere = [treasury.address, bytes(32), bytes(32)]
    cases = [
        ([bytes(32), FIRST, token, 1], WRONG_PLATFORM, nowhere),
        ([PLATFORM, FIRST, token, 0], "ZeroAmount(bytes32)", [FIRST]),
        ([PLATFORM, FIRST, token, 2**96], too_large, [96, 2**96]),
    ]
    for arguments, error, values in cases:
        assert_reverts(escrow.deposit, arguments, treasury, error, *values)
    escrow.deposit(PLATFORM, FIRST, brla, 2**96 - 1, sender=treasury)
    more = [PLATFORM, FIRST, token, 1]
    assert_reverts(escrow.deposit, more, treasury, too_large, 96, 2**96)


def test_deposit_reverts_when_the_treasury_names_another_platform(escrow, brla, treasury):
    put(escrow, brla, treasury, FIRST, 5)
    brla.mint(escrow, 5, sender=treasury)
    for given_platform in (OTHER, bytes(32)):
        arguments = [given_platform, SECOND, brla.address, 5]
        values = [treasury.address, PLATFORM, given_platform]
        assert_reverts(escrow.deposit, arguments, treasury, WRONG_PLATFORM, *values)


def test_pay_back_sends_the_tokens_to_the_platform_and_emits(escrow, brla, treasury, people):
    put(escrow, brla, treasury, FIRST, 5)
    put(escrow, brla, treasury, SECOND, 7)
    admin = people.platform_admin
    receipt = escrow.payBack(treasury, SECOND, REFERENCE, sender=admin)
    (log,) = world.logs(receipt, escrow)
    indexed = [treasury.address, SECOND, brla.address]
    types, values = ["uint256", "bytes32"], [7, REFERENCE]
    assert_log(log, PAID_BACK, indexed=indexed, types=types, values=values)
    assert brla.balanceOf(admin) == 7
    assert escrow.held(brla) == brla.balanceOf(escrow) == 5
    assert owed(escrow, treasury, SECOND) == NOBODY
    arguments = [treasury.address, SECOND, REFERENCE]
    values = [treasury.address, SECOND]
    assert_reverts(escrow.payBack, arguments, admin, NOTHING_OWED, *values)


def test_pay_back_batch_is_a_sequence_of_singles(escrow, brla, treasury, people):
    put(escrow, brla, treasury, FIRST, 5)
    put(escrow, brla, treasury, SECOND, 7)
    put(escrow, brla, treasury, THIRD, 1)
    admin = people.platform_admin
    references = [REFERENCE, REFERENCE_2]
    receipt = escrow.payBackBatch(treasury, [THIRD, FIRST], references, sender=admin)
    logs = world.logs(receipt, escrow)
    for log, payment, *values in zip(logs, (THIRD, FIRST), (1, 5), references, strict=True):
        indexed = [treasury.address, payment, brla.address]
        assert_log(log, PAID_BACK, indexed=indexed, types=["uint256", "bytes32"], values=values)
    assert (brla.balanceOf(admin), escrow.held(brla)) == (6, 7)


def test_pay_back_batch_reverts_when_any_payment_of_it_would(escrow, brla, treasury, people):
    put(escrow, brla, treasury, FIRST, 5)
    put(escrow, brla, treasury, SECOND, 7)
    address, admin = treasury.address, people.platform_admin
    two = [REFERENCE, REFERENCE_2]
    cases = [
        ([address, [FIRST, THIRD], two], NOTHING_OWED, [address, THIRD]),
        ([address, [FIRST, FIRST], two], NOTHING_OWED, [address, FIRST]),
        ([address, [FIRST, SECOND], [REFERENCE, bytes(32)]], "ZeroReference(bytes32)", [SECOND]),
        ([address, [FIRST], two], "LengthMismatch(uint256,uint256)", [1, 2]),
    ]
    for arguments, error, values in cases:
        assert_reverts(escrow.payBackBatch, arguments, admin, error, *values)


def test_pay_back_reverts_when_no_fiat_refund_is_named(escrow, brla, treasury, people):
    put(escrow, brla, treasury, FIRST, 5)
    arguments = [treasury.address, FIRST, bytes(32)]
    error = "ZeroReference(bytes32)"
    assert_reverts(escrow.payBack, arguments, people.platform_admin, error, FIRST)


def test_pay_back_is_for_the_platforms_admin_only(escrow, brla, params, treasury, people):
    params.enlistPlatform(OTHER, people.payee, 0, people.stranger, sender=people.protocol_admin)
    params.setPlatformAdapter(PLATFORM, people.creator, sender=people.protocol_admin)
    put(escrow, brla, treasury, FIRST, 5)
    single = [treasury.address, FIRST, REFERENCE]
    batch = [treasury.address, [FIRST], [REFERENCE]]
    # The treasury, the protocol, an adapter, and the admin and the adapter of another platform.
    for name in ("buyer", "protocol_admin", "creator", "payee", "stranger"):
        account = getattr(people, name)
        refused = [account, UNAUTHORIZED, account.address, PLATFORM]
        assert_reverts(escrow.payBack, single, *refused)
        assert_reverts(escrow.payBackBatch, batch, *refused)
    unknown = [people.stranger.address, FIRST, REFERENCE]
    account = people.platform_admin
    refused = [account, UNAUTHORIZED, account.address, bytes(32)]
    assert_reverts(escrow.payBack, unknown, *refused)


def test_pay_back_follows_the_platforms_admin(escrow, brla, params, treasury, people):
    put(escrow, brla, treasury, FIRST, 5)
    params.updatePlatformAdminAddress(PLATFORM, people.payee, sender=people.protocol_admin)
    arguments = [treasury.address, FIRST, REFERENCE]
    account = people.platform_admin
    refused = [account, UNAUTHORIZED, account.address, PLATFORM]
    assert_reverts(escrow.payBack, arguments, *refused)
    escrow.payBack(*arguments, sender=people.payee)
    assert brla.balanceOf(people.payee) == 5


def test_pay_back_waits_when_the_platform_is_delisted(escrow, brla, params, treasury, people):
    put(escrow, brla, treasury, FIRST, 5)
    params.delistPlatform(PLATFORM, sender=people.protocol_admin)
    message = world.calldata(escrow.payBack, treasury, FIRST, REFERENCE)
    # Nor is the zero address, which a call may be simulated from, the admin of no platform.
    for caller in (people.platform_admin.address, ZERO):
        answer = world.call(escrow.address, message, caller)
        assert answer["error"]["data"] == world.error_bytes(UNAUTHORIZED, caller, PLATFORM)
    arguments = [PLATFORM, people.payee, 0, ZERO]
    params.enlistPlatform(*arguments, sender=people.protocol_admin)
    escrow.payBack(treasury, FIRST, REFERENCE, sender=people.payee)
    assert brla.balanceOf(people.payee) == 5


def test_payments_of_two_treasuries_are_apart(escrow, brla, treasury, people):
    other = people.payee
    put(escrow, brla, treasury, FIRST, 5)
    put(escrow, brla, other, FIRST, 7)
    escrow.payBack(other, FIRST, REFERENCE, sender=people.platform_admin)
    assert owed(escrow, treasury, FIRST) == (PLATFORM, brla, 5)
    assert owed(escrow, other, FIRST) == NOBODY


def test_tokens_that_answer_nothing_are_paid_back(escrow, odd, treasury, people):
    put(escrow, odd, treasury, FIRST, 5)
    escrow.payBack(treasury, FIRST, REFERENCE, sender=people.platform_admin)
    assert odd.balanceOf(people.platform_admin) == 5


def test_reentrant_tokens_change_nothing(escrow, odd, treasury, people):
    put(escrow, odd, treasury, FIRST, 5)
    put(escrow, odd, treasury, SECOND, 7)
    calls = [
        world.calldata(escrow.payBack, treasury, SECOND, REFERENCE),
        world.calldata(escrow.payBackBatch, treasury, [SECOND], [REFERENCE]),
        world.calldata(escrow.deposit, PLATFORM, THIRD, odd, 1),
    ]
    arguments = [treasury.address, FIRST, REFERENCE]
    for message in calls:
        odd.aim(escrow, message, sender=people.stranger)
        assert_reverts(escrow.payBack, arguments, people.platform_admin, REENTRANT)


@settings(
    max_examples=5,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    deposits=st.lists(st.tuples(st.integers(0, 3), st.integers(1, 2**90)), min_size=1, max_size=6),
    paid=st.sets(st.integers(0, 3)),
)
def test_held_is_the_sum_of_all_that_is_owed(params, people, treasury, deposits, paid):
    receipt = building.create(people.stranger, "RefundEscrow", params.getLiveParams())
    escrow = building.at("RefundEscrow", receipt.contract_address)
    token = world.new_token(people.stranger)
    ids = [keccak(text=f"payment {number}") for number in range(4)]
    due = dict.fromkeys(ids, 0)
    for number, amount in deposits:
        put(escrow, token, treasury, ids[number], amount)
        due[ids[number]] += amount
    for payment in (ids[number] for number in paid if due[ids[number]]):
        escrow.payBack(treasury, payment, REFERENCE, sender=people.platform_admin)
        due[payment] = 0
    assert [owed(escrow, treasury, payment)[2] for payment in ids] == list(due.values())
    assert escrow.held(token) == token.balanceOf(escrow) == sum(due.values())
