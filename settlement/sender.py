"""Sign what is sealed, commit the bytes, then send those same bytes until they are mined.

A crash between any two steps loses nothing: reserved slots are signed again, signed ones sent
again. Nothing is ever sent that is not committed, and nothing is given up because time passed.
"""

from dataclasses import dataclass

import structlog
from sqlalchemy import Connection, and_, case, func, insert, or_, select, update
from sqlalchemy.dialects.postgresql import distinct_on

from indexer.chain.types import Address, BlockNumber, TxHash, Wei, to_hex
from settlement.answers import Answer, classify, strongest
from settlement.fees import Fees, offer, replacement
from settlement.lane import Lane
from settlement.nonces import slots_of
from settlement.signer import SignedTransaction, UnsignedTransaction, sign_checked
from settlement.tables import AnyRow, attempts, batches, nonce_slots
from settlement.types import Nonce

log = structlog.get_logger()

SIGNED_PER_TURN_MAX = 32
FEE_HISTORY_BLOCKS = 5
MEDIAN_PERCENTILE = 50

_SAME_SLOT = and_(
    attempts.c.chain_id == nonce_slots.c.chain_id,
    attempts.c.signer == nonce_slots.c.signer,
    attempts.c.nonce == nonce_slots.c.nonce,
)


def sign_reserved(lane: Lane) -> int:
    """Sign every reserved slot and commit the bytes; returns how many."""
    with lane.engine.connect() as connection:
        reserved = connection.execute(
            select(nonce_slots.c.nonce, batches.c.target, batches.c.calldata, batches.c.gas_limit)
            .join(batches, batches.c.id == nonce_slots.c.batch_id)
            .where(slots_of(lane.chain_id, lane.sender), nonce_slots.c.state == "reserved")
            .order_by(nonce_slots.c.nonce)
            .limit(SIGNED_PER_TURN_MAX)
        ).all()
    if not reserved:
        return 0
    fees = current_offer(lane)
    signed = [
        _Signed(Nonce(row.nonce), 0, fees, sign_checked(lane.signer, _unsigned(lane, row, fees)))
        for row in reserved
    ]
    with lane.engine.begin() as connection:
        for one in signed:
            if _lock_slot(connection, lane, one.nonce) == "reserved":
                _store(connection, lane, one)
                _set_slot_signed(connection, lane, one.nonce)
    return len(signed)


def replace_stuck(lane: Lane, *, mined_nonces: int, head_number: BlockNumber) -> bool:
    """Replace the lowest unmined attempt at higher fees if it waited too long; says if it did.

    Only the lowest can be stuck by its fees: all others wait for it.

    Args:
        lane: The lane.
        mined_nonces: The account's transaction count in the newest block.
        head_number: Number of the newest block.
    """
    with lane.engine.connect() as connection:
        stuck = connection.execute(
            select(
                attempts,
                batches.c.target,
                batches.c.calldata,
                batches.c.gas_limit,
            )
            .join(nonce_slots, _SAME_SLOT)
            .join(batches, batches.c.id == nonce_slots.c.batch_id)
            .where(
                slots_of(lane.chain_id, lane.sender),
                nonce_slots.c.nonce == mined_nonces,
                nonce_slots.c.state == "signed",
            )
            .order_by(attempts.c.sequence.desc())
            .limit(1)
        ).one_or_none()
        if stuck is None or not _is_due_for_replacement(connection, lane, stuck, head_number):
            return False
    previous = Fees(Wei(stuck.max_fee_per_gas_wei), Wei(stuck.max_priority_fee_per_gas_wei))
    fees = replacement(previous, current_offer(lane), cap_wei=lane.policy.max_fee_per_gas_wei)
    if fees is None:
        log.warning("fee_cap_reached", nonce=stuck.nonce, tx_hash=to_hex(stuck.tx_hash))
        return False
    nonce = Nonce(stuck.nonce)
    signed = sign_checked(lane.signer, _unsigned(lane, stuck, fees))
    with lane.engine.begin() as connection:
        if _lock_slot(connection, lane, nonce) != "signed":
            return False
        _store(connection, lane, _Signed(nonce, stuck.sequence + 1, fees, signed))
    log.info("attempt_replaced", nonce=nonce, tx_hash=to_hex(signed.tx_hash))
    return True


def send_due(lane: Lane, *, head_number: BlockNumber) -> int:
    """Send the newest attempt of every signed slot that is due, lowest nonce first; says how many.

    Due is what was never sent, and what was sent long enough ago to be sent again. The intent is
    committed before a node sees anything, the answer after.

    Args:
        lane: The lane.
        head_number: Number of the newest block; patience with an attempt counts from there.
    """
    with lane.engine.begin() as connection:
        due = _due(connection, lane)
        if not due:
            return 0
        connection.execute(
            update(attempts)
            .where(attempts.c.tx_hash.in_([row.tx_hash for row in due]))
            .values(
                intent_at=func.coalesce(attempts.c.intent_at, func.now()),
                sends=attempts.c.sends + 1,
            )
        )
    answers = [(row, *_send(lane, row)) for row in due]
    with lane.engine.begin() as connection:
        for row, answer, words in answers:
            _store_answer(connection, TxHash(row.tx_hash), _Answered(answer, words, head_number))
    return len(due)


def current_offer(lane: Lane) -> Fees:
    """What a first attempt offers now."""
    history = lane.reader.fee_history(FEE_HISTORY_BLOCKS, [MEDIAN_PERCENTILE])
    return offer(
        history.base_fees[-1],
        [tips[0] for tips in history.rewards if tips and tips[0] > 0],
        tip_floor_wei=Wei(lane.network.min_priority_fee_wei),
        cap_wei=lane.policy.max_fee_per_gas_wei,
    )


@dataclass(frozen=True, slots=True)
class _Answered:
    answer: Answer
    words: str
    head_number: BlockNumber


@dataclass(frozen=True, slots=True)
class _Signed:
    nonce: Nonce
    sequence: int
    fees: Fees
    transaction: SignedTransaction


def _unsigned(lane: Lane, row: AnyRow, fees: Fees) -> UnsignedTransaction:
    return UnsignedTransaction(
        chain_id=lane.chain_id,
        nonce=Nonce(row.nonce),
        to=Address(row.target),
        calldata=bytes(row.calldata),
        gas_limit=row.gas_limit,
        fees=fees,
    )


def _lock_slot(connection: Connection, lane: Lane, nonce: Nonce) -> str:
    """Lock a slot and read its state: another process may have signed it meanwhile."""
    return str(
        connection.execute(
            select(nonce_slots.c.state)
            .where(slots_of(lane.chain_id, lane.sender), nonce_slots.c.nonce == nonce)
            .with_for_update()
        ).scalar_one()
    )


def _store(connection: Connection, lane: Lane, signed: _Signed) -> None:
    connection.execute(
        insert(attempts).values(
            tx_hash=signed.transaction.tx_hash,
            chain_id=lane.chain_id,
            signer=lane.sender,
            nonce=signed.nonce,
            sequence=signed.sequence,
            raw=signed.transaction.raw,
            max_fee_per_gas_wei=signed.fees.max_fee_per_gas_wei,
            max_priority_fee_per_gas_wei=signed.fees.max_priority_fee_per_gas_wei,
        )
    )


def _set_slot_signed(connection: Connection, lane: Lane, nonce: Nonce) -> None:
    connection.execute(
        update(nonce_slots)
        .where(slots_of(lane.chain_id, lane.sender), nonce_slots.c.nonce == nonce)
        .values(state="signed")
    )


def _is_due_for_replacement(
    connection: Connection, lane: Lane, newest: AnyRow, head_number: BlockNumber
) -> bool:
    """Whether more money could help: never for what no node has seen, nor without gas money."""
    if newest.sent_at is None or newest.sent_block is None:
        return False
    now = connection.execute(select(func.now())).scalar_one()
    passed_by = head_number - newest.sent_block
    match (newest.last_answer or "").partition(":")[0]:
        case "no_gas_money":
            return False
        case "underpriced":
            return passed_by > 0 and bool(newest.sent_at <= now - lane.policy.resend_after)
        case _:
            return (
                newest.acknowledged_at is not None
                and newest.acknowledged_at <= now - lane.policy.bump_after
                and passed_by >= lane.policy.bump_blocks
            )


def _due(connection: Connection, lane: Lane) -> list[AnyRow]:
    newest = (
        select(attempts)
        .ext(distinct_on(attempts.c.nonce))
        .join(nonce_slots, _SAME_SLOT)
        .where(slots_of(lane.chain_id, lane.sender), nonce_slots.c.state == "signed")
        .order_by(attempts.c.nonce, attempts.c.sequence.desc())
        .subquery()
    )
    rows = connection.execute(
        select(newest.c.tx_hash, newest.c.raw, newest.c.nonce)
        .where(
            or_(
                newest.c.sent_at.is_(None),
                newest.c.sent_at < func.now() - lane.policy.resend_after,
            )
        )
        .order_by(newest.c.nonce)
        .limit(lane.policy.in_flight_max)
    )
    return list(rows)


def _send(lane: Lane, row: AnyRow) -> tuple[Answer, str]:
    outcomes = lane.reader.send_raw_to_all(bytes(row.raw))
    answer = strongest([classify(outcome) for outcome in outcomes])
    words = "; ".join(str(outcome) for outcome in outcomes if isinstance(outcome, Exception))
    level = log.info if answer == "accepted" else log.warning
    level("transaction_sent", nonce=row.nonce, tx_hash=to_hex(row.tx_hash), answer=answer)
    return answer, words


def _store_answer(connection: Connection, tx_hash: TxHash, answered: _Answered) -> None:
    answer, words = answered.answer, answered.words
    values = {"sent_at": func.now(), "last_answer": f"{answer}: {words}" if words else answer}
    if answer == "accepted":
        values["acknowledged_at"] = func.coalesce(attempts.c.acknowledged_at, func.now())
        values["sent_block"] = case(
            (attempts.c.acknowledged_at.is_(None), answered.head_number),
            else_=attempts.c.sent_block,
        )
    elif answer == "underpriced":
        values["sent_block"] = func.coalesce(attempts.c.sent_block, answered.head_number)
    connection.execute(update(attempts).where(attempts.c.tx_hash == tx_hash).values(**values))
