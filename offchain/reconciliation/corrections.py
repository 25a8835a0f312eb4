"""Count what was found by asking: each is a webhook that was missed, or slower than we asked."""

from typing import Literal

import structlog
from sqlalchemy import Connection, func
from sqlalchemy.dialects.postgresql import insert

from offchain.payments.attempts import Attempt
from offchain.reconciliation.tables import corrections

FoundBy = Literal["poll", "list"]

_log = structlog.get_logger(__name__)


def count_correction(connection: Connection, attempt: Attempt, *, found_by: FoundBy) -> None:
    """Count one, in the transaction that makes it; last there, as all of a gateway share a row."""
    _log.warning(
        "payment_corrected",
        attempt_id=str(attempt.id),
        gateway=attempt.gateway,
        found_by=found_by,
        was=attempt.fiat_status,
    )
    connection.execute(
        insert(corrections)
        .values(gateway=attempt.gateway, found_by=found_by, count=1)
        .on_conflict_do_update(
            index_elements=["gateway", "found_by"],
            set_={"count": corrections.c.count + 1, "last_at": func.now()},
        )
    )
