"""``POST /v1/campaigns``: the operator registers a campaign, once per slug."""

from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Literal, Self
from uuid import UUID

from fastapi import APIRouter, Depends, Response
from pydantic import AfterValidator, Field, StrictInt, StringConstraints, model_validator
from sqlalchemy import Connection, RowMapping

from indexer.chain.deployments import TreasuryKind
from indexer.chain.networks import network_by_chain_id
from indexer.chain.types import ChainId, to_checksum
from offchain.campaigns import Conflict, NewCampaign, OnchainTerms, Over, read_shares, register
from offchain.gateways.choosing import ORDER, GatewayName
from offchain.http.card_numbers import refuse_card_numbers
from offchain.http.fields import (
    AccountText,
    AmountMinor,
    Body,
    CurrencyCode,
    Moment,
    RoleText,
    SafeText,
    WalletText,
    read_wallet,
)
from offchain.http.problems import FaultyField, ProblemError, invalid_request
from offchain.http.state import HttpState, State, require_operator
from offchain.money import Currency, MinorUnits, Money
from offchain.splits import WHOLE_BPS, Share, shares_fault
from settlement.queries import campaign_onchain

DEFAULT_TREASURY_KIND: TreasuryKind = "payment-treasury"
SPLITS_MAX = 60

router = APIRouter(tags=["campaigns"])


def _refuse_uuid(text: str) -> str:
    """A slug that reads as an id would be looked up as one, and never be found."""
    try:
        UUID(text)
    except ValueError:
        return text
    raise ValueError("must not read as a UUID")


Slug = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z][a-z0-9]*(?:-[a-z0-9]+)*$", min_length=3, max_length=64),
    AfterValidator(_refuse_uuid),
    Field(description="Name in URLs; lower-case words joined by dashes."),
]


class SplitBody(Body):
    """What one receiver gets of every charge at one gateway."""

    gateway: GatewayName | None = Field(
        None, description="Absent for the first enabled one: crowdsplit, stripe, paystack."
    )
    account: AccountText
    share_bps: Annotated[
        StrictInt, Field(ge=1, le=WHOLE_BPS, description="Ten-thousandths of the charge.")
    ]
    role: RoleText


class CampaignBody(Body):
    """A campaign to register."""

    slug: Slug
    title: SafeText
    creator: SafeText = Field(description="Public display name.")
    creator_wallet: WalletText | None = Field(
        None,
        description="Owner on-chain. Required when it settles there, unless wallets are kept for "
        "creators.",
    )
    goal_minor: AmountMinor
    currency: CurrencyCode
    launch_at: Moment | None = None
    deadline_at: Moment
    settlement_mode: Literal["onchain", "fiat_only"]
    chain: str | None = Field(None, description="Network name; required when it settles on-chain.")
    treasury_kind: TreasuryKind | None = Field(
        None, description="One that the network offers; payment-treasury when left out."
    )
    splits: Annotated[tuple[SplitBody, ...], Field(max_length=SPLITS_MAX)] = Field(
        (), description="How charges are split; the shares at each gateway sum to 10000."
    )

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        if self.launch_at is not None and self.deadline_at <= self.launch_at:
            raise ValueError("deadline_at must be after launch_at")
        is_onchain = self.settlement_mode == "onchain"
        if is_onchain and self.chain is None:
            raise ValueError("a campaign that settles on-chain needs chain and creator_wallet")
        if not is_onchain and (self.chain is not None or self.treasury_kind is not None):
            raise ValueError("a fiat-only campaign has neither chain nor treasury_kind")
        return self


class SplitView(Body):
    """What one receiver gets of every charge at one gateway."""

    gateway: str
    account: str
    share_bps: int
    role: str


class CampaignView(Body):
    """A registered campaign."""

    id: UUID
    slug: str
    title: str
    creator: str
    creator_wallet: str | None
    goal_minor: int
    currency: str
    launch_at: datetime
    deadline_at: datetime
    settlement_mode: str
    chain: str | None
    treasury_kind: str | None
    splits: tuple[SplitView, ...]
    onchain_state: str | None = Field(
        description="requested, campaign_pending, treasury_pending, live or blocked; "
        "null for fiat-only campaigns."
    )
    onchain_reason: str | None
    campaign_address: str | None
    treasury_address: str | None


@router.post(
    "/v1/campaigns",
    operation_id="registerCampaign",
    status_code=HTTPStatus.CREATED,
    dependencies=[Depends(require_operator), Depends(refuse_card_numbers)],
    responses={200: {"model": CampaignView, "description": "It was registered before, equally."}},
)
def register_campaign(body: CampaignBody, state: State, response: Response) -> CampaignView:
    """Register a campaign; the same body again changes nothing and shows its progress."""
    new = _new_campaign(body, state)
    with state.services.engine.begin() as connection:
        done = register(connection, new, chains=state.services.chains, now=state.services.clock())
        # Raised inside the transaction: what was inserted is rolled back.
        if isinstance(done, Over):
            raise invalid_request([FaultyField("must be in the future", pointer="#/deadline_at")])
        if isinstance(done, Conflict):
            raise ProblemError(
                HTTPStatus.CONFLICT,
                "campaign-conflict",
                title="The campaign contradicts what is registered",
                detail=f"Nothing was written: {done.reason}.",
            )
        if not done.is_new:
            response.status_code = HTTPStatus.OK
        return _view(connection, done.row)


def _new_campaign(body: CampaignBody, state: HttpState) -> NewCampaign:
    return NewCampaign(
        slug=body.slug,
        title=body.title,
        creator=body.creator,
        creator_wallet=None if body.creator_wallet is None else read_wallet(body.creator_wallet),
        goal=Money(MinorUnits(body.goal_minor), Currency(body.currency)),
        launch_at=body.launch_at,
        deadline_at=body.deadline_at,
        onchain=_onchain_terms(body, state),
        shares=_shares(body, state),
    )


def _shares(body: CampaignBody, state: HttpState) -> tuple[Share, ...]:
    enabled = [name for name in ORDER if name in state.services.gateways]
    shares = tuple(
        Share(split.gateway or enabled[0], split.account, split.share_bps, split.role)
        for split in body.splits
    )
    strange = {share.gateway for share in shares} - set(enabled)
    fault = f"gateways enabled: {', '.join(enabled)}" if strange else shares_fault(shares)
    if fault is not None:
        raise invalid_request([FaultyField(fault, pointer="#/splits")])
    return shares


def _onchain_terms(body: CampaignBody, state: HttpState) -> OnchainTerms | None:
    if body.settlement_mode != "onchain":
        return None
    if body.creator_wallet is None and not state.services.chains.keeps_wallets:
        raise invalid_request(
            [FaultyField("required: no wallets are kept here", pointer="#/creator_wallet")]
        )
    served = state.services.chains.deployments
    chain_id = next(
        (chain_id for chain_id, record in served.items() if record.network == body.chain), None
    )
    if chain_id is None:
        names = ", ".join(sorted(record.network for record in served.values())) or "none"
        raise invalid_request([FaultyField(f"served networks: {names}", pointer="#/chain")])
    if state.services.chains.token(chain_id, body.currency) is None:
        raise invalid_request(
            [FaultyField("no token stands for it on this network", pointer="#/currency")]
        )
    kind = body.treasury_kind or DEFAULT_TREASURY_KIND
    offered = {implementation.kind for implementation in served[chain_id].implementations}
    if kind not in offered:
        names = ", ".join(sorted(offered)) or "none"
        raise invalid_request([FaultyField(f"kinds offered: {names}", pointer="#/treasury_kind")])
    return OnchainTerms(ChainId(chain_id), kind)


def _view(connection: Connection, row: RowMapping) -> CampaignView:
    onchain = campaign_onchain(connection, row["id"])
    chain_id, wallet = row["chain_id"], row["creator_wallet"]
    addresses = (None, None) if onchain is None else (onchain.campaign, onchain.treasury)
    campaign, treasury = (None if raw is None else to_checksum(raw) for raw in addresses)
    return CampaignView(
        id=row["id"],
        slug=row["slug"],
        title=row["title"],
        creator=row["creator"],
        creator_wallet=None if wallet is None else to_checksum(wallet),
        goal_minor=row["goal_minor"],
        currency=row["currency"],
        launch_at=row["launch_at"],
        deadline_at=row["deadline_at"],
        settlement_mode=row["settlement_mode"],
        chain=None if chain_id is None else network_by_chain_id(chain_id).name,
        treasury_kind=row["treasury_kind"],
        splits=tuple(
            SplitView(
                gateway=share.gateway,
                account=share.account_id,
                share_bps=share.bps,
                role=share.role,
            )
            for share in read_shares(connection, row["id"])
        ),
        onchain_state=None if onchain is None else onchain.state,
        onchain_reason=None if onchain is None else onchain.reason,
        campaign_address=campaign,
        treasury_address=treasury,
    )
