"""What is made of CrowdSplit's odd answers to a create, and what its lists are asked."""

import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from offchain.gateways.crowdsplit.adapter import CrowdSplit
from offchain.gateways.crowdsplit.payouts import find_transfer
from offchain.gateways.errors import GatewayRefused, OutcomeUnknown
from offchain.gateways.types import NewPayment, NewTransfer
from stack.fakes.crowdsplit.words import br_code
from tests.support.crowdsplit import card_payment, new_payment
from tests.support.gateway_http import make_caller
from tests.support.offchain import FIFTY

PAYMENT = "5d0c2b7e-1c3f-4b64-8a0e-6a7b1f2c9d10"
CODE = br_code(PAYMENT)
Row = dict[str, Any]


def row_of(new: NewPayment, **fields: Any) -> Row:
    return {
        "id": PAYMENT,
        "type": "payment",
        "status": "awaiting_confirmation",
        "qr_code": CODE,
        "source": {"amount": 5000, "currency": "brl"},
        "metadata": {"lastro_attempt_id": str(new.attempt_id)},
        **fields,
    }


class Gateway:
    """Answers creates from a list, the last one for ever, and keeps what its lists were asked."""

    def __init__(self, *creates: httpx.Response | Exception, listed: Row | None = None) -> None:
        self._creates = list(creates)
        self._listed = [] if listed is None else [listed]
        self.read: Row = {}
        self.asked: list[httpx.QueryParams] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/api/v1")
        if (request.method, path) == ("POST", "/payments"):
            answer = self._creates.pop(0) if len(self._creates) > 1 else self._creates[0]
            if isinstance(answer, Exception):
                raise answer
            return answer
        if request.method == "POST":
            return told({"id": str(uuid.uuid4())})
        if path in {"/transactions", "/disputes"}:
            self.asked.append(request.url.params)
            name = "transaction_list" if path == "/transactions" else "dispute_list"
            rows = self._listed if path == "/transactions" else []
            return told({name: rows, "has_more": False})
        return told(self.read)

    def adapter(self) -> CrowdSplit:
        return CrowdSplit(make_caller(self))


def told(data: Row) -> httpx.Response:
    return httpx.Response(200, json={"msg": "success", "data": data})


def refused(status: int = 422) -> httpx.Response:
    return httpx.Response(status, json={"error_code": "validation_error"})


@pytest.mark.parametrize("make", [new_payment, card_payment])
def test_create_finds_the_payment_when_it_is_refused_after_a_lost_reply(
    make: Callable[[], NewPayment],
) -> None:
    new = make()
    gateway = Gateway(httpx.ReadTimeout("slow"), refused(), listed=row_of(new))
    assert gateway.adapter().create_payment(new).provider_payment_id == PAYMENT


def test_create_is_refused_when_no_payment_is_listed() -> None:
    with pytest.raises(GatewayRefused):
        Gateway(httpx.ReadTimeout("slow"), refused()).adapter().create_payment(new_payment())


@pytest.mark.parametrize("code", [None, "", CODE[:-1] + "x"])
def test_create_reads_a_pix_payment_again_when_it_has_no_valid_code(code: str | None) -> None:
    new = new_payment()
    gateway = Gateway(told(row_of(new, qr_code=code)))
    gateway.read = row_of(new)
    assert gateway.adapter().create_payment(new).pix_code == CODE


@pytest.mark.parametrize("read", [{}, {"qr_code": None}])
def test_create_is_unknown_when_a_pix_payment_never_shows_a_code(read: Row) -> None:
    new = new_payment()
    gateway = Gateway(told(row_of(new, qr_code=None)))
    gateway.read = row_of(new, **read) if read else {}
    with pytest.raises(OutcomeUnknown, match="code"):
        gateway.adapter().create_payment(new)


@pytest.mark.parametrize("status", ["failed", "canceled"])
def test_create_wants_no_code_of_a_pix_payment_that_is_over(status: str) -> None:
    new = new_payment()
    gateway = Gateway(told(row_of(new, qr_code=None, status=status)))
    assert gateway.adapter().create_payment(new).effect == status


def test_create_is_ours_although_its_answer_echoes_no_metadata() -> None:
    new = new_payment()
    gateway = Gateway(told(row_of(new, metadata=None)))
    assert gateway.adapter().create_payment(new).attempt_id == new.attempt_id


def test_create_says_whose_it_is_when_its_answer_names_another_attempt() -> None:
    new, other = new_payment(), new_payment()
    created = Gateway(told(row_of(other))).adapter().create_payment(new)
    assert created.attempt_id == other.attempt_id


def test_disputes_are_looked_for_since_their_payment_was_created() -> None:
    new, gateway = new_payment(), Gateway(refused())
    gateway.read = row_of(new, status="captured", created_at="2026-03-01T12:00:00Z", refund_ids=[])
    assert gateway.adapter().read_payment(PAYMENT) is not None
    (asked,) = gateway.asked
    assert asked["created_at[gte]"] == "2026-03-01T12:00:00Z"


def test_transfer_is_looked_for_since_it_was_named() -> None:
    gateway, at = Gateway(refused()), datetime(2026, 3, 1, 12, tzinfo=UTC)
    new = NewTransfer(uuid.uuid4(), FIFTY, PAYMENT, created_at=at + timedelta(minutes=5))
    assert find_transfer(gateway.adapter()._api, new) is None
    (asked,) = gateway.asked
    assert asked["created_at[gte]"] == "2026-03-01T12:00:00Z"
