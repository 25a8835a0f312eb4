"""Transactions."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from api.caching import render
from api.dependencies import Reading, chain_in_query
from api.errors import bad_parameter, not_found, problem_responses
from api.reads.transactions import find_transaction
from api.schemas.transactions import TransactionAnswer, TransactionQuery
from api.values import parse_hash
from indexer.chain.networks import NETWORKS
from indexer.chain.types import TxHash

router = APIRouter(prefix="/v1/transactions", tags=["transactions"])


@router.get(
    "/{tx_hash}",
    operation_id="getTransaction",
    summary="Read one transaction: its indexed logs and why it was sent",
    response_model=TransactionAnswer,
    responses=problem_responses(404, 422, 503),
)
def get_transaction(
    request: Request, reader: Reading, tx_hash: str, query: Annotated[TransactionQuery, Query()]
) -> Response:
    """One transaction; only logs of the protocol and its tokens are indexed."""
    chain_id = chain_in_query(query.chain)
    try:
        wanted = TxHash(parse_hash(tx_hash))
    except ValueError as error:
        raise bad_parameter("tx_hash", error) from None
    chains = [network.chain_id for network in NETWORKS] if chain_id is None else [chain_id]
    with reader.snapshot() as snapshot:
        answer = find_transaction(snapshot, wanted, chains)
        if answer is None:
            as_of = snapshot.as_of(None if chain_id is None else [chain_id])
            raise not_found("transaction", as_of=as_of)
    return render(request, answer)
