"""Hand a captured payment over to settlement, and call it back when somebody wants it back."""

from dataclasses import dataclass
from typing import Final
from uuid import UUID, uuid5

from sqlalchemy import Connection, select

from indexer.chain.types import ChainId
from indexer.errors import InvariantError
from offchain.money import base_units
from offchain.payments.attempts import Attempt, Source, Statuses, move, read_attempt
from offchain.payments.lattice import ChainStatus, ClaimStatus
from offchain.services import Chains
from offchain.tables import campaigns, payment_attempts, pledges
from settlement.action_intake import request_refund
from settlement.intake import Conflict, request_settlement
from settlement.queries import campaign_onchain, request_statuses
from settlement.tables import requests
from settlement.types import RequestState

FIRST_GENERATION = 0
SEALED: Final[frozenset[ChainStatus]] = frozenset({"submitted", "mined", "final"})
REFUSED: Final = "settlement"
"""How every reason begins for which settlement did not take a payment."""
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
    """
    attempt = read_attempt(connection, attempt_id)
    if attempt is None or not attempt.holds_pledge or attempt.claim_status != "none":
        return "not accepted for its pledge, or claimed back"
    destination = destination_of(connection, attempt.pledge_id)
    if destination.chain_id is None or attempt.chain_status != "none":
        return None
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
    evidence = {"request_id": str(attempt.id)}
    is_over = (attempt.review_reason or "").startswith(REFUSED)
    columns = {"review_reason": None} if is_over else {}
    if not move(connection, attempt, queued, source=source, evidence=evidence, columns=columns):
        # The caller holds the row; if not, the other transaction has handed it over.
        return "moved by another transaction"
    return None


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
        request_id=attempt.id,
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
        if row.request_id == attempt.id:
            return int(row.generation)
    return max((row.generation + 1 for row in rows), default=FIRST_GENERATION)


def is_sealed(connection: Connection, attempt: Attempt) -> bool:
    """Whether a payment is on its way to the chain or there: settlement knows before we do."""
    if attempt.chain_status != "queued":
        return attempt.chain_status in SEALED
    request = request_statuses(connection, [attempt.id]).get(attempt.id)
    return request is not None and request.state not in _UNSEALED


def call_back(connection: Connection, attempt: Attempt, claim: ClaimStatus) -> None:
    """Ask settlement to undo a payment wherever it stands; once, for ever.

    Raises:
        InvariantError: It was never handed over.
    """
    try:
        request_refund(
            connection,
            action_id=uuid5(attempt.id, f"call back {attempt.version}"),
            request_id=attempt.id,
            recipient=None,
            requested_by=f"off-chain: {claim}",
        )
    except LookupError as error:
        raise InvariantError(f"attempt {attempt.id} is {attempt.chain_status}: {error}") from None
