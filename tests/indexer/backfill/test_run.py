"""History read side by side equals history read block by block, however it is interrupted."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from threading import Event, current_thread

import pytest
from sqlalchemy import Engine
from structlog.contextvars import bound_contextvars, get_contextvars
from typing_extensions import override

from benchmarks.synthetic import Shape, Synthetic, synthetic_chain
from indexer.backfill.ranges import Depth
from indexer.backfill.run import Backfill, Progress
from indexer.chain.reads import RawLogs, Topics
from indexer.chain.rpc import ChainReader
from indexer.chain.types import Address, BlockNumber
from indexer.checksum import facts_checksum
from indexer.cursor import open_marks, read_fetched
from indexer.errors import ChainContradiction
from indexer.events import FILTER_ID
from indexer.fetch import fetch_headers, read_by_headers
from indexer.known import KnownContracts
from indexer.ledger import complete_up_to, extend
from indexer.tables import payments_created, provider_findings, ranges
from indexer.unprojected import project_next
from indexer.write import known_contracts, write_reading
from stack.fakes.chain_proxy.faults import Fault, Kind
from stack.fakes.chain_proxy.proxy import Proxy, running_proxy
from tests.support.indexing import CHAIN, NETWORK, forget_all, rows_of

EVENTS = 4_000


@pytest.fixture(scope="module")
def chain() -> Iterator[Synthetic]:
    with synthetic_chain(Shape(EVENTS)) as built:
        yield built


@pytest.fixture
def proxy(chain: Synthetic) -> Iterator[Proxy]:
    with running_proxy(chain.url) as running:
        yield running


def opened(engine: Engine, chain: Synthetic) -> KnownContracts:
    record = chain.place.deployment
    with engine.begin() as connection:
        open_marks(
            connection, NETWORK, first_block=record.first_block, genesis_hash=record.genesis_hash
        )
    return KnownContracts.of_deployment(record)


def backfill(
    engine: Engine,
    chain: Synthetic,
    depth: Depth,
    *,
    url: str | None = None,
    low: BlockNumber | None = None,
    stop: Event | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> None:
    deployed = opened(engine, chain)
    reader = ChainReader([url or chain.url])
    first = chain.place.deployment.first_block if low is None else low
    with engine.connect() as connection:
        known = known_contracts(connection, CHAIN, deployed, at=BlockNumber(first - 1))
    try:
        Backfill(
            engine,
            reader,
            network=NETWORK,
            deployed=deployed,
            depth=depth,
            on_progress=on_progress,
        ).run(first, BlockNumber(chain.place.height), known, stop=stop or Event())
    finally:
        reader.close()


def checksum(engine: Engine, chain: Synthetic) -> bytes:
    with engine.connect() as connection:
        return facts_checksum(connection, CHAIN, BlockNumber(chain.place.height))


def block_by_block(engine: Engine, chain: Synthetic) -> bytes:
    """The checksum of the same history read as the tip is read: from proven receipts."""
    known = opened(engine, chain)
    reader = ChainReader([chain.url])
    expected = None
    for low in range(chain.place.deployment.first_block, chain.place.height + 1, 20):
        high = BlockNumber(min(low + 19, chain.place.height))
        headers = fetch_headers(reader, BlockNumber(low), high)
        reading = read_by_headers(reader, CHAIN, headers, known)
        with engine.begin() as connection:
            write_reading(connection, CHAIN, reading, expected=expected)
        expected, known = reading.last.stamp, reading.known
    reader.close()
    return checksum(engine, chain)


@pytest.mark.parametrize("depth", ["listed", "checked", "proven"])
def test_history_equals_what_reading_block_by_block_gives(
    engine: Engine, chain: Synthetic, depth: Depth
) -> None:
    truth = block_by_block(engine, chain)
    count = len(rows_of(engine, payments_created))
    forget_all(engine)
    backfill(engine, chain, depth)
    assert count == len(rows_of(engine, payments_created)) == EVENTS // 2
    assert checksum(engine, chain) == truth
    with engine.connect() as connection:
        complete = complete_up_to(connection, CHAIN, FILTER_ID, chain.place.deployment.first_block)
    assert complete == chain.place.height
    assert {row["state"] for row in rows_of(engine, ranges)} == {
        "proven" if depth == "proven" else "fetched"
    }


def test_a_backfill_stopped_after_any_commit_goes_on_where_it_was(
    engine: Engine, chain: Synthetic
) -> None:
    backfill(engine, chain, "checked")
    truth = checksum(engine, chain)
    forget_all(engine)
    stop = Event()
    backfill(engine, chain, "checked", stop=stop, on_progress=lambda _: stop.set())
    with engine.begin() as connection:
        reached = read_fetched(connection, CHAIN)
    assert reached is not None
    assert reached.number < chain.place.height
    with engine.begin() as connection:
        while project_next(connection, CHAIN) is not None:
            pass
    backfill(engine, chain, "checked", low=BlockNumber(reached.number + 1))
    assert checksum(engine, chain) == truth


LIES: list[tuple[Kind, Depth]] = [
    ("drop_one_log", "listed"),
    ("empty_answer", "checked"),
    ("duplicated_logs", "checked"),
    ("reordered_logs", "checked"),
    ("truncated_json", "checked"),
    ("batch_refused", "checked"),
    ("http_429", "checked"),
]


@pytest.mark.parametrize(("kind", "depth"), LIES)
def test_nothing_is_lost_when_an_answer_is(
    engine: Engine, chain: Synthetic, proxy: Proxy, kind: Kind, depth: Depth
) -> None:
    backfill(engine, chain, "proven")
    truth, before = checksum(engine, chain), len(rows_of(engine, payments_created))
    forget_all(engine)
    proxy.faults.add(Fault(kind, times=2))
    backfill(engine, chain, depth, url=proxy.url)
    assert proxy.faults.struck[kind] > 0
    assert len(rows_of(engine, payments_created)) == before
    assert checksum(engine, chain) == truth


def test_a_provider_that_lies_in_every_answer_writes_nothing_of_it_and_is_named(
    engine: Engine, chain: Synthetic, proxy: Proxy
) -> None:
    proxy.faults.add(Fault("drop_one_log", methods=("eth_getLogs", "eth_getBlockReceipts")))
    first = chain.place.deployment.first_block
    opened(engine, chain)
    with engine.begin() as connection:  # what it is believed to have served before
        extend(
            connection,
            CHAIN,
            low=BlockNumber(0),
            high=BlockNumber(first - 1),
            state="fetched",
            provider=proxy.url,
            headers_linked=True,
        )
    with suppress(ChainContradiction):
        backfill(engine, chain, "listed", url=proxy.url)
        raise AssertionError("a lie was believed")
    assert rows_of(engine, ranges) == []
    assert not rows_of(engine, payments_created)
    found = rows_of(engine, provider_findings)
    assert {row["provider"] for row in found} == {proxy.url}
    assert {row["kind"] for row in found} == {"contradiction"}


class Overheard(ChainReader):
    """Notes what a log line would say of whoever asks."""

    def __init__(self, url: str) -> None:
        super().__init__([url])
        self.contexts: set[tuple[str, object]] = set()

    @override
    def raw_logs(
        self,
        low: BlockNumber,
        high: BlockNumber,
        topics: Topics,
        addresses: Sequence[Address] | None = None,
        *,
        provider: int | None = None,
    ) -> RawLogs:
        self.contexts.add((current_thread().name.split("_")[0], get_contextvars().get("chain_id")))
        return super().raw_logs(low, high, topics, addresses, provider=provider)


def test_log_lines_of_the_readers_say_what_those_of_the_process_say(
    engine: Engine, chain: Synthetic
) -> None:
    known, reader = opened(engine, chain), Overheard(chain.url)
    with closing(reader), bound_contextvars(chain_id=CHAIN):
        first = chain.place.deployment.first_block
        Backfill(engine, reader, network=NETWORK, deployed=known, depth="checked").run(
            first, BlockNumber(first + 50), known, stop=Event()
        )
    assert reader.contexts == {("history", CHAIN)}
