"""Hand a captured payment over to settlement, and call it back when somebody wants it back.

Settlement's undoing is for ever. Where the claim comes to nothing, the payment is handed over anew:
under another name, as the next generation of its pledge, and only once settlement says that the one
before can never be confirmed.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Final
from uuid import UUID, uuid5

from sqlalchemy import ColumnElement, Connection, and_, or_, select

from indexer.chain.types import ChainId
from indexer.errors import InvariantError
from indexer.queries import payments_by_id
from offchain.money import base_units
from offchain.payments.attempts import Attempt, Source, Statuses, move, read_attempt
from offchain.payments.lattice import ChainStatus, ClaimStatus
from offchain.services import Chains
from offchain.tables import campaigns, payment_attempts, pledges
from settlement.action_intake import request_refund
from settlement.intake import Conflict, request_settlement
from settlement.queries import campaign_onchain, request_statuses, undone_by
from settlement.tables import requests
from settlement.types import RequestState

FIRST_GENERATION = 0
WAITING: Final[frozenset[ChainStatus]] = frozenset({"none", "failed"})
"""Settlement has not got it yet, or has given it up for a claim."""
SEALED: Final[frozenset[ChainStatus]] = frozenset({"submitted", "mined", "final"})
REFUSED: Final = "settlement"
"""How every reason begins for which settlement did not take a payment."""
UNDONE_REASON: Final = "undone on-chain while its money is here: give the money back"
_OURS: Final = "off-chain: "
"""How the reason begins of every undoing that was asked for here, and not by an operator."""
_UNSEALED: Final[frozenset[RequestState]] = frozenset(
    {"ready", "blocked", "quarantined", "void", "superseded"}
)


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a pledge's money belongs and the names it goes by on-chain."""

    campaign_id: UUID
    chain_id: ChainId | None
    """None: the campaign settles in fiat only."""
    buyer_commitment: bytes
    item_id: bytes


def destination_of(connection: Connection, pledge_id: UUID) -> Destination:
    """Read where a pledge's money belongs.

    Raises:
        InvariantError: The pledge or its campaign is missing.
    """
    row = connection.execute(
        select(campaigns.c.id, campaigns.c.chain_id, pledges.c.buyer_commitment, pledges.c.item_id)
        .join_from(pledges, campaigns, pledges.c.campaign_id == campaigns.c.id)
        .where(pledges.c.id == pledge_id)
    ).one_or_none()
    if row is None:
        raise InvariantError(f"pledge {pledge_id} has no campaign: its rows were removed")
    return Destination(*row)


def hand_over(
    connection: Connection, attempt_id: UUID, *, chains: Chains, source: Source
) -> str | None:
    """Ask settlement to confirm an accepted payment; None when it took it, else why not.

    A refusal is written to the attempt, stays visible there, and is tried again by the sweep.

    Args:
        connection: The caller's transaction; it holds the attempt's lock.
        attempt_id: The payment; one that was called back goes again once its claim is over.
        chains: The chains known.
        source: Who hands it over.
    """
    attempt = read_attempt(connection, attempt_id)
    if attempt is None or not attempt.holds_pledge or attempt.claim_status != "none":
        return "not accepted for its pledge, or claimed back"
    destination = destination_of(connection, attempt.pledge_id)
    if destination.chain_id is None or attempt.chain_status not in WAITING:
        return None
    columns: dict[str, Any] = {}
    if attempt.chain_status == "failed":
        if not _is_given_up(connection, attempt):
            return "settlement has not given it up"
        attempt = replace(attempt, settlement_id=uuid5(attempt.id, f"after {attempt.request_id}"))
        columns["settlement_id"] = attempt.settlement_id
    refusal = _request(connection, attempt, destination, chains)
    if refusal is not None:
        if attempt.review_reason != refusal:
            connection.execute(
                payment_attempts.update()
                .where(payment_attempts.c.id == attempt.id)
                .values(review_reason=refusal)
            )
        return refusal
    queued = Statuses(chain="queued")
    evidence = {"request_id": str(attempt.request_id)}
    if (attempt.review_reason or "").startswith(REFUSED):
        columns["review_reason"] = None
    elif "settlement_id" in columns:
        columns["review_reason"] = _without_undoing(attempt.review_reason)
    if not move(connection, attempt, queued, source=source, evidence=evidence, columns=columns):
        # The caller holds the row; if not, the other transaction has handed it over.
        return "moved by another transaction"
    return None


def _is_given_up(connection: Connection, attempt: Attempt) -> bool:
    """Whether settlement will never confirm it, by our call: what an operator undid stays so."""
    request = request_statuses(connection, [attempt.request_id]).get(attempt.request_id)
    if request is None or request.state != "void":
        return False
    if not (undone_by(connection, attempt.request_id) or "").startswith(_OURS):
        return False
    facts = payments_by_id(
        connection,
        chain_id=request.chain_id,
        treasury=request.treasury,
        payment_ids=[request.payment_id],
    )
    return all(fact.confirmed_block is None for fact in facts.values())


def _without_undoing(reason: str | None) -> str | None:
    """What else a person was to look at, of a payment that is not undone after all."""
    return None if reason is None else reason.removesuffix(UNDONE_REASON).removesuffix("; ") or None


def _request(
    connection: Connection, attempt: Attempt, destination: Destination, chains: Chains
) -> str | None:
    onchain = campaign_onchain(connection, destination.campaign_id)
    if onchain is None or onchain.state != "live" or onchain.treasury is None:
        return "settlement: the campaign is not live on-chain"
    token = chains.token(onchain.chain_id, attempt.amount.currency)
    if token is None or token.address != onchain.token:
        return f"settlement: no token stands for {attempt.amount.currency} in this campaign"
    answer = request_settlement(
        connection,
        request_id=attempt.request_id,
        chain_id=onchain.chain_id,
        treasury=onchain.treasury,
        pledge_id=attempt.pledge_id,
        generation=_generation(connection, attempt),
        buyer_commitment=destination.buyer_commitment,
        item_id=destination.item_id,
        token=token.address,
        amount_base_units=base_units(attempt.amount.minor, token_decimals=token.decimals),
        captured_at=attempt.captured_at or attempt.created_at,
        gateway=attempt.gateway,
    )
    return f"settlement: {answer.reason}" if isinstance(answer, Conflict) else None


def _generation(connection: Connection, attempt: Attempt) -> int:
    """How many names the pledge had on-chain before: an earlier payment of it may be undone."""
    rows = connection.execute(
        select(requests.c.request_id, requests.c.generation).where(
            requests.c.pledge_id == attempt.pledge_id
        )
    ).all()
    for row in rows:
        if row.request_id == attempt.request_id:
            return int(row.generation)
    return max((row.generation + 1 for row in rows), default=FIRST_GENERATION)


def is_sealed(connection: Connection, attempt: Attempt) -> bool:
    """Whether a payment is on its way to the chain or there: settlement knows before we do."""
    if attempt.chain_status != "queued":
        return attempt.chain_status in SEALED
    request = request_statuses(connection, [attempt.request_id]).get(attempt.request_id)
    return request is not None and request.state not in _UNSEALED


def is_named(request_ids: Iterable[UUID]) -> ColumnElement[bool]:
    """Whether settlement has an attempt by one of these names."""
    names = list(request_ids)
    by_id = and_(payment_attempts.c.settlement_id.is_(None), payment_attempts.c.id.in_(names))
    return or_(by_id, payment_attempts.c.settlement_id.in_(names))


def name_at_settlement(connection: Connection, name: UUID) -> UUID:
    """What settlement has a payment as that was handed over anew; any other name as it is."""
    query = select(payment_attempts.c.settlement_id).where(payment_attempts.c.id == name)
    return connection.execute(query).scalar_one_or_none() or name


def call_back(connection: Connection, attempt: Attempt, claim: ClaimStatus) -> None:
    """Ask settlement to undo a payment wherever it stands; once, for ever.

    Raises:
        InvariantError: It was never handed over.
    """
    try:
        request_refund(
            connection,
            action_id=uuid5(attempt.id, f"call back {attempt.version}"),
            request_id=attempt.request_id,
            recipient=None,
            requested_by=f"{_OURS}{claim}",
        )
    except LookupError as error:
        raise InvariantError(f"attempt {attempt.id} is {attempt.chain_status}: {error}") from None
