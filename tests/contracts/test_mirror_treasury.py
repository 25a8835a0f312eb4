"""What a mirror treasury answers of a payment, beside what a one-slot treasury does."""

from __future__ import annotations

import building
import paying
import pytest
import treasuries
import world
from treasuries import ITEM_TYPES, line_item, settlement
from world import PLATFORM, ZERO, a_payment, assert_reverts

NOT_EXIST = "PaymentTreasuryPaymentNotExist(bytes32)"
MINTED = "PledgeNFTMinted(uint256,address,address,bytes32)"
FEES = ((world.keccak(text="card"), 3), (world.keccak(text="pix"), 4))
ITEMS = tuple(line_item(label, 100 + index) for index, label in enumerate(ITEM_TYPES))
ITEM_UNITS = sum(units for _, units in ITEMS)
NOBODY = {"buyer_id": bytes(32), "item_id": bytes(32), "line_items": [], "external_fees": []}


@pytest.fixture(scope="module", autouse=True)
def item_types(protocol, people):
    treasuries.set_item_types(protocol, people)


@pytest.fixture(scope="module")
def mirror(protocol, people, brla):
    return treasuries.lay(protocol, people, building.MIRROR_ID, (brla,))


@pytest.fixture(scope="module")
def slim(protocol, people, brla):
    return treasuries.lay(protocol, people, building.PAYMENT_TREASURY_ID, (brla,))


def kept_items() -> list[tuple]:
    """PaymentLineItem, as of the payment's creation."""
    return [
        (world.keccak(text=label), 100 + index, label, *flags)
        for index, (label, flags) in enumerate(ITEM_TYPES.items())
    ]


def assert_data(ground, payment, **changes: object) -> None:
    """Assert all eleven fields; those not given are as after creation."""
    expected = {
        "buyer": ZERO,
        "buyer_id": payment.buyer_id,
        "item_id": payment.item_id,
        "expiration": payment.expiration,
        "confirmed": False,
        "crypto": False,
        "line_items": [],
        "external_fees": [],
    } | changes
    data = ground.treasury.getPaymentData(payment.payment_id)
    assert data.buyerAddress == expected["buyer"]
    assert bytes(data.buyerId) == expected["buyer_id"]
    assert bytes(data.itemId) == expected["item_id"]
    assert data.amount == payment.amount
    assert data.expiration == expected["expiration"]
    assert data.isConfirmed == expected["confirmed"]
    assert data.isCryptoPayment == expected["crypto"]
    assert data.lineItemCount == len(expected["line_items"])
    assert data.paymentToken == payment.token
    assert [tuple(item) for item in data.lineItems] == expected["line_items"]
    assert [tuple(fee) for fee in data.externalFees] == expected["external_fees"]


def settled(ground, token, people, buyer: str = ZERO):
    payment = a_payment(token, 1, amount=10)
    world.fund(ground.treasury, token, people, 10)
    made = settlement(1, 10, buyer)
    world.send(ground.treasury.settleBatch, token, [made], sender=people.platform_admin)
    return payment


def test_get_payment_data_answers_in_full(mirror, brla, people):
    payment = a_payment(brla, line_items=ITEMS, external_fees=FEES)
    world.create(mirror.treasury, people, payment)
    lists = {"line_items": kept_items(), "external_fees": list(FEES)}
    assert_data(mirror, payment, **lists)
    world.fund(mirror.treasury, brla, people, payment.amount + ITEM_UNITS)
    mirror.treasury.confirmPayment(payment.payment_id, ZERO, sender=people.platform_admin)
    assert_data(mirror, payment, **lists, confirmed=True)


def test_get_payment_data_of_a_slot_answers_zero_for_what_it_does_not_keep(slim, brla, people):
    payment = a_payment(brla, line_items=ITEMS, external_fees=FEES)
    world.create(slim.treasury, people, payment)
    assert_data(slim, payment, **NOBODY)
    world.fund(slim.treasury, brla, people, payment.amount + ITEM_UNITS)
    slim.treasury.confirmPayment(payment.payment_id, ZERO, sender=people.platform_admin)
    assert_data(slim, payment, **NOBODY, confirmed=True)


def test_get_payment_data_keeps_payments_of_a_batch_apart(mirror, brla, people):
    batch = [
        a_payment(brla, 1, line_items=ITEMS[:1]),
        a_payment(brla, 2),
        a_payment(brla, 3, external_fees=FEES[:1]),
    ]
    world.send(
        mirror.treasury.createPaymentBatch, *world.columns(batch), sender=people.platform_admin
    )
    assert_data(mirror, batch[0], line_items=kept_items()[:1])
    assert_data(mirror, batch[1])
    assert_data(mirror, batch[2], external_fees=[FEES[0]])


@pytest.mark.parametrize("change", ["removed", "renamed"])
def test_get_payment_data_keeps_the_types_of_the_payments_creation(
    mirror, brla, people, protocol, change
):
    payment = a_payment(brla, line_items=ITEMS)
    world.create(mirror.treasury, people, payment)
    params, admin = protocol.params, people.platform_admin
    if change == "removed":
        params.removePlatformLineItemType(PLATFORM, ITEMS[1][0], sender=admin)
    else:
        flags = (False, False, False, False)
        params.setPlatformLineItemType(PLATFORM, ITEMS[1][0], "frete", *flags, sender=admin)
    assert_data(mirror, payment, line_items=kept_items())


def test_get_payment_data_names_the_buyer_of_the_confirmation(mirror, brla, people):
    payment = world.confirmed(mirror.treasury, brla, people, a_payment(brla), people.buyer.address)
    named = {"buyer": people.buyer.address, "confirmed": True, "expiration": 0}
    assert_data(mirror, payment, **named)
    mirror.campaign.transferFrom(people.buyer, people.payee, 1, sender=people.buyer)
    assert_data(mirror, payment, **named)


def test_get_payment_data_of_a_slot_names_the_receipts_owner(slim, brla, people):
    payment = world.confirmed(slim.treasury, brla, people, a_payment(brla), people.buyer.address)
    answers = NOBODY | {"confirmed": True, "expiration": 0}
    assert_data(slim, payment, **answers, buyer=people.buyer.address)
    slim.campaign.transferFrom(people.buyer, people.payee, 1, sender=people.buyer)
    assert_data(slim, payment, **answers, buyer=people.payee.address)


@pytest.mark.parametrize("named", [False, True])
def test_get_payment_data_names_the_buyer_of_the_settlement(mirror, brla, people, named):
    buyer = people.buyer.address if named else ZERO
    payment = settled(mirror, brla, people, buyer)
    assert_data(mirror, payment, buyer=buyer, confirmed=True, expiration=0)


def test_get_payment_data_of_a_slot_hides_the_buyer_of_the_settlement(slim, brla, people):
    payment = settled(slim, brla, people, people.buyer.address)
    assert_data(slim, payment, **NOBODY, confirmed=True, expiration=0)


def test_get_payment_data_forgets_a_cancelled_payment(mirror, brla, people):
    treasury, admin = mirror.treasury, people.platform_admin
    payment = a_payment(brla, line_items=ITEMS, external_fees=FEES)
    world.create(treasury, people, payment)
    treasury.cancelPayment(payment.payment_id, sender=admin)
    arguments = [payment.payment_id]
    assert_reverts(treasury.getPaymentData, arguments, admin, NOT_EXIST, payment.payment_id)
    again = a_payment(brla, line_items=ITEMS[:1])
    world.create(treasury, people, again)
    assert_data(mirror, again, line_items=kept_items()[:1])


@pytest.mark.parametrize("way", ["platform", "receipt"])
def test_get_payment_data_forgets_a_refunded_payment(mirror, brla, people, way):
    treasury, admin = mirror.treasury, people.platform_admin
    payment = a_payment(brla, line_items=ITEMS, external_fees=FEES)
    world.create(treasury, people, payment)
    world.fund(treasury, brla, people, payment.amount + ITEM_UNITS)
    if way == "platform":
        treasury.confirmPayment(payment.payment_id, ZERO, sender=admin)
        treasury.claimRefund(payment.payment_id, people.payee, sender=admin)
    else:
        treasury.confirmPayment(payment.payment_id, people.buyer, sender=admin)
        mirror.campaign.approve(treasury, 1, sender=people.buyer)
        treasury.claimRefund(payment.payment_id, sender=people.buyer)
    arguments = [payment.payment_id]
    assert_reverts(treasury.getPaymentData, arguments, admin, NOT_EXIST, payment.payment_id)
    again = a_payment(brla)
    world.create(treasury, people, again)
    assert_data(mirror, again)


@pytest.mark.parametrize("way", ["confirmPayment", "confirmPaymentBatch", "mintReceipt"])
@pytest.mark.parametrize("kind", ["mirror", "slim"])
def test_receipt_names_the_item_where_the_treasury_knows_it(mirror, slim, brla, people, kind, way):
    ground = {"mirror": mirror, "slim": slim}[kind]
    treasury, admin, buyer = ground.treasury, people.platform_admin, people.buyer.address
    if way == "mintReceipt":
        payment = settled(ground, brla, people, buyer)
        witness = payment.buyer_id, payment.item_id, buyer
        receipt = world.send(treasury.mintReceipt, payment.payment_id, witness, sender=admin)
    else:
        payment = a_payment(brla)
        world.create(treasury, people, payment)
        world.fund(treasury, brla, people, payment.amount)
        arguments = payment.payment_id, buyer
        if way == "confirmPaymentBatch":
            arguments = [payment.payment_id], [buyer]
        receipt = getattr(treasury, way)(*arguments, sender=admin)
    minted = world.logs(receipt, ground.campaign)[0]
    world.assert_log(
        minted,
        MINTED,
        indexed=[1, buyer, treasury.address],
        types=["bytes32"],
        values=[payment.item_id if kind == "mirror" else payment.payment_id],
    )


@pytest.mark.parametrize("kind", ["mirror", "slim"])
def test_get_payment_data_of_a_crypto_payment(mirror, slim, brla, people, kind):
    ground, buyer = {"mirror": mirror, "slim": slim}[kind], people.buyer
    paying.deploy_permit2(people.stranger)
    paying.let_pay(brla, buyer, 100 * world.REAL)
    checkout = paying.a_checkout(ground.treasury, brla, buyer, line_items=ITEMS, external_fees=FEES)
    paying.pay(ground.treasury, checkout, people.stranger)
    lists = {"line_items": kept_items(), "external_fees": list(FEES)}
    kept = {"buyer_id": bytes(32), **lists} if kind == "mirror" else NOBODY
    known = {"buyer": buyer.address, "confirmed": True, "crypto": True, "expiration": 0}
    assert_data(ground, a_payment(brla), **(kept | known))
