"""Close nonce slots by receipts, and open them again when a reorg takes the receipts back.

Receipts say what a nonce was spent on and what gas it cost. Whether a payment is settled, only the
index says.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import structlog
from sqlalchemy import ColumnElement, Connection, and_, exists, func, select, update

from indexer.chain.blocks import Receipt
from indexer.chain.types import BlockHash, BlockNumber, TxHash, to_hex
from indexer.errors import RpcError
from settlement.lane import Lane
from settlement.lifecycle import struck
from settlement.nonces import quarantine, slots_of
from settlement.reverts import decode_revert
from settlement.tables import AnyRow, attempts, batch_items, batches, nonce_slots, requests, signers

log = structlog.get_logger()

FOREIGN_AFTER_BLOCKS = 10
"""Blocks for which a spent nonce may lack a receipt of ours before another sender is blamed: nodes
behind one URL lag behind each other."""


@dataclass(frozen=True, slots=True)
class Look:
    """One look at the chain, shared by the steps of a turn."""

    finalized_number: BlockNumber | None
    """The indexer's mark, read *before* the head: so what the head shows there is final."""
    head_number: BlockNumber
    head_hash: BlockHash
    mined_nonces: int
    """The account's transaction count at the head."""


class Tracker:
    """Follows one lane's slots. Its memory only delays judgement; all state is in Postgres."""

    def __init__(self, lane: Lane) -> None:
        self._lane = lane
        self._checked_head: BlockHash | None = None
        self._absent_since: dict[int, BlockNumber] = {}

    def reconcile(self, look: Look) -> None:
        """Bring every slot that is not final in line with the chain."""
        self._notice_foreign_sender(look)
        for slot in self._slots(_open(look)):
            self._close(slot, look)
        if look.head_hash != self._checked_head:
            self._recheck(look)
            self._checked_head = look.head_hash
        self._finalize(look)

    def _notice_foreign_sender(self, look: Look) -> None:
        lane = self._lane
        with lane.engine.begin() as connection:
            next_nonce = connection.execute(
                select(signers.c.next_nonce).where(
                    signers.c.chain_id == lane.chain_id, signers.c.address == lane.sender
                )
            ).scalar_one()
            if look.mined_nonces > next_nonce:
                reason = f"the chain counts {look.mined_nonces} transactions, we sent {next_nonce}"
                quarantine(connection, chain_id=lane.chain_id, address=lane.sender, reason=reason)

    def _close(self, slot: AnyRow, look: Look) -> None:
        """Close an open slot whose nonce is spent: by our receipt, or by a foreign transaction."""
        receipt = self._receipt(slot.nonce)
        if receipt is not None:
            self._absent_since.pop(slot.nonce, None)
            self._set_mined(slot, receipt)
            return
        first_absent = self._absent_since.setdefault(slot.nonce, look.head_number)
        if look.head_number - first_absent < FOREIGN_AFTER_BLOCKS:
            return
        with self._lane.engine.begin() as connection:
            _set(connection, slot, state="foreign", mined_block=look.head_number)
            quarantine(
                connection,
                chain_id=self._lane.chain_id,
                address=self._lane.sender,
                reason=f"another transaction took nonce {slot.nonce}",
            )

    def _recheck(self, look: Look) -> None:
        """Compare the block of every mined slot with the chain; what vanished is open again."""
        slots = self._slots(
            and_(
                nonce_slots.c.state.in_(("mined_ok", "mined_failed", "foreign")),
                nonce_slots.c.is_final.is_(False),
            )
        )
        numbers = sorted({BlockNumber(slot.mined_block) for slot in slots})
        present = [number for number in numbers if number <= look.head_number]
        hashes = {header.number: header.hash for header in self._lane.reader.headers(present)}
        for slot in slots:
            if slot.mined_block_hash == hashes.get(slot.mined_block, b""):
                continue
            receipt = self._receipt(slot.nonce)
            if receipt is not None:
                self._set_mined(slot, receipt)
            elif slot.state != "foreign" or slot.nonce >= look.mined_nonces:
                self._reopen(slot)

    def _reopen(self, slot: AnyRow) -> None:
        """Forget the receipt, and what nodes said: the bytes are sent again, as if at first."""
        with self._lane.engine.begin() as connection:
            _set(
                connection,
                slot,
                state="signed" if _has_attempt(connection, slot) else "reserved",
                mined_tx=None,
                mined_block=None,
                mined_block_hash=None,
                failure=None,
            )
            connection.execute(
                update(attempts)
                .where(
                    attempts.c.chain_id == slot.chain_id,
                    attempts.c.signer == slot.signer,
                    attempts.c.nonce == slot.nonce,
                )
                .values(sent_at=None, acknowledged_at=None, sent_block=None)
            )
        log.warning("transaction_reorganized", nonce=slot.nonce)

    def _finalize(self, look: Look) -> None:
        """Mark slots final by the indexer's mark; release what finally had no effect."""
        if look.finalized_number is None:
            return
        with self._lane.engine.begin() as connection:
            final = connection.execute(
                update(nonce_slots)
                .where(
                    slots_of(self._lane.chain_id, self._lane.sender),
                    nonce_slots.c.is_final.is_(False),
                    nonce_slots.c.state.in_(("mined_ok", "mined_failed", "foreign")),
                    nonce_slots.c.mined_block <= look.finalized_number,
                )
                .values(is_final=True)
                .returning(nonce_slots.c.batch_id, nonce_slots.c.state, nonce_slots.c.failure)
            ).all()
            for slot in final:
                if slot.state != "mined_ok":
                    _release(connection, slot)

    def _receipt(self, nonce: int) -> Receipt | None:
        """The receipt of whichever attempt at this nonce was mined."""
        with self._lane.engine.connect() as connection:
            hashes = connection.execute(
                select(attempts.c.tx_hash)
                .where(
                    attempts.c.chain_id == self._lane.chain_id,
                    attempts.c.signer == self._lane.sender,
                    attempts.c.nonce == nonce,
                )
                .order_by(attempts.c.sequence.desc())
            ).scalars()
            known = list(hashes)
        for tx_hash in known:
            receipt = self._lane.reader.transaction_receipt(TxHash(tx_hash))
            if receipt is not None:
                return receipt
        return None

    def _set_mined(self, slot: AnyRow, receipt: Receipt) -> None:
        state = "mined_ok" if receipt.succeeded else "mined_failed"
        failure = None if receipt.succeeded else self._why(slot)
        with self._lane.engine.begin() as connection:
            _set(
                connection,
                slot,
                state=state,
                mined_tx=receipt.tx_hash,
                mined_block=receipt.block_number,
                mined_block_hash=receipt.block_hash,
                gas_used=receipt.gas_used,
                effective_gas_price_wei=receipt.effective_gas_price,
                failure=failure,
            )
        log.info(
            "transaction_mined",
            nonce=slot.nonce,
            tx_hash=to_hex(receipt.tx_hash),
            block_number=receipt.block_number,
            state=state,
            failure=failure,
        )

    def _why(self, slot: AnyRow) -> str:
        """Ask why a mined transaction failed, by trying it again now."""
        lane = self._lane
        with lane.engine.connect() as connection:
            batch = connection.execute(
                select(batches).where(batches.c.id == slot.batch_id)
            ).one_or_none()
        if batch is None:
            return "nothing was to be done"
        try:
            lane.reader.estimate_gas(
                {
                    "from": to_hex(lane.sender),
                    "to": to_hex(batch.target),
                    "data": to_hex(batch.calldata),
                }
            )
        except RpcError as refusal:
            return decode_revert(refusal.data).reason
        return "out of gas, or the state it met has changed since"

    def _slots(self, condition: ColumnElement[bool]) -> Sequence[AnyRow]:
        with self._lane.engine.connect() as connection:
            return connection.execute(
                select(nonce_slots)
                .where(slots_of(self._lane.chain_id, self._lane.sender), condition)
                .order_by(nonce_slots.c.nonce)
            ).all()


def _open(look: Look) -> ColumnElement[bool]:
    """Slots whose nonce is spent although we have no receipt yet."""
    return and_(
        nonce_slots.c.nonce < look.mined_nonces,
        nonce_slots.c.state.in_(("reserved", "signed")),
    )


def _has_attempt(connection: Connection, slot: AnyRow) -> bool:
    return bool(
        connection.execute(
            select(
                exists().where(
                    attempts.c.chain_id == slot.chain_id,
                    attempts.c.signer == slot.signer,
                    attempts.c.nonce == slot.nonce,
                )
            )
        ).scalar_one()
    )


def _set(connection: Connection, slot: AnyRow, **values: object) -> None:
    connection.execute(
        update(nonce_slots)
        .where(
            nonce_slots.c.chain_id == slot.chain_id,
            nonce_slots.c.signer == slot.signer,
            nonce_slots.c.nonce == slot.nonce,
        )
        .values(**values)
    )


def _release(connection: Connection, slot: AnyRow) -> None:
    """Let the work of a batch be sealed again: its nonce was spent without effect, for good."""
    failure = slot.failure or "another transaction took its nonce"
    connection.execute(
        update(batches).where(batches.c.id == slot.batch_id).values(released_at=func.now())
    )
    connection.execute(
        update(batch_items)
        .where(batch_items.c.batch_id == slot.batch_id)
        .values(released_at=func.now())
    )
    released = connection.execute(
        update(requests)
        .where(requests.c.batch_id == slot.batch_id, requests.c.state == "batched")
        .values(
            batch_id=None, state="ready", strikes=requests.c.strikes + 1, state_since=func.now()
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
    log.warning("batch_released", batch_id=str(slot.batch_id), failure=failure)
