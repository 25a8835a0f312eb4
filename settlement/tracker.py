"""Close nonce slots by receipts, and open them again when a reorg takes the receipts back.

Receipts say what a nonce was spent on and what gas it cost. Whether a payment is settled, only the
index says. Every write names the state it was decided in: who was asleep changes nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import structlog
from sqlalchemy import ColumnElement, Connection, and_, exists, func, or_, select, update

from indexer.chain.blocks import Receipt
from indexer.chain.types import BlockHash, BlockNumber, TxHash, to_hex
from indexer.errors import RpcError, RpcUnavailable
from indexer.tables import blocks
from settlement.adoption import adopt, spender_of
from settlement.lane import Lane
from settlement.nonces import fill_holes, quarantine, slots_of
from settlement.releasing import release
from settlement.reverts import decode_revert
from settlement.tables import AnyRow, attempts, batches, nonce_slots, signers
from settlement.types import Nonce

log = structlog.get_logger()

FOREIGN_AFTER_BLOCKS = 10
"""Blocks for which a spent nonce may lack a receipt of ours before another sender is blamed that
nobody can name: nodes behind one URL lag behind each other."""
GIVEN_UP = "given up to a no-op"
_MINED = ("mined_ok", "mined_failed", "foreign")


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
        self._fill_holes(look)
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

    def _fill_holes(self, look: Look) -> None:
        """See to it that what is under way can be mined: every nonce below it has a slot."""
        lane = self._lane
        with lane.engine.begin() as connection:
            lowest = connection.execute(
                select(func.min(nonce_slots.c.nonce)).where(
                    slots_of(lane.chain_id, lane.sender),
                    nonce_slots.c.nonce >= look.mined_nonces,
                )
            ).scalar_one()
            if lowest is not None and lowest > look.mined_nonces:
                fill_holes(
                    connection,
                    chain_id=lane.chain_id,
                    address=lane.sender,
                    mined_nonces=look.mined_nonces,
                )

    def _close(self, slot: AnyRow, look: Look) -> None:
        """Close an open slot whose nonce is spent: by our receipt, or by a foreign transaction."""
        hashes = self._hashes(slot.nonce)
        receipt = self._receipt(hashes)
        if receipt is not None:
            self._absent_since.pop(slot.nonce, None)
            self._set_mined(slot, receipt)
            return
        spender = spender_of(self._lane, Nonce(slot.nonce), head_number=look.head_number)
        if spender in hashes:
            return  # ours: its receipt will come
        if spender is None:
            first_absent = self._absent_since.setdefault(slot.nonce, look.head_number)
            is_patient = look.head_number - first_absent < FOREIGN_AFTER_BLOCKS
            if is_patient or not self._is_unknown_everywhere(hashes):
                return
        elif adopt(self._lane, slot, spender):
            return  # closed by its receipt at the next look
        self._blame(slot, look, spender)

    def _is_unknown_everywhere(self, hashes: Sequence[TxHash]) -> bool:
        """Whether every node says that it has mined none of these; a silent one proves nothing."""
        try:
            return self._lane.reader.receipt_anywhere(hashes) is None
        except RpcUnavailable as silence:
            log.warning("receipt_not_ruled_out", why=str(silence))
            return False

    def _blame(self, slot: AnyRow, look: Look, spender: TxHash | None) -> None:
        """Stop sealing: somebody else has the key."""
        by = "another transaction" if spender is None else f"transaction {to_hex(spender)}"
        with self._lane.engine.begin() as connection:
            _set(
                connection,
                slot,
                state="foreign",
                mined_block=look.head_number,
                mined_at=func.now(),
                failure=f"{by} took its nonce",
            )
            if slot.batch_id is not None:  # a hole that was none: a node lagged
                quarantine(
                    connection,
                    chain_id=self._lane.chain_id,
                    address=self._lane.sender,
                    reason=f"{by} took nonce {slot.nonce}",
                )

    def _recheck(self, look: Look) -> None:
        """Compare the block of every mined slot with the chain; what vanished is open again."""
        slots = self._slots(
            and_(nonce_slots.c.state.in_(_MINED), nonce_slots.c.is_final.is_(False))
        )
        numbers = sorted({BlockNumber(slot.mined_block) for slot in slots})
        present = [number for number in numbers if number <= look.head_number]
        hashes = {header.number: header.hash for header in self._lane.reader.headers(present)}
        for slot in slots:
            if slot.mined_block_hash == hashes.get(slot.mined_block, b""):
                continue
            receipt = self._receipt(self._hashes(slot.nonce))
            if receipt is not None:
                self._set_mined(slot, receipt)
            elif slot.state != "foreign" or slot.nonce >= look.mined_nonces:
                self._reopen(slot)

    def _reopen(self, slot: AnyRow) -> None:
        """Forget the receipt, and what nodes said: the bytes are sent again, as if at first."""
        with self._lane.engine.begin() as connection:
            changed = _set(
                connection,
                slot,
                state="signed" if _has_attempt(connection, slot) else "reserved",
                mined_tx=None,
                mined_block=None,
                mined_block_hash=None,
                mined_at=None,
                gas_used=None,
                effective_gas_price_wei=None,
                failure=None,
            )
            if changed:
                connection.execute(
                    update(attempts)
                    .where(_of_slot(slot))
                    .values(sent_at=None, acknowledged_at=None, sent_block=None)
                )
        log.warning("transaction_reorganized", nonce=slot.nonce)

    def _finalize(self, look: Look) -> None:
        """Mark slots final by the indexer's mark; release what finally had no effect.

        The indexer's own hash at that height, where it keeps one, must be the receipt's.
        """
        if look.finalized_number is None:
            return
        contradicted = exists().where(
            blocks.c.chain_id == nonce_slots.c.chain_id,
            blocks.c.number == nonce_slots.c.mined_block,
            blocks.c.hash != nonce_slots.c.mined_block_hash,
        )
        with self._lane.engine.begin() as connection:
            final = connection.execute(
                update(nonce_slots)
                .where(
                    slots_of(self._lane.chain_id, self._lane.sender),
                    nonce_slots.c.is_final.is_(False),
                    nonce_slots.c.state.in_(_MINED),
                    nonce_slots.c.mined_block <= look.finalized_number,
                    or_(nonce_slots.c.state == "foreign", ~contradicted),
                )
                .values(is_final=True, final_at=func.now())
                .returning(nonce_slots.c.batch_id, nonce_slots.c.state, nonce_slots.c.failure)
            ).all()
            for slot in final:
                if slot.state != "mined_ok" and slot.batch_id is not None:
                    release(connection, slot)

    def _hashes(self, nonce: int) -> list[TxHash]:
        """All that was ever signed for a nonce, newest first."""
        with self._lane.engine.connect() as connection:
            return [
                TxHash(tx_hash)
                for tx_hash in connection.execute(
                    select(attempts.c.tx_hash)
                    .where(
                        attempts.c.chain_id == self._lane.chain_id,
                        attempts.c.signer == self._lane.sender,
                        attempts.c.nonce == nonce,
                    )
                    .order_by(attempts.c.sequence.desc())
                ).scalars()
            ]

    def _receipt(self, hashes: Sequence[TxHash]) -> Receipt | None:
        """The receipt of whichever of these was mined."""
        for tx_hash in hashes:
            receipt = self._lane.reader.transaction_receipt(tx_hash)
            if receipt is not None:
                return receipt
        return None

    def _set_mined(self, slot: AnyRow, receipt: Receipt) -> None:
        failure = self._failure(slot, receipt)
        state = "mined_ok" if failure is None else "mined_failed"
        with self._lane.engine.begin() as connection:
            _set(
                connection,
                slot,
                state=state,
                mined_tx=receipt.tx_hash,
                mined_block=receipt.block_number,
                mined_block_hash=receipt.block_hash,
                mined_at=func.now(),
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

    def _failure(self, slot: AnyRow, receipt: Receipt) -> str | None:
        """Why a mined transaction did not do what its batch says; None when it did."""
        if not receipt.succeeded:
            return self._why(slot)
        with self._lane.engine.connect() as connection:
            is_noop = connection.execute(
                select(attempts.c.is_noop).where(attempts.c.tx_hash == receipt.tx_hash)
            ).scalar_one()
        return GIVEN_UP if is_noop else None

    def _why(self, slot: AnyRow) -> str:
        """Ask why a mined transaction failed, by trying it again now."""
        lane = self._lane
        with lane.engine.connect() as connection:
            batch = connection.execute(
                select(batches).where(batches.c.id == slot.batch_id)
            ).one_or_none()
        if batch is None:
            return GIVEN_UP
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
    return bool(connection.execute(select(exists().where(_of_slot(slot)))).scalar_one())


def _of_slot(slot: AnyRow) -> ColumnElement[bool]:
    return and_(
        attempts.c.chain_id == slot.chain_id,
        attempts.c.signer == slot.signer,
        attempts.c.nonce == slot.nonce,
    )


def _set(connection: Connection, slot: AnyRow, **values: object) -> bool:
    """Change a slot that is still as it was read; says whether it was."""
    return bool(
        connection.execute(
            update(nonce_slots)
            .where(
                nonce_slots.c.chain_id == slot.chain_id,
                nonce_slots.c.signer == slot.signer,
                nonce_slots.c.nonce == slot.nonce,
                nonce_slots.c.state == slot.state,
                nonce_slots.c.is_final.is_(False),
                nonce_slots.c.mined_block_hash.is_not_distinct_from(slot.mined_block_hash),
            )
            .values(**values)
        ).rowcount
    )
