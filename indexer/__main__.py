"""The indexer of one chain: ``python -m indexer``."""

import signal
import sys
from threading import Event

import structlog
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from indexer.chain.deployments import load_deployment
from indexer.chain.rpc import ChainReader, check_chain_id
from indexer.db.base import ROLES
from indexer.db.session import open_engine
from indexer.errors import ConfigurationError, LastroError, RpcUnavailable, TransientError
from indexer.follow import Follower
from indexer.health import serving
from indexer.loop import Backoff, run
from indexer.settings import IndexerSettings
from indexer.telemetry import configure_logging

EXIT_TRANSIENT = 1
EXIT_REFUSED = 2
"""A setting is wrong or a promise is broken: starting again alone will not help."""

log = structlog.get_logger()


def main() -> int:
    """Run until SIGTERM or SIGINT.

    Returns:
        0 after a clean stop, 1 when Postgres does not answer, 2 when it refused to go on or
        Postgres refused a statement; the reason is on standard error.
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
    except (OperationalError, InterfaceError) as silence:
        sys.stderr.write(f"indexer: Postgres does not answer: {silence.orig}\n")
        return EXIT_TRANSIENT
    except DBAPIError as refusal:
        sys.stderr.write(
            f"indexer: Postgres refused a statement ({type(refusal.orig).__name__}): "
            f"{refusal.orig}\nnothing of that step was written; check that the schema is that of "
            "this version ('lastro migrate')\n"
        )
        return EXIT_REFUSED
    return 0


def _serve(settings: IndexerSettings) -> None:
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    network = settings.network
    structlog.contextvars.bind_contextvars(chain_id=network.chain_id)
    deployment = load_deployment(settings.deployments_dir, network)
    engine = open_engine(settings.database_url_text, role=ROLES["chain"])
    reader = ChainReader(settings.rpc_urls)
    try:
        _require_schema(engine)
        _await_node(reader, settings, stop)
        follower = Follower(engine, reader, network=network, deployment=deployment)
        with serving(engine, network.chain_id, port=settings.port):
            run(
                follower,
                engine,
                chain_id=network.chain_id,
                poll_interval_s=settings.poll_interval_s,
                stop=stop,
            )
    finally:
        reader.close()
        engine.dispose()


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


def _await_node(reader: ChainReader, settings: IndexerSettings, stop: Event) -> None:
    """Wait for a node that answers, and make sure that it serves the configured chain.

    Raises:
        ConfigurationError: It serves another one.
    """
    backoff = Backoff()
    while not stop.is_set():
        try:
            check_chain_id(reader, settings.network)
        except RpcUnavailable as failure:
            if backoff.failures == 0:
                log.warning("node_awaited", reason=str(failure))
            stop.wait(backoff.next_s())
        else:
            return


if __name__ == "__main__":
    sys.exit(main())
