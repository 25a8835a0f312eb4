"""Bring chain progress back to the attempts, and post what is final."""

from collections.abc import Callable, Sequence
from uuid import UUID

import structlog
from sqlalchemy import Connection

from offchain.jobs.runtime import Budget, Runtime
from offchain.jobs.sweeps.rounds import round_from_anywhere
from offchain.payments.attempts import Attempt
from offchain.payments.feedback import attempts_on_the_way, feed_back
from offchain.payments.reversing import take_back
from offchain.payments.tokens_home import follow_refunds
from offchain.services import Services

PAGE = 500

_log = structlog.get_logger(__name__)


def chain_feedback(runtime: Runtime, budget: Budget) -> int:
    """Look at every attempt whose settlement is under way; returns how many moved."""
    services = runtime.services
    moved = _follow(services, take_back) + _follow(services, follow_refunds)

    def page(after: UUID | None) -> list[Attempt]:
        with services.engine.begin() as connection:
            return attempts_on_the_way(connection, after=after, limit=PAGE)

    for attempts in round_from_anywhere(page, id_of=lambda one: one.id, page_size=PAGE):
        if budget.is_spent():
            break
        moved += _feed_back(services, attempts)
    return moved


def _follow(services: Services, step: Callable[[Connection], int]) -> int:
    """What is wrong with one that went back keeps no other from going on."""
    try:
        with services.engine.begin() as connection:
            return step(connection)
    except Exception as error:  # noqa: BLE001 - the edge of every step: the others are tried
        _log.error("feedback_step_failed", step=step.__name__, error=type(error).__name__)
        return 0


def _feed_back(services: Services, attempts: Sequence[Attempt]) -> int:
    """Move a page together; if one of it is odd, each by itself."""
    try:
        with services.engine.begin() as connection:
            return feed_back(connection, attempts)
    except Exception as error:  # noqa: BLE001 - the edge of every payment: the others go on
        if len(attempts) == 1:
            _log.error(
                "feedback_failed", attempt_id=str(attempts[0].id), error=type(error).__name__
            )
            return 0
    return sum(_feed_back(services, [attempt]) for attempt in attempts)
