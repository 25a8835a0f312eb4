"""One transaction: its indexed logs, and settlement's own record when it is ours."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Row, Select, and_, func, select

from api.freshness import ChainMark, Snapshot
from api.schemas.shared import Amount, Finality
from api.schemas.transactions import Log, TransactionAnswer, TransactionSettlement
from api.values import (
    checksum,
    checksum_within,
    display_amount,
    explorer_url,
    hex_or_none,
)
from indexer.chain.types import ChainId, TxHash, to_hex
from indexer.queries import TransactionEvent, events_of_transaction
from settlement.tables import attempts, batch_items, batches, nonce_slots

NATIVE_DECIMALS = 18
"""CELO and POL both count in wei."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a transaction stands, whoever knows it."""

    finality: Finality
    block_number: int | None = None
    block_hash: bytes | None = None
    block_timestamp: datetime | None = None
    tx_index: int | None = None
    is_proven: bool = False


def find_transaction(
    snapshot: Snapshot, tx_hash: TxHash, chain_ids: Sequence[int]
) -> TransactionAnswer | None:
    """Read what is known of a transaction on the given chains; None when nothing is."""
    # As many logs as a transaction can hold: its gas cap (EIP-7825) bounds them.
    found = events_of_transaction(
        snapshot.connection, chain_ids=[ChainId(one) for one in chain_ids], tx_hash=tx_hash
    )
    ours = _fetch_attempt(snapshot, tx_hash, chain_ids)
    if ours is not None:
        chain_id = int(ours.chain_id)
    elif found:
        chain_id = int(found[0].chain_id)
    else:
        return None
    here = [row for row in found if row.chain_id == chain_id]
    mark = snapshot.mark(chain_id)
    place = _indexed_place(here[0], mark) if here else _own_place(ours, mark)
    return TransactionAnswer(
        tx_hash=to_hex(tx_hash),
        chain_id=chain_id,
        network=mark.network,
        block_number=place.block_number,
        block_hash=hex_or_none(place.block_hash),
        block_timestamp=place.block_timestamp,
        tx_index=place.tx_index,
        confirmations=mark.confirmations(place.block_number),
        finality=place.finality,
        proven=place.is_proven,
        explorer_url=explorer_url(chain_id, tx_hash),
        logs=[_show_log(row) for row in here],
        settlement=None if ours is None else _show_settlement(ours, tx_hash),
        as_of=snapshot.as_of([chain_id]),
    )


# The signed bytes are never read here.
def _fetch_attempt(
    snapshot: Snapshot, tx_hash: TxHash, chain_ids: Sequence[int]
) -> Row[Any] | None:
    items = (
        select(func.count())
        .where(batch_items.c.batch_id == nonce_slots.c.batch_id)
        .scalar_subquery()
    )
    statement: Select[Any] = (
        select(
            attempts.c.chain_id,
            attempts.c.signer,
            attempts.c.nonce,
            attempts.c.sent_at,
            nonce_slots.c.state,
            nonce_slots.c.is_final,
            nonce_slots.c.mined_tx,
            nonce_slots.c.mined_block,
            nonce_slots.c.mined_block_hash,
            nonce_slots.c.gas_used,
            nonce_slots.c.effective_gas_price_wei,
            batches.c.kind,
            items.label("items"),
            (nonce_slots.c.mined_tx == tx_hash).label("is_mined"),
        )
        .select_from(
            attempts.join(
                nonce_slots,
                and_(
                    nonce_slots.c.chain_id == attempts.c.chain_id,
                    nonce_slots.c.signer == attempts.c.signer,
                    nonce_slots.c.nonce == attempts.c.nonce,
                ),
            ).outerjoin(batches, batches.c.id == nonce_slots.c.batch_id)
        )
        .where(attempts.c.tx_hash == tx_hash, attempts.c.chain_id.in_(chain_ids))
    )
    return snapshot.connection.execute(statement).one_or_none()


def _indexed_place(log: TransactionEvent, mark: ChainMark) -> _Place:
    is_final = mark.finalized_number is not None and log.block_number <= mark.finalized_number
    return _Place(
        finality="finalized" if is_final else "included",
        block_number=log.block_number,
        block_hash=log.block_hash,
        block_timestamp=log.timestamp,
        tx_index=log.tx_index,
        is_proven=log.proven,
    )


def _own_place(ours: Row[Any] | None, mark: ChainMark) -> _Place:
    """Place a transaction of ours that left no indexed log: failed, a no-op, or not there yet."""
    if ours is None or ours.mined_tx is None:
        return _Place("pending")
    if not ours.is_mined:  # another transaction took its nonce: for good once that one is final
        return _Place("reverted" if ours.is_final else "pending")
    if mark.indexed_number is None or ours.mined_block > mark.indexed_number:
        return _Place("pending")  # its logs may still come: nothing is said before the index is
    included: Finality = "finalized" if ours.is_final else "included"
    return _Place(
        finality="reverted" if ours.state == "mined_failed" else included,
        block_number=ours.mined_block,
        block_hash=ours.mined_block_hash,
    )


def _show_log(row: TransactionEvent) -> Log:
    return Log(
        log_index=row.log_index,
        address=checksum(row.address),
        event=row.event,
        arguments=checksum_within(dict(row.arguments)),
        claimed=row.claimed,
    )


def _show_settlement(ours: Row[Any], tx_hash: TxHash) -> TransactionSettlement:
    price = ours.effective_gas_price_wei if ours.is_mined else None
    return TransactionSettlement(
        kind=ours.kind,
        signer=checksum(ours.signer),
        nonce=ours.nonce,
        status=_status(ours),
        replaced_by=to_hex(ours.mined_tx) if ours.mined_tx not in {None, tx_hash} else None,
        items=ours.items,
        sent_at=ours.sent_at,
        gas_used=ours.gas_used if ours.is_mined else None,
        effective_gas_price=None if price is None else _wei(price),
    )


def _status(ours: Row[Any]) -> Literal["signed", "sent", "mined", "failed", "replaced"]:
    if ours.mined_tx is None:
        return "signed" if ours.sent_at is None else "sent"
    if not ours.is_mined:
        return "replaced"
    return "failed" if ours.state == "mined_failed" else "mined"


def _wei(wei: int) -> Amount:
    display = display_amount(wei, decimals=NATIVE_DECIMALS, digits_min=0)
    return Amount(raw=str(wei), decimals=NATIVE_DECIMALS, currency=None, display=display)
