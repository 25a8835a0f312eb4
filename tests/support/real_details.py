"""A real treasury whose payments lack details, what the details are, and nodes that lost them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, select

from indexer.chain.blocks import Transaction
from indexer.chain.rpc import ChainReader
from indexer.chain.source import Block
from indexer.chain.types import Address, TxHash, to_hex
from indexer.errors import RpcError
from indexer.tables import details, payments_confirmed, payments_created
from tests.support.real_treasury import FEE, GOAL, TIP, RealTreasury, payment_id, running_treasury

ITEMS = ((GOAL, 100), (TIP, 50))
MANY = 1_000
Found = dict[int, tuple[str, Any]]
"""By payment: source and arguments."""


@contextmanager
def mirror_treasury() -> Iterator[RealTreasury]:
    """A mirror: it answers everything that a payment was recorded with, as Oak's do."""
    with running_treasury("MirrorPaymentTreasury") as made:
        made.create(1, items=ITEMS, fees=((FEE, 7),))
        made.create_batch(2, 3, 4, items=[(), ((TIP, 9),), ()])
        made.settle(5, 6, buyer=made.account(6))
        made.confirm(1, made.account(7))
        made.confirm_batch({2: made.account(8), 3: made.account(9)})
        made.create_batch(7, 8, items=[(), ()])
        made.confirm_batch({7: "0x" + "00" * 20, 8: made.account(8)})
        made.confirm(4)
        yield made


@dataclass(frozen=True, slots=True)
class Partial:
    """A node that lost something."""

    reader: ChainReader
    transactions: bool = True
    state: str | None = None
    """How it refuses to read the state of a block; None: it does not."""
    before_call: Callable[[], None] = lambda: None

    def transaction_by_hash(self, tx_hash: TxHash) -> Transaction | None:
        return self.reader.transaction_by_hash(tx_hash) if self.transactions else None

    def call(self, to: Address, data: bytes, block: Block = "latest") -> bytes:
        self.before_call()
        if self.state is not None and block != "latest":
            raise RpcError(-32000, self.state)
        return self.reader.call(to, data, block)


def of_kind(engine: Engine, kind: str) -> Found:
    """By payment number; 0 for the campaign."""
    numbers: dict[object, int] = {payment_id(number): number for number in range(1, 10)}
    found: Found = {}
    with engine.connect() as connection:
        named = {
            (row.block_number, row.log_index, getattr(row, "ordinal", 0)): row.payment_id
            for table in (payments_created, payments_confirmed)
            for row in connection.execute(table.select())
        }
        for row in connection.execute(select(details).where(details.c.kind == kind)):
            payment = named.get((row.block_number, row.log_index, row.ordinal))
            found[numbers.get(payment, 0)] = (row.source, row.arguments)
    return found


def pairs(*listed: tuple[bytes, int]) -> list[dict[str, str]]:
    return [{"type_id": to_hex(kind), "amount": str(amount)} for kind, amount in listed]


def items(*listed: tuple[bytes, int], fees: tuple[tuple[bytes, int], ...] = ()) -> dict[str, Any]:
    return {"line_items": pairs(*listed), "external_fees": pairs(*fees)}


ALL_ITEMS = {
    1: items(*ITEMS, fees=((FEE, 7),)),
    2: items(),
    3: items((TIP, 9)),
    4: items(),
    7: items(),
    8: items(),
}
"""Payments 5 and 6 were settled in one call: they lack nothing."""


def buyers(treasury: RealTreasury) -> dict[int, dict[str, str]]:
    named = {1: 7, 2: 8, 3: 9, 8: 8}
    nobody = "0x" + "00" * 20
    return {
        number: {"buyer": treasury.account(named[number]).lower() if number in named else nobody}
        for number in (1, 2, 3, 4, 7, 8)
    }
