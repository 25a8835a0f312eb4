"""Answers that the fake never gives but Paystack, or what stands before it, may."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from offchain.gateways.calling import Caller, FixedKey
from offchain.gateways.errors import GatewayRefused, GatewayUnavailable, OutcomeUnknown
from offchain.gateways.pacing import Pace
from offchain.gateways.paystack.adapter import Paystack
from offchain.gateways.paystack.wire import NAME
from tests.support.gateway_http import tomorrow
from tests.support.paystack import NAIRA, new_payment

NOW = datetime.now(UTC)
REFERENCE = "5d0c2b7e-1c3f-4b64-8a0e-6a7b1f2c9d10"
PAID = {"id": 77, "status": "success", "reference": REFERENCE, "amount": 500_000, "currency": "NGN"}


Answer = tuple[int, dict[str, Any]]


@contextmanager
def answered(by: Callable[[httpx.Request], Answer]) -> Iterator[Paystack]:
    """An adapter whose every call is answered by a function."""

    def answer(request: httpx.Request) -> httpx.Response:
        status, body = by(request)
        return httpx.Response(status, json=body)

    transport = httpx.MockTransport(answer)
    with httpx.Client(base_url="http://paystack.invalid", transport=transport) as client:
        yield Paystack(Caller(NAME, client, FixedKey("sk"), Pace(NAME, calls_per_s=1000)))


@contextmanager
def answering(**answers: Answer) -> Iterator[Paystack]:
    """An adapter to which each path, by its first word, always answers the same."""
    with answered(lambda request: answers[request.url.path.split("/")[1]]) as paystack:
        yield paystack


def ok(data: object) -> Answer:
    return 200, {"status": True, "message": "told", "data": data}


def no(message: str, status: int = 200) -> Answer:
    return status, {"status": False, "message": message}


def test_read_sees_the_money_gone_when_a_reversal_is_listed_nowhere() -> None:
    reversed_ = {**PAID, "status": "reversed"}
    with answering(transaction=ok(reversed_), refund=ok([]), dispute=ok([])) as paystack:
        seen = paystack.read_payment(REFERENCE)
    assert seen is not None
    assert [(r.provider_refund_id, r.state, r.minor) for r in seen.refunds] == [
        ("reversal-77", "succeeded", 500_000)
    ]


@pytest.mark.parametrize("told", [{**PAID, "reference": "another"}, {}, []])
def test_read_believes_nothing_when_the_answer_is_another_payment(told: object) -> None:
    with (
        answering(transaction=ok(told), refund=ok([]), dispute=ok([])) as paystack,
        pytest.raises(GatewayUnavailable),
    ):
        paystack.read_payment(REFERENCE)


def test_read_says_none_when_not_found_comes_as_a_success() -> None:
    with answering(transaction=no("Transaction reference not found")) as paystack:
        assert paystack.read_payment(REFERENCE) is None


def test_read_is_refused_when_no_comes_as_a_success() -> None:
    with (
        answering(transaction=no("Integration has been deactivated")) as paystack,
        pytest.raises(GatewayRefused),
    ):
        paystack.read_payment(REFERENCE)


def test_read_takes_a_list_for_empty_when_it_is_not_found() -> None:
    nothing = no("Refunds not found", 404)
    with answering(transaction=ok(PAID), refund=nothing, dispute=nothing) as paystack:
        seen = paystack.read_payment(REFERENCE)
    assert seen is not None
    assert (seen.effect, seen.refunds, seen.disputes) == ("captured", (), ())


@pytest.mark.parametrize("answer", [ok({}), ok(None)])
def test_read_is_unavailable_when_a_list_is_none(answer: Answer) -> None:
    with (
        answering(transaction=ok(PAID), refund=answer, dispute=ok([])) as paystack,
        pytest.raises(GatewayUnavailable),
    ):
        paystack.read_payment(REFERENCE)


def test_read_keeps_only_its_own_claims_when_a_list_does_not_heed_its_filter() -> None:
    refunds = [
        {"id": number, "transaction": number, "amount": 100, "status": "processed"}
        for number in (76, 77, 78)
    ]
    disputes = [
        {"id": number, "transaction": {"id": number}, "status": "pending"} for number in (77, 78)
    ]
    with answering(transaction=ok(PAID), refund=ok(refunds), dispute=ok(disputes)) as paystack:
        seen = paystack.read_payment(REFERENCE)
    assert seen is not None
    assert [refund.provider_refund_id for refund in seen.refunds] == ["77"]
    assert [dispute.provider_dispute_id for dispute in seen.disputes] == ["77"]


@pytest.mark.parametrize("told", [{}, {"reference": "another", "authorization_url": "https://x"}])
def test_create_is_unknown_when_the_answer_gives_no_page(told: object) -> None:
    with answering(transaction=ok(told)) as paystack, pytest.raises(OutcomeUnknown):
        paystack.create_payment(new_payment())


def test_create_finds_its_payment_when_a_duplicate_is_told_without_a_code() -> None:
    new = new_payment()
    reference = str(new.attempt_id)

    def answer(request: httpx.Request) -> Answer:
        if request.method == "POST":
            return no("Duplicate Transaction Reference", 400)
        return ok({**PAID, "status": "ongoing", "reference": reference})

    with answered(answer) as paystack:
        found = paystack.create_payment(new)
    assert (found.attempt_id, found.effect, found.amount_minor) == (
        new.attempt_id,
        "awaiting",
        NAIRA.minor,
    )


def test_changed_payments_names_a_refund_under_way_although_its_list_tells_no_change() -> None:
    made_at = (NOW - timedelta(days=3)).isoformat()
    rows = [
        {"id": 1, "transaction": 77, "status": "processing", "createdAt": made_at},
        {
            "id": 2,
            "transaction": {"reference": "settled"},
            "status": "failed",
            "createdAt": made_at,
        },
    ]
    told = {"/refund": rows, "/transaction/77": PAID}
    with answered(lambda request: ok(told.get(request.url.path, []))) as paystack:
        assert list(paystack.changed_payments(since=NOW, until=tomorrow())) == [REFERENCE]


def test_accounts_and_transfers_are_unavailable_when_the_answer_is_none() -> None:
    with answering(transferrecipient=ok({}), transfer=ok({})) as paystack:
        with pytest.raises(GatewayUnavailable):
            paystack.read_account("RCP_1")
        with pytest.raises(GatewayUnavailable):
            paystack.read_transfer(str(uuid.uuid4()))
