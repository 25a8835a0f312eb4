"""Audits of which the node does not tell everything: no verdict, and none forgotten."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from sqlalchemy import Engine, Table, insert, select, update

from indexer.audit import (
    AuditPostponed,
    audit_treasuries,
)
from indexer.chain.blocks import Header, Transaction
from indexer.chain.rpc import ChainReader
from indexer.chain.source import Block
from indexer.chain.types import Address, TxHash
from indexer.details.fill import fill_details
from indexer.errors import RpcError, RpcUnavailable
from indexer.projection_tables import treasuries
from indexer.status import read_status
from indexer.tables import audits
from tests.support.protocol_logs import PLATFORM
from tests.support.real_facts import CHAIN, NETWORK, index_all
from tests.support.real_treasury import RealTreasury, running_treasury

LONG_AGO = datetime(2020, 1, 2, tzinfo=UTC)
LOST = RpcError(-32000, "missing trie node 12")


@pytest.fixture(scope="module")
def treasury() -> Iterator[RealTreasury]:
    """With one payment that is settled."""
    with running_treasury() as made:
        made.settle(1)
        yield made


def rows_of(engine: Engine, table: Table) -> list[dict[str, object]]:
    with engine.connect() as connection:
        return [dict(row._mapping) for row in connection.execute(table.select())]


@dataclass(slots=True)
class Refusing:
    """A node that refuses to read the state of some contracts."""

    reader: ChainReader
    refusal: Exception
    refused: set[Address]

    def block_by_number(self, block: Block) -> Header | None:
        return self.reader.block_by_number(block)

    def transaction_by_hash(self, tx_hash: TxHash) -> Transaction | None:
        return self.reader.transaction_by_hash(tx_hash)

    def call(self, to: Address, data: bytes, block: Block = "latest") -> bytes:
        if to in self.refused:
            raise self.refusal
        return self.reader.call(to, data, block)


def a_second_treasury(engine: Engine, treasury: RealTreasury) -> None:
    """One with no code of a treasury: nothing of it can be compared."""
    with engine.begin() as connection:
        row = dict(connection.execute(select(treasuries)).one()._mapping)
        other = {"treasury": treasury.token, "platform_hash": PLATFORM[::-1], "log_index": 10**6}
        connection.execute(insert(treasuries), row | other)


@pytest.mark.parametrize(
    "refusal",
    [LOST, RpcError(-32603, "Internal error"), RpcError(-32601, "no such method")],
    ids=str,
)
def test_audit_says_nothing_of_a_treasury_when_the_node_does_not_tell_its_state(
    treasury: RealTreasury, engine: Engine, refusal: RpcError
) -> None:
    index_all(engine, treasury.reader)
    a_second_treasury(engine, treasury)
    refusing = Refusing(treasury.reader, refusal, {treasury.address})
    with pytest.raises(AuditPostponed, match="1 treasuries could not be audited") as caught:
        audit_treasuries(engine, refusing, NETWORK)
    assert {one.treasury for one in caught.value.report.findings} == {treasury.token}
    assert {row["treasury"] for row in rows_of(engine, audits)} == {treasury.token}


def test_audit_asks_no_further_when_no_node_answers(treasury: RealTreasury, engine: Engine) -> None:
    index_all(engine, treasury.reader)
    a_second_treasury(engine, treasury)
    silent = Refusing(treasury.reader, RpcUnavailable("away"), {treasury.address})
    with pytest.raises(AuditPostponed, match="2 treasuries could not be audited"):
        audit_treasuries(engine, silent, NETWORK)
    assert rows_of(engine, audits) == []


def test_difference_stands_until_a_comparable_verdict_replaces_it(
    treasury: RealTreasury, engine: Engine
) -> None:
    index_all(engine, treasury.reader)
    fill_details(engine, treasury.reader, CHAIN, 100)
    audit_treasuries(engine, treasury.reader, NETWORK)
    with engine.begin() as connection:
        raised = audits.c.getter == "getRaisedAmount"
        connection.execute(update(audits).where(raised).values(verdict="different"))

    def shown() -> dict[str, int]:
        with engine.connect() as connection:
            status = read_status(connection, NETWORK)
        assert status is not None
        assert status.audit is not None
        return dict(status.audit.verdicts)

    assert shown() == {"equal": 4, "different": 1}
    with pytest.raises(RpcUnavailable):
        audit_treasuries(engine, Refusing(treasury.reader, LOST, {treasury.address}), NETWORK)
    assert shown() == {"equal": 4, "different": 1}
    with engine.begin() as connection:
        connection.execute(
            insert(audits),
            {
                "chain_id": CHAIN,
                "treasury": treasury.address,
                "block_number": 10**6,
                "getter": "getRaisedAmount",
                "verdict": "not_comparable",
            },
        )
    assert shown() == {"equal": 4, "different": 1}
    audit_treasuries(engine, treasury.reader, NETWORK)
    assert shown() == {"equal": 5}


def test_last_audit_is_that_of_the_treasury_that_waited_longest(
    treasury: RealTreasury, engine: Engine
) -> None:
    index_all(engine, treasury.reader)
    a_second_treasury(engine, treasury)
    audit_treasuries(engine, treasury.reader, NETWORK)
    with engine.begin() as connection:
        long_ago = update(audits).where(audits.c.treasury == treasury.address)
        connection.execute(long_ago.values(ran_at=LONG_AGO))
    with engine.connect() as connection:
        status = read_status(connection, NETWORK)
    assert status is not None
    assert status.audit is not None
    assert status.audit.ran_at == LONG_AGO
