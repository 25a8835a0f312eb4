"""The campaign lane: a CampaignInfo, then its treasury, then live.

Each turn derives a campaign's state anew from indexed events and its own batches; so it resumes
after any crash, follows any reorg, and the unique index on batches keeps it from creating twice.
Addresses come from events only. The treasury follows as soon as the campaign is indexed, but the
campaign is live only once both events are final.
"""

from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID

import structlog
from sqlalchemy import Connection, and_, func, or_, select, update

from indexer.chain.types import Address
from indexer.errors import ConfigurationError
from indexer.queries import campaign_by_identifier, treasury_of_campaign
from settlement import calldata
from settlement.batching import gas_limit
from settlement.head import Head
from settlement.lane import Lane
from settlement.lifecycle import RETRY_AFTER, TREASURY, CampaignStep, CampaignView, campaign_step
from settlement.nonces import Plan
from settlement.preflight import estimate
from settlement.provisioning import provision_creators
from settlement.reverts import Revert
from settlement.sealing import try_seal
from settlement.tables import AnyRow, attempts, batches, campaigns, nonce_slots
from settlement.types import CREATE_CAMPAIGN, CREATE_TREASURY

log = structlog.get_logger()

READ_MAX = 500
LAUNCH_MARGIN = timedelta(seconds=60)
"""A launch lies this far ahead of the newest block, so that it is not past when it is mined."""


def advance_campaigns(lane: Lane, head: Head) -> int:
    """Take the next step of every campaign that is not live; returns how many were sealed."""
    provision_creators(lane)
    with lane.engine.connect() as connection:
        rows = connection.execute(
            select(campaigns)
            .where(
                campaigns.c.chain_id == lane.chain_id,
                campaigns.c.creator.is_not(None),
                or_(
                    campaigns.c.state.in_(("requested", "campaign_pending", "treasury_pending")),
                    and_(
                        campaigns.c.state == "blocked",
                        campaigns.c.reason.startswith(TREASURY),
                        campaigns.c.state_since < func.now() - RETRY_AFTER,
                    ),
                ),
            )
            .order_by(campaigns.c.requested_at)
            .limit(READ_MAX)
        ).all()
    return sum(_advance(lane, head, row) for row in rows)


@dataclass(frozen=True, slots=True)
class _Terms:
    """What the deployment says about a campaign."""

    implementation_id: int
    token: Address


def _advance(lane: Lane, head: Head, row: AnyRow) -> int:
    try:
        terms = _Terms(
            lane.deployment.implementation_of(row.treasury_kind).id,
            lane.deployment.token_for(row.currency).address,
        )
    except ConfigurationError as fault:
        _store(lane, row, CampaignStep("blocked", TREASURY + str(fault)), None)
        return 0
    with lane.engine.connect() as connection:
        step = campaign_step(_view(connection, lane, row, terms))
    _store(lane, row, step, terms)
    match step.send:
        case "create_campaign":
            return _seal(lane, head, row, _creation(lane, head, row))
        case "create_treasury" if step.campaign is not None:
            return _seal(lane, head, row, _deployment(lane, row, step.campaign, terms))
        case _:
            return 0


def _view(connection: Connection, lane: Lane, row: AnyRow, terms: _Terms) -> CampaignView:
    contracts = lane.deployment.contracts
    campaign = campaign_by_identifier(
        connection,
        chain_id=lane.chain_id,
        factory=contracts.campaign_info_factory,
        identifier_hash=row.identifier_hash,
    )
    treasury = (
        None
        if campaign is None
        else treasury_of_campaign(
            connection,
            chain_id=lane.chain_id,
            factory=contracts.treasury_factory,
            campaign=campaign.campaign,
            platform_hash=lane.deployment.platform.hash,
        )
    )
    ours = campaign is not None and (
        connection.execute(
            select(attempts.c.tx_hash).where(attempts.c.tx_hash == campaign.tx_hash)
        ).one_or_none()
        is not None
    )
    own = connection.execute(
        select(batches.c.kind, batches.c.released_at, nonce_slots.c.failure)
        .outerjoin(nonce_slots, nonce_slots.c.batch_id == batches.c.id)
        .where(batches.c.campaign_request_id == row.request_id)
        .order_by(batches.c.sealed_at)
    ).all()
    live = {batch.kind for batch in own if batch.released_at is None}
    failed = [batch for batch in own if batch.released_at is not None]
    return CampaignView(
        campaign=campaign,
        campaign_is_ours=ours,
        treasury=treasury,
        implementation_id=terms.implementation_id,
        creating_campaign=CREATE_CAMPAIGN in live,
        creating_treasury=CREATE_TREASURY in live,
        tries=len(failed),
        last_failure=failed[-1].failure if failed else None,
    )


def _creation(lane: Lane, head: Head, row: AnyRow) -> Plan:
    """The plan of a campaign; its gas limit is still open."""
    data = calldata.create_campaign(
        calldata.CampaignTerms(
            creator=row.creator,
            identifier_hash=row.identifier_hash,
            platform_hash=lane.deployment.platform.hash,
            launch_at=max(row.launch_at, head.timestamp + LAUNCH_MARGIN),
            deadline_at=row.deadline_at,
            goal_base_units=row.goal_base_units,
            currency=row.currency,
            title=row.title,
        )
    )
    return Plan(
        kind=CREATE_CAMPAIGN,
        target=lane.deployment.contracts.campaign_info_factory,
        calldata=data,
        gas_limit=0,
        campaign_request_id=row.request_id,
    )


def _deployment(lane: Lane, row: AnyRow, campaign: Address, terms: _Terms) -> Plan:
    """The plan of a treasury; its gas limit is still open."""
    return Plan(
        kind=CREATE_TREASURY,
        target=lane.deployment.contracts.treasury_factory,
        calldata=calldata.deploy_treasury(
            lane.deployment.platform.hash, campaign, terms.implementation_id
        ),
        gas_limit=0,
        campaign_request_id=row.request_id,
    )


def _seal(lane: Lane, head: Head, row: AnyRow, plan: Plan) -> int:
    """Try the plan, then seal it; what the contracts refuse blocks the campaign for a while."""
    outcome = estimate(lane, plan.target, plan.calldata)
    if isinstance(outcome, Revert):
        log.warning("campaign_trial_reverted", kind=plan.kind, reason=outcome.reason)
        if outcome.blame != "known":
            _set_state(lane, row.request_id, "blocked", TREASURY + outcome.reason)
        return 0
    return int(try_seal(lane, head, replace(plan, gas_limit=gas_limit(outcome))) == "sealed")


def _store(lane: Lane, row: AnyRow, step: CampaignStep, terms: _Terms | None) -> None:
    """Write a step's state, if it changes anything."""
    token = None if terms is None or step.campaign is None else terms.token
    known = None if step.campaign is None else lane.deployment.platform.hash
    before = (row.state, row.reason, row.campaign, row.treasury)
    if before == (step.state, step.reason, step.campaign, step.treasury):
        return
    with lane.engine.begin() as connection:
        connection.execute(
            update(campaigns)
            .where(campaigns.c.request_id == row.request_id, campaigns.c.state != "live")
            .values(
                state=step.state,
                reason=step.reason,
                campaign=step.campaign,
                treasury=step.treasury,
                token=token,
                platform_hash=known,
                state_since=func.now(),
                live_at=func.now() if step.state == "live" else None,
            )
        )
    log.info(
        "campaign_moved",
        request_id=str(row.request_id),
        before=row.state,
        after=step.state,
        why=step.reason,
    )


def _set_state(lane: Lane, request_id: UUID, state: str, reason: str) -> None:
    with lane.engine.begin() as connection:
        connection.execute(
            update(campaigns)
            .where(campaigns.c.request_id == request_id, campaigns.c.state != "live")
            .values(state=state, reason=reason, state_since=func.now())
        )
