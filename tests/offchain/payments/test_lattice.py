import uuid
from dataclasses import replace
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offchain.gateways.types import ClaimEffect, FiatEffect, Observation
from offchain.payments.lattice import (
    CHAIN_MOVES,
    CLAIM_MOVES,
    FIAT_RANK,
    FiatStatus,
    decide,
    money_fault,
)
from tests.support.offchain import FIFTY, seen

ATTEMPT = uuid.UUID(int=7)
FIAT: list[FiatStatus] = list(get_args(FiatStatus))

observations = st.builds(
    Observation,
    provider_payment_id=st.just("p"),
    attempt_id=st.just(ATTEMPT),
    effect=st.sampled_from(get_args(FiatEffect)),
    provider_status=st.just("s"),
    amount_minor=st.sampled_from([None, 5000, 4999]),
    received_minor=st.sampled_from([None, 5000, 1]),
    currency=st.sampled_from([None, "brl", "usd"]),
    claim=st.sampled_from(get_args(ClaimEffect)),
)


@given(st.sampled_from(FIAT), st.sampled_from(list(CLAIM_MOVES)), observations)
def test_decide_never_lowers_a_status_and_moves_along_the_claims(
    fiat: FiatStatus, claim: ClaimEffect, observation: Observation
) -> None:
    move = decide(fiat, claim, expected=FIFTY, seen=observation)
    assert move.fiat is None or FIAT_RANK[move.fiat] > FIAT_RANK[fiat]
    assert move.claim is None or move.claim in CLAIM_MOVES[claim]


@given(st.lists(observations, max_size=5), st.lists(observations, max_size=5))
def test_decide_ends_captured_when_right_money_comes_before_anything_ended_the_attempt(
    before: list[Observation], after: list[Observation]
) -> None:
    fiat: FiatStatus = "created"
    waiting = [o for o in before if o.effect in {"awaiting", "processing", "authorized", "unknown"}]
    for observation in [*waiting, seen(ATTEMPT), *after]:
        plain = replace(observation, claim="none")
        fiat = decide(fiat, "none", expected=FIFTY, seen=plain).fiat or fiat
    assert fiat == "captured"


@given(observations)
def test_decide_captures_only_when_amount_and_currency_are_the_pledges(
    observation: Observation,
) -> None:
    move = decide("awaiting", "none", expected=FIFTY, seen=observation)
    is_right = money_fault(FIFTY, observation) is None and observation.effect == "captured"
    assert (move.fiat == "captured") == is_right
    if observation.effect == "captured" and not is_right:
        assert move.fiat == "mismatch"
        assert move.review_reason is not None


@pytest.mark.parametrize("ended", ["expired", "canceled"])
def test_decide_holds_money_as_late_when_the_attempt_was_over(ended: FiatStatus) -> None:
    move = decide(ended, "none", expected=FIFTY, seen=seen(ATTEMPT))
    assert move.fiat == "late_paid"
    assert move.review_reason == f"paid after the attempt was {ended}"


@pytest.mark.parametrize("fiat", FIAT)
def test_decide_keeps_everything_when_the_gateway_says_something_unknown(fiat: FiatStatus) -> None:
    unknown = seen(ATTEMPT, effect="unknown")
    assert decide(fiat, "none", expected=FIFTY, seen=unknown).is_nothing


def test_decide_records_a_refund_when_the_money_was_captured() -> None:
    move = decide("captured", "none", expected=FIFTY, seen=seen(ATTEMPT, claim="refunded"))
    assert (move.fiat, move.claim) == (None, "refunded")


def test_chain_moves_leave_final_only_for_where_a_changed_finalized_block_leads() -> None:
    assert CHAIN_MOVES["final"] == {"queued", "submitted", "mined"}
    assert "submitted" in CHAIN_MOVES["mined"]
