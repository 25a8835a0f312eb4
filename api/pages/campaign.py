"""A campaign as its page shows it: every value ready to be written. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from api.pages.formats import Formats, Moment, clean_line, shortened
from api.schemas.campaigns import CampaignAnswer, CampaignOnchain
from api.schemas.shared import AsOf
from api.values import explorer_url

CHAIN_NAMES: Final = {
    "celo": "Celo",
    "celo-sepolia": "Celo Sepolia",
    "celo-local": "Celo (local)",
    "polygon": "Polygon",
    "polygon-amoy": "Polygon Amoy",
    "polygon-local": "Polygon (local)",
}


@dataclass(frozen=True, slots=True)
class Goal:
    """How far a campaign is: what the gateways captured, of what it asks for."""

    raised: str
    goal: str
    percent: str
    raised_minor: int
    goal_minor: int
    contributions: int
    contributions_text: str

    @property
    def bar_minor(self) -> int:
        """Length of the bar, of ``goal_minor``: never more than all of it."""
        return min(self.raised_minor, self.goal_minor)

    @property
    def is_reached(self) -> bool:
        """Whether the goal was reached."""
        return self.raised_minor >= self.goal_minor


@dataclass(frozen=True, slots=True)
class Deadline:
    """Until when contributions are taken."""

    at: Moment
    days_left: int
    """Whole days; 0 on the last."""
    is_over: bool


@dataclass(frozen=True, slots=True)
class AddressView:
    """An address, whole and short."""

    full: str
    short: str


@dataclass(frozen=True, slots=True)
class TokenView:
    """What a treasury holds proof of, in one token."""

    confirmed: str
    finalized: str


@dataclass(frozen=True, slots=True)
class OnchainView:
    """A campaign's side on its chain, and the block that is true as of."""

    chain: str
    is_live: bool
    treasury: AddressView | None
    explorer: str | None
    """Where a block explorer shows the transaction that made the treasury."""
    raised: tuple[TokenView, ...]
    block: str | None
    block_at: Moment | None
    is_degraded: bool


@dataclass(frozen=True, slots=True)
class CampaignView:
    """A campaign; ``title`` and ``creator`` are what a stranger wrote."""

    slug: str
    title: str
    creator: str
    goal: Goal
    launch: Moment
    is_launched: bool
    deadline: Deadline
    onchain: OnchainView | None


def show_campaign(campaign: CampaignAnswer, formats: Formats, now: datetime) -> CampaignView:
    """Write a campaign's values for the readers of one language."""
    return CampaignView(
        slug=campaign.slug,
        title=clean_line(campaign.title) or campaign.slug,
        creator=clean_line(campaign.creator),
        goal=_goal(campaign, formats),
        launch=formats.moment(campaign.launch_at),
        is_launched=campaign.launch_at <= now,
        deadline=Deadline(
            at=formats.moment(campaign.deadline_at),
            days_left=max((campaign.deadline_at - now) // timedelta(days=1), 0),
            is_over=campaign.deadline_at <= now,
        ),
        onchain=_onchain(campaign, formats),
    )


def _goal(campaign: CampaignAnswer, formats: Formats) -> Goal:
    captured, goal = campaign.raised.captured, campaign.goal
    return Goal(
        raised=formats.money(captured),
        goal=formats.money(goal),
        percent=formats.percent(int(captured.raw), int(goal.raw)),
        raised_minor=int(captured.raw),
        goal_minor=int(goal.raw),
        contributions=campaign.raised.contributions,
        contributions_text=formats.number(campaign.raised.contributions),
    )


def _onchain(campaign: CampaignAnswer, formats: Formats) -> OnchainView | None:
    side = campaign.onchain
    if side is None:
        return None
    stamp = next((one for one in campaign.as_of if one.chain_id == side.chain_id), None)
    return OnchainView(
        chain=CHAIN_NAMES.get(side.network or "", side.network or str(side.chain_id)),
        is_live=side.state == "live",
        treasury=_address(side.treasury),
        explorer=_explorer(side),
        raised=tuple(
            TokenView(
                formats.tokens(one.confirmed, one.symbol or shortened(one.token)),
                formats.tokens(one.finalized, one.symbol or shortened(one.token)),
            )
            for one in side.raised
        ),
        block=_block(stamp, formats),
        block_at=_block_at(stamp, formats),
        is_degraded=stamp is not None and stamp.degraded,
    )


def _address(full: str | None) -> AddressView | None:
    return None if full is None else AddressView(full, shortened(full))


def _explorer(side: CampaignOnchain) -> str | None:
    if side.tx_hash is None:
        return None
    return explorer_url(side.chain_id, bytes.fromhex(side.tx_hash.removeprefix("0x")))


def _block(stamp: AsOf | None, formats: Formats) -> str | None:
    if stamp is None or stamp.block_number is None:
        return None
    return formats.number(stamp.block_number)


def _block_at(stamp: AsOf | None, formats: Formats) -> Moment | None:
    if stamp is None or stamp.block_timestamp is None:
        return None
    return formats.moment(stamp.block_timestamp)
