from typing import Any

import pytest

from settlement.lifecycle import (
    EXPIRY_MARGIN,
    TREASURY,
    CampaignStep,
    Move,
    campaign_step,
    next_step,
    observed,
    struck,
)
from settlement.types import PaymentStep
from tests.settlement.builders import (
    HASH,
    NOW,
    campaign_fact,
    campaign_view,
    due,
    payment_fact,
    treasury_fact,
)

CONFIRMED = {"state": "confirmed"}
FINAL = {**CONFIRMED, "is_final": True, "is_proven": True}
CREATE = {"batch_kind": "create_payments"}
CONFIRM = {"batch_kind": "confirm_payments"}
SETTLE = {"batch_kind": "settle_payments"}


@pytest.mark.parametrize(
    ("request_values", "fact_values", "expected"),
    [
        pytest.param({}, None, None, id="nothing-is-indexed"),
        pytest.param({"state": "batched", **CREATE}, None, None, id="create-not-mined"),
        pytest.param({"state": "batched", **CREATE}, {}, Move("ready"), id="created"),
        pytest.param({"state": "batched", **CONFIRM}, {}, None, id="confirm-not-mined"),
        pytest.param({"state": "batched", **CONFIRM}, CONFIRMED, Move("included"), id="confirmed"),
        pytest.param({"state": "ready"}, CONFIRMED, Move("included"), id="confirmed-by-another"),
        pytest.param({"state": "included", **CONFIRM}, CONFIRMED, None, id="not-final"),
        pytest.param({"state": "included", **CONFIRM}, FINAL, Move("settled"), id="final"),
        pytest.param(
            {"state": "included"}, {**FINAL, "is_proven": False}, None, id="final-but-not-proven"
        ),
        pytest.param({"state": "included", **CONFIRM}, {}, Move("batched"), id="confirm-reorged"),
        pytest.param({"state": "included", **CONFIRM}, None, Move("batched"), id="all-reorged"),
        pytest.param({"state": "included"}, {}, Move("ready"), id="foreign-confirm-reorged"),
        pytest.param({"state": "batched", **SETTLE}, None, None, id="settle-not-mined"),
        pytest.param({"state": "batched", **SETTLE}, CONFIRMED, Move("included"), id="settled-now"),
        pytest.param({"state": "included", **SETTLE}, None, Move("batched"), id="settle-reorged"),
        pytest.param({"state": "batched", **SETTLE}, {}, None, id="created-by-another-meanwhile"),
        pytest.param({"state": "included", **SETTLE}, {}, Move("batched"), id="confirm-gone-alone"),
        pytest.param({"state": "ready", **CREATE}, None, Move("batched"), id="create-reorged"),
        pytest.param({"state": "blocked", "reason": "x"}, {}, None, id="blocked-stays"),
        pytest.param(
            {"state": "blocked", "reason": "x"}, FINAL, Move("settled"), id="blocked-done"
        ),
    ],
)
def test_observed_follows_the_index(
    request_values: dict[str, Any], fact_values: dict[str, Any] | None, expected: Move | None
) -> None:
    request = due(**request_values)
    fact = None if fact_values is None else payment_fact(request, **fact_values)
    assert observed(request, fact) == expected


@pytest.mark.parametrize("outcome", ["cancelled", "refunded"])
def test_observed_never_revives_a_payment_that_ended_on_chain(outcome: str) -> None:
    request = due(state="ready")
    move = observed(request, payment_fact(request, state=outcome))
    assert move is not None
    assert move.state == "quarantined"


@pytest.mark.parametrize(
    "terms", [{"amount": 99}, {"token": b"\x09" * 20}, {"buyer_id": b"\x09" * 32}]
)
def test_observed_quarantines_when_the_chain_has_other_terms(terms: dict[str, Any]) -> None:
    request = due(state="batched", **CREATE)
    move = observed(request, payment_fact(request, **FINAL, **terms))
    assert move is not None
    assert move.state == "quarantined"


FIRST_STEPS: tuple[PaymentStep, ...] = ("create", "settle")


@pytest.mark.parametrize("first", FIRST_STEPS)
@pytest.mark.parametrize(
    ("request_values", "fact_values", "expected"),
    [
        pytest.param(CREATE, None, None, id="its-creation-is-under-way"),
        pytest.param(SETTLE, None, None, id="its-settlement-is-under-way"),
        pytest.param({}, {}, "confirm", id="created-by-anyone"),
        pytest.param(CREATE, {}, "confirm", id="created-by-us"),
        pytest.param(CONFIRM, {}, None, id="its-confirmation-is-under-way"),
        pytest.param(SETTLE, {}, None, id="created-while-its-settlement-is-under-way"),
        pytest.param({}, CONFIRMED, None, id="confirmed"),
        pytest.param({}, {"state": "refunded"}, None, id="refunded"),
    ],
)
def test_next_step_is_what_the_chain_still_lacks_whatever_the_kind(
    first: PaymentStep,
    request_values: dict[str, Any],
    fact_values: dict[str, Any] | None,
    expected: PaymentStep | None,
) -> None:
    request = due(**request_values)
    fact = None if fact_values is None else payment_fact(request, **fact_values)
    assert next_step(request, fact, first=first, now=NOW) == expected


@pytest.mark.parametrize("first", FIRST_STEPS)
def test_next_step_is_the_kinds_own_when_nothing_is_on_chain(first: PaymentStep) -> None:
    assert next_step(due(), None, first=first, now=NOW) == first


def test_next_step_confirms_what_never_expires_but_nothing_close_to_its_expiry() -> None:
    request = due()
    soon = int((NOW + EXPIRY_MARGIN).timestamp())

    def step(expiration: int) -> PaymentStep | Move | None:
        fact = payment_fact(request, expiration=expiration)
        return next_step(request, fact, first="settle", now=NOW)

    assert step(0) == "confirm"
    assert step(soon + 1) == "confirm"
    late = step(soon)
    assert isinstance(late, Move)
    assert late.state == "blocked"
    assert late.reason is not None
    assert not late.reason.startswith(TREASURY)  # nobody retries it by itself


def test_struck_quarantines_with_the_failure_when_it_keeps_failing() -> None:
    assert struck(2, "why") == Move("ready")
    assert struck(3, "why") == Move("quarantined", "failed 3 times, at last: why")


@pytest.mark.parametrize(
    ("view", "expected"),
    [
        pytest.param({}, CampaignStep("requested", send="create_campaign"), id="new"),
        pytest.param({"creating_campaign": True}, CampaignStep("campaign_pending"), id="sealed"),
        pytest.param(
            {"campaign": campaign_fact()},
            CampaignStep(
                "treasury_pending", campaign=campaign_fact().campaign, send="create_treasury"
            ),
            id="campaign-indexed",
        ),
        pytest.param(
            {"campaign": campaign_fact(), "creating_treasury": True},
            CampaignStep("treasury_pending", campaign=campaign_fact().campaign),
            id="treasury-sealed",
        ),
        pytest.param(
            {"campaign": campaign_fact(is_final=True), "treasury": treasury_fact()},
            CampaignStep(
                "treasury_pending",
                campaign=campaign_fact().campaign,
                treasury=treasury_fact().treasury,
            ),
            id="treasury-not-final",
        ),
        pytest.param(
            {"campaign": campaign_fact(is_final=True), "treasury": treasury_fact(is_final=True)},
            CampaignStep(
                "live", campaign=campaign_fact().campaign, treasury=treasury_fact().treasury
            ),
            id="final",
        ),
    ],
)
def test_campaign_step_goes_from_requested_to_live(
    view: dict[str, Any], expected: CampaignStep
) -> None:
    assert campaign_step(campaign_view(**view)) == expected


@pytest.mark.parametrize(
    "view",
    [
        pytest.param({"campaign": campaign_fact(), "campaign_is_ours": False}, id="squatted"),
        pytest.param({"tries": 3, "last_failure": "x"}, id="keeps-failing"),
        pytest.param(
            {"campaign": campaign_fact(), "treasury": treasury_fact(implementation_id=3)},
            id="other-implementation",
        ),
    ],
)
def test_campaign_step_blocks_with_a_reason_and_sends_nothing(view: dict[str, Any]) -> None:
    step = campaign_step(campaign_view(**view))
    assert step.state == "blocked"
    assert step.reason
    assert step.send is None


def test_due_builder_names_distinct_payments() -> None:
    assert due().payment_id != due().payment_id != HASH
