"""Campaigns and their contributions."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from api.caching import render
from api.dependencies import Reading, chain_in_query
from api.errors import not_found, problem_responses
from api.pagination import cut_page
from api.reads.campaigns import (
    CampaignFilter,
    fetch_campaign,
    fetch_campaigns,
    place_campaign,
    show_campaigns,
)
from api.reads.contributions import (
    ContributionFilter,
    fetch_contributions,
    find_campaign,
    place_contribution,
    show_contribution,
)
from api.schemas.campaigns import CampaignAnswer, CampaignPage, CampaignQuery
from api.schemas.contributions import ContributionPage, ContributionQuery

router = APIRouter(prefix="/v1/campaigns", tags=["campaigns"])


@router.get(
    "",
    operation_id="listCampaigns",
    summary="List campaigns, newest first",
    response_model=CampaignPage,
    responses=problem_responses(400, 409, 422, 503),
)
def list_campaigns(
    request: Request, reader: Reading, query: Annotated[CampaignQuery, Query()]
) -> Response:
    """Campaigns with what they raised, off-chain and on-chain."""
    chain_id = chain_in_query(query.chain)
    filters = CampaignFilter(query.settlement_mode, chain_id, query.finality)
    with reader.snapshot() as snapshot:
        wanted = reader.page(snapshot, request, query)
        rows = fetch_campaigns(snapshot, wanted, filters)
        page, cursor = cut_page(rows, wanted, snapshot, place=place_campaign)
        answer = CampaignPage(
            items=show_campaigns(snapshot, page, reader.tokens),
            next_cursor=reader.next_cursor(wanted, cursor),
            as_of=snapshot.as_of(None if chain_id is None else [chain_id]),
        )
    return render(request, answer)


@router.get(
    "/{slug_or_id}",
    operation_id="getCampaign",
    summary="Read one campaign by slug or id",
    response_model=CampaignAnswer,
    responses=problem_responses(404, 503),
)
def get_campaign(request: Request, reader: Reading, slug_or_id: str) -> Response:
    """One campaign; ``as_of`` is that of its chain, and empty for a fiat-only one."""
    with reader.snapshot() as snapshot:
        row = fetch_campaign(snapshot, slug_or_id)
        if row is None:
            raise not_found("campaign")
        (campaign,) = show_campaigns(snapshot, [row], reader.tokens)
        chains = [] if row.chain_id is None else [row.chain_id]
        answer = CampaignAnswer(**dict(campaign), as_of=snapshot.as_of(chains))
    return render(request, answer)


@router.get(
    "/{slug_or_id}/contributions",
    operation_id="listContributions",
    summary="List a campaign's contributions, newest first",
    response_model=ContributionPage,
    responses=problem_responses(400, 404, 409, 422, 503),
)
def list_contributions(
    request: Request,
    reader: Reading,
    slug_or_id: str,
    query: Annotated[ContributionQuery, Query()],
) -> Response:
    """Every try to pay, in any state; who gave is never shown."""
    filters = ContributionFilter(query.fiat_status, query.finality)
    with reader.snapshot() as snapshot:
        campaign = find_campaign(snapshot, slug_or_id)
        if campaign is None:
            raise not_found("campaign")
        wanted = reader.page(snapshot, request, query)
        rows = fetch_contributions(snapshot, wanted, campaign.id, filters)
        page, cursor = cut_page(rows, wanted, snapshot, place=place_contribution)
        answer = ContributionPage(
            items=[show_contribution(snapshot, row, reader.tokens) for row in page],
            next_cursor=reader.next_cursor(wanted, cursor),
            as_of=snapshot.as_of([] if campaign.chain_id is None else [campaign.chain_id]),
        )
    return render(request, answer)
