"""Details that a node refuses to tell: nothing is given up, and nothing else held up."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace

import pytest
from sqlalchemy import Engine, select

from indexer.chain.blocks import Transaction
from indexer.chain.rpc import ChainReader
from indexer.chain.source import Block
from indexer.chain.types import Address, BlockHash, TxHash
from indexer.details.calldata import selector
from indexer.details.fill import DetailFiller, fill_details
from indexer.errors import RpcError, RpcUnavailable
from indexer.tables import payments_created
from tests.support.real_details import ALL_ITEMS, MANY, Partial, buyers, mirror_treasury, of_kind
from tests.support.real_facts import CHAIN, index_all
from tests.support.real_treasury import RealTreasury, payment_id


@pytest.fixture(scope="module")
def treasury() -> Iterator[RealTreasury]:
    with mirror_treasury() as made:
        yield made


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


def test_fill_waits_when_the_node_asks_for_patience(treasury: RealTreasury, engine: Engine) -> None:
    index_all(engine, treasury.reader)
    busy = Partial(treasury.reader, transactions=False, state="rate limit exceeded")
    with pytest.raises(RpcUnavailable):
        fill_details(engine, busy, CHAIN, MANY)
    assert of_kind(engine, "line_items") == {}


@dataclass(slots=True)
class Moody:
    """A node that refuses some questions with words of its own."""

    reader: ChainReader
    refusal: RpcError
    refused: set[TxHash] | None = None
    """Transactions; None: all questions."""

    def transaction_by_hash(self, tx_hash: TxHash) -> Transaction | None:
        if self.refused is None or tx_hash in self.refused:
            raise self.refusal
        return self.reader.transaction_by_hash(tx_hash)

    def call(self, to: Address, data: bytes, block: Block = "latest") -> bytes:
        if self.refused is None:
            raise self.refusal
        return self.reader.call(to, data, block)


@pytest.mark.parametrize(
    "refusal",
    [
        RpcError(-32603, "Internal error"),
        RpcError(-32603, "Internal error", b""),
        RpcError(-32000, "cannot revert to snapshot"),
        RpcError(-32601, "the method eth_call does not exist"),
        RpcError(-32000, "header not found"),
    ],
    ids=str,
)
def test_no_detail_is_given_up_when_a_node_has_a_bad_moment(
    treasury: RealTreasury, engine: Engine, refusal: RpcError
) -> None:
    index_all(engine, treasury.reader)
    filler = DetailFiller(engine, Moody(treasury.reader, refusal), CHAIN)
    for _ in range(6):
        with suppress(RpcUnavailable):
            filler.fill(4)
    assert of_kind(engine, "line_items") == of_kind(engine, "campaign_settings") == {}
    assert set(of_kind(engine, "buyer")) == {4}  # its receipts alone tell: nobody was asked
    fill_details(engine, treasury.reader, CHAIN, MANY)
    assert set(of_kind(engine, "line_items")) == set(ALL_ITEMS)
    assert of_kind(engine, "line_items")[1] == ("calldata", ALL_ITEMS[1])


def test_later_facts_are_filled_when_earlier_ones_are_refused_again_and_again(
    treasury: RealTreasury, engine: Engine
) -> None:
    index_all(engine, treasury.reader)
    with engine.connect() as connection:
        first = connection.execute(
            select(payments_created.c.tx_hash).where(
                payments_created.c.payment_id.in_([payment_id(1), payment_id(2)])
            )
        ).scalars()
        refused = {TxHash(one) for one in first}
    moody = Moody(treasury.reader, RpcError(-32603, "Internal error"), refused)
    filler = DetailFiller(engine, moody, CHAIN)
    for _ in range(20):  # more than enough turns of a single fact of each kind
        with suppress(RpcUnavailable):
            filler.fill(1)
    assert set(of_kind(engine, "line_items")) == {7, 8}  # 2, 3 and 4 are of one transaction
    assert set(of_kind(engine, "buyer")) == set(buyers(treasury))
    moody.refused = set()
    for _ in range(20):
        filler.fill(1)
    assert set(of_kind(engine, "line_items")) == set(ALL_ITEMS)


def test_campaign_lists_every_platform_or_is_unavailable_when_state_is_lost_half_way(
    treasury: RealTreasury, engine: Engine
) -> None:
    index_all(engine, treasury.reader)
    fill_details(engine, Forgetful(treasury.reader, selector("getCampaignCurrency()")), CHAIN, 1)
    ((source, _),) = of_kind(engine, "campaign_settings").values()
    assert source == "unavailable"
    index_all(engine, treasury.reader)
    lists = selector("checkIfPlatformSelected(bytes32)")
    fill_details(engine, Forgetful(treasury.reader, lists), CHAIN, 1)
    ((source, _),) = of_kind(engine, "campaign_settings").values()
    assert source == "unavailable"


@dataclass(frozen=True, slots=True)
class Forgetful:
    """A node that has lost all transactions, and the state when one getter is asked."""

    reader: ChainReader
    getter: bytes

    def transaction_by_hash(self, tx_hash: TxHash) -> Transaction | None:  # noqa: ARG002 - lost
        return None

    def call(self, to: Address, data: bytes, block: Block = "latest") -> bytes:
        if data.startswith(self.getter):
            raise RpcError(-32000, "missing trie node 12")
        return self.reader.call(to, data, block)


def test_details_found_so_far_are_written_when_the_node_is_on_another_fork(
    treasury: RealTreasury, engine: Engine
) -> None:
    index_all(engine, treasury.reader)
    forked = Forked(treasury.reader, after=3)
    # The campaign, two calls, and the one buyer whom the receipts alone tell.
    assert fill_details(engine, forked, CHAIN, MANY) == 1 + 4 + 1
    with pytest.raises(RpcUnavailable, match="another block"):
        fill_details(engine, forked, CHAIN, MANY)
    assert set(of_kind(engine, "line_items")) == {1, 2, 3, 4}
