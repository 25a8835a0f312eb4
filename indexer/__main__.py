"""The indexer of one chain: ``python -m indexer``."""

import signal
import sys
from collections.abc import Callable, Mapping
from threading import Event

import psycopg
import structlog
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError, OperationalError

from indexer.backfill.run import Backfill, Progress
from indexer.chain.deployments import Deployment, load_deployment
from indexer.chain.heads import HeadBell
from indexer.chain.networks import Network
from indexer.chain.rpc import ChainReader, check_chain_id
from indexer.crosscheck import cross_check_once
from indexer.db.base import ROLES
from indexer.db.session import open_engine
from indexer.details.fill import DetailFiller
from indexer.errors import ConfigurationError, LastroError, RpcUnavailable, TransientError
from indexer.follow import Follower
from indexer.health import serving
from indexer.known import KnownContracts
from indexer.loop import Backoff, Pace, run
from indexer.metrics import IndexerMetrics
from indexer.nightly import NightlyAudit
from indexer.notices import Notices
from indexer.progress import HistoryShown
from indexer.prover import prove_once
from indexer.repair import repair_hole
from indexer.settings import IndexerSettings
from indexer.telemetry import configure_logging

EXIT_TRANSIENT = 1
EXIT_REFUSED = 2
"""A setting is wrong or a promise is broken: starting again alone will not help."""

REASON_CHARS_MAX = 500
DETAILS_PER_SLICE = 3
"""Facts of each kind whose details are looked for before the head is looked at again."""

log = structlog.get_logger()


def main() -> int:
    """Run until SIGTERM or SIGINT.

    Returns:
        0 after a clean stop, 1 when Postgres does not answer, 2 when it refused to go on, was
        stopped while halted, or Postgres refused a statement; the reason is on standard error.
    """
    try:
        settings = IndexerSettings.from_environment()
        configure_logging(
            process="indexer", log_format=settings.log_format, level=settings.log_level
        )
        _serve(settings)
    except LastroError as refusal:
        sys.stderr.write(f"indexer: {refusal}\n")
        return EXIT_TRANSIENT if isinstance(refusal, TransientError) else EXIT_REFUSED
    except (DBAPIError, psycopg.Error) as failure:
        return _report(failure.orig if isinstance(failure, DBAPIError) else failure)
    return 0


def _report(failure: BaseException | None) -> int:
    """Say what Postgres did, and whether starting again may help."""
    if isinstance(failure, psycopg.OperationalError | psycopg.InterfaceError):
        sys.stderr.write(f"indexer: Postgres does not answer: {failure}\n")
        return EXIT_TRANSIENT
    sys.stderr.write(
        f"indexer: Postgres refused a statement ({type(failure).__name__}): {failure}\nnothing of "
        "that step was written; check that the schema is that of this version ('lastro migrate')\n"
    )
    return EXIT_REFUSED


def _serve(settings: IndexerSettings) -> None:
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    network = settings.network
    structlog.contextvars.bind_contextvars(chain_id=network.chain_id)
    deployment = load_deployment(settings.deployments_dir, network)
    engine = open_engine(settings.database_url_text, role=ROLES["chain"])
    notices = Notices()
    metrics = IndexerMetrics(engine, network, notices)
    reader = ChainReader(settings.rpc_urls, calls_per_s=settings.rpc_calls_per_s, observer=metrics)
    metrics.expect(reader.providers)
    try:
        _require_schema(engine)
        follower = Follower(
            engine,
            reader,
            network=network,
            deployment=deployment,
            history=_history(engine, reader, settings, deployment, metrics),
        )
        follower.on_commit = metrics.committed
        follower.notices = notices
        with serving(engine, network, port=settings.port, metrics=metrics, notices=notices):
            _await_node(reader, network, notices, stop)
            with HeadBell(settings.rpc_ws_url) as bell:
                pace = Pace(
                    settings.poll_interval_s,
                    bell=bell,
                    idle=_idle_work(engine, reader, settings, deployment),
                )
                run(follower, engine, chain_id=network.chain_id, pace=pace, stop=stop)
    finally:
        reader.close()
        engine.dispose()


def _history(
    engine: Engine,
    reader: ChainReader,
    settings: IndexerSettings,
    deployment: Deployment,
    metrics: IndexerMetrics,
) -> Backfill:
    """Who reads what lies far below the finalized block, and shows how far it is."""
    shown = HistoryShown()

    def tell(history: Progress) -> None:
        metrics.history_committed(rows=history.rows)
        shown.tell(history)

    return Backfill(
        engine,
        reader,
        network=settings.network,
        deployed=KnownContracts.of_deployment(deployment),
        depth=settings.history,
        on_progress=tell,
    )


def _idle_work(
    engine: Engine, reader: ChainReader, settings: IndexerSettings, deployment: Deployment
) -> Mapping[str, Callable[[], bool]]:
    """What is done while no head is new, the most urgent first: settlement waits for proofs."""
    network = settings.network
    details = DetailFiller(engine, reader, network.chain_id)
    nightly = NightlyAudit(engine, reader, network, hour=settings.audit_hour)
    return {
        "fill_holes": lambda: repair_hole(engine, reader, network, deployment) is not None,
        "prove": lambda: prove_once(engine, reader, network, deployment, history=settings.history),
        "cross_check": lambda: cross_check_once(engine, reader, network, deployment),
        "fill_details": lambda: details.fill(DETAILS_PER_SLICE) > 0,
        "audit": nightly.run_if_due,
    }


def _require_schema(engine: Engine) -> None:
    """Refuse a database that was never migrated; which revision is ``lastro migrate``'s business.

    Raises:
        ConfigurationError: Table ``chain.marks`` is missing.
        TransientError: Postgres does not answer.
    """
    try:
        with engine.connect() as connection:
            found = connection.execute(text("SELECT to_regclass('chain.marks')")).scalar_one()
    except OperationalError as error:
        raise TransientError(f"Postgres does not answer: {error.orig}") from error
    if found is None:
        raise ConfigurationError("the database has no table chain.marks: run 'lastro migrate'")


def _await_node(reader: ChainReader, network: Network, notices: Notices, stop: Event) -> None:
    """Wait for a node that answers, and make sure that it serves the configured chain.

    The endpoints say meanwhile what is waited for.

    Raises:
        ConfigurationError: It serves another one.
    """
    backoff = Backoff()
    while not stop.is_set():
        try:
            check_chain_id(reader, network, tries=1)
        except RpcUnavailable as failure:
            notices.node_awaited = str(failure)[:REASON_CHARS_MAX]
            if backoff.is_news(notices.node_awaited):
                log.warning("node_awaited", reason=notices.node_awaited)
            stop.wait(backoff.next_s())
        else:
            notices.node_awaited = None
            return


if __name__ == "__main__":
    sys.exit(main())
