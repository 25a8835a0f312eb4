"""Send refunds to their gateways that were asked for, or whose answer was lost."""

from collections.abc import Sequence
from uuid import UUID

import structlog

from offchain.jobs.runtime import Budget, Runtime
from offchain.payments.refunding import claim_due_refunds, send_refund
from offchain.services import Services

REFUNDS_MAX = 200

_log = structlog.get_logger(__name__)


def refund_sweep(runtime: Runtime, budget: Budget) -> int:
    """Send refunds that are due, each claimed for itself; returns how many were tried."""
    services = runtime.services
    tried = 0
    while tried < REFUNDS_MAX and not budget.is_spent():
        claimed = _claim(services)
        if not claimed:
            break
        for refund_id in claimed:
            _send(services, refund_id)
            tried += 1
    return tried


def _claim(services: Services) -> Sequence[UUID]:
    with services.engine.begin() as connection:
        return claim_due_refunds(connection, limit=1)


def _send(services: Services, refund_id: UUID) -> None:
    try:
        send_refund(services, refund_id)
    except Exception as error:  # noqa: BLE001 - the edge of every refund: the others go on
        _log.error("refund_failed", refund_id=str(refund_id), error=type(error).__name__)
