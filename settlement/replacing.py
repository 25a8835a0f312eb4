"""Replace what is stuck: the lowest unmined attempt, by the same call at higher fees.

What every node refuses for good is given up to a no-op under the same nonce; both are followed, and
whichever is mined decides. So is a batch that was released, whose final block was rewound: its work
is in another by now. Nothing else ever takes a nonce away from its batch.
"""

import structlog
from sqlalchemy import Connection, func, select

from indexer.chain.types import BlockNumber, Wei, to_hex
from settlement.fees import Fees, replacement
from settlement.head import Prices
from settlement.lane import Lane
from settlement.nonces import slots_of
from settlement.permissions import read_permissions
from settlement.sender import CALL, SAME_SLOT, Signed, lock_slot, no_op, planned_call, store
from settlement.signer import sign_checked
from settlement.tables import AnyRow, attempts, batches, nonce_slots
from settlement.types import Nonce

log = structlog.get_logger()

REFUSALS_MIN = 3
"""Sends that every node refused before a nonce is given up: one refusal may be a glitch."""
UNKNOWN_PATIENCE = 2
"""What no node has acknowledged is given so many times the patience with what one has."""


def replace_stuck(
    lane: Lane, prices: Prices, *, mined_nonces: int, head_number: BlockNumber
) -> bool:
    """Replace the lowest unmined attempt if it waited too long; says if it did.

    Only the lowest can be stuck by its fees: all others wait for it.

    Args:
        lane: The lane.
        prices: What gas costs now.
        mined_nonces: The account's transaction count in the newest block.
        head_number: Number of the newest block.
    """
    with lane.engine.connect() as connection:
        stuck = _lowest(connection, lane, mined_nonces)
        if stuck is None:
            return False
        gives_up = _is_refused(stuck) or (stuck.released_at is not None and not stuck.is_noop)
        if not (gives_up or _is_overdue(connection, lane, stuck, head_number)):
            return False
        permissions = read_permissions(
            connection,
            lane.deployment,
            account=lane.sender,
            max_fee_per_gas_wei=lane.policy.max_fee_per_gas_wei,
        )
    previous = Fees(Wei(stuck.max_fee_per_gas_wei), Wei(stuck.max_priority_fee_per_gas_wei))
    fees = replacement(previous, prices.offer(), cap_wei=lane.policy.max_fee_per_gas_wei)
    if fees is None and gives_up:
        fees = prices.offer()  # no pool holds what it replaces, so it need not be outbid
    if fees is None:
        log.warning("fee_cap_reached", nonce=stuck.nonce, tx_hash=to_hex(stuck.tx_hash))
        return False
    is_noop = gives_up or stuck.is_noop
    call = no_op(lane, Nonce(stuck.nonce), fees) if is_noop else planned_call(lane, stuck, fees)
    transaction = sign_checked(lane.signer, call, permissions=permissions)
    signed = Signed(Nonce(stuck.nonce), stuck.sequence + 1, fees, transaction, is_noop)
    if not _store(lane, signed):
        return False
    event = "nonce_given_up" if gives_up else "attempt_replaced"
    log.warning(event, nonce=stuck.nonce, tx_hash=to_hex(transaction.tx_hash))
    return True


def _lowest(connection: Connection, lane: Lane, mined_nonces: int) -> AnyRow | None:
    """The newest attempt at the lowest unmined nonce."""
    return connection.execute(
        select(attempts, batches.c.released_at, *CALL)
        .join(nonce_slots, SAME_SLOT)
        .outerjoin(batches, batches.c.id == nonce_slots.c.batch_id)
        .where(
            slots_of(lane.chain_id, lane.sender),
            nonce_slots.c.nonce == mined_nonces,
            nonce_slots.c.state == "signed",
        )
        .order_by(attempts.c.sequence.desc())
        .limit(1)
    ).one_or_none()


def _store(lane: Lane, signed: Signed) -> bool:
    """Store a replacement, unless another process was faster; says whether it did."""
    with lane.engine.begin() as connection:
        if lock_slot(connection, lane, signed.nonce) != "signed":
            return False
        newest = connection.execute(
            select(func.max(attempts.c.sequence)).where(
                attempts.c.chain_id == lane.chain_id,
                attempts.c.signer == lane.sender,
                attempts.c.nonce == signed.nonce,
            )
        ).scalar_one()
        if newest != signed.sequence - 1:
            return False
        store(connection, lane, signed)
    return True


def _is_refused(newest: AnyRow) -> bool:
    """Whether every node refuses the call for good: no fee would help, and it blocks all others."""
    if newest.is_noop or newest.acknowledged_at is not None:
        return False
    return _answer(newest) == "invalid" and bool(newest.sends >= REFUSALS_MIN)


def _is_overdue(
    connection: Connection, lane: Lane, newest: AnyRow, head_number: BlockNumber
) -> bool:
    """Whether more money could help: never for what no node has seen, nor without gas money."""
    if newest.sent_at is None or newest.sent_block is None:
        return False
    now = connection.execute(select(func.now())).scalar_one()
    passed_by = head_number - newest.sent_block
    match _answer(newest):
        case "no_gas_money":
            return False
        case "underpriced":
            return passed_by > 0 and bool(newest.sent_at <= now - lane.policy.resend_after)
        case _:
            known = newest.acknowledged_at
            patience = lane.policy.bump_after * (1 if known is not None else UNKNOWN_PATIENCE)
            since = known if known is not None else newest.intent_at
            return passed_by >= lane.policy.bump_blocks and bool(since <= now - patience)


def _answer(newest: AnyRow) -> str:
    return str((newest.last_answer or "").partition(":")[0])
