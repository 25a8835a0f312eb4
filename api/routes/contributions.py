"""One contribution, by either of its names."""

from uuid import UUID

from fastapi import APIRouter, Request, Response

from api.caching import render
from api.dependencies import Reading
from api.errors import bad_parameter, not_found, problem_responses
from api.reads.contributions import fetch_contribution, show_contribution
from api.schemas.contributions import ContributionAnswer
from api.values import parse_hash
from indexer.chain.types import PaymentId

router = APIRouter(prefix="/v1/contributions", tags=["contributions"])


@router.get(
    "/{payment_id}",
    operation_id="getContribution",
    summary="Read one contribution by its id or its on-chain payment id",
    response_model=ContributionAnswer,
    responses=problem_responses(404, 422, 503),
)
def get_contribution(request: Request, reader: Reading, payment_id: str) -> Response:
    """One contribution, from the gateway to finality."""
    name = _name(payment_id)
    with reader.snapshot() as snapshot:
        row = fetch_contribution(snapshot, name)
        if row is None:
            raise not_found("contribution", as_of=snapshot.as_of())
        contribution = show_contribution(snapshot, row, reader.tokens)
        chains = [] if row.chain_id is None else [row.chain_id]
        answer = ContributionAnswer(**dict(contribution), as_of=snapshot.as_of(chains))
    return render(request, answer)


def _name(text: str) -> UUID | PaymentId:
    """Tell the two names apart.

    Raises:
        ProblemError: 422, it is neither.
    """
    try:
        return PaymentId(parse_hash(text)) if text.startswith("0x") else UUID(text)
    except ValueError:
        fault = ValueError("expected a UUID, or a payment id: 0x and 64 hex digits")
        raise bad_parameter("payment_id", fault) from None
