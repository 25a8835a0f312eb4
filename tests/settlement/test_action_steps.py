from dataclasses import replace
from typing import Any

import pytest

from settlement.action_steps import ActionStep, RefundView, refund_step, single_step
from settlement.types import SlotState
from tests.settlement.builders import due, payment_fact

WAITS = ActionStep("requested", "waits for the payment's own transaction")


def view(**values: Any) -> RefundView:
    nothing = RefundView(
        request_state="ready", is_under_way=False, fact=None, final_state=None, own=None
    )
    return replace(nothing, **values)


def fact(state: str) -> Any:
    return payment_fact(due(), state=state)


def test_refund_is_done_at_once_and_bars_the_payment_when_nothing_was_sent() -> None:
    assert refund_step(view()) == ActionStep("done", "nothing was on-chain", voids_request=True)


@pytest.mark.parametrize("state", [None, "created"])
def test_refund_waits_while_the_payments_own_transaction_may_be_mined(state: str | None) -> None:
    seen = None if state is None else fact(state)
    assert refund_step(view(is_under_way=True, fact=seen)) == WAITS


def test_refund_cancels_what_is_only_created_and_bars_it() -> None:
    step = refund_step(view(fact=fact("created")))
    assert step == ActionStep("requested", send="cancel_payment", voids_request=True)


def test_refund_waits_for_finality_before_it_takes_a_confirmed_payment_back() -> None:
    waiting = refund_step(view(request_state="included", fact=fact("confirmed")))
    assert waiting == ActionStep("requested", "waits until the payment is settled")
    ready = refund_step(view(request_state="settled", fact=fact("confirmed")))
    assert ready == ActionStep("requested", send="refund_payment")


@pytest.mark.parametrize(
    ("own", "state"),
    [("reserved", "sealed"), ("signed", "sealed"), ("mined_ok", "included")],
)
def test_refund_follows_its_own_transaction(own: SlotState, state: str) -> None:
    step = refund_step(view(request_state="settled", fact=fact("confirmed"), own=own))
    assert step == ActionStep(state)  # type: ignore[arg-type]


@pytest.mark.parametrize(("state", "marks"), [("refunded", True), ("cancelled", False)])
def test_refund_is_done_once_the_undoing_is_final(state: str, marks: bool) -> None:  # noqa: FBT001
    assert refund_step(view(fact=fact(state), final_state="confirmed")).state == "included"
    step = refund_step(view(fact=fact(state), final_state=state))
    assert step == ActionStep("done", f"{state} on-chain", refunds_request=marks)


def test_single_transaction_actions_are_done_when_it_is_final() -> None:
    assert single_step("none", "withdraw") == ActionStep("requested", send="withdraw")
    assert [single_step(own, "withdraw").state for own in ("unmined", "mined", "final")] == [
        "sealed",
        "included",
        "done",
    ]
