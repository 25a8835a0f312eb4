"""What a stopped payment is stopped by, what a moving one waits for, and who must act. Pure."""

import math
from collections.abc import Mapping
from typing import Final, Literal, get_args

from indexer.chain.types import Wei
from indexer.queries import Marks, PaymentFact
from settlement.action_steps import GAS
from settlement.lifecycle import EXPIRED, FEE, FUNDING, TREASURY
from settlement.types import ActionState, RequestState, SlotState

Owner = Literal["settlement process", "treasury desk", "campaign desk", "settlement on-call"]
"""The process means that nobody must act. The treasury desk brings tokens and coins to the wallet;
the campaign desk speaks for the campaign and its creator."""
ReasonClass = Literal["funding", "treasury", "expired", "fee", "gas", "other"]

REASON_CLASSES: Final[tuple[ReasonClass, ...]] = get_args(ReasonClass)
HOURS_A_DAY: Final = 24
PREFIXES: Final[Mapping[str, ReasonClass]] = {
    FUNDING: "funding",
    TREASURY: "treasury",
    EXPIRED: "expired",
    FEE: "fee",
    GAS: "gas",
}
_OWNERS: Final[dict[ReasonClass, Owner]] = {
    "funding": "treasury desk",
    "treasury": "campaign desk",
    "expired": "settlement process",  # it is issued anew, once its expiry is final
    "fee": "treasury desk",
    "gas": "settlement process",  # the platform tops the wallet up
    "other": "settlement on-call",
}


def reason_class(reason: str | None) -> ReasonClass:
    """What kind of thing a reason names: its first word, where that is one of the known."""
    for prefix, found in PREFIXES.items():
        if reason is not None and reason.startswith(prefix):
            return found
    return "other"


def owner_of(state: RequestState | ActionState, reason: str | None) -> Owner | None:
    """Who must act for a request, or an action, to go on.

    Args:
        state: Where it stands.
        reason: Why it stands there, where that is told.

    Returns:
        None when it is at its end.
    """
    match state:
        case "quarantined":
            return "settlement on-call"
        case "blocked":
            return _OWNERS[reason_class(reason)]
        case "ready" | "batched" | "included" | "requested" | "sealed":
            return "settlement process"
        case "settled" | "refunded" | "void" | "superseded" | "done":
            return None


def awaited(
    state: RequestState,
    reason: str | None,
    *,
    fact: PaymentFact | None,
    slot: SlotState | None,
    marks: Marks | None,
) -> str | None:
    """What is missing until a payment is settled; None when nothing is, or nothing can come.

    Args:
        state: Of its request.
        reason: Of the state.
        fact: The present life of its payment id on-chain; None while nothing is indexed.
        slot: Of its newest batch; None while it is in none.
        marks: How far its chain is indexed and final.
    """
    match state:
        case "blocked" | "quarantined":
            return f"the {owner_of(state, reason)}: {reason}"
        case "ready" if fact is not None and fact.state == "created":
            return "a transaction that confirms it"
        case "ready":
            return "a transaction that settles it"
        case "batched":
            return _awaited_of(slot)
        case "included":
            return _awaited_finality(fact, marks)
        case "settled" | "refunded" | "void" | "superseded":
            return None


def runway_hours(balance_wei: Wei, spent_24h_wei: Wei) -> float:
    """Hours until a wallet is empty at today's pace; infinite when it spends nothing.

    Args:
        balance_wei: Coins it holds.
        spent_24h_wei: Coins it spent in the last 24 hours.
    """
    if balance_wei == 0:
        return 0.0
    return math.inf if spent_24h_wei == 0 else balance_wei * HOURS_A_DAY / spent_24h_wei


def _awaited_of(slot: SlotState | None) -> str:
    match slot:
        case None | "reserved":
            return "the signature of its transaction"
        case "signed":
            return "a block that mines its transaction"
        case "mined_ok":
            return "the index: it has not shown what its mined transaction did"
        case "mined_failed" | "foreign":
            return "finality of its failed transaction; then it is sealed again"


def _awaited_finality(fact: PaymentFact | None, marks: Marks | None) -> str:
    if fact is None or fact.confirmed_block is None:
        return "the settlement process: the index shows it confirmed no more"
    if not fact.is_final:
        final = marks.finalized.number if marks is not None and marks.finalized else "none"
        return f"finality of block {fact.confirmed_block}; the finalized block is {final}"
    if not fact.is_proven:
        return f"proof of block {fact.confirmed_block} by its receipts"
    return "the next turn of the settlement process"
