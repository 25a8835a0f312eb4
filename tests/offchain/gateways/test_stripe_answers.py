"""Answers that no Stripe should give: nothing of them is believed, and nothing is lost by them."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from offchain.gateways.errors import GatewayUnavailable, OutcomeUnknown
from offchain.gateways.stripe.adapter import Stripe
from offchain.gateways.types import NewTransfer
from tests.support.gateway_http import tomorrow
from tests.support.stripe import brl, make_adapter, new_card_payment, new_receiver

NOTHING: dict[str, Any] = {"object": "list", "data": [], "has_more": False}


@contextmanager
def answering(answer: Callable[[httpx.Request], Any]) -> Iterator[Stripe]:
    def respond(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json=answer(request))

    with httpx.Client(
        base_url="http://stripe.invalid", transport=httpx.MockTransport(respond)
    ) as client:
        yield make_adapter(client)


def writes_answer(document: Any) -> AbstractContextManager[Stripe]:
    """Every list is empty and every write answers this."""
    return answering(lambda request: document if request.method == "POST" else NOTHING)


@pytest.mark.parametrize(
    "document",
    [
        {},
        [],
        None,
        {"id": "ch_1"},
        {"id": "pi_1", "amount": 10**30},
        {"id": "pi_1", "status": "\0"},
    ],
)
def test_create_is_unknown_when_a_success_names_no_usable_payment(document: Any) -> None:
    with writes_answer(document) as gateway, pytest.raises(OutcomeUnknown):
        gateway.create_payment(new_card_payment())


@pytest.mark.parametrize("document", [{}, {"id": "tr_1"}, {"amount": 900}])
def test_transfer_is_unknown_when_a_success_names_none(document: Any) -> None:
    with writes_answer(document) as gateway, pytest.raises(OutcomeUnknown):
        gateway.transfer(NewTransfer(uuid.uuid4(), brl(900), "acct_1"))


@pytest.mark.parametrize("document", [{}, {"id": "acct_1/../x"}])
def test_open_account_is_unknown_when_a_success_names_none(document: Any) -> None:
    with writes_answer(document) as gateway, pytest.raises(OutcomeUnknown):
        gateway.open_account(new_receiver())


@pytest.mark.parametrize(
    "listed",
    [
        {},
        [],
        {"data": None, "has_more": False},
        {"data": {}, "has_more": False},
        {"data": [], "has_more": True},
    ],
)
def test_find_does_not_take_an_odd_list_for_an_empty_one(listed: Any) -> None:
    with answering(lambda _request: listed) as gateway, pytest.raises(GatewayUnavailable):
        gateway.find_payment(uuid.uuid4(), since=datetime.now(UTC))


def test_lists_end_when_the_gateway_says_for_ever_that_there_is_more() -> None:
    endless = {"data": [{"id": "evt_1"}], "has_more": True}
    with answering(lambda _request: endless) as gateway, pytest.raises(GatewayUnavailable):
        list(gateway.changed_payments(since=datetime.now(UTC), until=tomorrow()))


def test_read_believes_no_payment_whose_refunds_are_odd() -> None:
    intent = {"id": "pi_1", "status": "succeeded", "latest_charge": "ch_1"}

    def answer(request: httpx.Request) -> Any:
        is_list = request.url.path == "/v1/refunds"
        return {"data": [{"id": "re_1"}], "has_more": False} if is_list else intent

    with answering(answer) as gateway, pytest.raises(GatewayUnavailable):
        gateway.read_payment("pi_1")


def test_read_is_unavailable_when_the_answer_is_another_object() -> None:
    with answering(lambda _request: {"id": "ch_1"}) as gateway:
        with pytest.raises(GatewayUnavailable):
            gateway.read_payment("pi_1")
        with pytest.raises(GatewayUnavailable):
            gateway.read_account("acct_1")
