"""Hand captured payments over that settlement could not take before, or gave up for a claim."""

from uuid import UUID

import structlog
from sqlalchemy import ColumnElement, Select, and_, select

from offchain.jobs.runtime import Budget, Runtime
from offchain.jobs.sweeps.rounds import round_from_anywhere
from offchain.payments.handover import WAITING, hand_over
from offchain.services import Services
from offchain.tables import payment_attempts

PAGE = 500

_log = structlog.get_logger(__name__)
_attempts = payment_attempts.c


def handover_sweep(runtime: Runtime, budget: Budget) -> int:
    """Hand over what waits; returns how many settlement took."""
    services = runtime.services

    def page(after: UUID | None) -> list[UUID]:
        with services.engine.begin() as connection:
            return list(connection.execute(_waiting(after)).scalars())

    done = 0
    for waiting in round_from_anywhere(page, id_of=lambda found: found, page_size=PAGE):
        for attempt_id in waiting:
            if budget.is_spent():
                return done
            done += _hand_over(services, attempt_id)
    return done


def _hand_over(services: Services, attempt_id: UUID) -> bool:
    """Hand one over, unless another worker is at it or was; whether settlement took it."""
    try:
        with services.engine.begin() as connection:
            locked = connection.execute(
                select(_attempts.id)
                .where(_attempts.id == attempt_id, is_waiting())
                .with_for_update(skip_locked=True)
            ).first()
            if locked is None:
                return False
            refusal = hand_over(connection, attempt_id, chains=services.chains, source="clock")
    except Exception as error:  # noqa: BLE001 - the edge of every payment: the others go on
        _log.error("hand_over_failed", attempt_id=str(attempt_id), error=type(error).__name__)
        return False
    return refusal is None


def _waiting(after: UUID | None) -> Select[UUID]:
    """A page of captured payments of on-chain campaigns that settlement has not got."""
    query = select(_attempts.id).where(is_waiting()).order_by(_attempts.id).limit(PAGE)
    return query if after is None else query.where(_attempts.id > after)


def is_waiting() -> ColumnElement[bool]:
    """Whether settlement should have an attempt and has not; an index holds just these."""
    return and_(
        _attempts.settles_onchain,
        _attempts.booked_to == "campaign",
        _attempts.fiat_status == "captured",
        _attempts.claim_status == "none",
        _attempts.chain_status.in_(sorted(WAITING)),
    )
