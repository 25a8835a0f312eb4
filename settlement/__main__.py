"""``python -m settlement``: settle one chain with one signer until told to stop."""

import signal
import sys
from threading import Event

import structlog
from sqlalchemy.exc import (
    DataError,
    DBAPIError,
    InterfaceError,
    OperationalError,
    ProgrammingError,
)

from indexer.chain.deployments import Deployment, load_deployment
from indexer.chain.rpc import ChainReader, check_chain_id
from indexer.chain.types import to_checksum
from indexer.db.base import ROLES
from indexer.db.session import open_engine
from indexer.errors import ConfigurationError, InvariantError, RpcError, RpcUnavailable
from indexer.telemetry import configure_logging
from settlement.lane import Lane, Policy
from settlement.loop import run
from settlement.payment_life import longest_payment_life
from settlement.reporting.health import serving
from settlement.reporting.metrics import SettlementMetrics
from settlement.routes import DIRECT, CallRoute, ThroughAdapter
from settlement.settings import SettlementSettings
from settlement.signer import SignerUnavailable
from settlement.signers.book import SignerBook
from settlement.upkeep import Upkeep

log = structlog.get_logger()

RESTART_WAIT_S = 1.0
EXIT_BROKEN = 1
EXIT_REFUSED = 2
"""A setting is wrong: starting again alone will not help."""


def main() -> int:
    """Run until SIGINT or SIGTERM; 2 when a setting is wrong, 1 when a promise broke."""
    stop = Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: stop.set())
    try:
        settings = SettlementSettings.from_environment()
        configure_logging(
            process="settlement", log_format=settings.log_format, level=settings.log_level
        )
        lane = _open_lane(settings, stop)
    except ConfigurationError as fault:
        return _refuse(str(fault))
    if lane is None:
        return 0
    metrics = SettlementMetrics(
        lane.engine, lane.network, lane.sender, gas_budget_wei=lane.policy.gas_budget_wei
    )
    try:
        with serving(lane.engine, lane.network, lane.sender, port=settings.port, metrics=metrics):
            return _work(
                lane, stop, poll_interval_s=settings.poll_interval_s, upkeep=Upkeep(metrics)
            )
    except ConfigurationError as fault:  # nobody can listen on that port
        return _refuse(str(fault))
    finally:
        lane.close()


def _work(lane: Lane, stop: Event, *, poll_interval_s: float, upkeep: Upkeep) -> int:
    """Work the lane until told to stop, waiting while Postgres is away; returns the exit code."""
    while not stop.is_set():
        try:
            run(lane, stop, poll_interval_s=poll_interval_s, upkeep=upkeep)
        except (OperationalError, InterfaceError) as trouble:
            log.warning("postgres_unavailable", error=str(trouble))
        except ConfigurationError as fault:
            return _refuse(str(fault))
        except (ProgrammingError, DataError) as misfit:  # no such table, column or role
            return _refuse(f"the database does not fit ({misfit.orig}): run 'lastro migrate'")
        except (InvariantError, DBAPIError):
            log.exception("invariant_broken")
            return EXIT_BROKEN
        stop.wait(RESTART_WAIT_S)
    return 0


def _refuse(fault: str) -> int:
    sys.stderr.write(f"settlement cannot start: {fault}\n")
    return EXIT_REFUSED


def _open_lane(settings: SettlementSettings, stop: Event) -> Lane | None:
    """Open everything the lane needs; None when stopped while waiting for a node."""
    deployment = load_deployment(settings.deployments_dir, settings.network)
    book: SignerBook | None = None
    reader = ChainReader(settings.rpc_urls, calls_per_s=settings.rpc_calls_per_s)
    while not stop.is_set():
        try:
            book = book or _open_signers(settings, deployment)
            check_chain_id(reader, settings.network)
            life = longest_payment_life(reader, deployment, settings.payment_expiration)
        except RpcUnavailable as trouble:
            log.warning("node_unavailable", error=str(trouble))
        except SignerUnavailable as trouble:
            log.warning("signer_unavailable", error=str(trouble))
        except RpcError as refusal:
            raise ConfigurationError(f"{refusal}: check LASTRO_RPC_URLS") from refusal
        else:
            return Lane(
                engine=open_engine(settings.database_url_text, role=ROLES["settlement"]),
                reader=reader,
                signer=book.platform,
                book=book,
                route=_route(settings, deployment),
                network=settings.network,
                deployment=deployment,
                policy=Policy.of(settings, payment_life=life),
            )
        stop.wait(RESTART_WAIT_S)
    return None


def _route(settings: SettlementSettings, deployment: Deployment) -> CallRoute:
    """How treasuries are called.

    Raises:
        ConfigurationError: Through an adapter that the record does not name.
    """
    if not settings.through_adapter:
        return DIRECT
    if deployment.adapter is None:
        raise ConfigurationError(
            f"the deployment record of {deployment.network} names no adapter: add it, or unset "
            "LASTRO_SETTLEMENT_THROUGH_ADAPTER"
        )
    return ThroughAdapter(deployment.adapter)


def _open_signers(settings: SettlementSettings, deployment: Deployment) -> SignerBook:
    """Open the signers, and make sure that the platform's is the one the protocol knows."""
    book = SignerBook.open(settings)
    if book.platform.address != deployment.platform.admin:
        book.close()
        raise ConfigurationError(
            f"the signer is {to_checksum(book.platform.address)}, but the platform's admin on "
            f"{deployment.network} is {to_checksum(deployment.platform.admin)}: check "
            f"{settings.signer_variable}"
        )
    return book


if __name__ == "__main__":
    sys.exit(main())
