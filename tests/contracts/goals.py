"""Builders of campaigns that gate on their goal, and of their refunds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import building
import clock
import treasuries
import world
from ape.contracts import ContractInstance
from eth_utils import keccak
from world import REAL, ZERO

if TYPE_CHECKING:
    from ape.api import ReceiptAPI

GOAL = 100 * REAL
NOT_GATED, OPEN, RELEASED, MISSED = range(4)
NOT_REACHED = "GoalNotReached(uint256,uint256)"
CLOSED = "GoalRefundsClosed(uint8)"
NOT_DECIDED = "GoalNotDecided(uint256)"
PLATFORM_CLOSED = "PlatformRefundsClosed(bytes32)"
GOAL_MISSED = "GoalMissed(uint256,uint256)"
GOAL_REACHED = "GoalReached(uint256,uint256)"


@dataclass(frozen=True)
class Gate:
    """A campaign with a goal, its treasury, and the seconds that matter."""

    campaign: ContractInstance
    treasury: ContractInstance
    tokens: tuple[ContractInstance, ...]
    launch: int
    deadline: int
    decides_at: int

    def outcome(self, second: int) -> tuple[int, int]:
        """Outcome and raised amount, as of a second."""
        types = ["uint8", "uint256", "uint256", "uint256"]
        outcome, raised, goal, decides_at = clock.view_at(
            second, self.treasury.getGoalOutcome, types
        )
        assert (goal, decides_at) == (self.campaign.getGoalAmount(), self.decides_at)
        return outcome, raised

    def refunds(self, *named: tuple[int, str] | int) -> list:
        """The arguments of refundMissedGoal for payments by number, with their buyers."""
        pairs = [entry if isinstance(entry, tuple) else (entry, ZERO) for entry in named]
        return [
            [payment_id(number) for number, _ in pairs],
            [witness(number, buyer) for number, buyer in pairs],
        ]


def gated(
    protocol,
    people,
    *tokens: ContractInstance,
    kind: int = building.PAYMENT_TREASURY_ID,
    **changes: object,
) -> Gate:
    """A gated campaign of 30 days, with a goal of 100 and a treasury."""
    ground = treasuries.lay(
        protocol, people, kind, tokens, gated=True, **({"goal": GOAL} | changes)
    )
    return Gate(
        campaign=ground.campaign,
        treasury=ground.treasury,
        tokens=ground.tokens,
        launch=ground.launch,
        deadline=ground.deadline,
        decides_at=ground.deadline + world.BUFFER_TIME,
    )


def payment_id(number: int) -> bytes:
    return keccak(text=f"payment {number}")


def witness(number: int, buyer: str = ZERO) -> tuple:
    return keccak(text=f"buyer {number}"), keccak(text=f"item {number}"), buyer


def settle(
    gate: Gate, people, *settlements: tuple, token=None, second: int | None = None
) -> ReceiptAPI:
    """Fund and settle payments in the campaign's first token, or another; now or in a second."""
    token = token or gate.tokens[0]
    token.mint(gate.treasury, sum(made[-1] for made in settlements), sender=people.stranger)
    if second:
        clock.go_to(second)
    return world.send(
        gate.treasury.settleBatch, token, list(settlements), sender=people.platform_admin
    )


def refund(gate: Gate, people, *named: tuple[int, str] | int, caller=None) -> ReceiptAPI:
    """Open the goal refund of payments, as a stranger unless said otherwise."""
    arguments = gate.refunds(*named)
    sender = caller or people.stranger
    return world.send(gate.treasury.refundMissedGoal, *arguments, sender=sender)


def miss(gate: Gate) -> None:
    """Let the time of the decision come."""
    clock.go_to(gate.decides_at)
