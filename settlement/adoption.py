"""Whose transaction took a nonce, when none that we remember did.

After a database was restored to an earlier moment, the bytes of a transaction may be on-chain and
not in our tables. It is found by the account's history, and taken back if it does what its slot's
batch says; anything else was sent by somebody who holds our key.
"""

import structlog
from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert

from indexer.chain.types import BlockNumber, TxHash, Wei, to_hex
from indexer.errors import RpcError
from settlement.lane import Lane
from settlement.nonces import slots_of
from settlement.sender import CALL, SAME_SLOT, lock_slot
from settlement.tables import AnyRow, attempts, batches, nonce_slots
from settlement.transactions import UnsignedTransaction, read_signed
from settlement.types import Nonce

log = structlog.get_logger()

HISTORY_BLOCKS = 128
"""How far back nodes without an archive know an account's state (go-ethereum's default)."""


def spender_of(lane: Lane, nonce: Nonce, *, head_number: BlockNumber) -> TxHash | None:
    """The transaction that took a nonce, by bisecting the account's history; None if too old.

    Raises:
        RpcUnavailable: No node answers.
    """
    low, high = BlockNumber(max(0, head_number - HISTORY_BLOCKS)), head_number
    try:
        if lane.reader.nonce(lane.sender, low) > nonce:
            return None
        while high - low > 1:
            middle = BlockNumber((low + high) // 2)
            if lane.reader.nonce(lane.sender, middle) > nonce:
                high = middle
            else:
                low = middle
        return lane.reader.sent_in(high, lane.sender, nonce)
    except RpcError as refusal:  # a node that keeps even less of its history
        log.warning("history_refused", nonce=nonce, why=refusal.message)
        return None


def adopt(lane: Lane, slot: AnyRow, tx_hash: TxHash) -> bool:
    """Store a transaction as an attempt of ours if it is what its slot's batch says.

    Args:
        lane: The lane.
        slot: Whose nonce it took.
        tx_hash: As the chain knows it.

    Raises:
        RpcUnavailable: No node answers.
    """
    try:
        raw = lane.reader.raw_transaction(tx_hash)
    except RpcError as refusal:
        log.warning("raw_transaction_refused", tx_hash=to_hex(tx_hash), why=refusal.message)
        return False
    signed = None if raw is None else read_signed(raw)
    if raw is None or signed is None or signed.sender != lane.sender:
        return False
    with lane.engine.begin() as connection:
        if lock_slot(connection, lane, slot.nonce) not in ("reserved", "signed"):
            return True  # another process has closed it
        batch = connection.execute(select(*CALL).where(batches.c.id == slot.batch_id)).one_or_none()
        if batch is None or not _is_call_of(signed.transaction, slot, batch):
            return False
        newest = connection.execute(
            select(func.max(attempts.c.sequence))
            .join(nonce_slots, SAME_SLOT)
            .where(
                nonce_slots.c.chain_id == slot.chain_id,
                nonce_slots.c.signer == slot.signer,
                nonce_slots.c.nonce == slot.nonce,
            )
        ).scalar_one()
        connection.execute(
            update(nonce_slots)
            .where(
                slots_of(lane.chain_id, lane.sender),
                nonce_slots.c.nonce == slot.nonce,
                nonce_slots.c.state == "reserved",
            )
            .values(state="signed")
        )
        fees = signed.transaction.fees
        connection.execute(
            insert(attempts)
            .values(
                tx_hash=tx_hash,
                chain_id=slot.chain_id,
                signer=slot.signer,
                nonce=slot.nonce,
                sequence=0 if newest is None else newest + 1,
                raw=raw,
                max_fee_per_gas_wei=fees.max_fee_per_gas_wei,
                max_priority_fee_per_gas_wei=fees.max_priority_fee_per_gas_wei,
                intent_at=func.now(),
                sent_at=func.now(),
                acknowledged_at=func.now(),
                sends=1,
                last_answer="accepted: adopted from the chain",
            )
            .on_conflict_do_nothing()
        )
    log.warning("transaction_adopted", nonce=slot.nonce, tx_hash=to_hex(tx_hash))
    return True


def _is_call_of(transaction: UnsignedTransaction, slot: AnyRow, batch: AnyRow) -> bool:
    return (
        transaction.chain_id == slot.chain_id
        and transaction.nonce == slot.nonce
        and transaction.to == batch.target
        and transaction.calldata == bytes(batch.calldata)
        and transaction.value_wei == Wei(batch.value_wei)
    )
