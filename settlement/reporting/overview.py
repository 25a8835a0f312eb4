"""How the settlement of one chain stands: what waits, what stopped and who must act, what is sent.

Pure reads on the caller's connection. The command line, ``/status`` and ``/readyz`` all show this.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Table, func, select
from sqlalchemy.dialects.postgresql import aggregate_order_by

from indexer.chain.networks import Network
from indexer.chain.types import Address, BlockNumber, ChainId, TokenAmount
from indexer.queries import read_marks
from settlement.due import OPEN_STATES
from settlement.record_tables import actions, runs
from settlement.reporting.accounts import SignerStanding, signers_of
from settlement.reporting.counting import age_s, class_of
from settlement.reporting.standing import Owner, ReasonClass, owner_of
from settlement.switches import Switch, all_switches, concerns
from settlement.tables import campaigns, nonce_slots, requests
from settlement.types import RequestState

Kind = Literal["payments", "actions", "campaigns"]


@dataclass(frozen=True, slots=True)
class Held:
    """An amount of one token."""

    token: Address
    amount_base_units: TokenAmount


@dataclass(frozen=True, slots=True)
class StateStanding:
    """The payments in one state."""

    state: RequestState
    payments: int
    oldest_s: int
    """Seconds since the oldest of them was asked for: retries do not make it young."""
    held: tuple[Held, ...]


@dataclass(frozen=True, slots=True)
class Stopped:
    """What is blocked or quarantined for the same kind of reason."""

    what: Kind
    state: Literal["blocked", "quarantined"]
    reason_class: ReasonClass
    owner: Owner
    count: int
    oldest_s: int
    """Seconds since the oldest of them was asked for."""
    reason: str
    """Of the oldest."""
    example: UUID
    """The oldest."""


@dataclass(frozen=True, slots=True)
class RunsStanding:
    """Campaigns that have their turn."""

    open: int
    payments: int
    """Sealed in those runs so far."""
    transactions: int
    oldest_s: int | None


@dataclass(frozen=True, slots=True)
class IndexStanding:
    """How far what settlement believes in reaches."""

    head: BlockNumber | None
    indexed: BlockNumber | None
    finalized: BlockNumber | None
    lag_blocks: int
    seen_s: int
    """Seconds since the indexer last saw the head, or wrote."""
    degraded_reason: str | None


@dataclass(frozen=True, slots=True)
class Overview:
    """One look at a chain."""

    chain_id: ChainId
    network: str
    as_of: datetime
    """By Postgres' clock."""
    requests: tuple[StateStanding, ...]
    """By state; those at their end only where they were asked for."""
    stopped: tuple[Stopped, ...]
    """The oldest first."""
    campaigns: Mapping[str, int]
    """By state."""
    actions: Mapping[str, int]
    """By kind and state, as ``refund.done``."""
    slots: Mapping[str, int]
    """By state."""
    runs: RunsStanding
    signers: tuple[SignerStanding, ...]
    switches: tuple[Switch, ...]
    """Those that stop something of this chain."""
    index: IndexStanding | None
    """None when its indexer never started."""


def read_overview(connection: Connection, network: Network, *, whole: bool) -> Overview:
    """Look at a chain.

    Args:
        connection: Reads schemas ``settlement`` and ``chain``.
        network: The chain.
        whole: Look at payments that are at their end too, which reads every row.
    """
    chain_id = network.chain_id
    return Overview(
        chain_id=chain_id,
        network=network.name,
        as_of=connection.execute(select(func.now())).scalar_one(),
        requests=_states(connection, chain_id, whole=whole),
        stopped=_stopped(connection, chain_id),
        campaigns=_counted(connection, campaigns, chain_id, campaigns.c.state),
        actions=_counted(connection, actions, chain_id, actions.c.kind + "." + actions.c.state),
        slots=_counted(connection, nonce_slots, chain_id, nonce_slots.c.state),
        runs=_runs(connection, chain_id),
        signers=signers_of(connection, chain_id),
        switches=tuple(
            one for one in all_switches(connection) if one.is_stopped and concerns(one, chain_id)
        ),
        index=_index(connection, chain_id),
    )


def _states(connection: Connection, chain_id: ChainId, *, whole: bool) -> tuple[StateStanding, ...]:
    chosen = [] if whole else [requests.c.state.in_(OPEN_STATES)]
    rows = connection.execute(
        select(
            requests.c.state,
            requests.c.token,
            func.count().label("payments"),
            age_s(func.min(requests.c.requested_at)).label("oldest_s"),
            func.sum(requests.c.amount_base_units).label("amount"),
        )
        .where(requests.c.chain_id == chain_id, *chosen)
        .group_by(requests.c.state, requests.c.token)
        .order_by(requests.c.state, requests.c.token)
    ).all()
    found = []
    for state in dict.fromkeys(row.state for row in rows):
        own = [row for row in rows if row.state == state]
        found.append(
            StateStanding(
                state=state,
                payments=sum(row.payments for row in own),
                oldest_s=max(row.oldest_s for row in own),
                held=tuple(Held(row.token, TokenAmount(int(row.amount))) for row in own),
            )
        )
    return tuple(found)


def _stopped(connection: Connection, chain_id: ChainId) -> tuple[Stopped, ...]:
    found = (
        *_stopped_in(connection, chain_id, "payments", requests, requests.c.request_id),
        *_stopped_in(connection, chain_id, "actions", actions, actions.c.action_id),
        *_stopped_in(connection, chain_id, "campaigns", campaigns, campaigns.c.request_id),
    )
    return tuple(sorted(found, key=lambda one: -one.oldest_s))


def _stopped_in(
    connection: Connection,
    chain_id: ChainId,
    what: Kind,
    table: Table,
    name: ColumnElement[UUID],
) -> list[Stopped]:
    kind = class_of(table.c.reason)
    rows = connection.execute(
        select(
            table.c.state,
            kind.label("reason_class"),
            func.count().label("stopped"),
            age_s(func.min(table.c.requested_at)).label("oldest_s"),
            func.array_agg(aggregate_order_by(table.c.reason, table.c.requested_at))[1],
            func.array_agg(aggregate_order_by(name, table.c.requested_at))[1],
        )
        .where(table.c.chain_id == chain_id, table.c.state.in_(("blocked", "quarantined")))
        .group_by(table.c.state, kind)
    )
    return [
        Stopped(
            what=what,
            state=state,
            reason_class=reason_class,
            owner=owner_of(state, reason) or "settlement on-call",
            count=count,
            oldest_s=oldest_s,
            reason=reason,
            example=example,
        )
        for state, reason_class, count, oldest_s, reason, example in rows
    ]


def _counted(
    connection: Connection, table: Table, chain_id: ChainId, by: ColumnElement[str]
) -> dict[str, int]:
    rows = connection.execute(
        select(by.label("name"), func.count().label("rows"))
        .where(table.c.chain_id == chain_id)
        .group_by(by)
        .order_by(by)
    )
    return {row.name: row.rows for row in rows}


def _runs(connection: Connection, chain_id: ChainId) -> RunsStanding:
    row = connection.execute(
        select(
            func.count(),
            func.coalesce(func.sum(runs.c.payments), 0),
            func.coalesce(func.sum(runs.c.transactions), 0),
            age_s(func.min(runs.c.opened_at)),
        ).where(runs.c.chain_id == chain_id, runs.c.closed_at.is_(None))
    ).one()
    opened, payments, transactions, oldest_s = row
    return RunsStanding(opened, int(payments), int(transactions), oldest_s if opened else None)


def _index(connection: Connection, chain_id: ChainId) -> IndexStanding | None:
    marks = read_marks(connection, chain_id)
    if marks is None:
        return None
    now = connection.execute(select(func.now())).scalar_one()
    indexed = None if marks.indexed is None else marks.indexed.number
    reached = marks.first_block - 1 if indexed is None else indexed
    seen = marks.updated_at or now
    return IndexStanding(
        head=marks.head_number,
        indexed=indexed,
        finalized=None if marks.finalized is None else marks.finalized.number,
        lag_blocks=0 if marks.head_number is None else max(marks.head_number - reached, 0),
        seen_s=max(int((now - seen).total_seconds()), 0),
        degraded_reason=marks.degraded_reason,
    )
