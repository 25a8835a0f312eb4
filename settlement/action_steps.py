"""What an action needs next, given what the index and its own transactions show. Pure.

A refund undoes a payment by whatever that takes: nothing where nothing is on-chain, a cancellation
of what is only created, a refund of what is confirmed. A payment whose transaction may still have
effect is waited for. All other actions are one transaction each.
"""

from dataclasses import dataclass
from typing import Final, Literal

from indexer.queries import PaymentFact
from settlement.types import ActionState, BatchKind, RequestState, SlotState

LIQUIDITY = "treasury: "
"""Prefix of what stands in an action's way and may go away: tried again after a while."""
GAS = "gas: "
"""Prefix of a wallet's lack of coins: it is topped up."""

_ENDED: Final = ("refunded", "cancelled")


@dataclass(frozen=True, slots=True)
class RefundView:
    """All that decides a refund's next step."""

    request_state: RequestState
    """Of the payment's newest generation."""
    is_under_way: bool
    """A transaction of the payment is sealed that may have, or had, effect, and is not indexed."""
    fact: PaymentFact | None
    """The present life of its payment id; None while nothing is indexed."""
    final_state: str | None
    """The state of that life in the finalized block."""
    own: SlotState | None
    """Of the refund's own transaction, if one is sealed; None else."""


@dataclass(frozen=True, slots=True)
class ActionStep:
    """Where an action stands, and what to do for it now."""

    state: ActionState
    reason: str | None = None
    send: BatchKind | None = None
    voids_request: bool = False
    """The payment must never be sealed (again)."""
    refunds_request: bool = False
    """The payment was settled and is refunded, both finally."""


SEND_REFUND: Final = ActionStep("requested", send="refund_payment")
WAIT_UNTIL_SETTLED: Final = ActionStep("requested", "waits until the payment is settled")


def refund_step(view: RefundView) -> ActionStep:
    """Derive a refund's state anew, so that a reorg needs no undoing."""
    fact = view.fact
    if fact is not None and fact.state in _ENDED:
        return _ended(fact.state, view.final_state)
    if view.own is not None:
        return ActionStep("included" if view.own == "mined_ok" else "sealed")
    if fact is not None and fact.state == "confirmed":
        return SEND_REFUND if view.request_state == "settled" else WAIT_UNTIL_SETTLED
    if view.is_under_way:
        return ActionStep("requested", "waits for the payment's own transaction")
    if fact is None:
        return ActionStep("done", "nothing was on-chain", voids_request=True)
    return ActionStep("requested", send="cancel_payment", voids_request=True)


def _ended(state: str, final_state: str | None) -> ActionStep:
    """The payment is undone on-chain, by us or by another sender."""
    if final_state != state:
        return ActionStep("included")
    return ActionStep("done", f"{state} on-chain", refunds_request=state == "refunded")


OwnState = Literal["none", "unmined", "mined", "final"]
"""How far an action's transaction is; ``final``: it stands in a finalized block, with effect."""


def single_step(own: OwnState, send: BatchKind) -> ActionStep:
    """The state of an action that is one transaction.

    Args:
        own: How far its transaction is.
        send: What to send if there is none.
    """
    match own:
        case "none":
            return ActionStep("requested", send=send)
        case "unmined":
            return ActionStep("sealed")
        case "mined":
            return ActionStep("included")
        case "final":
            return ActionStep("done")
