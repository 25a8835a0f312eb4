"""Let work be sealed again whose nonce was spent without effect, in a block that is final."""

import structlog
from sqlalchemy import Connection, case, func, update

from settlement.lifecycle import STRIKES_MAX, struck
from settlement.record_tables import actions
from settlement.tables import AnyRow, batch_items, batches, requests

log = structlog.get_logger()


def release(connection: Connection, slot: AnyRow) -> None:
    """Release the batch of a final slot, and everything that was in it.

    Args:
        connection: The transaction that made the slot final.
        slot: Its ``batch_id`` and ``failure``.
    """
    failure = slot.failure or "another transaction took its nonce"
    connection.execute(
        update(batches).where(batches.c.id == slot.batch_id).values(released_at=func.now())
    )
    connection.execute(
        update(batch_items)
        .where(batch_items.c.batch_id == slot.batch_id)
        .values(released_at=func.now())
    )
    _release_requests(connection, slot, failure)
    if slot.state == "foreign":
        _stop_payout(connection, slot, failure)
    _release_action(connection, slot, failure)
    log.warning("batch_released", batch_id=str(slot.batch_id), failure=failure)


def _release_requests(connection: Connection, slot: AnyRow, failure: str) -> None:
    released = connection.execute(
        update(requests)
        .where(requests.c.batch_id == slot.batch_id, requests.c.state == "batched")
        .values(
            batch_id=None,
            state="ready",
            # A nonce that somebody else took says nothing against who was to travel under it.
            strikes=requests.c.strikes + (0 if slot.state == "foreign" else 1),
            state_since=func.now(),
        )
        .returning(requests.c.request_id, requests.c.strikes)
    ).all()
    for row in released:
        move = struck(row.strikes, failure)
        if move.state != "ready":
            connection.execute(
                update(requests)
                .where(requests.c.request_id == row.request_id)
                .values(state=move.state, reason=move.reason)
            )


def _stop_payout(connection: Connection, slot: AnyRow, failure: str) -> None:
    """Let a person look before tokens or coins are sent again: no contract guards them.

    Whose transaction took the nonce could not be told; it may have been this one.
    """
    connection.execute(
        update(actions)
        .where(
            actions.c.action_id == batches.c.action_id,
            batches.c.id == slot.batch_id,
            actions.c.kind.in_(("transfer_tokens", "top_up_gas")),
            actions.c.state.in_(("sealed", "included")),
        )
        .values(
            state="quarantined",
            reason=f"{failure}: look whether it was this transfer before it is tried again",
            state_since=func.now(),
        )
    )


def _release_action(connection: Connection, slot: AnyRow, failure: str) -> None:
    strikes = actions.c.strikes + 1
    is_over = strikes >= STRIKES_MAX
    connection.execute(
        update(actions)
        .where(
            actions.c.action_id == batches.c.action_id,
            batches.c.id == slot.batch_id,
            actions.c.state.in_(("sealed", "included")),
        )
        .values(
            strikes=strikes,
            state=case((is_over, "quarantined"), else_="requested"),
            reason=case(
                (is_over, f"failed {STRIKES_MAX} times, at last: {failure}"), else_=failure
            ),
            state_since=func.now(),
        )
    )
