"""What stands in for a guard that is taken away: what a careless program would do instead."""

import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from threading import Barrier, BrokenBarrierError
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, select

from indexer.errors import TransientError
from offchain.gateways.calling import Call, Reply
from offchain.gateways.crowdsplit.api import Api
from offchain.gateways.crowdsplit.token import BASE_PATH
from offchain.gateways.signatures import verify_stamped
from offchain.gateways.types import Gateway, Observation, SignatureRefusal
from offchain.inbox.working import Claimed, Result, _finish
from offchain.money import Money
from offchain.payments.attempts import Attempt, read_attempt
from offchain.payments.checkout import Opened, Order, Refusal, create_at_gateway
from offchain.payments.feedback import Verdict, judge
from offchain.payments.lattice import CHAIN_MOVES, ChainStatus, FiatStatus, Move, decide
from offchain.reconciliation.walking import _pages
from offchain.services import Services
from settlement.lane import Lane
from settlement.preflight import Call as PaymentCall
from settlement.preflight import Passed
from settlement.queries import RequestStatus
from settlement.sender import Signed, _due, store
from settlement.tables import attempts
from settlement.types import DueRequest

RENDEZVOUS_S = 0.5
_both_have_read = Barrier(2)


def read_without_lock(connection: Connection, attempt_id: UUID) -> Attempt | None:
    """Read; then let another read as well before either writes."""
    found = read_attempt(connection, attempt_id)
    with suppress(BrokenBarrierError):
        _both_have_read.wait(RENDEZVOUS_S)
    if _both_have_read.broken:
        _both_have_read.reset()
    return found


def last_news_wins(fiat: FiatStatus, *, expected: Money, seen: Observation) -> Move:
    """Believe whatever was heard last."""
    words: dict[str, FiatStatus] = {"awaiting": "awaiting", "processing": "awaiting"}
    told = words.get(seen.effect)
    return decide(fiat, expected=expected, seen=seen) if told is None else Move(fiat=told)


def over_is_over(fiat: FiatStatus, *, expected: Money, seen: Observation) -> Move:
    """Answer 200 to money for a payment that has ended, and forget it."""
    is_over = fiat in {"expired", "canceled", "failed"}
    return Move() if is_over else decide(fiat, expected=expected, seen=seen)


def forget_what_matches_nothing(
    services: Services, claimed: Claimed, _state: str, _error: str
) -> Result:
    """Call an event done that is nobody's."""
    return _finish(services, claimed)


def create_under_a_new_name(
    opened: Opened, order: Order, *, gateway: Gateway, is_retry: bool
) -> Observation | Refusal:
    """Name each try of a create anew."""
    renamed = replace(opened.attempt, id=uuid.uuid4())
    return create_at_gateway(
        replace(opened, attempt=renamed), order, gateway=gateway, is_retry=is_retry
    )


def nobody_holds_it(_connection: Connection, _pledge_id: UUID) -> None:
    """Do not look whether the pledge is paid."""


def any_money_will_do(_expected: Money, _seen: Observation) -> None:
    """Find no fault with any amount."""


def let_it_run(_connection: Connection, _attempt: Attempt, _claim: str) -> None:
    """Do not tell settlement that somebody wants the money back."""


def undo_for_any_claim(_setting: object, claim: str, _refunds: object) -> bool:
    """Undo on-chain what cannot be undone in part."""
    return claim != "none"


def success_is_final(now: str, seen: str) -> str:
    """Believe no failure after a success."""
    return now if now == "succeeded" else seen


def lost_is_lost(now: str, seen: str) -> str:
    """Believe no end of a dispute but the first."""
    return now if now == "lost" else seen


def pass_all(
    _lane: Lane, call: PaymentCall, waiting: Sequence[DueRequest], _bounds: object
) -> Passed:
    """Try nothing before it is sealed."""
    return Passed(tuple(waiting), call.encode(waiting), 3_000_000, 3_600_000)


def broadcast_before_commit(connection: Connection, lane: Lane, signed: Signed) -> None:
    """Let the nodes have a transaction that a crash makes us forget."""
    lane.reader.send_raw_to_all(signed.transaction.raw)
    store(connection, lane, signed)


def due_once(connection: Connection, lane: Lane) -> list[Any]:
    """Send nothing again that a node has taken."""
    sent = select(attempts.c.tx_hash).where(attempts.c.sent_at.is_not(None))
    known = {bytes(one) for one in connection.execute(sent).scalars()}
    return [row for row in _due(connection, lane) if bytes(row.tx_hash) not in known]


def by_our_request_only(request: RequestStatus, _fact: object) -> Verdict:
    """Do not look at the chain for what we did not send."""
    return judge(request, None)


def only_onwards(now: ChainStatus, to: ChainStatus) -> bool:
    """Believe no reorganization."""
    order = list(CHAIN_MOVES)
    return to in CHAIN_MOVES[now] and order.index(to) > order.index(now)


def take_a_broken_walk_for_a_whole_one(
    identifiers: Iterator[str], is_time_over: Callable[[], bool]
) -> Iterator[list[str]]:
    """End a walk where its gateway broke off."""
    with suppress(TransientError):
        yield from _pages(identifiers, is_time_over)


def unknown_is_pending(_status: str, _sub_status: str) -> str:
    """Take a word that nobody knows for one that everybody knows."""
    return "awaiting"


def check_the_first_secret_only(*given: Any, secrets: Sequence[str], **named: Any) -> Any:
    """Know one secret at a time."""
    return verify_stamped(*given, secrets=secrets[:1], **named)


def trust_everybody(*_given: Any, **_named: Any) -> SignatureRefusal | None:
    """Check no signature."""
    return None


def post_under_a_new_key(self: Api, path: str, body: Any, *, key: str) -> Reply:
    """Give each try of a write a key of its own."""
    call = Call("POST", BASE_PATH + path, json=body, key=f"{key}-{uuid.uuid4()}")
    return self._caller.call(call)
