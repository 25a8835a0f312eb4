"""One run of ``benchmarks.settle``: captured payments in, all final and indexed out."""

import time
from dataclasses import dataclass, replace
from datetime import timedelta

import structlog
from sqlalchemy import Connection, Engine, func, select

from benchmarks.captured import capture, open_campaigns
from benchmarks.chain import BenchmarkError
from benchmarks.ground import Ground
from benchmarks.settlement_site import NETWORK, Site, indexing, settlement_site
from indexer.chain.rpc import ChainReader
from indexer.db.base import ROLES
from indexer.db.session import open_engine
from indexer.queries import read_marks
from settlement.lane import Lane, Policy
from settlement.loop import OUTSIDE_FAILURES, pause_s
from settlement.runner import Runner
from settlement.settings import SettlementSettings
from settlement.signers.keystore import KeystoreSigner
from settlement.tables import nonce_slots, requests
from tests.support.real_protocol import ADMIN

log = structlog.get_logger()

GIVE_UP_S = 1_200.0
INDEX_READY_S = 60.0
INDEX_POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class Scene:
    """What is settled."""

    payments: int
    campaigns: int
    treasury_kind: str


@dataclass(frozen=True, slots=True)
class Run:
    """What settling it took."""

    payments: int
    seconds: float
    transactions: int
    gas: int

    @property
    def payments_per_s(self) -> float:
        """From the first turn that may see them until all were final."""
        return self.payments / self.seconds

    @property
    def gas_per_payment(self) -> float:
        """Gas of every transaction of the platform, those that moved tokens included."""
        return self.gas / self.payments


def settle(base: Ground, scene: Scene, *, batch_items_max: int | None = None) -> Run:
    """Settle a scene on a chain of its own, with production's settings.

    Every payment is captured before the clock starts. It stops when the engine has seen every
    confirmation in a finalized block.

    Args:
        base: Where to make a database.
        scene: What to settle.
        batch_items_max: Payments in one transaction; None for production's.

    Raises:
        BenchmarkError: It was not done in time.
    """
    with settlement_site(base.database()) as site:
        campaigns = open_campaigns(site, scene.campaigns, kind=scene.treasury_kind)
        login = open_engine(site.database, role=None)
        with login.begin() as connection:
            capture(connection, site, [one.treasury for one in campaigns], scene.payments)
        login.dispose()
        site.anvil.set_clock()
        site.anvil.start_interval_mining()
        engine = open_engine(site.database, role=ROLES["settlement"])
        reader = ChainReader([site.anvil.url])
        try:
            with indexing(site):
                _await_index(engine, reader)
                return _work(_lane(site, engine, reader, batch_items_max), scene.payments)
        finally:
            reader.close()
            engine.dispose()


def _lane(site: Site, engine: Engine, reader: ChainReader, batch_items_max: int | None) -> Lane:
    policy = Policy(linger=timedelta(seconds=_default("linger_s")))
    if batch_items_max is not None:
        policy = replace(policy, batch_items_max=batch_items_max)
    return Lane(engine, reader, KeystoreSigner(ADMIN), NETWORK, site.deployment, policy)


def _default(setting: str) -> float:
    return float(SettlementSettings.model_fields[setting].default)


def _work(lane: Lane, payments: int) -> Run:
    """Take turns as the process does, until all is settled."""
    runner, poll_interval_s = Runner(lane), _default("poll_interval_s")
    runner.start()
    failures, started = 0, time.perf_counter()
    while True:
        try:
            runner.turn()
            failures = 0
        except OUTSIDE_FAILURES as trouble:
            failures += 1
            log.warning("turn_failed", error=str(trouble))
        seconds = time.perf_counter() - started
        with lane.engine.connect() as connection:
            settled = _settled(connection)
            if settled == payments:
                return _run(connection, payments, seconds)
        if seconds > GIVE_UP_S:
            raise BenchmarkError(f"{settled} of {payments} settled in {seconds:.0f} s")
        time.sleep(pause_s(poll_interval_s, failures))


def _settled(connection: Connection) -> int:
    query = select(func.count()).select_from(requests).where(requests.c.state == "settled")
    return int(connection.execute(query).scalar_one())


def _run(connection: Connection, payments: int, seconds: float) -> Run:
    spent = connection.execute(
        select(func.count().label("slots"), func.sum(nonce_slots.c.gas_used).label("gas"))
    ).one()
    return Run(payments, seconds, transactions=spent.slots, gas=int(spent.gas))


def _await_index(engine: Engine, reader: ChainReader) -> None:
    """Wait until the indexer follows the head: the clock is settlement's, not its start."""
    give_up = time.monotonic() + INDEX_READY_S
    first = _indexed(engine)
    while time.monotonic() < give_up:
        indexed, head = _indexed(engine), reader.block_by_number("latest")
        if head is not None and indexed > first and head.number - indexed <= 1:
            return
        time.sleep(INDEX_POLL_S)
    raise BenchmarkError("the indexer does not follow the chain")


def _indexed(engine: Engine) -> int:
    with engine.connect() as connection:
        marks = read_marks(connection, NETWORK.chain_id)
    return marks.indexed.number if marks is not None and marks.indexed is not None else -1
