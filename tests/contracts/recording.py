"""Builders for payments as they are recorded: settlements, witnesses, tokens, and their logs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import building
import world
from eth_utils import keccak
from world import REAL, ZERO, Payment, assert_log, assert_reverts

if TYPE_CHECKING:
    from ape.contracts import ContractInstance

ALREADY_EXIST = "PaymentTreasuryPaymentAlreadyExist(bytes32)"
ALREADY_CONFIRMED = "PaymentTreasuryPaymentAlreadyConfirmed(bytes32)"
ALREADY_EXPIRED = "PaymentTreasuryPaymentAlreadyExpired(bytes32)"
NOT_EXIST = "PaymentTreasuryPaymentNotExist(bytes32)"
INSUFFICIENT_BALANCE = "PaymentTreasuryInsufficientBalance(uint256,uint256)"
LENGTH_MISMATCH = "PaymentTreasuryBatchArrayLengthMismatch()"
TOO_LONG = "PaymentTreasuryArrayTooLong()"
OVERFLOW = "SafeCastOverflowedUintDowncast(uint8,uint256)"
MAX_BATCH_SIZE = 5_000
MAX_AMOUNT = 2**96 - 1


@dataclass(frozen=True)
class Settlement:
    """One payment of settleBatch."""

    payment_id: bytes
    buyer_id: bytes
    item_id: bytes
    buyer: str
    amount: int

    @property
    def fields(self):
        return (self.payment_id, self.buyer_id, self.item_id, self.buyer, self.amount)

    @property
    def witness(self):
        return (self.buyer_id, self.item_id, self.buyer)

    def but(self, **changes: object):
        return replace(self, **changes)


def a_settlement(number: int = 1, **changes: object) -> Settlement:
    settlement = Settlement(
        payment_id=keccak(text=f"payment {number}"),
        buyer_id=keccak(text=f"buyer {number}"),
        item_id=keccak(text=f"item {number}"),
        buyer=ZERO,
        amount=(10 + number) * REAL,
    )
    return settlement.but(**changes)


def settle_arguments(token, batch) -> list:
    return [token, [settlement.fields for settlement in batch]]


def settle(treasury, token, people, *batch: Settlement):
    """Fund and settle a batch."""
    world.fund(treasury, token, people, sum(settlement.amount for settlement in batch))
    arguments = settle_arguments(token, batch)
    return world.transact(treasury.settleBatch, *arguments, sender=people.platform_admin)


def ids(batch) -> list[bytes]:
    return [payment.payment_id for payment in batch]


def internal_id(payment_id: bytes, buyer: str = ZERO) -> bytes:
    """The storage key that Oak's contracts report."""
    return keccak(payment_id + bytes.fromhex(buyer[2:]))


def payment_witness(payment: Payment):
    return (payment.buyer_id, payment.item_id, ZERO)


def create_batch(treasury, people, batch: list[Payment]):
    columns = world.columns(batch)
    return world.transact(treasury.createPaymentBatch, *columns, sender=people.platform_admin)


def confirm_batch(treasury, people, batch, buyers: list[str] | None = None):
    arguments = [ids(batch), buyers or [ZERO] * len(batch)]
    return world.transact(treasury.confirmPaymentBatch, *arguments, sender=people.platform_admin)


def token_of(people, decimals: int) -> ContractInstance:
    receipt = building.create(people.stranger, "AnyDecimals", decimals)
    return building.at("AnyDecimals", receipt.contract_address)


def treasury_of_tokens(protocol, people, *tokens: ContractInstance) -> ContractInstance:
    """A treasury whose campaign accepts these tokens as well."""
    for token in tokens:
        protocol.params.addTokenToCurrency(world.BRL, token, sender=people.protocol_admin)
    return world.create_treasury(protocol, people, world.create_campaign(protocol, people))


def assert_only_the_platform(method, arguments, people) -> None:
    """Assert that a call is refused to everybody else."""
    for caller in (people.stranger, people.creator, people.protocol_admin, people.buyer):
        assert_reverts(method, arguments, caller, "AccessCheckerUnauthorized()")


def assert_created(log, payment: Payment) -> None:
    assert_payment_created(
        log,
        [payment.payment_id, payment.item_id, payment.token],
        [ZERO, payment.buyer_id, payment.amount, payment.expiration, False],
    )


def assert_settled(log, settlement: Settlement, token) -> None:
    assert_payment_created(
        log,
        [settlement.payment_id, settlement.item_id, token.address],
        [settlement.buyer, settlement.buyer_id, settlement.amount, 0, False],
    )


def assert_payment_created(log, indexed: list, values: list) -> None:
    assert_log(
        log,
        "PaymentCreated(address,bytes32,bytes32,bytes32,address,uint256,uint256,bool)",
        indexed=indexed,
        types=["address", "bytes32", "uint256", "uint256", "bool"],
        values=values,
    )


def assert_ids_logged(log, event: str, batch) -> None:
    assert_log(log, f"{event}(bytes32[])", types=["bytes32[]"], values=[ids(batch)])


def assert_minted(logs: list, treasury, *receipts: tuple[int, str, bytes]) -> None:
    """Assert the mints of a transaction: number, owner and reward of each, in order."""
    expected = []
    for number, owner, reward in receipts:
        expected.append(("PledgeNFTMinted", number, owner, reward))
        expected.append(("Transfer", number, owner, None))
    for log, (event, number, owner, reward) in zip(logs, expected, strict=True):
        if event == "Transfer":
            topics = [ZERO, owner, number]
            assert_log(log, "Transfer(address,address,uint256)", indexed=topics)
        else:
            assert_log(
                log,
                "PledgeNFTMinted(uint256,address,address,bytes32)",
                indexed=[number, owner, treasury.address],
                types=["bytes32"],
                values=[reward],
            )
