"""A real chain behind the fault proxy, indexers over it, and what their rows are held against."""

import itertools
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import httpx
from sqlalchemy import Engine, func, select
from typing_extensions import override

from indexer.backfill.ranges import Depth
from indexer.backfill.run import Backfill
from indexer.chain.deployments import Deployment
from indexer.chain.networks import network_by_name
from indexer.chain.rpc import ChainReader
from indexer.chain.types import Address, BlockNumber
from indexer.crosscheck import cross_check_once
from indexer.db.base import ROLES
from indexer.db.session import open_engine
from indexer.errors import RpcError, TransientError
from indexer.events import FILTER_ID
from indexer.follow import Follower
from indexer.known import KnownContracts
from indexer.ledger import complete_up_to, holes
from indexer.prover import prove_once
from indexer.repair import repair_hole
from indexer.tables import (
    logs,
    payments_confirmed,
    payments_created,
    token_transfers,
    unclaimed_logs,
)
from stack.anvil import Anvil
from stack.fakes.chain_proxy.proxy import Proxy, running_proxy
from stack.ports import free_port
from stack.postgres import EmbeddedPostgres
from tests.conftest import TEMPLATE
from tests.support.echo import ECHO_CODE, deploy, emit
from tests.support.fake_blocks import FakeLog
from tests.support.indexing import CHAIN, NETWORK, marks_of, state_of
from tests.support.protocol_logs import (
    batch_confirmed,
    campaign_created,
    deployment,
    payment_created,
    transfer,
    treasury_deployed,
)
from tests.support.servers import running

FACTS = (payments_created, payments_confirmed, token_transfers, logs, unclaimed_logs)
CAMPAIGN = Address(b"c" * 20)
BUSY_BLOCKS = 9
EMPTY_BETWEEN = 14
"""As many as make the busy blocks fall into several ranges."""
HISTORY_ROWS = 2 + BUSY_BLOCKS * 6
"""The campaign and its treasury; then two creations, two confirmations, a transfer, a stranger."""
BLOCK_NUMBERS = itertools.count(100)
"""Name the busy blocks that tests add, so that no payment is created twice."""
Loss = Literal["none", "some", "all"]
HISTORY_FROM = 4
NEVER = 10**6
STEPS_MAX = 40
FAILURES_MAX = 3
"""Failed steps after which a follower is taken to wait for the node to mend."""
RECEIPTS = ("eth_getBlockReceipts",)


@dataclass(frozen=True, slots=True)
class KeptAnvil(Anvil):
    """An anvil that is called over one connection: building a chain takes hundreds of calls."""

    client: httpx.Client = field(default_factory=httpx.Client)

    @override
    def call(self, method: str, *parameters: object) -> Any:
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(parameters)}
        answer = self.client.post(self.url, json=body).json()
        assert "error" not in answer, answer
        return answer["result"]


@dataclass(frozen=True, slots=True)
class Site:
    """Echo contracts on anvil that stand for the protocol's."""

    anvil: Anvil
    record: Deployment
    treasury: Address
    token: Address

    def mine(self, *emitted: FakeLog) -> None:
        """One block with these logs, each of its own transaction."""
        for log in emitted:
            emit(self.anvil, log, waits=False)
        self.anvil.call("anvil_mine", "0x1")

    def mine_busy(self, first: int, count: int) -> None:
        """Blocks with four logs of ours and one of a stranger, and empty ones between."""
        for number in range(first, first + count):
            created = [payment_created(self.treasury, bytes([number, n]) * 16) for n in (0, 1)]
            confirmed = batch_confirmed(self.treasury, *(bytes([number, n]) * 16 for n in (0, 1)))
            stranger = payment_created(self.token, bytes([number, 9]) * 16)
            paid = transfer(self.treasury, 10**18, token=self.token)
            self.mine(*created, confirmed, paid, stranger)
            self.anvil.call("anvil_mine", hex(EMPTY_BETWEEN))


@contextmanager
def started_site(log: Path) -> Iterator[Site]:
    anvil = KeptAnvil(network_by_name("celo-local"), free_port())
    with anvil.client, running(anvil.command(), answers=anvil.answers, log=log):
        reader = ChainReader([anvil.url])
        genesis = reader.block_by_number(BlockNumber(0))
        reader.close()
        assert genesis is not None
        factory, treasury_factory, treasury, token = (deploy(anvil, ECHO_CODE) for _ in range(4))
        template = deployment(genesis.hash)
        made = {"campaign_info_factory": factory, "treasury_factory": treasury_factory}
        record = template.model_copy(
            update={
                "contracts": template.contracts.model_copy(update=made),
                "tokens": [one.model_copy(update={"address": token}) for one in template.tokens],
            }
        )
        anvil.call("evm_setAutomine", False)
        site = Site(anvil, record, treasury, token)
        site.mine(
            campaign_created(CAMPAIGN, b"i" * 32, emitter=factory),
            treasury_deployed(treasury, CAMPAIGN, emitter=treasury_factory),
        )
        yield site


@dataclass(frozen=True, slots=True)
class Indexer:
    """One indexer over one database, with its idle work."""

    engine: Engine
    reader: ChainReader
    record: Deployment
    depth: Depth
    history_from: int
    """Distance to the finalized block from which history is read."""

    def follow(self) -> bool:
        """Step as the loop does; False when the node keeps it from going on."""
        follower = Follower(
            self.engine,
            self.reader,
            network=NETWORK,
            deployment=self.record,
            history=Backfill(
                self.engine,
                self.reader,
                network=NETWORK,
                deployed=KnownContracts.of_deployment(self.record),
                depth=self.depth,
            ),
            header_scan_blocks_max=self.history_from,
        )
        failures = 0
        started = False
        for _ in range(STEPS_MAX):
            try:
                if not started:
                    follower.start()
                    started = True
                if not follower.step():
                    return True
            except (TransientError, RpcError) as failure:
                failures += 1
                if failures > FAILURES_MAX:
                    return False
                if started:
                    follower.recover(failure)
        raise AssertionError(f"still busy after {STEPS_MAX} steps")

    def idle(self, history: Depth = "proven") -> None:
        """Prove, compare and repair until nothing is left to do."""
        at = (self.engine, self.reader, NETWORK, self.record)
        tasks: tuple[Callable[[], bool], ...] = (
            lambda: prove_once(*at, history=history),
            lambda: cross_check_once(*at),
            lambda: repair_hole(*at) is not None,
        )
        failures = 0
        for _ in range(STEPS_MAX):
            try:
                if not any(task() for task in tasks) and not self._goes_on():
                    return
            except (TransientError, RpcError):
                failures += 1
                if failures > FAILURES_MAX:
                    raise
        raise AssertionError(f"still busy after {STEPS_MAX} slices")

    def _goes_on(self) -> bool:
        """Follow on, as the loop does once idle work has undone what was not final."""
        before = marks_of(self.engine).indexed
        self.follow()
        return marks_of(self.engine).indexed != before

    def rows(self) -> int:
        """Rows of all facts."""
        with self.engine.connect() as connection:
            counts = [
                connection.execute(select(func.count()).select_from(table)).scalar_one()
                for table in FACTS
            ]
        return sum(counts)

    def trusted_up_to(self) -> BlockNumber:
        """The last block that rests on more than one node's word, from the first without a gap."""
        with self.engine.connect() as connection:
            found = complete_up_to(connection, CHAIN, FILTER_ID, BlockNumber(1), "cross_checked")
        return BlockNumber(0) if found is None else found

    def facts(self) -> set[str]:
        """Rows of facts as text."""
        names = tuple(f"{table.name} " for table in FACTS)
        return {row for row in state_of(self.engine) if row.startswith(names)}


@dataclass(slots=True)
class Bench:
    """A chain, a proxy before its node, and indexers that end with the test."""

    site: Site
    proxy: Proxy
    postgres: EmbeddedPostgres
    close: ExitStack
    history_from: int

    def indexer(self, urls: Sequence[str], depth: Depth) -> Indexer:
        """An indexer over a fresh database."""
        name = f"test_{uuid.uuid4().hex}"
        self.postgres.create_database(name, template=TEMPLATE)
        engine = open_engine(self.postgres.url(name), role=ROLES["chain"])
        self.close.callback(engine.dispose)
        reader = ChainReader(urls)
        self.close.callback(reader.close)
        return Indexer(engine, reader, self.site.record, depth, self.history_from)

    def sound(self) -> Indexer:
        """An index of the chain as it is now, from a node that does nothing wrong."""
        indexer = self.indexer([self.site.anvil.url], "proven")
        assert indexer.follow()
        return indexer


@contextmanager
def bench_of(
    site: Site, postgres: EmbeddedPostgres, *, history_from: int = HISTORY_FROM
) -> Iterator[Bench]:
    with ExitStack() as close, running_proxy(site.anvil.url) as proxy:
        yield Bench(site, proxy, postgres, close, history_from)


def require_nothing_false(faulty: Indexer, sound: Indexer) -> None:
    """Rows may be missing, but only where the ledger trusts nothing; none is invented."""
    stored, true = faulty.facts(), sound.facts()
    assert stored <= true
    trusted = faulty.trusted_up_to()
    with sound.engine.connect() as connection:
        trusted_rows = sum(
            connection.execute(
                select(func.count()).select_from(table).where(table.c.block_number <= trusted)
            ).scalar_one()
            for table in FACTS
        )
    with faulty.engine.connect() as connection:
        held = sum(
            connection.execute(
                select(func.count()).select_from(table).where(table.c.block_number <= trusted)
            ).scalar_one()
            for table in FACTS
        )
    assert held == trusted_rows, "rows are missing from what is trusted"


def require_equal(mended: Indexer, sound: Indexer) -> None:
    """Every row, mark and projection is that of a fresh index, and no final block is unread."""
    stored, true = (
        [row for row in state_of(one.engine) if not row.startswith("read ")]
        for one in (mended, sound)
    )
    assert stored == true
    final = marks_of(mended.engine).finalized
    assert final is not None
    with mended.engine.connect() as connection:
        assert holes(connection, CHAIN, FILTER_ID, BlockNumber(1), final.number) == []


def rows_lost(faulty: Indexer, sound: Indexer) -> Loss:
    """How many of the rows that a sound node gives are not there."""
    during, true = faulty.rows(), sound.rows()
    assert during <= true
    if during == true:
        return "none"
    return "some" if during else "all"
