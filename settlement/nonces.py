"""Nonces without holes: a batch, its items and its nonce are one transaction, or nothing.

Whoever seals holds the signer's row; so two sealers take turns, and each nonce goes to one batch.
"""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID, uuid4

import structlog
from sqlalchemy import ColumnElement, Connection, and_, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from indexer.chain.types import Address, ChainId, TokenAmount, Wei
from indexer.errors import TransientError
from settlement.due import asked_back
from settlement.tables import batch_items, batches, nonce_slots, requests, signers
from settlement.types import BatchId, BatchKind, Nonce

log = structlog.get_logger()

NO_COINS = Wei(0)
HOLES_MAX = 64
"""Nonces looked at above the chain's count: no lane has more under way."""


class StaleSeal(TransientError):  # noqa: N818 - reads as a state: what was planned is out of date
    """The world moved between planning and sealing; plan again."""


@dataclass(frozen=True, slots=True)
class SealedSigner:
    """A signer's row, locked until the transaction ends."""

    chain_id: ChainId
    address: Address
    next_nonce: Nonce
    is_active: bool
    in_flight: int
    """Slots not mined yet."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A transaction to be: everything but its nonce and its fees."""

    kind: BatchKind
    target: Address
    calldata: bytes = field(repr=False)
    gas_limit: int
    treasury: Address | None = None
    request_ids: tuple[UUID, ...] = ()
    expiration: datetime | None = None
    """create_payments: on-chain expiry of its payments."""
    campaign_request_id: UUID | None = None
    action_id: UUID | None = None
    token: Address | None = None
    amount_base_units: TokenAmount | None = None
    """Tokens moved out of the signer's wallet, or claimed of the treasury's."""
    value_wei: Wei = NO_COINS
    """top_up_gas: coins moved."""


def open_signer(
    connection: Connection, *, chain_id: ChainId, address: Address, chain_nonce: Nonce
) -> None:
    """Make the signer known, starting at the chain's own count; a known one stays as it is."""
    connection.execute(
        upsert(signers)
        .values(chain_id=chain_id, address=address, next_nonce=chain_nonce)
        .on_conflict_do_nothing()
    )


def slots_of(chain_id: ChainId, address: Address) -> ColumnElement[bool]:
    """Condition: the nonce slots of one signer."""
    return and_(nonce_slots.c.chain_id == chain_id, nonce_slots.c.signer == address)


def lock_signer(connection: Connection, *, chain_id: ChainId, address: Address) -> SealedSigner:
    """Wait for the signer's row and hold it until the transaction ends."""
    row = connection.execute(
        select(signers)
        .where(signers.c.chain_id == chain_id, signers.c.address == address)
        .with_for_update()
    ).one()
    return SealedSigner(
        chain_id=chain_id,
        address=address,
        next_nonce=Nonce(row.next_nonce),
        is_active=row.mode == "active",
        in_flight=in_flight(connection, chain_id, address),
    )


def in_flight(connection: Connection, chain_id: ChainId, address: Address) -> int:
    """Slots of a signer that are sealed and not mined."""
    return connection.execute(
        select(func.count())
        .select_from(nonce_slots)
        .where(
            slots_of(chain_id, address),
            nonce_slots.c.state.in_(("reserved", "signed")),
        )
    ).scalar_one()


def seal(connection: Connection, signer: SealedSigner, plan: Plan) -> BatchId:
    """Store a batch and give it the signer's next nonce, in the caller's transaction.

    Args:
        connection: The transaction in which ``signer`` was locked.
        signer: As locked; its next nonce is taken.
        plan: What to send.

    Raises:
        StaleSeal: A request is no longer ready.
        sqlalchemy.exc.IntegrityError: A live batch does this already; roll back.
    """
    batch_id = BatchId(uuid4())
    connection.execute(
        insert(batches).values(
            id=batch_id,
            chain_id=signer.chain_id,
            kind=plan.kind,
            target=plan.target,
            treasury=plan.treasury,
            calldata=plan.calldata,
            gas_limit=plan.gas_limit,
            campaign_request_id=plan.campaign_request_id,
            action_id=plan.action_id,
            token=plan.token,
            value_wei=plan.value_wei,
            amount_base_units=plan.amount_base_units,
        )
    )
    if plan.request_ids:
        _seal_items(connection, batch_id, plan)
    connection.execute(
        insert(nonce_slots).values(
            chain_id=signer.chain_id,
            signer=signer.address,
            nonce=signer.next_nonce,
            batch_id=batch_id,
        )
    )
    connection.execute(
        update(signers)
        .where(signers.c.chain_id == signer.chain_id, signers.c.address == signer.address)
        .values(next_nonce=signer.next_nonce + 1)
    )
    log.info(
        "batch_sealed",
        batch_id=str(batch_id),
        kind=plan.kind,
        nonce=signer.next_nonce,
        items=len(plan.request_ids),
    )
    return batch_id


def fill_holes(
    connection: Connection, *, chain_id: ChainId, address: Address, mined_nonces: int
) -> list[Nonce]:
    """Reserve the nonces that nothing of ours will ever take, so that what lies above is mined.

    A hole is left where a nonce was given up to a foreign transaction that a reorg took away later.
    Its slot has no batch: it is signed as a no-op.

    Args:
        connection: The caller's transaction.
        chain_id: The signer's chain.
        address: The signer.
        mined_nonces: The account's transaction count in the newest block.
    """
    signer = lock_signer(connection, chain_id=chain_id, address=address)
    last = min(signer.next_nonce, mined_nonces + HOLES_MAX)
    taken = set(
        connection.execute(
            select(nonce_slots.c.nonce).where(
                slots_of(chain_id, address), nonce_slots.c.nonce.between(mined_nonces, last)
            )
        ).scalars()
    )
    holes = [Nonce(nonce) for nonce in range(mined_nonces, last) if nonce not in taken]
    if holes:
        connection.execute(
            insert(nonce_slots),
            [{"chain_id": chain_id, "signer": address, "nonce": nonce} for nonce in holes],
        )
        log.warning("nonce_holes_filled", chain_id=chain_id, signer=address.hex(), nonces=holes)
    return holes


def quarantine(connection: Connection, *, chain_id: ChainId, address: Address, reason: str) -> None:
    """Stop sealing for a signer until an operator has looked; what is sealed is still sent."""
    changed = connection.execute(
        update(signers)
        .where(
            signers.c.chain_id == chain_id,
            signers.c.address == address,
            signers.c.mode == "active",
        )
        .values(mode="quarantine", mode_reason=reason)
    ).rowcount
    if changed:
        log.error("signer_quarantined", chain_id=chain_id, signer=address.hex(), reason=reason)


def _seal_items(connection: Connection, batch_id: BatchId, plan: Plan) -> None:
    connection.execute(
        insert(batch_items),
        [
            {"batch_id": batch_id, "ordinal": n, "request_id": request_id, "kind": plan.kind}
            for n, request_id in enumerate(plan.request_ids)
        ],
    )
    values = {"state": "batched", "batch_id": batch_id, "state_since": func.now(), "reason": None}
    if plan.expiration is not None:
        values["expiration"] = plan.expiration
    moved = connection.execute(
        update(requests)
        .where(
            requests.c.request_id.in_(plan.request_ids), requests.c.state == "ready", ~asked_back()
        )
        .values(**values)
    ).rowcount
    if moved != len(plan.request_ids):
        raise StaleSeal(f"{len(plan.request_ids) - moved} requests are no longer ready")
