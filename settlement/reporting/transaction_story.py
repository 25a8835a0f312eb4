"""Batches as operators see them: what was sealed, its nonce, and every transaction ever signed."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, and_, func, select

from indexer.chain.types import Address, BlockNumber, ChainId, TxHash, Wei
from settlement.reporting.counting import paid_wei
from settlement.tables import AnyRow, attempts, batch_items, batches, nonce_slots
from settlement.types import BatchKind, Nonce, SlotState


@dataclass(frozen=True, slots=True)
class AttemptStory:
    """One signed transaction."""

    tx_hash: TxHash
    is_noop: bool
    """It does nothing but give the nonce up."""
    max_fee_per_gas_wei: Wei
    max_priority_fee_per_gas_wei: Wei
    signed_at: datetime
    first_sent_at: datetime | None
    """None: its bytes surely never left."""
    acknowledged_at: datetime | None
    sends: int
    last_answer: str | None
    is_mined: bool


@dataclass(frozen=True, slots=True)
class BatchStory:
    """What was sealed together, and what became of it."""

    batch_id: UUID
    chain_id: ChainId
    kind: BatchKind
    target: Address
    treasury: Address | None
    action_id: UUID | None
    """The action it carries out, where it carries no payments."""
    payments: int
    sealed_at: datetime
    released_at: datetime | None
    """When its work was given back, as it finally had no effect."""
    gas_limit: int
    signer: Address
    nonce: Nonce
    state: SlotState
    is_final: bool
    failure: str | None
    mined_tx: TxHash | None
    mined_block: BlockNumber | None
    mined_at: datetime | None
    final_at: datetime | None
    gas_used: int | None
    effective_gas_price_wei: Wei | None
    cost_wei: Wei | None
    """What the mined transaction paid for gas; None while none is mined."""
    attempts: tuple[AttemptStory, ...]
    """In the order they were signed."""


def batches_of_requests(connection: Connection, request_ids: Sequence[UUID]) -> list[BatchStory]:
    """Every batch that one of these payments was ever sealed into, oldest first."""
    carried = select(batch_items.c.batch_id).where(batch_items.c.request_id.in_(request_ids))
    return _batches(connection, batches.c.id.in_(carried))


def batches_of_action(connection: Connection, action_id: UUID) -> list[BatchStory]:
    """Every batch that was sealed for an action, oldest first."""
    return _batches(connection, batches.c.action_id == action_id)


def batch_of_transaction(connection: Connection, tx_hash: TxHash) -> BatchStory | None:
    """The batch that a transaction of ours was signed for; None where it is not of ours."""
    signed = (
        select(nonce_slots.c.batch_id)
        .join(
            attempts,
            and_(
                attempts.c.chain_id == nonce_slots.c.chain_id,
                attempts.c.signer == nonce_slots.c.signer,
                attempts.c.nonce == nonce_slots.c.nonce,
            ),
        )
        .where(attempts.c.tx_hash == tx_hash)
    )
    found = _batches(connection, batches.c.id.in_(signed))
    return found[0] if found else None


def _batches(connection: Connection, which: ColumnElement[bool]) -> list[BatchStory]:
    payments = (
        select(func.count())
        .where(batch_items.c.batch_id == batches.c.id)
        .correlate(batches)
        .scalar_subquery()
    )
    query = (
        select(
            batches.c.id.label("batch_id"),
            batches.c.chain_id,
            batches.c.kind,
            batches.c.target,
            batches.c.treasury,
            batches.c.action_id,
            payments.label("payments"),
            batches.c.sealed_at,
            batches.c.released_at,
            batches.c.gas_limit,
            nonce_slots.c.signer,
            nonce_slots.c.nonce,
            nonce_slots.c.state,
            nonce_slots.c.is_final,
            nonce_slots.c.failure,
            nonce_slots.c.mined_tx,
            nonce_slots.c.mined_block,
            nonce_slots.c.mined_at,
            nonce_slots.c.final_at,
            nonce_slots.c.gas_used,
            nonce_slots.c.effective_gas_price_wei,
            paid_wei().label("cost_wei"),
        )
        .join(nonce_slots, nonce_slots.c.batch_id == batches.c.id)
        .where(which)
        .order_by(batches.c.sealed_at, nonce_slots.c.nonce)
    )
    rows = connection.execute(query).mappings().all()
    signed = _attempts(connection, [row["batch_id"] for row in rows])
    return [
        BatchStory(
            **row, attempts=tuple(_attempt(one, row["mined_tx"]) for one in signed[row["batch_id"]])
        )
        for row in rows
    ]


def _attempts(connection: Connection, batch_ids: Sequence[UUID]) -> dict[UUID, list[AnyRow]]:
    found: defaultdict[UUID, list[AnyRow]] = defaultdict(list)
    rows = connection.execute(
        select(nonce_slots.c.batch_id, attempts)
        .join(
            attempts,
            and_(
                attempts.c.chain_id == nonce_slots.c.chain_id,
                attempts.c.signer == nonce_slots.c.signer,
                attempts.c.nonce == nonce_slots.c.nonce,
            ),
        )
        .where(nonce_slots.c.batch_id.in_(batch_ids))
        .order_by(attempts.c.sequence)
    )
    for row in rows:
        found[row.batch_id].append(row)
    return found


def _attempt(row: AnyRow, mined_tx: bytes | None) -> AttemptStory:
    return AttemptStory(
        tx_hash=row.tx_hash,
        is_noop=row.is_noop,
        max_fee_per_gas_wei=row.max_fee_per_gas_wei,
        max_priority_fee_per_gas_wei=row.max_priority_fee_per_gas_wei,
        signed_at=row.signed_at,
        first_sent_at=row.intent_at,
        acknowledged_at=row.acknowledged_at,
        sends=row.sends,
        last_answer=row.last_answer,
        is_mined=row.tx_hash == mined_tx,
    )
