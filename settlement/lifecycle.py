"""What a request, a campaign or a slot becomes, given what the index shows. Pure.

A request only ever moves forward on an indexed event, and back when that event was reorganized
away. ``settled`` is left for ``refunded``, and back only when a finalized block changed.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from indexer.chain.types import Address, BlockNumber
from indexer.queries import CampaignFact, PaymentFact, TreasuryFact
from settlement.types import (
    CONFIRMING,
    CampaignState,
    DueRequest,
    PaymentStep,
    RequestState,
)

STRIKES_ALONE = 2
"""Failed transactions after which a request travels alone, so that it fails alone. After the first
all are tried together again: a trial names the one at fault, if it still is."""
STRIKES_MAX = 3
"""Failed transactions after which a person must look."""
CAMPAIGN_TRIES_MAX = 3
RETRY_AFTER = timedelta(seconds=60)
EXPIRY_MARGIN = timedelta(minutes=10)
"""A confirmation is not sealed this close to expiry: it might be mined after it."""

FUNDING = "funding: "
TREASURY = "treasury: "
EXPIRED = "expired: "
FEE = "fee: "


@dataclass(frozen=True, slots=True)
class Move:
    """A change of a request's state."""

    state: RequestState
    reason: str | None = None
    block: BlockNumber | None = None
    """``settled``: the block of the confirmation."""


def observed(request: DueRequest, fact: PaymentFact | None) -> Move | None:
    """What the index makes of a request; None if it changes nothing.

    Args:
        request: In any state but void and superseded; settled or refunded only where a finalized
            block changed all the same.
        fact: The present life of its payment id on-chain; None while nothing is indexed.
    """
    if fact is None:
        move = _unseen(request)
    elif _contradicts(request, fact):
        move = Move("quarantined", "on-chain under other terms")
    elif fact.state == "confirmed":
        is_settled = fact.is_final and fact.is_proven
        move = Move("settled", block=fact.confirmed_block) if is_settled else Move("included")
    elif fact.state == "created":
        move = _only_created(request)
    elif fact.state == "refunded" and request.state == "refunded":
        move = Move("refunded", request.reason)
    else:
        move = Move("quarantined", f"{fact.state} on-chain")
    return None if move.state == request.state else move


def next_step(
    request: DueRequest, fact: PaymentFact | None, *, first: PaymentStep, now: datetime
) -> PaymentStep | Move | None:
    """What a request that is not under way needs next; None when there is nothing to send for it.

    Args:
        request: Ready, or blocked for want of tokens.
        fact: The present life of its payment id on-chain; None while nothing is indexed.
        first: What its treasury's kind sends for a payment that is not on-chain.
        now: Timestamp of the newest block: expiry is the chain's to decide.
    """
    if fact is None:
        return first if request.batch_kind is None else None
    if fact.state != "created" or request.batch_kind in CONFIRMING:
        return None  # observed() moves it
    if fact.expiration and fact.expiration <= (now + EXPIRY_MARGIN).timestamp():
        return Move("blocked", EXPIRED + "the on-chain payment can no longer be confirmed")
    return "confirm"


def struck(strikes: int, failure: str) -> Move:
    """Where a request goes whose transaction was mined without effect.

    Args:
        strikes: Failed transactions it was part of, this one included.
        failure: Why this one failed, as far as known.
    """
    if strikes >= STRIKES_MAX:
        return Move("quarantined", f"failed {strikes} times, at last: {failure}")
    return Move("ready")


@dataclass(frozen=True, slots=True)
class CampaignView:
    """All that decides a campaign's next step."""

    campaign: CampaignFact | None
    campaign_is_ours: bool
    """The event's transaction is one that we signed."""
    treasury: TreasuryFact | None
    implementation_id: int
    creating_campaign: bool
    """A ``create_campaign`` batch exists that may have, or had, effect."""
    creating_treasury: bool
    tries: int
    """Batches of this campaign that were mined without effect."""
    last_failure: str | None


@dataclass(frozen=True, slots=True)
class CampaignStep:
    """Where a campaign stands, and what to send for it now."""

    state: CampaignState
    reason: str | None = None
    campaign: Address | None = None
    treasury: Address | None = None
    send: Literal["create_campaign", "create_treasury"] | None = None


def campaign_step(view: CampaignView) -> CampaignStep:
    """Derive a campaign's state anew from events and batches, so that a reorg needs no undoing."""
    fact = view.campaign
    if fact is not None and not view.campaign_is_ours:
        return CampaignStep("blocked", "another sender took the campaign's identifier on-chain")
    if view.tries >= CAMPAIGN_TRIES_MAX:
        return CampaignStep(
            "blocked", f"failed {view.tries} times, at last: {view.last_failure}", _address(fact)
        )
    if fact is None:
        if view.creating_campaign:
            return CampaignStep("campaign_pending")
        return CampaignStep("requested", send="create_campaign")
    return _treasury_step(view, fact)


def _treasury_step(view: CampaignView, fact: CampaignFact) -> CampaignStep:
    found = view.treasury
    if found is None:
        send: Literal["create_treasury"] | None = (
            None if view.creating_treasury else "create_treasury"
        )
        return CampaignStep("treasury_pending", campaign=fact.campaign, send=send)
    if found.implementation_id != view.implementation_id:
        wrong = f"its treasury is of implementation {found.implementation_id}"
        return CampaignStep("blocked", f"{wrong}, not {view.implementation_id}", fact.campaign)
    state: CampaignState = "live" if fact.is_final and found.is_final else "treasury_pending"
    return CampaignStep(state, campaign=fact.campaign, treasury=found.treasury)


def _address(fact: CampaignFact | None) -> Address | None:
    return None if fact is None else fact.campaign


def _unseen(request: DueRequest) -> Move:
    """Nothing is indexed: whatever was, a reorg took, and our own transaction is sent again."""
    if request.state == "blocked" and (request.reason or "").startswith(EXPIRED):
        return Move("ready" if request.batch_kind is None else "batched")  # its creation is gone
    if request.state not in ("ready", "batched", "included", "settled", "refunded"):
        return Move(request.state, request.reason)
    return Move("ready" if request.batch_kind is None else "batched")


def _only_created(request: DueRequest) -> Move:
    """The payment waits on-chain for its confirmation: for ours, if that is under way.

    A settlement that is under way will fail, as somebody else created its payment; it is waited
    for all the same, because only a final failure shows that it had no effect.
    """
    if request.state not in ("batched", "included", "settled", "refunded"):
        return Move(request.state, request.reason)
    return Move("batched" if request.batch_kind in CONFIRMING else "ready")


def _contradicts(request: DueRequest, fact: PaymentFact) -> bool:
    return (
        fact.amount != request.amount_base_units
        or fact.token != request.token
        or fact.buyer_id != request.buyer_commitment
        or fact.item_id != request.item_id
    )
