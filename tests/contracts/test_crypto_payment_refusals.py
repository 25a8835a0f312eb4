"""What processCryptoPayment refuses, itself or through Permit2."""

from __future__ import annotations

import ape
import paying
import pytest
import world
from eth_utils import keccak
from items import EVERY_CLASS, GOAL, set_types
from paying import a_checkout, pay, sign
from recording import ALREADY_EXIST, MAX_AMOUNT, OVERFLOW, TOO_LONG, internal_id, treasury_of_tokens
from world import REASON, ZERO, a_payment, assert_reverts

RICH = 10**40
INVALID = "PaymentTreasuryInvalidInput(uint8)"
INVALID_SIGNER = "InvalidSigner()"
INVALID_NONCE = "InvalidNonce()"


@pytest.fixture(autouse=True)
def permit2(brla, people):
    paying.deploy_permit2(people.stranger)
    paying.let_pay(brla, people.buyer, RICH)


@pytest.fixture
def checkout(treasury, brla, people):
    return a_checkout(treasury, brla, people.buyer)


def assert_refused(treasury, people, checkout, error: str, *values: object) -> None:
    arguments, anyone = checkout.arguments, people.stranger
    assert_reverts(treasury.processCryptoPayment, arguments, anyone, error, *values)


@pytest.mark.parametrize(
    "fault",
    [
        ({"payment_id": bytes(32)}, "PaymentTreasuryZeroPaymentId()", []),
        ({"buyer": ZERO}, "PaymentTreasuryZeroBuyerAddress()", []),
        ({"item_id": bytes(32)}, "PaymentTreasuryZeroItemId()", []),
        ({"token": ZERO}, "PaymentTreasuryZeroPaymentToken()", []),
        ({"amount": 0}, "PaymentTreasuryZeroAmount()", []),
        ({"signature": b""}, INVALID, [2]),
        ({"line_items": ((GOAL, 1),) * 51}, TOO_LONG, []),
        ({"external_fees": ((GOAL, 1),) * 51}, TOO_LONG, []),
        ({"amount": MAX_AMOUNT + 1}, OVERFLOW, [96, MAX_AMOUNT + 1]),
        ({"line_items": ((bytes(32), 1),)}, INVALID, [0]),
        ({"line_items": ((GOAL, 0),)}, INVALID, [0]),
        ({"line_items": ((GOAL, 1),)}, INVALID, [1]),
        ({"line_items": ((GOAL, 2**96),)}, OVERFLOW, [96, 2**96]),
    ],
)
def test_process_crypto_payment_reverts_when_an_argument_is_wrong(
    treasury, people, checkout, fault
):
    change, error, values = fault
    assert_refused(treasury, people, checkout.but(**change), error, *values)


def test_process_crypto_payment_reverts_when_the_buyer_is_the_treasury(treasury, people, checkout):
    assert_refused(treasury, people, checkout.but(buyer=treasury.address), INVALID, 3)


def test_process_crypto_payment_reverts_when_the_token_is_not_accepted(treasury, people, checkout):
    foreign = world.new_token(people.stranger).address
    error = "PaymentTreasuryTokenNotAccepted(address)"
    assert_refused(treasury, people, checkout.but(token=foreign), error, foreign)


def test_process_crypto_payment_names_the_first_of_many_faults(treasury, brla, people, checkout):
    """Each fault is mended in turn; only the signature is wrong at last."""
    foreign = world.new_token(people.stranger).address
    used = a_payment(brla, 2)
    world.create(treasury, people, used)
    faults = [
        ("payment_id", bytes(32), "PaymentTreasuryZeroPaymentId()", []),
        ("buyer", ZERO, "PaymentTreasuryZeroBuyerAddress()", []),
        ("item_id", bytes(32), "PaymentTreasuryZeroItemId()", []),
        ("token", ZERO, "PaymentTreasuryZeroPaymentToken()", []),
        ("amount", 0, "PaymentTreasuryZeroAmount()", []),
        ("signature", b"", INVALID, [2]),
        ("buyer", treasury.address, INVALID, [3]),
        ("line_items", ((GOAL, 1),) * 51, TOO_LONG, []),
        ("token", foreign, "PaymentTreasuryTokenNotAccepted(address)", [foreign]),
        ("payment_id", used.payment_id, ALREADY_EXIST, [internal_id(used.payment_id)]),
        ("amount", 2**96, OVERFLOW, [96, 2**96]),
        ("line_items", ((GOAL, 1),), INVALID, [1]),
        ("nonce", 7, INVALID_SIGNER, []),
    ]
    for index, (_, _, error, values) in enumerate(faults):
        wrong = dict(reversed([(field, bad) for field, bad, _, _ in faults[index:]]))
        assert_refused(treasury, people, checkout.but(**wrong), error, *values)


@pytest.mark.parametrize(
    "change",
    [
        {"payment_id": keccak(text="another payment")},
        {"item_id": keccak(text="another item")},
        {"amount": 1},
        {"amount": MAX_AMOUNT},
        {"line_items": ()},
        {"line_items": (*EVERY_CLASS[:3], (GOAL, 499))},
        {"line_items": EVERY_CLASS[::-1]},
        {"nonce": 9},
        {"deadline": 2**40},
    ],
    ids=lambda change: next(iter(change)),
)
def test_process_crypto_payment_reverts_when_it_is_not_what_the_buyer_signed(
    treasury, params, brla, people, change
):
    set_types(params, people)
    signed = a_checkout(treasury, brla, people.buyer, line_items=EVERY_CLASS)
    assert_refused(treasury, people, signed.but(**change), INVALID_SIGNER)


def test_external_fees_are_not_what_the_buyer_signs(treasury, brla, people, checkout):
    """As in Oak's witness: they are information, and move nothing."""
    pay(treasury, checkout.but(external_fees=((GOAL, 1),)), people.stranger)
    assert brla.balanceOf(treasury) == checkout.amount


@pytest.mark.parametrize("signer", ["stranger", "platform_admin", "payee"])
def test_process_crypto_payment_reverts_when_another_signed(treasury, people, checkout, signer):
    forged = checkout.but(signature=sign(treasury, checkout, getattr(people, signer)))
    assert_refused(treasury, people, forged, INVALID_SIGNER)


def test_process_crypto_payment_reverts_when_the_tokens_are_anothers(
    treasury, brla, people, checkout
):
    """A signature moves the signer's tokens only."""
    paying.let_pay(brla, people.payee, RICH)
    assert_refused(treasury, people, checkout.but(buyer=people.payee.address), INVALID_SIGNER)


def test_process_crypto_payment_reverts_when_signed_for_another_treasury(
    protocol, treasury, people, checkout
):
    other = world.create_treasury(protocol, people, world.create_campaign(protocol, people))
    assert_refused(other, people, checkout, INVALID_SIGNER)
    pay(treasury, checkout, people.stranger)


def test_process_crypto_payment_reverts_when_signed_for_another_token(protocol, brla, people):
    other = world.new_token(people.stranger)
    treasury = treasury_of_tokens(protocol, people, other)
    paying.let_pay(other, people.buyer, RICH)
    signed = a_checkout(treasury, brla, people.buyer)
    assert_refused(treasury, people, signed.but(token=other.address), INVALID_SIGNER)


@pytest.mark.parametrize("length", [1, 63, 66])
def test_process_crypto_payment_reverts_when_the_signature_is_none(
    treasury, people, checkout, length
):
    error = "InvalidSignatureLength()"
    assert_refused(treasury, people, checkout.but(signature=b"x" * length), error)


def test_process_crypto_payment_reverts_when_the_nonce_is_used(treasury, brla, people, checkout):
    pay(treasury, checkout, people.stranger)
    again = a_checkout(treasury, brla, people.buyer, 2, nonce=checkout.nonce)
    assert_refused(treasury, people, again, INVALID_NONCE)


def test_process_crypto_payment_reverts_when_a_refunded_payments_signature_is_replayed(
    treasury, campaign, people, checkout
):
    pay(treasury, checkout, people.stranger)
    campaign.approve(treasury, 1, sender=people.buyer)
    treasury.claimRefund(checkout.payment_id, sender=people.stranger)
    assert_refused(treasury, people, checkout, INVALID_NONCE)


def test_process_crypto_payment_succeeds_with_nonces_in_any_order(treasury, brla, people):
    for number, nonce in ((1, 256), (2, 0), (3, 2**256 - 1)):
        pay(treasury, a_checkout(treasury, brla, people.buyer, number, nonce=nonce), people.buyer)
    assert treasury.getRaisedAmount() == brla.balanceOf(treasury)


def test_process_crypto_payment_reverts_when_the_deadline_passed(treasury, people, checkout):
    with ape.chain.isolate():
        ape.chain.pending_timestamp = checkout.deadline
        pay(treasury, checkout, people.stranger)
    ape.chain.mine(timestamp=checkout.deadline + 1)
    assert_refused(treasury, people, checkout, "SignatureExpired(uint256)", checkout.deadline)


@pytest.mark.parametrize("missing", ["tokens", "allowance"])
def test_process_crypto_payment_reverts_when_the_buyer_cannot_pay(
    treasury, brla, people, checkout, missing
):
    if missing == "tokens":
        brla.transfer(people.payee, RICH - checkout.amount + 1, sender=people.buyer)
    else:
        brla.approve(paying.PERMIT2, checkout.amount - 1, sender=people.buyer)
    assert_refused(treasury, people, checkout, "Error(string)", "TRANSFER_FROM_FAILED")


def test_process_crypto_payment_reverts_when_treasury_or_campaign_is_closed(
    treasury, campaign, people, checkout
):
    admin = people.platform_admin
    closed = "PaymentTreasuryCampaignInfoIsPaused()"
    campaign.pauseCampaign(REASON, sender=people.protocol_admin)
    assert_refused(treasury, people, checkout, closed)
    campaign.cancelCampaign(REASON, sender=people.protocol_admin)
    assert_refused(treasury, people, checkout, closed)
    treasury.pauseTreasury(REASON, sender=admin)
    assert_refused(treasury, people, checkout, "PausedError()")
    treasury.cancelTreasury(REASON, sender=admin)
    assert_refused(treasury, people, checkout, "CancelledError()")
