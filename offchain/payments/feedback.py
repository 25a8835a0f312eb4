"""Bring back what became of a payment on-chain: read from the index, never from a receipt.

``final`` means one thing: the confirming event stands in a finalized, proven block, with our amount
in our token. Then the capture is posted with its tokens, unless a claim had it posted before: then
the tokens alone are.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import Connection, select, update

from indexer.chain.types import PaymentId, to_hex
from indexer.queries import PaymentFact, payments_by_id
from offchain.ledger.tokens import TokenPayment, post_final
from offchain.ledger.transfers import TransferId
from offchain.payments.attempts import Attempt, Statuses, attempt_of, move
from offchain.payments.booking import capture_name, post_capture
from offchain.payments.handover import REFUSED, call_back
from offchain.payments.lattice import ChainStatus, may_chain_move
from offchain.tables import payment_attempts
from settlement.queries import RequestStatus, request_statuses

ON_THE_WAY: tuple[ChainStatus, ...] = ("queued", "submitted", "mined", "held", "failed")
_OURS = ("settlement", "confirmed on-chain")
"""How every reason begins that is this module's, or the hand-over's, to write and to clear."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Where a payment stands on-chain."""

    status: ChainStatus
    reason: str | None = None
    """Why an operator must look."""


def judge(request: RequestStatus, fact: PaymentFact | None) -> Verdict:
    """Decide the chain status from settlement's request and the indexed fact."""
    if fact is not None and fact.confirmed_block is not None:  # refunded since, or not
        fault = _fault(request, fact)
        if fault is not None:
            return Verdict("mined", fault)
        return Verdict("final" if fact.is_final and fact.is_proven else "mined")
    if request.state in {"blocked", "quarantined"}:
        return Verdict("queued", f"settlement {request.state}: {request.reason}")
    if request.state in {"void", "superseded"}:
        return Verdict("failed", f"settlement {request.state}: {request.reason}")
    return Verdict("queued" if request.state == "ready" else "submitted")


def _fault(request: RequestStatus, fact: PaymentFact) -> str | None:
    if fact.token != request.token:
        return "confirmed on-chain in another token than was requested"
    if fact.amount != request.amount_base_units:
        return f"confirmed on-chain: {fact.amount}, requested: {request.amount_base_units}"
    return None


def attempts_on_the_way(connection: Connection, *, after: UUID | None, limit: int) -> list[Attempt]:
    """A page of attempts whose settlement is not final, by id."""
    query = select(payment_attempts).where(payment_attempts.c.chain_status.in_(ON_THE_WAY))
    if after is not None:
        query = query.where(payment_attempts.c.id > after)
    rows = connection.execute(query.order_by(payment_attempts.c.id).limit(limit)).mappings()
    return [attempt_of(row) for row in rows]


def feed_back(connection: Connection, attempts: Sequence[Attempt]) -> int:
    """Move these attempts to where they stand on-chain; the number that moved."""
    requests = request_statuses(connection, [attempt.request_id for attempt in attempts])
    facts = _facts(connection, requests.values())
    moved = 0
    for attempt in attempts:
        request = requests.get(attempt.request_id)
        if request is None:
            _log.error("settlement_request_missing", attempt_id=str(attempt.id))
            continue
        moved += _follow(connection, attempt, request, facts.get(request.request_id))
    return moved


def _facts(connection: Connection, requests: Iterable[RequestStatus]) -> dict[UUID, PaymentFact]:
    """The indexed fact of each request, one query per treasury."""
    homes: defaultdict[tuple[Any, Any], dict[PaymentId, UUID]] = defaultdict(dict)
    for request in requests:
        homes[request.chain_id, request.treasury][request.payment_id] = request.request_id
    found: dict[UUID, PaymentFact] = {}
    for (chain_id, treasury), names in homes.items():
        facts = payments_by_id(
            connection, chain_id=chain_id, treasury=treasury, payment_ids=list(names)
        )
        found |= {names[payment_id]: fact for payment_id, fact in facts.items()}
    return found


def _follow(
    connection: Connection, attempt: Attempt, request: RequestStatus, fact: PaymentFact | None
) -> bool:
    verdict = _claimed(attempt, judge(request, fact))
    is_move = verdict.status != attempt.chain_status
    if is_move and not may_chain_move(attempt.chain_status, verdict.status):
        # Through the states between, or called back: the next look goes on from there.
        if attempt.chain_status == "held":
            waits = f"settlement has not given it up yet: it is {request.state} there"
            _note(connection, attempt, Verdict("held", verdict.reason or waits))
        return False
    if not is_move:
        _note(connection, attempt, verdict)
        return False
    evidence = {} if fact is None else dict(_evidence(fact))
    to = Statuses(chain=verdict.status)
    columns = {"review_reason": _reason(attempt, verdict)}
    if not move(connection, attempt, to, source="chain", evidence=evidence, columns=columns):
        return False
    if verdict.status == "held":
        call_back(connection, attempt, attempt.claim_status)
        post_capture(connection, attempt)
    if verdict.status == "final":
        capture = TransferId(attempt.capture_id or capture_name(attempt))
        payment = TokenPayment(
            request.chain_id, request.treasury, request.token, request.amount_base_units
        )
        post_final(connection, capture, attempt.id, payment)
    return True


def _claimed(attempt: Attempt, verdict: Verdict) -> Verdict:
    """A payment that fell back into the queue is called back while anybody wants it back."""
    if verdict.status == "queued" and attempt.claim_status != "none":
        return Verdict("held", verdict.reason)
    return verdict


def _note(connection: Connection, attempt: Attempt, verdict: Verdict) -> None:
    """Keep the reason of a stop visible on the attempt while it lasts."""
    reason = _reason(attempt, verdict)
    if reason != attempt.review_reason:
        connection.execute(
            update(payment_attempts)
            .where(
                payment_attempts.c.id == attempt.id,
                # Since it was read, a claim may have put its own reason there.
                payment_attempts.c.version == attempt.version,
                payment_attempts.c.claim_status == "none",
            )
            .values(review_reason=reason)
        )


def _reason(attempt: Attempt, verdict: Verdict) -> str | None:
    """What a claim or a person's decision left to look at outlives what settlement says."""
    known = attempt.review_reason
    if attempt.chain_status == "failed" and (known or "").startswith(f"{REFUSED}: "):
        return known  # why it was not taken anew says more than that it was given up
    is_ours = known is None or known.startswith(_OURS)
    return verdict.reason if is_ours and attempt.claim_status == "none" else known


def _evidence(fact: PaymentFact) -> Iterator[tuple[str, Any]]:
    yield "state", fact.state
    yield "life", fact.life
    if fact.confirmed_block is not None:
        yield "block_number", fact.confirmed_block
    for name, value in (
        ("block_hash", fact.confirmed_block_hash),
        ("tx_hash", fact.confirmed_tx),
    ):
        if value is not None:
            yield name, to_hex(value)
