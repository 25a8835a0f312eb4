"""The runs of ``benchmarks.backfill``, each in a process of its own: memory is its own too."""

import http.client
import json
import multiprocessing
import resource
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any
from urllib.parse import urlsplit

from benchmarks.synthetic import Place
from indexer.backfill.ranges import Depth, RangeReader
from indexer.backfill.run import Backfill
from indexer.chain.networks import network_by_name
from indexer.chain.reads import logs_filter
from indexer.chain.rpc import ChainReader
from indexer.chain.types import BlockNumber
from indexer.copying import CopyRows, copy_rows
from indexer.cursor import open_marks
from indexer.db.base import ROLES
from indexer.db.session import open_engine
from indexer.events import PROTOCOL_TOPICS
from indexer.facts import state_facts
from indexer.known import KnownContracts
from indexer.unprojected import project_next

NETWORK = network_by_name("celo-local")
CONNECTIONS = 2
BLOCKS_PER_RANGE = 125
"""What the indexer settles on when a block holds 40 logs."""
PUBLIC_REQUESTS_PER_S = 25
"""What a public provider grants: a sparse chain should be bound by it, not by us."""
Figures = dict[str, Any]


def in_process_of_its_own(work: Callable[..., Figures], place: Any, *arguments: Any) -> Figures:  # noqa: ANN401 - handed on
    """Run a function in a fresh interpreter, as a new indexer would run."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(work, (place.place, *arguments))


def getlogs_only(place: Place, _database: str) -> Figures:
    """The node's answers for the whole history over two connections, read and thrown away."""
    address = urlsplit(place.url)

    def ask(spans: list[tuple[int, int]]) -> None:
        connection = http.client.HTTPConnection(address.hostname or "", address.port)
        for low, high in spans:
            wanted = logs_filter(BlockNumber(low), BlockNumber(high), [PROTOCOL_TOPICS])
            call = {"jsonrpc": "2.0", "id": 0, "method": "eth_getLogs", "params": [wanted]}
            connection.request("POST", "/", json.dumps(call), {"Content-Type": "application/json"})
            connection.getresponse().read()
        connection.close()

    return _timed(place, ask)


def getlogs_decoded(place: Place, _database: str) -> Figures:
    """The same through the indexer's own client: each answer decoded into logs."""
    reader = ChainReader([place.url])

    def ask(spans: list[tuple[int, int]]) -> None:
        for low, high in spans:
            reader.raw_logs(BlockNumber(low), BlockNumber(high), [PROTOCOL_TOPICS])

    return _timed(place, ask)


def history(place: Place, database: str, depth: Depth) -> Figures:
    """Index the whole history into an empty database; then make the projections."""
    engine = open_engine(database, role=ROLES["chain"])
    reader = ChainReader([place.url])
    deployed = KnownContracts.of_deployment(place.deployment)
    with engine.begin() as connection:
        open_marks(
            connection,
            NETWORK,
            first_block=place.deployment.first_block,
            genesis_hash=place.deployment.genesis_hash,
        )
    backfill = Backfill(engine, reader, network=NETWORK, deployed=deployed, depth=depth)
    started = time.perf_counter()
    backfill.run(place.deployment.first_block, BlockNumber(place.height), deployed, stop=Event())
    seconds = time.perf_counter() - started
    peak = _peak_rss_mib()
    while True:
        with engine.begin() as connection:
            if project_next(connection, NETWORK.chain_id) is None:
                break
    projected = time.perf_counter() - started
    engine.dispose()
    reader.close()
    return {"seconds": seconds, "projected_seconds": projected, "peak_rss_mib": peak}


def copy_only(place: Place, database: str) -> Figures:
    """The rows of the whole history, packed before, copied in as many transactions."""
    engine = open_engine(database, role=ROLES["chain"])
    ranges = RangeReader(ChainReader([place.url]), ())
    known = KnownContracts.of_deployment(place.deployment)
    packed: list[CopyRows] = []
    for low, high in _spans(place):
        read = ranges.read(BlockNumber(low), BlockNumber(high), "checked")
        facts = state_facts(NETWORK.chain_id, read.groups, known)
        known = facts.known
        packed.append(facts.rows)
    started = time.perf_counter()
    for rows in packed:
        with engine.begin() as connection:
            copy_rows(connection, rows)
    seconds = time.perf_counter() - started
    engine.dispose()
    return {"seconds": seconds}


def sparse(place: Place, database: str) -> Figures:
    """A chain with events every 500 blocks, in ranges of 10,000: what it costs in requests."""
    counted = _Counted(ChainReader([place.url]))
    engine = open_engine(database, role=ROLES["chain"])
    deployed = KnownContracts.of_deployment(place.deployment)
    first = place.deployment.first_block
    with engine.begin() as connection:
        open_marks(
            connection, NETWORK, first_block=first, genesis_hash=place.deployment.genesis_hash
        )
    backfill = Backfill(engine, counted, network=NETWORK, deployed=deployed, depth="listed")
    started = time.perf_counter()
    backfill.run(first, BlockNumber(place.height), deployed, stop=Event())
    seconds = time.perf_counter() - started
    engine.dispose()
    blocks = place.height - first + 1
    budget = counted.requests / PUBLIC_REQUESTS_PER_S
    return {
        "sparse_blocks": blocks,
        "sparse_requests": counted.requests,
        "sparse_share_of_request_budget": round(seconds / budget, 3),
    }


class _Counted:
    """A chain reader that counts what it is asked."""

    def __init__(self, reader: ChainReader) -> None:
        self._reader = reader
        self.requests = 0

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the reader has
        found = getattr(self._reader, name)
        if not name.startswith(("raw_", "wire_", "headers")):
            return found

        def counted(*arguments: Any, **options: Any) -> Any:  # noqa: ANN401 - handed on
            self.requests += 1
            return found(*arguments, **options)

        return counted


def _timed(place: Place, ask: Callable[[list[tuple[int, int]]], None]) -> Figures:
    spans = _spans(place)
    started = time.perf_counter()
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        list(pool.map(ask, [spans[start::CONNECTIONS] for start in range(CONNECTIONS)]))
    return {"seconds": time.perf_counter() - started}


def _spans(place: Place) -> list[tuple[int, int]]:
    first, last = place.deployment.first_block, place.height
    return [
        (low, min(low + BLOCKS_PER_RANGE - 1, last))
        for low in range(first, last + 1, BLOCKS_PER_RANGE)
    ]


def _peak_rss_mib() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1_024
