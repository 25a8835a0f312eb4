"""Builders for payments on-chain: Uniswap's Permit2 itself, and what a buyer signs for it."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import ape
import world
from eth_account.messages import encode_typed_data
from eth_utils import keccak
from items import items_hash
from recording import assert_payment_created
from world import DAY, REAL, a_payment

if TYPE_CHECKING:
    from ape.api import AccountAPI
    from ape.contracts import ContractInstance

CANONICAL = json.loads((Path(__file__).parent / "permit2.json").read_text(encoding="utf-8"))
PERMIT2 = CANONICAL["address"]
ALLOWANCE = 2**256 - 1
UINT256 = "uint256"
TYPES = {
    "PermitWitnessTransferFrom": [
        {"name": "permitted", "type": "TokenPermissions"},
        {"name": "spender", "type": "address"},
        {"name": "nonce", "type": UINT256},
        {"name": "deadline", "type": UINT256},
        {"name": "witness", "type": "CryptoPaymentWitness"},
    ],
    "TokenPermissions": [
        {"name": "token", "type": "address"},
        {"name": "amount", "type": UINT256},
    ],
    "CryptoPaymentWitness": [
        {"name": "paymentId", "type": "bytes32"},
        {"name": "itemId", "type": "bytes32"},
        {"name": "buyerAddress", "type": "address"},
        {"name": "amount", "type": UINT256},
        {"name": "lineItemsHash", "type": "bytes32"},
    ],
}


@dataclass(frozen=True)
class Checkout:
    """The arguments of processCryptoPayment, in order."""

    payment_id: bytes
    item_id: bytes
    buyer: str
    token: str
    amount: int
    line_items: tuple
    external_fees: tuple
    nonce: int
    deadline: int
    signature: bytes

    @property
    def total(self) -> int:
        return self.amount + sum(amount for _, amount in self.line_items)

    @property
    def arguments(self):
        permit = (self.nonce, self.deadline, self.signature)
        items, fees = list(self.line_items), list(self.external_fees)
        plain = (self.payment_id, self.item_id, self.buyer, self.token, self.amount)
        return (*plain, items, fees, permit)

    def but(self, **changes: object) -> Checkout:
        return replace(self, **changes)


def deploy_permit2(sender: AccountAPI) -> None:
    """Create Permit2 at its address, the hash of its code: it is the real one, or not there."""
    if not ape.chain.provider.get_code(PERMIT2):
        code = bytes.fromhex(CANONICAL["salt"][2:] + CANONICAL["creationCode"][2:])
        sender.transfer(CANONICAL["deployer"], 0, data=code)
    assert ape.chain.provider.get_code(PERMIT2)


def let_pay(token, buyer: AccountAPI, amount: int) -> None:
    """Give a buyer tokens, and Permit2 the allowance that a buyer gives it once."""
    world.transact(token.mint, buyer, amount, sender=buyer)
    world.transact(token.approve, PERMIT2, ALLOWANCE, sender=buyer)


def a_checkout(treasury, token, payer: AccountAPI, number: int = 1, **changes: object) -> Checkout:
    """A checkout that its buyer signed."""
    checkout = Checkout(
        payment_id=a_payment(token, number).payment_id,
        item_id=keccak(text=f"item {number}"),
        buyer=payer.address,
        token=token.address,
        amount=51 * REAL,
        line_items=(),
        external_fees=(),
        nonce=number,
        deadline=ape.chain.pending_timestamp + DAY,
        signature=b"",
    ).but(**changes)
    return checkout.but(signature=sign(treasury, checkout, payer))


def sign(treasury: ContractInstance, checkout: Checkout, signer: AccountAPI) -> bytes:
    """Sign as a wallet does: EIP-712, for this treasury alone to take these tokens."""
    domain = {"name": "Permit2", "chainId": ape.chain.chain_id, "verifyingContract": PERMIT2}
    message = {
        "permitted": {"token": checkout.token, "amount": checkout.total},
        "spender": treasury.address,
        "nonce": checkout.nonce,
        "deadline": checkout.deadline,
        "witness": {
            "paymentId": checkout.payment_id,
            "itemId": checkout.item_id,
            "buyerAddress": checkout.buyer,
            "amount": checkout.amount,
            "lineItemsHash": items_hash(checkout.line_items),
        },
    }
    return signer.sign_message(encode_typed_data(domain, TYPES, message)).encode_rsv()


def pay(treasury, checkout: Checkout, sender: AccountAPI):
    return world.transact(treasury.processCryptoPayment, *checkout.arguments, sender=sender)


def assert_paid(log, checkout: Checkout) -> None:
    assert_payment_created(
        log,
        [checkout.payment_id, checkout.item_id, checkout.token],
        [checkout.buyer, bytes(32), checkout.amount, 0, True],
    )
