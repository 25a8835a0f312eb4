"""The fake's lists: filters, pages, and both forms of ids."""

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from tests.support.crowdsplit_api import FakeApi, running_api


@pytest.fixture
def fake() -> Iterator[FakeApi]:
    with running_api() as api:
        yield api


def test_list_pages_newest_first_by_offset_and_clamps_the_limit(fake: FakeApi) -> None:
    ids = [fake.pix().json()["data"]["id"] for _ in range(3)]
    page = fake.data("/transactions", limit=2)
    assert [row["id"] for row in page["transaction_list"]] == [ids[2], ids[1]]
    assert (page["count"], page["has_more"]) == (3, True)
    answer = fake.get("/transactions", limit=500, offset=2)
    assert [row["id"] for row in answer.json()["data"]["transaction_list"]] == [ids[0]]
    assert (answer.headers["X-Limit-Requested"], answer.headers["X-Limit-Applied"]) == (
        "500",
        "100",
    )
    assert answer.headers["X-Offset-Applied"] == "2"
    assert fake.get("/transactions", limit="many").status_code == 422


def test_list_pages_by_cursors_that_exclude_each_other(fake: FakeApi) -> None:
    ids = [fake.pix().json()["data"]["id"] for _ in range(3)]
    after = fake.data("/transactions", starting_after=ids[2], limit=1)
    assert [row["id"] for row in after["transaction_list"]] == [ids[1]]
    assert after["has_more"]
    before = fake.data("/transactions", ending_before=ids[0])
    assert [row["id"] for row in before["transaction_list"]] == [ids[2], ids[1]]
    for bad in (
        {"starting_after": ids[0], "ending_before": ids[1]},
        {"starting_after": f"pay_{uuid.uuid4()}"},
    ):
        answer = fake.get("/transactions", **bad)
        assert answer.json()["failure_reasons"][0]["code"] == "invalid_cursor"


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ({}, 3),
        ({"type_list": "payment"}, 2),
        ({"type_list": "payment,refund"}, 3),
        ({"type_list": "transfer"}, 0),
        ({"status": "succeeded,failed"}, 1),
        ({"payment_method": "PIX"}, 2),
        ({"payment_method": "card"}, 1),
        ({"provider": "stripe"}, 0),
        ({"source_currency": "BRL"}, 3),
    ],
)
def test_list_is_filtered_by(fake: FakeApi, query: dict[str, str], count: int) -> None:
    fake.card()
    fake.post(f"/payments/{fake.paid()}/refund", amount=1)
    assert fake.data("/transactions", **query)["count"] == count


def test_list_is_filtered_by_customer_and_by_time_of_creation_and_of_change(fake: FakeApi) -> None:
    customer = fake.customer()
    identifier = fake.pix(customer=customer).json()["data"]["id"]
    fake.pix()
    assert fake.data("/transactions", customer_id=customer)["count"] == 1
    later = (datetime.now(UTC) + timedelta(minutes=1)).isoformat()
    fake.advance(120)
    fake.control(f"/payments/{identifier}/pay")
    for name in ("date_from", "dateFrom", "created_at[gte]"):
        assert fake.data("/transactions", **{name: later})["transaction_list"] == []
    for name in ("date_to", "dateTo", "created_at[lte]"):
        assert len(fake.data("/transactions", **{name: later})["transaction_list"]) == 2
    changed = fake.data("/transactions", **{"updated_at[gte]": later})
    assert [row["id"] for row in changed["transaction_list"]] == [identifier]
    assert "count" not in changed


def test_payment_is_found_when_either_form_of_its_id_is_used(fake: FakeApi) -> None:
    wire = fake.pix().json()["data"]["id"]
    for form in (wire, wire.removeprefix("pay_")):
        assert fake.data(f"/transactions/{form}")["id"] == wire
        assert fake.data(f"/payments/{form}")["id"] == wire
    assert fake.get(f"/payments/cus_{uuid.uuid4()}").status_code == 422
    assert fake.get(f"/payments/{uuid.uuid4()}").status_code == 404
