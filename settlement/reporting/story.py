"""One payment's whole story, as an operator asks for it: what was, what is, and what is missing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, func, or_, select

from indexer.chain.types import Address, BlockNumber, ChainId, PaymentId, TokenAmount, TxHash
from indexer.queries import Marks, PaymentFact, payments_by_id, read_marks
from indexer.views import refunds
from settlement.record_tables import actions, moves
from settlement.reporting.standing import Owner, awaited, owner_of
from settlement.reporting.transaction_story import (
    BatchStory,
    batches_of_action,
    batches_of_requests,
)
from settlement.switches import Switch, account_key, all_switches, concerns
from settlement.tables import requests
from settlement.types import ActionState, RequestState


@dataclass(frozen=True, slots=True)
class MoveStory:
    """One change of a request's state."""

    before: RequestState
    after: RequestState
    reason: str | None
    batch_id: UUID | None
    at: datetime


@dataclass(frozen=True, slots=True)
class Generation:
    """One name of the payment on-chain, and the request to settle it under that name."""

    request_id: UUID
    generation: int
    payment_id: PaymentId
    state: RequestState
    reason: str | None
    state_since: datetime
    age_s: int
    """Seconds in this state."""
    owner: Owner | None
    """Who must act; None at its end."""
    awaited: str | None
    """What is missing until it is settled."""
    strikes: int
    expiration: datetime | None
    requested_at: datetime
    settled_block: BlockNumber | None
    settled_at: datetime | None
    moves: tuple[MoveStory, ...]
    batches: tuple[BatchStory, ...]
    fact: PaymentFact | None
    """The present life of the payment on-chain; None while nothing is indexed."""


@dataclass(frozen=True, slots=True)
class RefundFact:
    """An indexed refund."""

    payment_id: PaymentId
    tx_hash: TxHash
    block_number: BlockNumber
    amount: TokenAmount
    claimer: Address
    is_final: bool


@dataclass(frozen=True, slots=True)
class ActionStory:
    """What was asked to undo the payment."""

    action_id: UUID
    kind: str
    state: ActionState
    reason: str | None
    owner: Owner | None
    strikes: int
    requested_by: str
    requested_at: datetime
    state_since: datetime
    batches: tuple[BatchStory, ...]


@dataclass(frozen=True, slots=True)
class PaymentStory:
    """All that is known of one payment."""

    root_id: UUID
    """What its caller named the request."""
    pledge_id: UUID
    chain_id: ChainId
    treasury: Address
    token: Address
    amount_base_units: TokenAmount
    gateway: str | None
    captured_at: datetime
    as_of: datetime
    """By Postgres' clock."""
    generations: tuple[Generation, ...]
    """The oldest first."""
    undoing: tuple[ActionStory, ...]
    refunds: tuple[RefundFact, ...]
    switches: tuple[Switch, ...]
    """Those that are on and keep it from being sealed; of signers, all of its chain."""


def tell(connection: Connection, root_id: UUID) -> PaymentStory | None:
    """Tell a payment's story; None if it was never requested.

    Args:
        connection: Reads schemas ``settlement`` and ``chain``; sees one snapshot if its transaction
            is REPEATABLE READ.
        root_id: What the payment's caller named it.
    """
    rows = (
        connection.execute(
            select(requests, func.now().label("as_of"))
            .where(requests.c.root_id == root_id)
            .order_by(requests.c.generation)
        )
        .mappings()
        .all()
    )
    if not rows:
        return None
    first = rows[0]
    marks = read_marks(connection, first["chain_id"])
    return PaymentStory(
        root_id=root_id,
        pledge_id=first["pledge_id"],
        chain_id=first["chain_id"],
        treasury=first["treasury"],
        token=first["token"],
        amount_base_units=first["amount_base_units"],
        gateway=first["gateway"],
        captured_at=first["captured_at"],
        as_of=first["as_of"],
        generations=tuple(_generation(connection, row, marks) for row in rows),
        undoing=tuple(_undoing(connection, root_id)),
        refunds=tuple(_refunds(connection, rows)),
        switches=tuple(one for one in all_switches(connection) if _stops(one, first)),
    )


def _stops(switch: Switch, payment: Mapping[Any, Any]) -> bool:
    """Whether a switch keeps a payment from being sealed."""
    if not switch.is_stopped or not concerns(switch, payment["chain_id"]):
        return False
    match switch.scope:
        case "treasury":
            return switch.key == account_key(payment["chain_id"], payment["treasury"])
        case "gateway":
            return bool(switch.key == payment["gateway"])
        case "global" | "chain" | "signer":
            return True


def _generation(connection: Connection, row: Mapping[Any, Any], marks: Marks | None) -> Generation:
    request_id, payment_id = row["request_id"], row["payment_id"]
    facts = payments_by_id(
        connection,
        chain_id=row["chain_id"],
        treasury=row["treasury"],
        payment_ids=[payment_id],
    )
    fact = facts.get(payment_id)
    sealed = batches_of_requests(connection, [request_id])
    newest = next((one.state for one in sealed if one.batch_id == row["batch_id"]), None)
    state, reason = row["state"], row["reason"]
    return Generation(
        request_id=request_id,
        generation=row["generation"],
        payment_id=payment_id,
        state=state,
        reason=reason,
        state_since=row["state_since"],
        age_s=int((row["as_of"] - row["state_since"]).total_seconds()),
        owner=owner_of(state, reason),
        awaited=awaited(state, reason, fact=fact, slot=newest, marks=marks),
        strikes=row["strikes"],
        expiration=row["expiration"],
        requested_at=row["requested_at"],
        settled_block=row["settled_block"],
        settled_at=row["settled_at"],
        moves=tuple(_moves(connection, request_id)),
        batches=tuple(sealed),
        fact=fact,
    )


def _moves(connection: Connection, request_id: UUID) -> list[MoveStory]:
    rows = connection.execute(
        select(moves.c.before, moves.c.after, moves.c.reason, moves.c.batch_id, moves.c.at)
        .where(moves.c.request_id == request_id)
        .order_by(moves.c.id)
    )
    return [MoveStory(*row) for row in rows]


def _undoing(connection: Connection, root_id: UUID) -> list[ActionStory]:
    rows = connection.execute(
        select(actions)
        .where(actions.c.kind == "refund", actions.c.request_id == root_id)
        .order_by(actions.c.requested_at)
    ).all()
    return [
        ActionStory(
            action_id=row.action_id,
            kind=row.kind,
            state=row.state,
            reason=row.reason,
            owner=owner_of(row.state, row.reason),
            strikes=row.strikes,
            requested_by=row.requested_by,
            requested_at=row.requested_at,
            state_since=row.state_since,
            batches=tuple(batches_of_action(connection, row.action_id)),
        )
        for row in rows
    ]


def _refunds(connection: Connection, rows: Sequence[Mapping[Any, Any]]) -> list[RefundFact]:
    found = refunds.c
    known = connection.execute(
        select(
            found.payment_id,
            found.tx_hash,
            found.block_number,
            found.amount,
            found.claimer,
            found.is_final,
        )
        .where(
            found.chain_id == rows[0]["chain_id"],
            or_(
                *(
                    (found.treasury == row["treasury"]) & (found.payment_id == row["payment_id"])
                    for row in rows
                )
            ),
        )
        .order_by(found.block_number, found.log_index)
    )
    return [RefundFact(*row) for row in known]
