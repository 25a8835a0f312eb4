"""Check the ledger's promises anew, so that somebody is woken when one does not hold."""

import structlog
from sqlalchemy import text

from offchain.jobs.runtime import Budget, Runtime
from offchain.ledger.checking import check_ledger

STATEMENT_TIMEOUT_S = 90
"""Each check reads the whole ledger; together they stay below the time a job may take, or fail."""

_log = structlog.get_logger(__name__)


def ledger_check(runtime: Runtime, _budget: Budget) -> int:
    """Check the whole ledger; returns how many rows break a promise: none, always."""
    with runtime.services.engine.begin() as connection:
        connection.execute(text(f"SET LOCAL statement_timeout = '{STATEMENT_TIMEOUT_S}s'"))
        findings = check_ledger(connection)
    for finding in findings:
        if not finding.ok:
            _log.error("ledger_broken", check=finding.name, violations=finding.violations)
    return sum(finding.violations for finding in findings)
