from __future__ import annotations

import pytest
import world
from eth_utils import keccak
from world import DAY, REAL, ZERO, a_payment, assert_log, assert_reverts

CREATED = "PaymentCreated(address,bytes32,bytes32,bytes32,address,uint256,uint256,bool)"
CREATED_DATA = ["address", "bytes32", "uint256", "uint256", "bool"]


def assert_created(log, payment):
    assert_log(
        log,
        CREATED,
        indexed=[payment.payment_id, payment.item_id, payment.token],
        types=CREATED_DATA,
        values=[ZERO, payment.buyer_id, payment.amount, payment.expiration, False],
    )


def test_create_payment_records_and_emits(treasury, brla, people):
    payment = a_payment(brla)
    receipt = treasury.createPayment(*payment.arguments, sender=people.platform_admin)

    (log,) = world.logs(receipt, treasury)
    assert_created(log, payment)
    stored = treasury.getPaymentData(payment.payment_id)
    assert stored.buyerAddress == ZERO
    assert bytes(stored.buyerId) == payment.buyer_id
    assert bytes(stored.itemId) == payment.item_id
    assert stored.amount == payment.amount
    assert stored.expiration == payment.expiration
    assert stored.paymentToken == brla.address
    assert not stored.isConfirmed
    assert not stored.isCryptoPayment
    assert stored.lineItemCount == 0
    assert list(stored.lineItems) == list(stored.externalFees) == []
    assert treasury.getExpectedAmount() == payment.amount
    assert treasury.getRaisedAmount() == 0


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


def test_create_payment_reverts_when_token_or_amount_is_zero(treasury, brla, people):
    admin = people.platform_admin
    payment = a_payment(brla)
    assert_reverts(
        treasury.createPayment,
        payment.but(token=ZERO).arguments,
        admin,
        "PaymentTreasuryZeroPaymentToken()",
    )
    assert_reverts(
        treasury.createPayment,
        payment.but(amount=0).arguments,
        admin,
        "PaymentTreasuryZeroAmount()",
    )


def test_create_payment_reverts_when_already_expired(treasury, brla, people, now):
    payment = a_payment(brla, expiration=now - 1)
    assert_reverts(
        treasury.createPayment,
        payment.arguments,
        people.platform_admin,
        "PaymentTreasuryExpirationNotInFuture()",
    )


def test_create_payment_reverts_when_expiring_too_late(treasury, brla, people, now):
    # The block the call is simulated in may be a few seconds on, so the limit is read back.
    late = a_payment(brla, expiration=now + 2 * world.MAX_EXPIRATION)
    answer = world.call(
        treasury.address,
        world.calldata(treasury.createPayment, *late.arguments),
        people.platform_admin.address,
    )
    limit = int(answer["error"]["data"][-64:], 16)
    assert abs(limit - now - world.MAX_EXPIRATION) < DAY
    assert answer["error"]["data"] == world.error_bytes(
        "PaymentTreasuryExpirationExceedsMax(uint256,uint256)", late.expiration, limit
    )


def test_create_payment_prefers_the_platforms_own_expiration_limit(
    treasury, params, brla, people, now
):
    own = keccak(keccak(text="maxPaymentExpiration") + world.PLATFORM)
    params.addToRegistry(own, (10 * DAY).to_bytes(32, "big"), sender=people.protocol_admin)
    world.create(treasury, people, a_payment(brla, 1, expiration=now + 9 * DAY))
    late = a_payment(brla, 2, expiration=now + 11 * DAY)
    answer = world.call(
        treasury.address,
        world.calldata(treasury.createPayment, *late.arguments),
        people.platform_admin.address,
    )
    assert answer["error"]["data"].startswith("0xecab9f18")


def test_create_payment_has_no_expiration_limit_when_the_registry_has_none(
    treasury, params, brla, people
):
    params.addToRegistry(
        keccak(text="maxPaymentExpiration"), bytes(32), sender=people.protocol_admin
    )
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
    assert_reverts(
        treasury.createPayment,
        payment.arguments,
        people.platform_admin,
        "PaymentTreasuryPaymentAlreadyExist(bytes32)",
        keccak(payment.payment_id + bytes(20)),
    )


def test_create_payment_reverts_when_amount_or_expiration_overflows_its_field(
    treasury, params, brla, people
):
    params.addToRegistry(
        keccak(text="maxPaymentExpiration"), bytes(32), sender=people.protocol_admin
    )
    admin = people.platform_admin
    error = "SafeCastOverflowedUintDowncast(uint8,uint256)"
    wide = a_payment(brla, amount=2**128)
    assert_reverts(treasury.createPayment, wide.arguments, admin, error, 128, 2**128)
    late = a_payment(brla, expiration=2**40)
    assert_reverts(treasury.createPayment, late.arguments, admin, error, 40, 2**40)
    world.create(treasury, people, a_payment(brla, amount=2**128 - 1))
    more = a_payment(brla, 2, amount=1)
    assert_reverts(treasury.createPayment, more.arguments, admin, *world.PANIC_OVERFLOW)


def test_create_payment_reverts_when_it_has_line_items_or_external_fees(treasury, brla, people):
    admin = people.platform_admin
    kind = keccak(text="shipping")
    for item, code in (((kind, 5), 1), ((kind, 0), 0), ((bytes(32), 5), 0)):
        assert_reverts(
            treasury.createPayment,
            a_payment(brla, line_items=(item,)).arguments,
            admin,
            "PaymentTreasuryInvalidInput(uint8)",
            code,
        )
    payment = a_payment(brla, external_fees=((kind, 5),))
    assert_reverts(
        treasury.createPayment,
        payment.arguments,
        admin,
        "PaymentTreasuryExternalFeesNotSupported(bytes32)",
        payment.payment_id,
    )


@pytest.mark.parametrize("caller", ["stranger", "creator", "protocol_admin", "buyer"])
def test_create_payment_reverts_when_the_caller_is_not_the_platform(treasury, brla, people, caller):
    payment = a_payment(brla)
    account = getattr(people, caller)
    error = "AccessCheckerUnauthorized()"
    assert_reverts(treasury.createPayment, payment.arguments, account, error)
    assert_reverts(treasury.createPaymentBatch, world.columns([payment]), account, error)


def test_create_payment_batch_equals_singles(protocol, treasury, brla, people):
    batch = world.payments(brla, 5)
    receipt = world.send(
        treasury.createPaymentBatch, *world.columns(batch), sender=people.platform_admin
    )

    *created, last = world.logs(receipt, treasury)
    for log, payment in zip(created, batch, strict=True):
        assert_created(log, payment)
    ids = [payment.payment_id for payment in batch]
    assert_log(last, "PaymentBatchCreated(bytes32[])", types=["bytes32[]"], values=[ids])

    other = world.create_treasury(protocol, people, world.create_campaign(protocol, people))
    world.create(other, people, *batch)
    assert treasury.getExpectedAmount() == other.getExpectedAmount()
    for payment in batch:
        data = treasury.getPaymentData(payment.payment_id)
        assert data == other.getPaymentData(payment.payment_id)


def test_create_payment_batch_adds_up_per_token_when_tokens_are_mixed(
    protocol, params, brla, people
):
    other = world.new_token(people.stranger)
    params.addTokenToCurrency(world.BRL, other, sender=people.protocol_admin)
    campaign = world.create_campaign(protocol, people)
    treasury = world.create_treasury(protocol, people, campaign)
    batch = [
        a_payment(brla, 1, amount=3 * REAL),
        a_payment(other, 2, amount=5 * REAL),
        a_payment(brla, 3, amount=7 * REAL),
    ]
    world.send(treasury.createPaymentBatch, *world.columns(batch), sender=people.platform_admin)
    assert treasury.getExpectedAmount() == 15 * REAL
    world.fund(treasury, brla, people, 10 * REAL)
    ids = [payment.payment_id for payment in batch]
    assert_reverts(
        treasury.confirmPaymentBatch,
        [ids, [ZERO] * 3],
        people.platform_admin,
        "PaymentTreasuryInsufficientBalance(uint256,uint256)",
        5 * REAL,
        0,
    )
    world.fund(treasury, other, people, 5 * REAL)
    treasury.confirmPaymentBatch(ids, [ZERO] * 3, sender=people.platform_admin)
    assert treasury.getRaisedAmount() == 15 * REAL
    assert treasury.getPaymentData(batch[1].payment_id).paymentToken == other.address


@pytest.mark.parametrize("position", range(8))
def test_create_payment_batch_reverts_when_an_array_is_short(treasury, brla, people, position):
    arrays = world.columns(world.payments(brla, 2))
    arrays[position] = arrays[position][:1]
    error = "PaymentTreasuryBatchArrayLengthMismatch()"
    assert_reverts(treasury.createPaymentBatch, arrays, people.platform_admin, error)


def test_create_payment_batch_reverts_when_empty(treasury, people):
    error = "PaymentTreasuryBatchArrayLengthMismatch()"
    assert_reverts(treasury.createPaymentBatch, [[]] * 8, people.platform_admin, error)


@pytest.mark.parametrize("position", [0, 1, 2])
def test_create_payment_batch_creates_nothing_when_one_id_exists(treasury, brla, people, position):
    batch = world.payments(brla, 3)
    world.create(treasury, people, batch[position])
    assert_reverts(
        treasury.createPaymentBatch,
        world.columns(batch),
        people.platform_admin,
        "PaymentTreasuryPaymentAlreadyExist(bytes32)",
        keccak(batch[position].payment_id + bytes(20)),
    )


def test_create_payment_batch_reverts_when_an_id_is_there_twice(treasury, brla, people):
    batch = [a_payment(brla), a_payment(brla)]
    assert_reverts(
        treasury.createPaymentBatch,
        world.columns(batch),
        people.platform_admin,
        "PaymentTreasuryPaymentAlreadyExist(bytes32)",
        keccak(batch[0].payment_id + bytes(20)),
    )


def test_create_payment_batch_takes_more_than_oaks_fifty_up_to_its_constant(treasury, brla, people):
    assert treasury.MAX_BATCH_SIZE() == 1000
    batch = world.columns(world.payments(brla, 60))
    world.send(treasury.createPaymentBatch, *batch, sender=people.platform_admin)
    too_many = world.columns(world.payments(brla, 1001, first=100))
    error = "PaymentTreasuryArrayTooLong()"
    assert_reverts(treasury.createPaymentBatch, too_many, people.platform_admin, error)
