"""``python -m settlement``: settle one chain with one signer until told to stop."""

import signal
import sys
from threading import Event

import structlog
from sqlalchemy.exc import DBAPIError

from indexer.chain.deployments import load_deployment
from indexer.chain.rpc import ChainReader, check_chain_id
from indexer.chain.types import to_checksum
from indexer.db.base import ROLES
from indexer.db.session import open_engine
from indexer.errors import ConfigurationError, InvariantError, RpcUnavailable
from indexer.telemetry import configure_logging
from settlement.lane import Lane, Policy
from settlement.runner import Runner, longest_payment_life
from settlement.settings import SettlementSettings
from settlement.signer import KeystoreSigner

log = structlog.get_logger()

RESTART_WAIT_S = 1.0


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
        sys.stderr.write(f"settlement cannot start: {fault}\n")
        return 2
    try:
        while lane is not None and not stop.is_set():
            try:
                Runner(lane).run(stop, poll_interval_s=settings.poll_interval_s)
            except DBAPIError as trouble:
                log.warning("postgres_unavailable", error=str(trouble))
            stop.wait(RESTART_WAIT_S)
    except InvariantError:
        log.exception("invariant_broken")
        return 1
    finally:
        if lane is not None:
            lane.reader.close()
            lane.engine.dispose()
    return 0


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
    reader = ChainReader(settings.rpc_urls)
    while not stop.is_set():
        try:
            check_chain_id(reader, settings.network)
            life = longest_payment_life(reader, deployment, settings.payment_expiration)
        except RpcUnavailable as trouble:
            log.warning("node_unavailable", error=str(trouble))
            stop.wait(RESTART_WAIT_S)
            continue
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
