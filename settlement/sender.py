"""Sign what is sealed, commit the bytes, then send those same bytes until they are mined.

A crash between any two steps loses nothing: reserved slots are signed again, signed ones sent
again. Nothing is ever sent that is not committed, and nothing is given up because time passed.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import structlog
from sqlalchemy import Connection, and_, case, func, insert, or_, select, update
from sqlalchemy.dialects.postgresql import distinct_on

from indexer.chain.types import Address, BlockNumber, TxHash, Wei, to_hex
from indexer.errors import InvariantError, LastroError
from settlement.answers import Answer, classify, strongest
from settlement.fees import Fees
from settlement.head import Prices
from settlement.lane import Lane
from settlement.nonces import slots_of
from settlement.permissions import read_permissions
from settlement.policy import Permissions
from settlement.signer import SignerRefused, SignerUnavailable, sign_checked
from settlement.tables import AnyRow, attempts, batches, nonce_slots
from settlement.transactions import SignedTransaction, UnsignedTransaction
from settlement.types import Nonce

log = structlog.get_logger()

SIGNED_PER_TURN_MAX = 32
TRANSFER_GAS = 21_000
"""Of a transaction that does nothing."""

CALL = (batches.c.target, batches.c.calldata, batches.c.gas_limit, batches.c.value_wei)
"""What a transaction of a batch is made of."""
SAME_SLOT = and_(
    attempts.c.chain_id == nonce_slots.c.chain_id,
    attempts.c.signer == nonce_slots.c.signer,
    attempts.c.nonce == nonce_slots.c.nonce,
)


@dataclass(frozen=True, slots=True)
class Signed:
    """An attempt to be stored."""

    nonce: Nonce
    sequence: int
    fees: Fees
    transaction: SignedTransaction
    is_noop: bool = False


def sign_reserved(lane: Lane, prices: Prices) -> int:
    """Sign every reserved slot and commit the bytes; returns how many.

    What may not be signed never left, so its nonce is given up to a no-op: no other waits for it.

    Args:
        lane: The lane.
        prices: What gas costs now.

    Raises:
        SignerUnavailable: Nothing is signed now.
        SignerRefused: The key's service will not sign one of them; the others are signed.
        InvariantError: One may not be signed, or what was signed is not what was asked for.
    """
    with lane.engine.connect() as connection:
        reserved = connection.execute(
            select(nonce_slots.c.nonce, nonce_slots.c.batch_id, *CALL)
            .outerjoin(batches, batches.c.id == nonce_slots.c.batch_id)
            .where(slots_of(lane.chain_id, lane.sender), nonce_slots.c.state == "reserved")
            .order_by(nonce_slots.c.nonce)
            .limit(SIGNED_PER_TURN_MAX)
        ).all()
        if not reserved:
            return 0
        permissions = read_permissions(
            connection,
            lane.deployment,
            account=lane.sender,
            max_fee_per_gas_wei=lane.policy.max_fee_per_gas_wei,
        )
    signed, refusal = _sign(lane, reserved, prices.offer(), permissions)
    with lane.engine.begin() as connection:
        for one in signed:
            if lock_slot(connection, lane, one.nonce) == "reserved":
                store(connection, lane, one)
                _set_slot_signed(connection, lane, one.nonce)
    if refusal is not None:
        raise refusal
    return len(signed)


def _sign(
    lane: Lane, reserved: Sequence[AnyRow], fees: Fees, permissions: Permissions
) -> tuple[list[Signed], LastroError | None]:
    """Sign in order, as far as the signer goes along: what it did sign is not asked for again.

    Returns:
        What is signed, and the first refusal if there was one.
    """
    signed, refused = list[Signed](), None
    for row in reserved:
        nonce, is_noop = Nonce(row.nonce), row.batch_id is None
        try:
            call = no_op(lane, nonce, fees) if is_noop else planned_call(lane, row, fees)
            transaction = sign_checked(lane.signer, call, permissions=permissions)
        except SignerUnavailable:
            if not signed:
                raise
            break
        except (SignerRefused, InvariantError) as refusal:
            is_noop, refused = True, refused or refusal
            nothing = no_op(lane, nonce, fees)
            transaction = sign_checked(lane.signer, nothing, permissions=permissions)
            log.warning("call_refused_by_signer", nonce=nonce, why=str(refusal))
        signed.append(Signed(nonce, 0, fees, transaction, is_noop))
    return signed, refused


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


@dataclass(frozen=True, slots=True)
class _Answered:
    answer: Answer
    words: str
    head_number: BlockNumber


def planned_call(lane: Lane, row: AnyRow, fees: Fees) -> UnsignedTransaction:
    """The transaction of a batch, from its columns ``CALL`` and its nonce."""
    return UnsignedTransaction(
        chain_id=lane.chain_id,
        nonce=Nonce(row.nonce),
        to=Address(row.target),
        calldata=bytes(row.calldata),
        gas_limit=row.gas_limit,
        fees=fees,
        value_wei=Wei(row.value_wei),
    )


def no_op(lane: Lane, nonce: Nonce, fees: Fees) -> UnsignedTransaction:
    """A transaction of nothing to the signer itself, which gives a nonce up."""
    return UnsignedTransaction(
        chain_id=lane.chain_id,
        nonce=nonce,
        to=lane.sender,
        calldata=b"",
        gas_limit=TRANSFER_GAS,
        fees=fees,
    )


def lock_slot(connection: Connection, lane: Lane, nonce: Nonce) -> str:
    """Lock a slot and read its state: another process may have signed it meanwhile."""
    return str(
        connection.execute(
            select(nonce_slots.c.state)
            .where(slots_of(lane.chain_id, lane.sender), nonce_slots.c.nonce == nonce)
            .with_for_update()
        ).scalar_one()
    )


def store(connection: Connection, lane: Lane, signed: Signed) -> None:
    """Store an attempt, in the transaction that locked its slot."""
    connection.execute(
        insert(attempts).values(
            tx_hash=signed.transaction.tx_hash,
            chain_id=lane.chain_id,
            signer=lane.sender,
            nonce=signed.nonce,
            sequence=signed.sequence,
            is_noop=signed.is_noop,
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


def _due(connection: Connection, lane: Lane) -> list[AnyRow]:
    newest = (
        select(attempts, batches.c.released_at)
        .ext(distinct_on(attempts.c.nonce))
        .join(nonce_slots, SAME_SLOT)
        .outerjoin(batches, batches.c.id == nonce_slots.c.batch_id)
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
            ),
            # The work of a released batch is in another by now.
            or_(newest.c.released_at.is_(None), newest.c.is_noop),
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
    elif answer in ("underpriced", "unknown"):
        values["sent_block"] = func.coalesce(attempts.c.sent_block, answered.head_number)
    connection.execute(update(attempts).where(attempts.c.tx_hash == tx_hash).values(**values))
