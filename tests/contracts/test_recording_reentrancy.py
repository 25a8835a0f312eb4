"""Buyers and tokens that call back while a payment is recorded find every entry point closed."""

from __future__ import annotations

import building
import items
import paying
import pytest
import world
from eth_utils import function_signature_to_4byte_selector
from recording import a_settlement, confirm_batch, create_batch, settle, treasury_of_tokens
from world import ZERO, a_payment, canonical, error_bytes

# What changes no money, and checks its caller before anything else.
OUTSIDE_THE_GUARD = {
    "initialize(bytes32,address)": "InvalidInitialization()",
    "initialize(bytes32,address,address)": "InvalidInitialization()",
    "pauseTreasury(bytes32)": "AccessCheckerUnauthorized()",
    "unpauseTreasury(bytes32)": "AccessCheckerUnauthorized()",
    "cancelTreasury(bytes32)": "PaymentTreasuryUnAuthorized()",
}


def entry_points() -> list[str]:
    """Every function of the treasury that can change anything, as the ABI has it."""
    contract_type = building.container("PaymentTreasury").contract_type
    return sorted(
        f"{method.name}({','.join(canonical(entry) for entry in method.inputs)})"
        for method in contract_type.mutable_methods
    )


ENTRY_POINTS = entry_points()


@pytest.fixture
def wallet(people):
    receipt = building.create(people.stranger, "ReentrantBuyer")
    return building.at("ReentrantBuyer", receipt.contract_address)


@pytest.fixture
def settled(treasury, brla, people, wallet):
    """Expected payments 1 and 2, with their tokens, and a settled one of the wallet's."""
    world.create(treasury, people, a_payment(brla, 1), a_payment(brla, 2))
    settlement = a_settlement(3, buyer=wallet.address)
    settle(treasury, brla, people, settlement)
    world.fund(treasury, brla, people, 2 * a_payment(brla, 1).amount)
    return settlement


def test_entry_points_outside_the_guard_are_there():
    assert OUTSIDE_THE_GUARD.keys() < set(ENTRY_POINTS)
    assert len(ENTRY_POINTS) - len(OUTSIDE_THE_GUARD) == 17


def assert_all_closed(treasury, hook, people, method, arguments) -> None:
    """Assert what a call reverts with when the hook calls each entry point in turn."""
    request = world.calldata(method, *arguments)
    errors = {}
    for entry in ENTRY_POINTS:
        # Zeros decode as any arguments: lists that are empty, and offsets to them.
        message = function_signature_to_4byte_selector(entry) + bytes(1024)
        world.transact(hook.aim, treasury, message, sender=people.stranger)
        answer = world.call(treasury.address, request, people.platform_admin.address)
        errors[entry] = answer["error"]["data"]
    guarded = dict.fromkeys(ENTRY_POINTS, "ReentrancyGuardReentrantCall()")
    expected = guarded | OUTSIDE_THE_GUARD
    assert errors == {entry: error_bytes(error) for entry, error in expected.items()}


@pytest.mark.parametrize("through", ["confirmPayment", "confirmPaymentBatch", "mintReceipt"])
def test_receipt_is_not_given_when_the_buyer_calls_back(
    treasury, brla, people, wallet, settled, through
):
    first, second = (a_payment(brla, number).payment_id for number in (1, 2))
    calls = {
        "confirmPayment": [first, wallet.address],
        "confirmPaymentBatch": [[first, second], [ZERO, wallet.address]],
        "mintReceipt": [settled.payment_id, settled.witness],
    }
    assert_all_closed(treasury, wallet, people, getattr(treasury, through), calls[through])


def test_crypto_payment_is_not_made_when_the_buyer_calls_back(treasury, brla, people, wallet):
    paying.deploy_permit2(people.stranger)
    brla.mint(wallet, 10**40, sender=people.stranger)
    allow = world.calldata(brla.approve, paying.PERMIT2, 10**40)
    wallet.act(brla, allow, sender=people.stranger)
    checkout = paying.a_checkout(treasury, brla, people.stranger, buyer=wallet.address)
    arguments = checkout.arguments
    assert_all_closed(treasury, wallet, people, treasury.processCryptoPayment, arguments)


@pytest.mark.parametrize("through", ["confirmPayment", "confirmPaymentBatch"])
def test_instant_items_are_not_sent_when_the_token_calls_back(protocol, params, people, through):
    items.set_types(params, people)
    receipt = building.create(people.stranger, "HookedToken")
    token = building.at("HookedToken", receipt.contract_address)
    treasury = treasury_of_tokens(protocol, people, token)
    create_batch(treasury, people, [items.every_class(token)])
    world.fund(treasury, token, people, items.TOTAL)
    payment_id = items.every_class(token).payment_id
    single = through == "confirmPayment"
    arguments = [payment_id, ZERO] if single else [[payment_id], [ZERO]]
    assert_all_closed(treasury, token, people, getattr(treasury, through), arguments)


def test_guard_is_down_again_after_a_batch_of_receipts(
    treasury, campaign, brla, people, wallet, settled
):
    wallet.aim(brla, world.calldata(brla.totalSupply), sender=people.stranger)
    batch = [a_payment(brla, 1), a_payment(brla, 2)]
    confirm_batch(treasury, people, batch, [wallet.address, wallet.address])
    treasury.mintReceipt(settled.payment_id, settled.witness, sender=people.stranger)
    assert campaign.balanceOf(wallet) == 3
