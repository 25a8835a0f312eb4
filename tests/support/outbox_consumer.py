"""A consumer of the outbox, and what it should hold."""

from typing import Any

from sqlalchemy import Connection, Engine, func, literal_column, select

from indexer.chain.types import BlockHash, ChainId
from indexer.outbox import acknowledge, read_outbox
from indexer.outbox_telling import FACTS, Delivery, FactId, Message
from indexer.tables import marks
from tests.support.indexing import CHAIN


class Consumer:
    """Keeps what it is told, as a downstream service would, and notices what makes no sense."""

    def __init__(
        self,
        engine: Engine,
        delivery: Delivery = "latest",
        *,
        limit: int = 100,
        chain_id: ChainId = CHAIN,
    ) -> None:
        self.engine, self.delivery, self.limit, self.chain_id = engine, delivery, limit, chain_id
        self.holds: dict[FactId, Any] = {}
        self.heard: list[Message] = []

    def read(self) -> list[Message]:
        """One read, one acknowledgement."""
        with self.engine.begin() as connection:
            name: dict[str, Any] = {
                "consumer": "test",
                "chain_id": self.chain_id,
                "delivery": self.delivery,
            }
            told = read_outbox(connection, **name, limit=self.limit)
            assert len(told.messages) <= self.limit
            for message in told.messages:
                self._take(message)
            acknowledge(connection, **name, through=told.through)
        self.heard += told.messages
        return list(told.messages)

    def read_all(self) -> list[Message]:
        """Until there is nothing left to hear."""
        found: list[Message] = []
        while more := self.read():
            found += more
        return found

    def differences(self) -> list[str]:
        """What it holds and should not, and what it should and does not."""
        with self.engine.connect() as connection:
            facts = facts_of(connection, self.chain_id, self.delivery)
        return [
            f"{'holds' if name in self.holds else 'misses'} {name.fact} {name.log_index} of "
            f"{name.block_hash.hex()[:8]}"
            for name in {*self.holds, *facts}
            if self.holds.get(name) != facts.get(name)
        ]

    def _take(self, message: Message) -> None:
        if message.kind == "assert":
            assert self.holds.setdefault(message.identity, message.values) == message.values
        else:
            assert self.holds.pop(message.identity, message.values) == message.values


def facts_of(
    connection: Connection, chain_id: ChainId, delivery: Delivery = "latest"
) -> dict[FactId, Any]:
    """What stands in the tables: all of it, or what is final."""
    found: dict[FactId, Any] = {}
    for table in FACTS:
        query = select(
            table.c.block_hash,
            table.c.log_index,
            (table.c.ordinal if "ordinal" in table.c else literal_column("0")).label("ordinal"),
            func.to_jsonb(literal_column(table.name)).label("whole"),
        ).where(table.c.chain_id == chain_id)
        if delivery == "finalized":
            query = query.join(marks, marks.c.chain_id == table.c.chain_id).where(
                table.c.block_number <= marks.c.finalized_number
            )
        for row in connection.execute(query):
            name = FactId(table.name, chain_id, BlockHash(row.block_hash), *row[1:3])
            assert name not in found
            found[name] = row.whole
    return found
