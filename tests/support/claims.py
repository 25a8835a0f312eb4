"""Refunds and disputes as a gateway shows them, a gateway in memory, and the books as a person."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Engine, select
from typing_extensions import override

from offchain.claim_tables import disputes, refunds
from offchain.gateways.types import (
    DisputeSeen,
    DisputeState,
    Gateway,
    Method,
    NewPayment,
    NewRefund,
    Observation,
    RefundSeen,
    RefundState,
    SignatureRefusal,
    WebhookEvent,
)
from offchain.ledger.balances import balances, trial_balance
from offchain.money import Currency, MinorUnits
from offchain.payments.feedback import attempts_on_the_way, feed_back
from offchain.payments.observing import Context, apply
from offchain.payments.refunding import request_refund
from offchain.services import Services
from offchain.settings import LateMoney
from settlement.record_tables import actions
from tests.support.offchain import (
    CHAINS,
    FIFTY,
    NOW,
    add_attempt,
    add_campaign,
    add_pledge,
    attempt,
    confirm_onchain,
    make_live,
    seen,
    set_finalized,
    set_request_state,
)

NAME = "crowdsplit"


def refund_seen(
    name: str = "r1",
    state: RefundState = "succeeded",
    minor: int = FIFTY.minor,
    *,
    refund_id: UUID | None = None,
) -> RefundSeen:
    return RefundSeen(name, refund_id, state, minor)


def dispute_seen(
    state: DisputeState = "open", minor: int = FIFTY.minor, *, name: str = "d1"
) -> DisputeSeen:
    return DisputeSeen(name, state, minor)


def observe(
    engine: Engine,
    observation: Observation,
    *,
    late_money: LateMoney = "review",
    source: Any = "poll",
) -> str:
    assert observation.attempt_id is not None
    context = Context(source, NOW, CHAINS, late_money)
    with engine.begin() as connection:
        return apply(connection, observation.attempt_id, observation, context=context)


def ask_back(
    engine: Engine, attempt_id: UUID, amount: int | None = None, *, by: str = "ana"
) -> UUID:
    """What an operator's refund does; refuses to be refused."""
    minor = None if amount is None else MinorUnits(amount)
    with engine.begin() as connection:
        asked = request_refund(connection, attempt_id, minor, origin="operator", requested_by=by)
    assert isinstance(asked, UUID), asked
    return asked


@dataclass(frozen=True, slots=True)
class Paid:
    """A captured payment and the means to bring it further on its way."""

    engine: Engine
    login: Engine
    id: UUID

    def batched(self) -> "Paid":
        set_request_state(self.login, self.id, "batched")
        return self.look()

    def final(self) -> "Paid":
        if self.statuses()[1] == "final":
            return self
        set_request_state(self.login, self.id, "settled")
        confirm_onchain(self.login, self.id)
        set_finalized(self.login, 10)
        return self.look()

    def look(self) -> "Paid":
        with self.engine.begin() as connection:
            feed_back(connection, attempts_on_the_way(connection, after=None, limit=10))
        return self

    def see(self, **fields: Any) -> str:
        return observe(self.engine, seen(self.id, **fields))

    def statuses(self) -> tuple[str, str, str]:
        row = attempt(self.engine, self.id)
        return row.fiat_status, row.chain_status, row.claim_status

    @property
    def reason(self) -> str | None:
        return attempt(self.engine, self.id).review_reason

    def asked_to_undo(self) -> int:
        """How often settlement was asked to undo it."""
        with self.login.connect() as connection:
            query = select(actions.c.action_id).where(actions.c.request_id == self.id)
            return len(connection.execute(query).all())


def paid(engine: Engine, login: Engine, *, onchain: bool = True) -> Paid:
    """A payment of fifty that is captured, and queued for the chain."""
    campaign_id = add_campaign(engine, onchain=onchain)
    if onchain:
        make_live(login, campaign_id)
    attempt_id = add_attempt(engine, add_pledge(engine, campaign_id))
    observe(engine, seen(attempt_id))
    return Paid(engine, login, attempt_id)


def books(engine: Engine) -> dict[str, tuple[int, int]]:
    """Posted and pending in reais by kind of account, where any is; checks that they balance."""
    with engine.connect() as connection:
        assert all(row.is_balanced for row in trial_balance(connection))
        rows = [row for row in balances(connection) if row.currency == "brl"]
    held: dict[str, tuple[int, int]] = {}
    for row in rows:
        kind = row.account.split(":")[0]
        posted, pending = held.get(kind, (0, 0))
        held[kind] = (posted + row.posted, pending + row.pending)
    return {kind: sums for kind, sums in held.items() if sums != (0, 0)}


def refund_rows(engine: Engine, attempt_id: UUID) -> list[tuple[str, str, int]]:
    """Origin, state and amount of each refund, oldest first."""
    query = select(refunds).where(refunds.c.attempt_id == attempt_id).order_by(refunds.c.created_at)
    with engine.connect() as connection:
        return [(row.origin, row.state, row.amount_minor) for row in connection.execute(query)]


def dispute_states(engine: Engine, attempt_id: UUID) -> list[str]:
    query = select(disputes.c.state).where(disputes.c.attempt_id == attempt_id)
    with engine.connect() as connection:
        return list(connection.execute(query).scalars())


def nothing(_call: NewRefund) -> None:
    """No fault."""


@dataclass(slots=True)
class MemoryGateway(Gateway):
    """A gateway that refunds: at once, or as it is told; keyed by our name, as they all are."""

    state: RefundState = "pending"
    """What new refunds are in."""
    echoes: bool = True
    """Whether it shows our name of a refund when a payment is read."""
    before: Callable[[NewRefund], None] = nothing
    """May raise instead of doing anything."""
    after: Callable[[NewRefund], None] = nothing
    """May raise when it is done: the answer is lost."""
    calls: list[NewRefund] = field(default_factory=list)
    made: dict[UUID, RefundSeen] = field(default_factory=dict)

    @property
    @override
    def name(self) -> str:
        return NAME

    @property
    @override
    def methods(self) -> frozenset[Method]:
        return frozenset({"pix", "card"})

    @property
    @override
    def currencies(self) -> frozenset[Currency]:
        return frozenset({FIFTY.currency})

    @property
    @override
    def signature_headers(self) -> tuple[str, ...]:
        return ()

    @override
    def create_payment(self, new: NewPayment) -> Observation:
        return seen(new.attempt_id, effect="awaiting")

    @override
    def read_payment(self, provider_payment_id: str) -> Observation | None:
        shown = [
            one if self.echoes else replace(one, refund_id=None)
            for call, one in zip(self._first_calls(), self.made.values(), strict=True)
            if call.provider_payment_id == provider_payment_id
        ]
        return replace(
            seen(UUID(int=0)),
            attempt_id=None,
            provider_payment_id=provider_payment_id,
            refunds=tuple(shown),
        )

    def _first_calls(self) -> Iterator[NewRefund]:
        firsts: dict[UUID, NewRefund] = {}
        for call in self.calls:
            firsts.setdefault(call.refund_id, call)
        return (firsts[name] for name in self.made)

    @override
    def find_payment(self, attempt_id: UUID, *, since: datetime) -> Observation | None:
        return None

    @override
    def changed_payments(self, *, since: datetime, until: datetime) -> Iterator[str]:
        return iter(())

    @override
    def refund(self, new: NewRefund) -> RefundSeen:
        self.calls.append(new)
        self.before(new)
        made = self.made.setdefault(
            new.refund_id,
            RefundSeen(f"re-{new.refund_id}", new.refund_id, self.state, new.amount.minor),
        )
        self.after(new)
        return made

    @override
    def verify_webhook(
        self, headers: Mapping[str, str], body: bytes, *, now: datetime
    ) -> SignatureRefusal | None:
        return None

    @override
    def read_webhook(self, body: bytes) -> WebhookEvent:
        return WebhookEvent("key", "event", None, None)

    @override
    def close(self) -> None:
        """Nothing is open."""

    def serving(self, engine: Engine) -> Services:
        return Services(engine=engine, gateways={NAME: self}, chains=CHAINS)
