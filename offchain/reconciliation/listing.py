"""Payments that a gateway lists as changed: kept until each was read again, or somebody looked."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, and_, delete, func, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert

from indexer.db.choosing import chosen_once
from offchain.gateways.types import Observation
from offchain.payments.lattice import received_minor
from offchain.reconciliation.tables import listed_payments

LEASE = timedelta(minutes=2)
"""What a worker took and did not read is due again after this."""
_REASON_LENGTH_MAX = 200

_listed = listed_payments.c


@dataclass(frozen=True, slots=True)
class Listed:
    """A listed payment that this worker may read until its lease ends."""

    gateway: str
    provider_payment_id: str
    listed_at: datetime
    lease_until: datetime
    """On the database's clock; also tells whether the payment was listed anew meanwhile."""


def add_listed(connection: Connection, gateway: str, provider_payment_ids: Iterable[str]) -> None:
    """Keep what a gateway lists; what is kept already is due anew, unless it was dismissed."""
    names = sorted(set(provider_payment_ids))  # two walks take the rows in the same order
    if not names:
        return
    rows = [{"gateway": gateway, "provider_payment_id": name} for name in names]
    connection.execute(
        insert(listed_payments)
        .values(rows)
        .on_conflict_do_update(
            index_elements=["gateway", "provider_payment_id"],
            set_={"next_try_at": func.now()},
            where=_listed.state != "dismissed",
        )
    )


def claim_listed(connection: Connection, gateways: Collection[str], *, limit: int) -> list[Listed]:
    """Take due payments, those that have waited longest first; no other worker takes them."""
    key = tuple_(_listed.gateway, _listed.provider_payment_id)
    due = (
        select(_listed.gateway, _listed.provider_payment_id)
        .where(_listed.state != "dismissed", _listed.next_try_at <= func.now())
        .where(_listed.gateway.in_(gateways))
        .order_by(_listed.next_try_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    rows = connection.execute(
        update(listed_payments)
        .where(key.in_(chosen_once(due)))
        .values(next_try_at=func.now() + LEASE, tries=_listed.tries + 1)
        .returning(
            _listed.gateway, _listed.provider_payment_id, _listed.listed_at, _listed.next_try_at
        )
    )
    return [Listed(*row) for row in rows]


def forget(connection: Connection, listed: Listed) -> None:
    """Drop a payment that was read and applied, unless it was listed anew meanwhile."""
    connection.execute(delete(listed_payments).where(_still(listed)))


def keep(
    connection: Connection,
    listed: Listed,
    *,
    reason: str,
    seen: Observation | None,
    pause: timedelta | None,
) -> None:
    """Keep a payment that matches no attempt, where an operator sees it.

    Args:
        connection: The caller's transaction.
        listed: The payment.
        reason: Why it matches none.
        seen: What was read of it.
        pause: When to try again; None gives it up: it stays as it is until it changes.
    """
    shown = {} if seen is None else _shown(seen)
    connection.execute(
        update(listed_payments)
        .where(_still(listed))
        .values(
            state="unmatched",
            reason=reason[:_REASON_LENGTH_MAX],
            next_try_at=None if pause is None else func.now() + pause,
            **shown,
        )
    )


def put_off(connection: Connection, listed: Listed, *, pause: timedelta) -> None:
    """Try a payment again later that could not be read now."""
    connection.execute(
        update(listed_payments).where(_still(listed)).values(next_try_at=func.now() + pause)
    )


def _still(listed: Listed) -> ColumnElement[bool]:
    return and_(
        _listed.gateway == listed.gateway,
        _listed.provider_payment_id == listed.provider_payment_id,
        _listed.next_try_at == listed.lease_until,
    )


def _shown(seen: Observation) -> dict[str, str | int | None]:
    return {
        "effect": seen.effect,
        "amount_minor": received_minor(seen),
        "currency": seen.currency,
    }
