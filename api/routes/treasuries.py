"""Treasuries."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from api.caching import render
from api.dependencies import Reading, chain_in_path, chain_in_query
from api.errors import bad_parameter, not_found, problem_responses
from api.pagination import cut_page
from api.reads.treasuries import (
    TreasuryFilter,
    fetch_treasuries,
    fetch_treasury,
    place_treasury,
    show_treasuries,
)
from api.schemas.treasuries import TreasuryAnswer, TreasuryPage, TreasuryQuery
from api.values import parse_address

router = APIRouter(prefix="/v1/treasuries", tags=["treasuries"])


@router.get(
    "",
    operation_id="listTreasuries",
    summary="List treasuries, by chain and then oldest first",
    response_model=TreasuryPage,
    responses=problem_responses(400, 409, 422, 503),
)
def list_treasuries(
    request: Request, reader: Reading, query: Annotated[TreasuryQuery, Query()]
) -> Response:
    """Every treasury the index knows, with what it raised by token."""
    chain_id = chain_in_query(query.chain)
    with reader.snapshot() as snapshot:
        wanted = reader.page(snapshot, request, query)
        rows = fetch_treasuries(snapshot, wanted, TreasuryFilter(chain_id, query.finality))
        page, cursor = cut_page(rows, wanted, snapshot, place=place_treasury)
        answer = TreasuryPage(
            items=show_treasuries(snapshot, page, reader.tokens),
            next_cursor=reader.next_cursor(wanted, cursor),
            as_of=snapshot.as_of(None if chain_id is None else [chain_id]),
        )
    return render(request, answer)


@router.get(
    "/{chain}/{address}",
    operation_id="getTreasury",
    summary="Read one treasury by network (or chain id) and address",
    response_model=TreasuryAnswer,
    responses=problem_responses(404, 422, 503),
)
def get_treasury(request: Request, reader: Reading, chain: str, address: str) -> Response:
    """One treasury. A mixed-case address must carry its EIP-55 checksum."""
    chain_id = chain_in_path(chain)
    try:
        treasury = parse_address(address)
    except ValueError as error:
        raise bad_parameter("address", error) from None
    with reader.snapshot() as snapshot:
        as_of = snapshot.as_of([chain_id])
        row = fetch_treasury(snapshot, chain_id, treasury)
        if row is None:
            raise not_found("treasury", as_of=as_of)
        (shown,) = show_treasuries(snapshot, [row], reader.tokens)
        answer = TreasuryAnswer(**dict(shown), as_of=as_of)
    return render(request, answer)
