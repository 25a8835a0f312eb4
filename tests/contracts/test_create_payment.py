from __future__ import annotations

import ape
import pytest
import world
from eth_utils import keccak
from recording import (
    ALREADY_EXIST,
    MAX_AMOUNT,
    OVERFLOW,
    assert_created,
    assert_only_the_platform,
    internal_id,
    payment_witness,
)
from world import DAY, ZERO, a_payment, assert_reverts

LIMIT = keccak(text="maxPaymentExpiration")
EXCEEDS_MAX = "PaymentTreasuryExpirationExceedsMax(uint256,uint256)"
LAST_ORDINAL = 2**32 - 2
COUNT_OFFSET = 8 * 26  # bits of slot 0 in contracts/storage-layout.json


@pytest.fixture
def unlimited(params, people):
    """No limit on expirations."""
    params.addToRegistry(LIMIT, bytes(32), sender=people.protocol_admin)


def assert_exceeds_max(treasury, people, payment, limit: int) -> None:
    """The block the call is simulated in may be a few seconds on, so the limit is read back."""
    data = world.calldata(treasury.createPayment, *payment.arguments)
    error = world.call(treasury.address, data, people.platform_admin.address)["error"]["data"]
    told = int(error[-64:], 16)
    assert limit <= told < limit + 600
    assert error == world.error_bytes(EXCEEDS_MAX, payment.expiration, told)


def test_create_payment_emits_and_moves_no_tokens(treasury, brla, people):
    payment = a_payment(brla)
    receipt = treasury.createPayment(*payment.arguments, sender=people.platform_admin)

    (log,) = receipt.logs
    assert_created(log, payment)
    assert treasury.getExpectedAmount() == payment.amount
    for view in ("Raised", "AvailableRaised", "LifetimeRaised", "Refunded"):
        assert getattr(treasury, f"get{view}Amount")() == 0


def test_create_payment_records_one_slot_and_answers_zero_for_the_rest(treasury, brla, people):
    payment = a_payment(brla)
    world.create(treasury, people, payment)

    stored = treasury.getPaymentData(payment.payment_id)
    assert stored.amount == payment.amount
    assert stored.expiration == payment.expiration
    assert stored.paymentToken == brla.address
    assert not stored.isConfirmed
    assert not stored.isCryptoPayment
    assert stored.buyerAddress == ZERO
    assert bytes(stored.buyerId) == bytes(stored.itemId) == bytes(32)
    assert stored.lineItemCount == 0
    assert list(stored.lineItems) == list(stored.externalFees) == []


def test_created_payment_is_that_of_its_buyer_and_item_only(treasury, brla, people):
    payment = a_payment(brla)
    world.create(treasury, people, payment, a_payment(brla, 2))

    assert treasury.isPaymentOf(payment.payment_id, payment_witness(payment))
    wrong = [
        (payment.item_id, payment.buyer_id, ZERO),
        (payment.buyer_id, keccak(text="item 2"), ZERO),
        (keccak(text="buyer 2"), payment.item_id, ZERO),
        (payment.buyer_id, payment.item_id, people.buyer.address),
    ]
    for witness in wrong:
        assert not treasury.isPaymentOf(payment.payment_id, witness)
    assert not treasury.isPaymentOf(a_payment(brla, 2).payment_id, payment_witness(payment))
    assert not treasury.isPaymentOf(keccak(text="unknown"), payment_witness(payment))


@pytest.mark.parametrize(
    ("field", "error"),
    [
        ("payment_id", "PaymentTreasuryZeroPaymentId()"),
        ("buyer_id", "PaymentTreasuryZeroBuyerId()"),
        ("item_id", "PaymentTreasuryZeroItemId()"),
    ],
)
def test_create_payment_reverts_when_an_id_is_zero(treasury, brla, people, field, error):
    payment = a_payment(brla, **{field: bytes(32)})
    assert_reverts(treasury.createPayment, payment.arguments, people.platform_admin, error)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"token": ZERO}, "PaymentTreasuryZeroPaymentToken()"),
        ({"amount": 0}, "PaymentTreasuryZeroAmount()"),
    ],
)
def test_create_payment_reverts_when_token_or_amount_is_zero(treasury, brla, people, change, error):
    payment = a_payment(brla).but(**change)
    assert_reverts(treasury.createPayment, payment.arguments, people.platform_admin, error)


def test_create_payment_names_the_first_of_many_faults(treasury, brla, people, now):
    """Oak's order. Each fault is mended in turn; the last payment is a good one."""
    good, other = a_payment(brla), world.new_token(people.stranger)
    world.create(treasury, people, a_payment(brla, 2))
    used = a_payment(brla, 2).payment_id
    item = (keccak(text="no such type"), 1)
    faults = [
        ("payment_id", bytes(32), "PaymentTreasuryZeroPaymentId()", []),
        ("buyer_id", bytes(32), "PaymentTreasuryZeroBuyerId()", []),
        ("item_id", bytes(32), "PaymentTreasuryZeroItemId()", []),
        ("token", ZERO, "PaymentTreasuryZeroPaymentToken()", []),
        ("amount", 0, "PaymentTreasuryZeroAmount()", []),
        ("expiration", now - 1, "PaymentTreasuryExpirationNotInFuture()", []),
        ("line_items", (item,) * 51, "PaymentTreasuryArrayTooLong()", []),
        ("token", other.address, "PaymentTreasuryTokenNotAccepted(address)", [other.address]),
        ("payment_id", used, ALREADY_EXIST, [internal_id(used)]),
        ("amount", 2**96, OVERFLOW, [96, 2**96]),
        ("line_items", (item,), "PaymentTreasuryInvalidInput(uint8)", [1]),
    ]
    for index, (_, _, error, values) in enumerate(faults):
        wrong = dict(reversed([(field, bad) for field, bad, _, _ in faults[index:]]))
        payment = good.but(**wrong)
        create, admin = treasury.createPayment, people.platform_admin
        assert_reverts(create, payment.arguments, admin, error, *values)


@pytest.mark.parametrize("late", [0, 1])
def test_create_payment_reverts_when_it_would_be_born_expired(treasury, brla, people, now, late):
    ape.chain.mine(timestamp=now + 100)
    payment = a_payment(brla, expiration=now + 100 - late)
    error = "PaymentTreasuryExpirationNotInFuture()"
    assert_reverts(treasury.createPayment, payment.arguments, people.platform_admin, error)


def test_create_payment_succeeds_until_the_last_second_of_the_limit(treasury, brla, people, now):
    last = a_payment(brla, expiration=now + 100 + world.MAX_EXPIRATION)
    ape.chain.pending_timestamp = now + 100
    world.create(treasury, people, last)
    assert treasury.getPaymentData(last.payment_id).expiration == last.expiration


def test_create_payment_reverts_when_expiring_too_late(treasury, brla, people, now):
    late = a_payment(brla, expiration=now + 2 * world.MAX_EXPIRATION)
    assert_exceeds_max(treasury, people, late, now + world.MAX_EXPIRATION)


def test_create_payment_prefers_the_platforms_own_expiration_limit(
    treasury, params, brla, people, now
):
    own = keccak(LIMIT + world.PLATFORM)
    params.addToRegistry(own, (10 * DAY).to_bytes(32, "big"), sender=people.protocol_admin)
    world.create(treasury, people, a_payment(brla, 1, expiration=now + 9 * DAY))
    late = a_payment(brla, 2, expiration=now + 11 * DAY)
    assert_exceeds_max(treasury, people, late, now + 10 * DAY)


@pytest.mark.usefixtures("unlimited")
def test_create_payment_has_no_expiration_limit_when_the_registry_has_none(treasury, brla, people):
    world.create(treasury, people, a_payment(brla, expiration=2**40 - 1))
    assert treasury.getPaymentData(a_payment(brla).payment_id).expiration == 2**40 - 1


def test_create_payment_has_no_expiration_limit_when_it_is_beyond_all_time(
    treasury, params, brla, people
):
    params.addToRegistry(LIMIT, b"\xff" * 32, sender=people.protocol_admin)
    world.create(treasury, people, a_payment(brla, expiration=2**40 - 1))


def test_create_payment_reverts_when_the_token_is_not_accepted(treasury, people):
    other = world.new_token(people.stranger)
    assert_reverts(
        treasury.createPayment,
        a_payment(other).arguments,
        people.platform_admin,
        "PaymentTreasuryTokenNotAccepted(address)",
        other.address,
    )


def test_create_payment_reverts_with_the_internal_id_when_it_exists(treasury, brla, people):
    payment = a_payment(brla)
    world.create(treasury, people, payment)
    used = internal_id(payment.payment_id)
    admin = people.platform_admin
    assert_reverts(treasury.createPayment, payment.arguments, admin, ALREADY_EXIST, used)


def test_create_payment_reverts_when_the_id_is_confirmed(treasury, brla, people):
    payment = world.confirmed(treasury, brla, people, a_payment(brla))
    used = internal_id(payment.payment_id)
    admin = people.platform_admin
    assert_reverts(treasury.createPayment, payment.arguments, admin, ALREADY_EXIST, used)


@pytest.mark.usefixtures("unlimited")
def test_create_payment_takes_what_fills_its_fields(treasury, brla, people):
    """Neither field runs over into its neighbours."""
    widest = a_payment(brla, amount=MAX_AMOUNT, expiration=2**40 - 1)
    least = a_payment(brla, 2, amount=1)
    world.create(treasury, people, widest, least)

    for payment in (widest, least):
        stored = treasury.getPaymentData(payment.payment_id)
        assert stored.amount == payment.amount
        assert stored.expiration == payment.expiration
        assert stored.paymentToken == brla.address
        assert not stored.isConfirmed
        assert not stored.isCryptoPayment
        assert stored.buyerAddress == ZERO
        assert treasury.isPaymentOf(payment.payment_id, payment_witness(payment))
    assert treasury.getExpectedAmount() == 2**96


@pytest.mark.usefixtures("unlimited")
def test_create_payment_reverts_when_amount_or_expiration_overflows_its_field(
    treasury, brla, people
):
    admin = people.platform_admin
    wide = a_payment(brla, amount=2**96)
    assert_reverts(treasury.createPayment, wide.arguments, admin, OVERFLOW, 96, 2**96)
    late = a_payment(brla, expiration=2**40)
    assert_reverts(treasury.createPayment, late.arguments, admin, OVERFLOW, 40, 2**40)


def test_create_payment_reverts_when_ordinals_run_out(treasury, brla, people):
    rpc = ape.chain.provider.web3.provider.make_request
    count = 2**32 - 1
    slot = int(rpc("eth_getStorageAt", [treasury.address, "0x0", "latest"])["result"], 16)
    full = slot & ~(count << COUNT_OFFSET) | ((count - 1) << COUNT_OFFSET)
    rpc("anvil_setStorageAt", [treasury.address, "0x0", f"0x{full:064x}"])
    last = world.confirmed(treasury, brla, people, a_payment(brla))
    assert treasury.getPaymentData(last.payment_id).isConfirmed
    one_more = a_payment(brla, 2).arguments
    admin = people.platform_admin
    assert_reverts(treasury.createPayment, one_more, admin, OVERFLOW, 32, 2**32)


def test_create_payment_reverts_when_the_caller_is_not_the_platform(treasury, brla, people):
    arguments = a_payment(brla).arguments
    assert_only_the_platform(treasury.createPayment, arguments, people)
