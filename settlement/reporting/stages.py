"""How long payments and transactions take from stage to stage, told once for each as it passes.

Nonces are dense, and pass each stage nearly in order. So a cursor by nonce, one a stage, finds what
has passed since the last look in a short walk along the primary key, however long the history is.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, get_args

from sqlalchemy import ColumnElement, Connection, func, or_, select

from indexer.chain.types import Address, ChainId
from settlement.nonces import slots_of
from settlement.reporting.counting import between_s
from settlement.tables import attempts, batch_items, batches, nonce_slots, requests

Stage = Literal["captured_sealed", "sealed_sent", "sent_included", "included_final"]
STAGES: Final[tuple[Stage, ...]] = get_args(Stage)
SLOTS_MAX: Final = 500
"""Nonces of one stage that are looked at; a lane mines fewer between two scrapes."""
FIRST_KINDS: Final = ("create_payments", "settle_payments")
"""What is sealed first for a payment."""

Observe = Callable[[Stage, float], None]
"""Is told of one passing: the stage, and the seconds it took."""


@dataclass(frozen=True, slots=True)
class _Passing:
    """How a transaction passes a stage."""

    began: ColumnElement[datetime]
    ended: ColumnElement[datetime]
    is_over: ColumnElement[bool]
    """Whether it passed; rows of earlier versions may lack the times."""


class StageWatch:
    """Follows one signer, from what passes after the first look; for one thread at a time."""

    def __init__(self, chain_id: ChainId, signer: Address) -> None:
        """Prepare; nothing is read yet.

        Args:
            chain_id: The signer's chain.
            signer: The account that sends.
        """
        self._chain_id = chain_id
        self._signer = signer
        self._next: dict[Stage, int] = {}

    def look(self, connection: Connection, observe: Observe) -> None:
        """Tell of everything that passed since the last look.

        Args:
            connection: May read schema ``settlement``.
            observe: Told of each payment that was sealed, and of each transaction after that.
        """
        above = self._above(connection)
        if not self._next:
            self._next["captured_sealed"] = above
            for stage, passing in _passings().items():
                self._next[stage] = self._first_waiting(connection, passing, above)
            return
        self._tell_sealed(connection, above, observe)
        for stage, passing in _passings().items():
            self._tell_passed(connection, stage, passing, observe)

    def _above(self, connection: Connection) -> int:
        """The nonce above all that were ever sealed."""
        top = connection.execute(
            select(func.max(nonce_slots.c.nonce)).where(slots_of(self._chain_id, self._signer))
        ).scalar_one()
        return 0 if top is None else top + 1

    def _first_waiting(self, connection: Connection, passing: _Passing, above: int) -> int:
        first = connection.execute(
            select(func.min(nonce_slots.c.nonce)).where(
                slots_of(self._chain_id, self._signer), ~passing.is_over
            )
        ).scalar_one()
        return above if first is None else first

    def _tell_sealed(self, connection: Connection, above: int, observe: Observe) -> None:
        rows = connection.execute(
            select(between_s(requests.c.captured_at, batches.c.sealed_at))
            .select_from(nonce_slots)
            .join(batches, batches.c.id == nonce_slots.c.batch_id)
            .join(batch_items, batch_items.c.batch_id == batches.c.id)
            .join(requests, requests.c.request_id == batch_items.c.request_id)
            .where(
                slots_of(self._chain_id, self._signer),
                nonce_slots.c.nonce >= self._next["captured_sealed"],
                nonce_slots.c.nonce < above,
                batches.c.kind.in_(FIRST_KINDS),
            )
        )
        for seconds in rows.scalars():
            observe("captured_sealed", max(seconds, 0.0))
        self._next["captured_sealed"] = above

    def _tell_passed(
        self, connection: Connection, stage: Stage, passing: _Passing, observe: Observe
    ) -> None:
        rows = connection.execute(
            select(
                nonce_slots.c.nonce,
                between_s(passing.began, passing.ended).label("seconds"),
                passing.is_over.label("is_over"),
                (nonce_slots.c.state == "foreign").label("is_foreign"),
            )
            .join(batches, batches.c.id == nonce_slots.c.batch_id)
            .where(slots_of(self._chain_id, self._signer), nonce_slots.c.nonce >= self._next[stage])
            .order_by(nonce_slots.c.nonce)
            .limit(SLOTS_MAX)
        )
        for row in rows:
            if not row.is_over:
                return
            if row.seconds is not None and not row.is_foreign:
                observe(stage, max(row.seconds, 0.0))
            self._next[stage] = row.nonce + 1


def _passings() -> Mapping[Stage, _Passing]:
    """How each stage of a transaction is passed."""
    first_sent = (
        select(func.min(attempts.c.intent_at))
        .where(
            attempts.c.chain_id == nonce_slots.c.chain_id,
            attempts.c.signer == nonce_slots.c.signer,
            attempts.c.nonce == nonce_slots.c.nonce,
        )
        .correlate(nonce_slots)
        .scalar_subquery()
    )
    is_mined = nonce_slots.c.state.not_in(("reserved", "signed"))
    return {
        "sealed_sent": _Passing(
            batches.c.sealed_at, first_sent, or_(first_sent.is_not(None), is_mined)
        ),
        "sent_included": _Passing(first_sent, nonce_slots.c.mined_at, is_mined),
        "included_final": _Passing(
            nonce_slots.c.mined_at, nonce_slots.c.final_at, nonce_slots.c.is_final
        ),
    }
