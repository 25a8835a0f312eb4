"""Details of real payments on a real chain: from calldata, from receipts, from a read, or not."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from sqlalchemy import Engine, insert, select, update

from benchmarks.chain import CURRENCY, PLATFORM
from indexer.chain.blocks import Transaction
from indexer.chain.rpc import ChainReader
from indexer.chain.source import Block
from indexer.chain.types import Address, BlockHash, TxHash, to_hex
from indexer.details.fill import DetailFiller, fill_details, forget_unavailable
from indexer.errors import RpcError, RpcUnavailable
from indexer.tables import blocks, details, logs, outbox, payments_confirmed, payments_created
from tests.support.real_facts import CHAIN, index_all
from tests.support.real_treasury import FEE, GOAL, TIP, RealTreasury, payment_id, running_treasury

ITEMS = ((GOAL, 100), (TIP, 50))
MANY = 1_000
Found = dict[int, tuple[str, Any]]
"""By payment: source and arguments."""


@pytest.fixture(scope="module")
def treasury() -> Iterator[RealTreasury]:
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


@dataclass(slots=True)
class Forked:
    """A node that goes over to another fork."""

    reader: ChainReader
    after: int
    """Transactions it still answers for."""

    def transaction_by_hash(self, tx_hash: TxHash) -> Transaction | None:
        found = self.reader.transaction_by_hash(tx_hash)
        self.after -= 1
        if found is None or self.after >= 0:
            return found
        return replace(found, block_hash=BlockHash(b"\1" * 32))

    def call(self, to: Address, data: bytes, block: Block = "latest") -> bytes:
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


def test_details_come_from_calldata_when_the_node_has_it(
    treasury: RealTreasury, engine: Engine
) -> None:
    index_all(engine, treasury.reader)
    written = fill_details(engine, treasury.reader, CHAIN, MANY)
    assert of_kind(engine, "line_items") == {
        number: ("calldata", found) for number, found in ALL_ITEMS.items()
    }
    found = of_kind(engine, "buyer")
    assert {number: arguments for number, (_, arguments) in found.items()} == buyers(treasury)
    assert {number: source for number, (source, _) in found.items()} == {
        4: "event",  # no receipt: nobody was named
        **dict.fromkeys((1, 2, 3, 7, 8), "calldata"),
    }
    ((source, settings),) = of_kind(engine, "campaign_settings").values()
    assert source == "calldata"
    assert settings["platforms"] == [to_hex(PLATFORM)]
    assert settings["tokens"] == [to_hex(treasury.token)]
    assert settings["currency"] == to_hex(CURRENCY)
    assert settings["goal_amount"] == str(10**21)
    assert settings["creator"] == treasury.account(2).lower()
    assert int(settings["deadline"]) > int(settings["launch_time"]) > 10**9
    assert written == 6 + 6 + 1
    assert fill_details(engine, treasury.reader, CHAIN, MANY) == 0


def test_details_are_the_same_when_they_are_read_from_the_contracts(
    treasury: RealTreasury, engine: Engine
) -> None:
    index_all(engine, treasury.reader)
    fill_details(engine, treasury.reader, CHAIN, MANY)
    from_calldata = of_kind(engine, "campaign_settings")
    index_all(engine, treasury.reader)
    fill_details(engine, Partial(treasury.reader, transactions=False), CHAIN, MANY)
    assert of_kind(engine, "line_items") == {
        number: ("read", found) for number, found in ALL_ITEMS.items()
    }
    found = of_kind(engine, "buyer")
    assert {number: arguments for number, (_, arguments) in found.items()} == buyers(treasury)
    assert {number: source for number, (source, _) in found.items()} == {
        **dict.fromkeys((1, 2, 3, 4), "event"),  # as many receipts as payments, or none
        **dict.fromkeys((7, 8), "read"),
    }
    assert of_kind(engine, "campaign_settings") == {0: ("read", from_calldata[0][1])}


def test_details_are_unavailable_when_the_node_pruned_the_state(
    treasury: RealTreasury, engine: Engine
) -> None:
    index_all(engine, treasury.reader)
    pruned = Partial(treasury.reader, transactions=False, state="missing trie node 1234")
    fill_details(engine, pruned, CHAIN, MANY)
    gone = {"reason": "the node no longer has the state at that block"}
    assert of_kind(engine, "line_items") == dict.fromkeys(ALL_ITEMS, ("unavailable", gone))
    found = of_kind(engine, "buyer")
    assert {one for one, (source, _) in found.items() if source == "unavailable"} == {7, 8}
    assert fill_details(engine, treasury.reader, CHAIN, MANY) == 0
    with engine.begin() as connection:
        assert forget_unavailable(connection, CHAIN) == len(ALL_ITEMS) + 2 + 1
    fill_details(engine, treasury.reader, CHAIN, MANY)
    assert of_kind(engine, "line_items")[1] == ("calldata", ALL_ITEMS[1])


def test_tokens_are_read_today_when_the_state_of_the_creation_is_gone(
    treasury: RealTreasury, engine: Engine
) -> None:
    """A campaign's tokens never change; everything else may have."""
    index_all(engine, treasury.reader)
    fill_details(engine, Partial(treasury.reader, state="state is not available"), CHAIN, MANY)
    ((source, settings),) = of_kind(engine, "campaign_settings").values()
    assert (source, settings["tokens"]) == ("calldata", [to_hex(treasury.token)])


def test_line_items_are_not_believed_when_the_logged_hash_is_of_others(
    treasury: RealTreasury, engine: Engine
) -> None:
    index_all(engine, treasury.reader)
    with engine.begin() as connection:
        recorded = logs.c.event == "PaymentExtrasRecorded"
        for row in connection.execute(select(logs).where(recorded)).all():
            changed = row.arguments | {"lineItemsHash": "0x" + "11" * 32}
            connection.execute(
                update(logs)
                .where(logs.c.block_number == row.block_number, logs.c.log_index == row.log_index)
                .values(arguments=changed)
            )
    fill_details(engine, treasury.reader, CHAIN, MANY)
    found = of_kind(engine, "line_items")
    assert {one for one, (source, _) in found.items() if source == "unavailable"} == {1, 3}
    assert found[2] == ("calldata", items())


def test_line_items_are_not_believed_when_the_call_has_another_amount(
    treasury: RealTreasury, engine: Engine
) -> None:
    index_all(engine, treasury.reader)
    with engine.begin() as connection:
        connection.execute(
            update(payments_created)
            .where(payments_created.c.payment_id == payment_id(2))
            .values(amount=1_001)
        )
    fill_details(engine, treasury.reader, CHAIN, MANY)
    source, arguments = of_kind(engine, "line_items")[2]
    assert (source, arguments) == (
        "unavailable",
        {"reason": "the contract tells of another payment"},
    )


def test_details_are_not_written_when_their_block_was_replaced_meanwhile(
    treasury: RealTreasury, engine: Engine
) -> None:
    index_all(engine, treasury.reader)

    def delete() -> None:
        with engine.begin() as connection:
            connection.execute(blocks.delete())

    assert fill_details(engine, Partial(treasury.reader, before_call=delete), CHAIN, MANY) == 0
    assert of_kind(engine, "line_items") == {}


def test_filler_goes_slice_by_slice_until_nothing_is_missing(
    treasury: RealTreasury, engine: Engine
) -> None:
    index_all(engine, treasury.reader)
    filler = DetailFiller(engine, treasury.reader, CHAIN)
    slices = []
    while written := filler.fill(2):
        slices.append(written)
    assert slices == [5, 4, 4]
    assert of_kind(engine, "line_items").keys() == ALL_ITEMS.keys()


def test_filler_looks_again_when_facts_of_old_blocks_were_amended(
    treasury: RealTreasury, engine: Engine
) -> None:
    index_all(engine, treasury.reader)
    filler = DetailFiller(engine, treasury.reader, CHAIN)
    filler.fill(MANY)
    with engine.begin() as connection:
        connection.execute(details.delete())
    assert filler.fill(MANY) == 0
    with engine.begin() as connection:
        connection.execute(
            insert(outbox),
            {"chain_id": CHAIN, "action": "amended", "low": 1, "high": 9, "revision": 1},
        )
    assert filler.fill(MANY) == 13


def test_fill_waits_when_the_node_asks_for_patience(treasury: RealTreasury, engine: Engine) -> None:
    index_all(engine, treasury.reader)
    busy = Partial(treasury.reader, transactions=False, state="rate limit exceeded")
    with pytest.raises(RpcUnavailable):
        fill_details(engine, busy, CHAIN, MANY)
    assert of_kind(engine, "line_items") == {}


def test_details_found_so_far_are_written_when_the_node_is_on_another_fork(
    treasury: RealTreasury, engine: Engine
) -> None:
    index_all(engine, treasury.reader)
    forked = Forked(treasury.reader, after=3)
    assert fill_details(engine, forked, CHAIN, MANY) == 1 + 4  # the campaign, and two calls
    with pytest.raises(RpcUnavailable, match="another block"):
        fill_details(engine, forked, CHAIN, MANY)
    assert set(of_kind(engine, "line_items")) == {1, 2, 3, 4}


def test_line_items_are_unavailable_when_a_one_slot_treasury_keeps_only_their_hash(
    engine: Engine,
) -> None:
    with running_treasury() as made:
        made.create(1, items=ITEMS)
        made.create(2)
        index_all(engine, made.reader)
        fill_details(engine, Partial(made.reader, transactions=False), CHAIN, MANY)
        assert of_kind(engine, "line_items") == {
            1: ("unavailable", {"reason": "the contract keeps only a hash of them"}),
            2: ("read", items()),
        }
        index_all(engine, made.reader)
        fill_details(engine, made.reader, CHAIN, MANY)
        assert of_kind(engine, "line_items") == {
            1: ("calldata", items(*ITEMS)),
            2: ("calldata", items()),
        }
