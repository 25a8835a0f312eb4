"""``/livez``, ``/readyz``, ``/status`` and ``/metrics`` of a settlement process.

They say what the database says, and whether this process takes its turns. Unready means that
nothing new is sealed here; what was sealed is sent until it is mined in every case.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Final

from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError

from indexer.chain.networks import Network
from indexer.chain.types import Address, to_checksum
from indexer.endpoints import LIVE, POSTGRES_SILENT, Answer, Report, answering, told
from settlement.reporting.attention import needing_a_person, unready_because
from settlement.reporting.metrics import CONTENT_TYPE, SettlementMetrics
from settlement.reporting.overview import Overview, read_overview

TURN_MAX: Final = timedelta(seconds=60)
"""A turn that lasts longer waits for a node, or for Postgres."""


def readiness(
    seen: Overview, signer: Address, *, last_turn_at: datetime | None, now: datetime
) -> Report:
    """Judge a lane: ready when its signer seals what is due. Pure.

    Args:
        seen: How the lane's chain stands.
        signer: The lane's account.
        last_turn_at: When this process last ended a turn; None if it never did.
        now: Aware UTC, by the clock of ``last_turn_at``.
    """
    reason = unready_because(seen, signer) or _idle_because(last_turn_at, now)
    account = next((one for one in seen.signers if one.address == signer), None)
    body: dict[str, object] = {
        "ready": reason is None,
        "reason": reason,
        "warnings": needing_a_person(seen),
        "network": seen.network,
        "signer": to_checksum(signer),
        "in_flight": 0 if account is None else account.in_flight,
        "waiting": sum(one.payments for one in seen.requests if one.state == "ready"),
    }
    return HTTPStatus.OK if reason is None else HTTPStatus.SERVICE_UNAVAILABLE, body


@contextmanager
def serving(
    engine: Engine, network: Network, signer: Address, *, port: int, metrics: SettlementMetrics
) -> Iterator[None]:
    """Serve the endpoints on the loopback until the block ends; port 0 serves none.

    Args:
        engine: May read schemas ``settlement`` and ``chain``, which must be migrated.
        network: The lane's chain.
        signer: The lane's account.
        port: Where to listen.
        metrics: This process's own.

    Raises:
        ConfigurationError: Nobody can listen there.
    """
    site = _Site(engine, network, signer, metrics)
    pages = {
        "/livez": lambda: LIVE,
        "/readyz": site.readyz,
        "/status": site.status,
        "/metrics": lambda: Answer(HTTPStatus.OK, metrics.render(), CONTENT_TYPE),
    }
    with answering(pages, port=port, setting="LASTRO_SETTLEMENT_PORT"):
        yield


@dataclass(frozen=True, slots=True)
class _Site:
    """What the pages are read from, each time anew."""

    engine: Engine
    network: Network
    signer: Address
    metrics: SettlementMetrics

    def readyz(self) -> Answer:
        looked = self._look()
        return told(*(POSTGRES_SILENT if looked is None else looked[1]))

    def status(self) -> Answer:
        """All there is, with what readiness says of it; 200 whenever Postgres answers."""
        looked = self._look()
        if looked is None:
            return told(*POSTGRES_SILENT)
        seen, (_, judged) = looked
        about = {key: judged[key] for key in ("ready", "reason", "warnings")}
        return told(HTTPStatus.OK, about | asdict(seen))

    def _look(self) -> tuple[Overview, Report] | None:
        try:
            with self.engine.connect() as connection:
                seen = read_overview(connection, self.network, whole=False)
        except OperationalError:
            return None
        last_turn_at = self.metrics.last_turn_at
        return seen, readiness(seen, self.signer, last_turn_at=last_turn_at, now=datetime.now(UTC))


def _idle_because(last_turn_at: datetime | None, now: datetime) -> str | None:
    if last_turn_at is None:
        return "this process has taken no turn yet: it starts, or another works the lane"
    passed = now - last_turn_at
    if passed <= TURN_MAX:
        return None
    return f"no turn has ended for {int(passed.total_seconds())} s: the log says what is awaited"
