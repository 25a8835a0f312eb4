"""``/livez``, ``/readyz``, ``/status`` and ``/metrics`` of an indexer.

They say what the database says, not what the process hopes. Unready means that readers should look
elsewhere for what is new; what was indexed is served in every case, and stays true.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError

from indexer.chain.networks import Network, network_by_name
from indexer.endpoints import LIVE, POSTGRES_SILENT, Answer, Report, answering, told
from indexer.lag import (
    BACKFILL_BLOCKS_MIN,
    LAG_BLOCKS_MAX,
    finality_alarm_s,
    finality_trails_s,
    silence_max,
)
from indexer.metrics import CONTENT_TYPE, IndexerMetrics
from indexer.notices import Notices
from indexer.status import Status, as_json, read_status

TRUTH_SCORE_MIN = 0.9
"""Of a provider: below it, something it said was wrong of late (``indexer.providers``)."""


def readiness(status: Status | None, notices: Notices | None = None) -> Report:
    """Judge a status: ready when following closely, of late, whole and not halted. Pure.

    Args:
        status: As read; None when nothing was ever indexed.
        notices: What the process that answers knows of itself; they make nothing unready, for
            another process may be the one that writes.
    """
    own = [] if notices is None else notices.warnings()
    if status is None or status.indexed is None or status.head is None:
        halted = None if status is None else status.degraded_reason
        return HTTPStatus.SERVICE_UNAVAILABLE, {
            "ready": False,
            "reason": halted or "; ".join(["nothing indexed yet", *own]),
            "warnings": own,
        }
    reason = _unready_because(status)
    body: dict[str, object] = {
        "ready": reason is None,
        "reason": reason,
        "warnings": [*warnings(status), *own],
        "network": status.network,
        "head": status.head,
        "indexed": status.indexed.number,
        "finalized": None if status.finalized is None else status.finalized.number,
        "proven": status.ledger.proven_up_to,
        "lag_blocks": status.lag_blocks,
        "lag_s": status.lag_s,
        "holes": len(status.holes_below_indexed),
    }
    return HTTPStatus.OK if reason is None else HTTPStatus.SERVICE_UNAVAILABLE, body


def warnings(status: Status) -> list[str]:
    """What an operator should look at although readers are served truth. Pure."""
    network = network_by_name(status.network)
    found = []
    trails_s = finality_trails_s(status)
    if trails_s is not None and trails_s > finality_alarm_s(network):
        found.append(
            f"finality has stalled: nothing is final {trails_s} s after the first block"
            if status.finalized is None
            else f"finality has stalled: its mark trails by {trails_s} s"
        )
    if status.audit is not None and status.audit.different:
        found.append(
            f"the audit at block {status.audit.block} found {status.audit.different} totals that "
            "differ from the contracts'"
        )
    found += [
        f"{one.provider} has a truth score of {one.score:.2f}; its last fault: {one.last_kind}"
        for one in status.providers
        if one.score < TRUTH_SCORE_MIN
    ]
    return found


def _unready_because(status: Status) -> str | None:
    """The first reason not to trust these marks to be whole and of now."""
    silence = silence_max(network_by_name(status.network).block_time_s)
    unseen = status.as_of - status.updated_at
    holes = status.holes_below_indexed
    reason = status.degraded_reason
    if reason is None and holes:
        low, high = holes[0]
        reason = f"{len(holes)} ranges were never read, the first is {low} to {high}"
    if reason is None and status.lag_blocks >= BACKFILL_BLOCKS_MIN:
        eta = "" if status.eta_s is None else f", about {status.eta_s} s"
        reason = f"backfilling: {status.lag_blocks} blocks to go{eta}"
    if reason is None and status.lag_blocks > LAG_BLOCKS_MAX:
        reason = f"{status.lag_blocks} blocks behind"
    if reason is None and unseen > silence:
        reason = f"the head was last seen {int(unseen.total_seconds())} s ago"
    if reason is None and status.lag_s > silence.total_seconds():
        reason = f"{status.lag_s} s behind"
    return reason


@contextmanager
def serving(
    engine: Engine,
    network: Network,
    *,
    port: int,
    metrics: IndexerMetrics | None = None,
    notices: Notices | None = None,
) -> Iterator[None]:
    """Serve the endpoints on the loopback until the block ends; port 0 serves none.

    Args:
        engine: May read schema ``chain``.
        network: The chain.
        port: Where to listen.
        metrics: This process's own; without them only what the database knows is shown.
        notices: What this process knows of itself.

    Raises:
        ConfigurationError: Nobody can listen there.
    """
    shown = metrics or IndexerMetrics(engine, network)
    pages = {
        "/livez": lambda: LIVE,
        "/readyz": lambda: told(*_read_readiness(engine, network, notices)),
        "/status": lambda: told(*_read_status(engine, network, notices)),
        "/metrics": lambda: Answer(HTTPStatus.OK, shown.render(), CONTENT_TYPE),
    }
    with answering(pages, port=port, setting="LASTRO_INDEXER_PORT"):
        yield


def _read_readiness(engine: Engine, network: Network, notices: Notices | None) -> Report:
    try:
        with engine.connect() as connection:
            return readiness(read_status(connection, network), notices)
    except OperationalError:
        return POSTGRES_SILENT


def _read_status(engine: Engine, network: Network, notices: Notices | None) -> Report:
    """The status with what readiness says of it; 200 whenever there is something to show."""
    try:
        with engine.connect() as connection:
            status = read_status(connection, network)
    except OperationalError:
        return POSTGRES_SILENT
    _, judged = readiness(status, notices)
    shown = {key: judged[key] for key in ("ready", "reason", "warnings")}
    return HTTPStatus.OK, shown if status is None else shown | as_json(status)
