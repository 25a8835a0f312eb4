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

from indexer.chain.deployments import load_deployment
from indexer.chain.rpc import ChainReader, check_chain_id
from indexer.chain.types import to_checksum
from indexer.db.base import ROLES
from indexer.db.session import open_engine
from indexer.errors import ConfigurationError, InvariantError, RpcError, RpcUnavailable
from indexer.telemetry import configure_logging
from settlement.lane import Lane, Policy
from settlement.runner import Runner, longest_payment_life
from settlement.settings import SettlementSettings
from settlement.signer import KeystoreSigner

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
    try:
        return _work(lane, stop, poll_interval_s=settings.poll_interval_s)
    finally:
        lane.reader.close()
        lane.engine.dispose()


def _work(lane: Lane, stop: Event, *, poll_interval_s: float) -> int:
    """Work the lane until told to stop, waiting while Postgres is away; returns the exit code."""
    while not stop.is_set():
        try:
            Runner(lane).run(stop, poll_interval_s=poll_interval_s)
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
    signer = KeystoreSigner.open(settings.signer_keystore, settings.signer_password_file)
    if signer.address != deployment.platform.admin:
        raise ConfigurationError(
            f"the keystore holds {to_checksum(signer.address)}, but the platform's admin on "
            f"{deployment.network} is {to_checksum(deployment.platform.admin)}: check "
            "LASTRO_SIGNER_KEYSTORE"
        )
    reader = ChainReader(settings.rpc_urls, calls_per_s=settings.rpc_calls_per_s)
    while not stop.is_set():
        try:
            check_chain_id(reader, settings.network)
            life = longest_payment_life(reader, deployment, settings.payment_expiration)
        except RpcUnavailable as trouble:
            log.warning("node_unavailable", error=str(trouble))
            stop.wait(RESTART_WAIT_S)
            continue
        except RpcError as refusal:
            raise ConfigurationError(f"{refusal}: check LASTRO_RPC_URLS") from refusal
        return Lane(
            engine=open_engine(settings.database_url_text, role=ROLES["settlement"]),
            reader=reader,
            signer=signer,
            network=settings.network,
            deployment=deployment,
            policy=Policy.of(settings, payment_life=life),
        )
    return None


if __name__ == "__main__":
    sys.exit(main())
