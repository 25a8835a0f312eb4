"""Actions with all that decides their next step, in a few statements however many there are."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar, cast
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, and_, select, tuple_
from sqlalchemy.dialects.postgresql import distinct_on

from indexer.chain.types import Address, ChainId, PaymentId, TxHash
from indexer.errors import InvariantError
from indexer.views import payments_finalized
from settlement.action_steps import ActionStep, OwnState, RefundView, refund_step, single_step
from settlement.due import facts_of, requests_where
from settlement.record_tables import actions
from settlement.tables import AnyRow, batch_items, batches, campaigns, nonce_slots, requests
from settlement.types import CONFIRMING, ActionKind, ActionState, BatchKind, DueRequest

READ_MAX = 1_000
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Action:
    """An action, and where it stands."""

    action_id: UUID
    kind: ActionKind
    treasury: Address | None
    recipient: Address | None
    amount: int
    """Base units or wei; 0 where the kind has none."""
    requested_by: str
    state: ActionState
    reason: str | None
    strikes: int
    campaign_token: Address | None
    own: OwnState
    own_tx: TxHash | None
    """Its mined transaction."""
    payment: DueRequest | None
    """refund: the newest generation of the payment."""
    refund: RefundView | None

    def step(self) -> ActionStep:
        """Where it stands now, and what to send."""
        if self.refund is not None:
            return refund_step(self.refund)
        return single_step(self.own, cast("BatchKind", self.kind))

    @property
    def home(self) -> Address:
        """The treasury that it is about."""
        return _required(self.treasury, self)

    @property
    def token(self) -> Address:
        """The token of its campaign."""
        return _required(self.campaign_token, self)

    @property
    def payment_id(self) -> PaymentId:
        """The payment's name on-chain."""
        return _required(self.payment, self).payment_id

    @property
    def payment_request_id(self) -> UUID:
        """The request of the payment's newest generation."""
        return _required(self.payment, self).request_id


def read_actions(
    connection: Connection, chain_id: ChainId, *conditions: ColumnElement[bool]
) -> list[Action]:
    """Read the actions of a chain for which all conditions hold, oldest first."""
    rows = connection.execute(
        select(actions, campaigns.c.token.label("campaign_token"))
        .outerjoin(
            campaigns,
            and_(
                campaigns.c.chain_id == actions.c.chain_id,
                campaigns.c.treasury == actions.c.treasury,
            ),
        )
        .where(actions.c.chain_id == chain_id, *conditions)
        .order_by(actions.c.requested_at, actions.c.action_id)
        .limit(READ_MAX)
    ).all()
    own = _own_transactions(connection, [row.action_id for row in rows])
    payments = _payments(connection, [row.request_id for row in rows if row.request_id])
    views = _refund_views(connection, chain_id, payments)
    return [_action(row, own.get(row.action_id), payments, views) for row in rows]


def _action(
    row: AnyRow,
    own: AnyRow | None,
    payments: dict[UUID, DueRequest],
    views: dict[UUID, RefundView],
) -> Action:
    payment = payments.get(row.request_id)
    view = None if payment is None else views[payment.request_id]
    if view is not None and own is not None:
        view = replace(view, own=own.state)
    return Action(
        action_id=row.action_id,
        kind=row.kind,
        treasury=row.treasury,
        recipient=row.recipient,
        amount=int(row.amount or 0),
        requested_by=row.requested_by,
        state=row.state,
        reason=row.reason,
        strikes=row.strikes,
        campaign_token=row.campaign_token,
        own=_own_state(own),
        own_tx=None if own is None or own.mined_tx is None else TxHash(own.mined_tx),
        payment=payment,
        refund=view,
    )


def _own_state(own: AnyRow | None) -> OwnState:
    if own is None:
        return "none"
    if own.state != "mined_ok":
        return "unmined"
    return "final" if own.is_final else "mined"


def _own_transactions(connection: Connection, ids: Sequence[UUID]) -> dict[UUID, AnyRow]:
    """The slot of each action's batch that may have, or had, effect."""
    rows = connection.execute(
        select(
            batches.c.action_id,
            nonce_slots.c.state,
            nonce_slots.c.is_final,
            nonce_slots.c.mined_tx,
        )
        .join(nonce_slots, nonce_slots.c.batch_id == batches.c.id)
        .where(batches.c.action_id.in_(ids), batches.c.released_at.is_(None))
    )
    return {row.action_id: row for row in rows}


def _payments(connection: Connection, root_ids: Sequence[UUID]) -> dict[UUID, DueRequest]:
    """The newest generation of each payment, by the name it was handed over under."""
    newest = connection.execute(
        select(requests.c.root_id, requests.c.request_id)
        .ext(distinct_on(requests.c.root_id))
        .where(requests.c.root_id.in_(root_ids))
        .order_by(requests.c.root_id, requests.c.generation.desc())
    ).all()
    found = {
        one.request_id: one
        for one in requests_where(
            connection, requests.c.request_id.in_([row.request_id for row in newest])
        )
    }
    return {row.root_id: found[row.request_id] for row in newest}


def _refund_views(
    connection: Connection, chain_id: ChainId, payments: dict[UUID, DueRequest]
) -> dict[UUID, RefundView]:
    wanted = list(payments.values())
    facts = facts_of(connection, chain_id, wanted)
    final = _final_states(connection, chain_id, wanted)
    live = _live_kinds(connection, [one.request_id for one in wanted])
    views = {}
    for one in wanted:
        fact = facts.get(one.request_id)
        kinds = live.get(one.request_id, set())
        confirming = bool(kinds & set(CONFIRMING))
        views[one.request_id] = RefundView(
            request_state=one.state,
            is_under_way=confirming if fact is not None else bool(kinds),
            fact=fact,
            final_state=final.get((one.treasury, one.payment_id)),
            own=None,
        )
    return views


def _final_states(
    connection: Connection, chain_id: ChainId, wanted: Sequence[DueRequest]
) -> dict[tuple[Any, Any], str]:
    names = [(one.treasury, one.payment_id) for one in wanted]
    key = tuple_(payments_finalized.c.treasury, payments_finalized.c.payment_id)
    rows = connection.execute(
        select(
            payments_finalized.c.treasury,
            payments_finalized.c.payment_id,
            payments_finalized.c.state,
        ).where(payments_finalized.c.chain_id == chain_id, key.in_(names))
    )
    return {(row.treasury, row.payment_id): row.state for row in rows}


def _live_kinds(connection: Connection, ids: Sequence[UUID]) -> dict[UUID, set[str]]:
    """Kinds of the payment batches each request is in that may have, or had, effect."""
    kinds: dict[UUID, set[str]] = {}
    for row in connection.execute(
        select(batch_items.c.request_id, batch_items.c.kind).where(
            batch_items.c.request_id.in_(ids), batch_items.c.released_at.is_(None)
        )
    ):
        kinds.setdefault(row.request_id, set()).add(row.kind)
    return kinds


def _required(value: T | None, action: Action) -> T:
    if value is None:
        raise InvariantError(f"action {action.action_id} ({action.kind}) lacks what its kind needs")
    return value
