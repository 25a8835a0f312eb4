"""How each account that sends stands: its nonces, what is under way, and what it spends."""

import math
from dataclasses import dataclass, replace
from typing import Final

from sqlalchemy import Connection, and_, exists, func, literal, or_, select
from sqlalchemy.dialects.postgresql import aggregate_order_by

from indexer.chain.types import Address, ChainId, Wei
from indexer.db.columns import UTC_TIME
from settlement.nonces import slots_of
from settlement.record_tables import wallets
from settlement.reporting.counting import age_s
from settlement.reporting.standing import runway_hours
from settlement.spending import DAY, gas_spent
from settlement.tables import AnyRow, attempts, batches, nonce_slots, signers
from settlement.types import Nonce

UNMINED: Final = ("reserved", "signed")

_SAME_SLOT = and_(
    attempts.c.chain_id == nonce_slots.c.chain_id,
    attempts.c.signer == nonce_slots.c.signer,
    attempts.c.nonce == nonce_slots.c.nonce,
)


@dataclass(frozen=True, slots=True)
class LowestNonce:
    """The nonce that all others wait for."""

    nonce: Nonce
    kind: str
    """Of its batch."""
    age_s: int
    """Seconds since it was first sent, or else sealed."""
    attempts: int
    last_answer: str | None


@dataclass(frozen=True, slots=True)
class SignerStanding:
    """One account that sends."""

    address: Address
    mode: str
    mode_reason: str | None
    next_nonce: Nonce
    in_flight: int
    """Transactions sealed and not mined."""
    lowest: LowestNonce | None
    attempts_per_slot: float | None
    """Signed transactions per nonce, of the last 24 hours; None where nothing was sealed."""
    gas_spent_24h_wei: Wei
    is_wallet: bool = False
    """It is kept for a person, and is given coins when it has something to send."""
    balance_wei: Wei | None = None
    """None while no node was asked."""
    runway_h: float | None = None
    """Hours until it is empty at today's pace; None where that, or the balance, is unknown, and of
    a wallet."""


def signers_of(connection: Connection, chain_id: ChainId) -> tuple[SignerStanding, ...]:
    """The platform's signers of a chain, and the wallets that are quarantined or have to send."""
    is_wallet = exists().where(wallets.c.address == signers.c.address)
    sends = exists().where(
        nonce_slots.c.chain_id == signers.c.chain_id,
        nonce_slots.c.signer == signers.c.address,
        nonce_slots.c.state.in_(UNMINED),
    )
    rows = connection.execute(
        select(signers, is_wallet.label("is_wallet"))
        .where(
            signers.c.chain_id == chain_id,
            or_(~is_wallet, signers.c.mode == "quarantine", sends),
        )
        .order_by(is_wallet, signers.c.address)
    )
    return tuple(_signer(connection, row) for row in rows.all())


def with_balance(account: SignerStanding, balance_wei: Wei) -> SignerStanding:
    """The same account with what a node says it holds. Pure."""
    hours = runway_hours(balance_wei, account.gas_spent_24h_wei)
    is_known = not (account.is_wallet or math.isinf(hours))
    return replace(account, balance_wei=balance_wei, runway_h=round(hours, 1) if is_known else None)


def attempts_per_slot(
    connection: Connection, *, chain_id: ChainId, signer: Address
) -> float | None:
    """Signed transactions per nonce that was sealed in the last 24 hours; None for no nonce."""
    row = connection.execute(
        select(func.count(attempts.c.tx_hash), func.count(nonce_slots.c.nonce.distinct()))
        .join(batches, batches.c.id == nonce_slots.c.batch_id)
        .outerjoin(attempts, _SAME_SLOT)
        .where(
            slots_of(chain_id, signer),
            batches.c.chain_id == chain_id,
            batches.c.sealed_at > func.now() - DAY,
        )
    ).one()
    signed, slots = row
    return signed / slots if slots else None


def lowest_unmined(
    connection: Connection, *, chain_id: ChainId, signer: Address
) -> LowestNonce | None:
    """The lowest nonce that is sealed and not mined; None when nothing is under way."""
    slot = connection.execute(
        select(nonce_slots.c.nonce, batches.c.kind, batches.c.sealed_at)
        .join(batches, batches.c.id == nonce_slots.c.batch_id)
        .where(slots_of(chain_id, signer), nonce_slots.c.state.in_(UNMINED))
        .order_by(nonce_slots.c.nonce)
        .limit(1)
    ).one_or_none()
    if slot is None:
        return None
    sent = connection.execute(
        select(
            func.count(),
            age_s(func.coalesce(func.min(attempts.c.intent_at), literal(slot.sealed_at, UTC_TIME))),
            func.array_agg(aggregate_order_by(attempts.c.last_answer, attempts.c.sequence.desc()))[
                1
            ],
        ).where(
            attempts.c.chain_id == chain_id,
            attempts.c.signer == signer,
            attempts.c.nonce == slot.nonce,
        )
    ).one()
    count, passed_s, answer = sent
    return LowestNonce(slot.nonce, slot.kind, passed_s, count, answer)


def in_flight(connection: Connection, *, chain_id: ChainId, signer: Address) -> int:
    """Transactions sealed and not mined."""
    return connection.execute(
        select(func.count())
        .select_from(nonce_slots)
        .where(slots_of(chain_id, signer), nonce_slots.c.state.in_(UNMINED))
    ).scalar_one()


def _signer(connection: Connection, row: AnyRow) -> SignerStanding:
    chain_id, signer = row.chain_id, row.address
    return SignerStanding(
        address=signer,
        mode=row.mode,
        mode_reason=row.mode_reason,
        next_nonce=row.next_nonce,
        in_flight=in_flight(connection, chain_id=chain_id, signer=signer),
        lowest=lowest_unmined(connection, chain_id=chain_id, signer=signer),
        attempts_per_slot=attempts_per_slot(connection, chain_id=chain_id, signer=signer),
        gas_spent_24h_wei=gas_spent(
            connection, chain_id=chain_id, signer=signer, unsigned_fee_wei=Wei(0)
        ),
        is_wallet=row.is_wallet,
    )
