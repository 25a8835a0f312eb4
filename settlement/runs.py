"""Runs: how much of one campaign is settled before the campaigns beside it have had their turn.

A run opens with a campaign's first batch and has room for ``Policy.run_payments_max`` payments. It
closes when that is spent or nothing waits, and all its transactions are mined; the next one opens
with the next batch. Counted under the signer's lock, so that two engines share one quota.
"""

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, Select, and_, exists, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from indexer.chain.types import Address, ChainId
from settlement.record_tables import runs
from settlement.tables import batches, nonce_slots, requests
from settlement.types import BATCH_OF


def rooms(
    connection: Connection,
    chain_id: ChainId,
    treasuries: Sequence[Address],
    *,
    payments_max: int,
) -> Mapping[Address, int]:
    """How many more payments each campaign's present run takes; all of them when none is open."""
    taken = {
        row.treasury: row.payments
        for row in connection.execute(
            select(runs.c.treasury, runs.c.payments).where(
                runs.c.chain_id == chain_id,
                runs.c.treasury.in_(treasuries),
                runs.c.closed_at.is_(None),
            )
        )
    }
    return {one: max(0, payments_max - taken.get(one, 0)) for one in treasuries}


def count(connection: Connection, chain_id: ChainId, treasury: Address, payments: int) -> None:
    """Count a sealed transaction into the campaign's run, opening one if there is none."""
    connection.execute(
        insert(runs)
        .values(chain_id=chain_id, treasury=treasury, payments=payments, transactions=1)
        .on_conflict_do_update(
            index_elements=[runs.c.chain_id, runs.c.treasury],
            index_where=runs.c.closed_at.is_(None),
            set_={
                "payments": runs.c.payments + payments,
                "transactions": runs.c.transactions + 1,
            },
        )
    )


def close_spent(connection: Connection, chain_id: ChainId, *, payments_max: int) -> None:
    """Close the runs that took all they may, or all there was, once they are mined."""
    connection.execute(
        update(runs)
        .where(
            runs.c.chain_id == chain_id,
            runs.c.closed_at.is_(None),
            ~exists(_under_way()),
            or_(runs.c.payments >= payments_max, ~exists(_waiting())),
        )
        .values(closed_at=func.now())
    )


def _under_way() -> Select[tuple[int]]:
    return (
        select(nonce_slots.c.nonce)
        .join(batches, batches.c.id == nonce_slots.c.batch_id)
        .where(
            batches.c.chain_id == runs.c.chain_id,
            batches.c.treasury == runs.c.treasury,
            batches.c.kind.in_(tuple(BATCH_OF.values())),
            nonce_slots.c.state.in_(("reserved", "signed")),
        )
    )


def _waiting() -> Select[tuple[object]]:
    return select(requests.c.request_id).where(
        and_(
            requests.c.chain_id == runs.c.chain_id,
            requests.c.treasury == runs.c.treasury,
            requests.c.state == "ready",
        )
    )
