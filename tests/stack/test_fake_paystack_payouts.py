"""The fake's own promises about receivers, transfers and settlements."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from stack.fakes.paystack.books import Books
from stack.fakes.paystack.gateway import create_fake
from stack.fakes.paystack.transfers import OTP
from tests.support.asgi import serving
from tests.support.paystack_calls import (
    KEY,
    REFERENCE,
    TRANSFER,
    balance,
    control,
    initialize,
    paid,
    recipient,
    refused,
    transfer,
)


@pytest.fixture
def fake() -> Iterator[httpx.Client]:
    with serving(create_fake(Books(secret_key=KEY, seed="test"))) as client:
        client.headers["Authorization"] = f"Bearer {KEY}"
        yield client


def test_pay_leaves_the_shares_of_a_split_to_the_subaccounts(fake: httpx.Client) -> None:
    body = {"business_name": "Ada", "settlement_bank": "057", "account_number": "0123456789"}
    code = fake.post("/subaccount", json=body).json()["data"]["subaccount_code"]
    split = {
        "type": "flat",
        "bearer_type": "account",
        "subaccounts": [{"subaccount": code, "share": 450_000}],
    }
    before = balance(fake)
    paid(fake, split=split)
    assert balance(fake) == before + 500_000 - 7500 - 450_000
    split["subaccounts"] = [{"subaccount": code, "share": 500_001}]
    assert refused(initialize(fake, reference="other", split=split))[1] == "invalid_split"


def test_a_recipient_is_the_same_when_its_bank_account_is(fake: httpx.Client) -> None:
    first = recipient(fake).json()["data"]["recipient_code"]
    assert recipient(fake, name="Ada O.").json()["data"]["recipient_code"] == first
    assert recipient(fake, bank_code="058").json()["data"]["recipient_code"] != first
    assert recipient(fake).status_code == 201
    assert len(fake.get("/transferrecipient").json()["data"]) == 2
    fake.delete(f"/transferrecipient/{first}").raise_for_status()
    assert fake.get(f"/transferrecipient/{first}").json()["data"]["active"] is False
    assert recipient(fake).json()["data"]["recipient_code"] != first


@pytest.mark.parametrize(
    "fields", [{"name": ""}, {"account_number": None}, {"bank_code": 57}, {"type": "iban"}]
)
def test_a_recipient_is_refused_when(fake: httpx.Client, fields: dict[str, Any]) -> None:
    assert recipient(fake, **fields).status_code == 400


def test_a_transfer_moves_money_once_per_reference(fake: httpx.Client) -> None:
    before = balance(fake)
    made = transfer(fake).json()["data"]
    assert (made["status"], made["reference"]) == ("pending", TRANSFER)
    assert refused(transfer(fake)) == (400, "duplicate_transfer_reference")
    assert balance(fake) == before - 100
    shown = fake.get(f"/transfer/verify/{TRANSFER}").json()["data"]
    assert shown["transfer_code"] == made["transfer_code"]
    assert fake.get(f"/transfer/{made['transfer_code']}").json()["data"] == shown
    assert fake.get("/transfer").json()["data"] == [shown]


@pytest.mark.parametrize("status", ["failed", "reversed"])
def test_a_transfer_that_does_not_arrive_gives_the_money_back(
    fake: httpx.Client, status: str
) -> None:
    before = balance(fake)
    transfer(fake)
    control(fake, f"/transfers/{TRANSFER}/settle", status="success")
    control(fake, f"/transfers/{TRANSFER}/settle", status=status)
    assert balance(fake) == before


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"reference": "UPPER-0123456789abcdef"}, "invalid_params"),
        ({"reference": "short"}, "invalid_params"),
        ({"source": "card"}, "invalid_params"),
        ({"recipient": "RCP_x"}, "invalid_recipient"),
        ({"amount": 10**14}, "insufficient_balance"),
    ],
)
def test_a_transfer_is_refused_when(fake: httpx.Client, fields: dict[str, Any], code: str) -> None:
    assert refused(transfer(fake, **fields)) == (400, code)
    assert refused(fake.get(f"/transfer/verify/{TRANSFER}")) == (404, "transfer_not_found")


def test_a_transfer_waits_for_its_code_when_one_is_required(fake: httpx.Client) -> None:
    control(fake, "/otp", required=True)
    made = transfer(fake).json()["data"]
    assert made["status"] == "otp"
    finalize = {"transfer_code": made["transfer_code"], "otp": "000000"}
    answer = fake.post("/transfer/finalize_transfer", json=finalize)
    assert refused(answer)[1] == "invalid_otp"
    answer = fake.post("/transfer/finalize_transfer", json={**finalize, "otp": OTP})
    assert answer.json()["data"]["status"] == "pending"
    answer = fake.post("/transfer/finalize_transfer", json={**finalize, "otp": OTP})
    assert refused(answer)[1] == "transfer_not_awaiting_otp"


def test_a_bulk_transfer_makes_one_each_and_needs_the_code_switched_off(
    fake: httpx.Client,
) -> None:
    code = recipient(fake).json()["data"]["recipient_code"]
    rows = [
        {"amount": 100, "recipient": code, "reference": f"bulk-0123456789-{number}"}
        for number in range(2)
    ]
    body = {"source": "balance", "currency": "NGN", "transfers": rows}
    control(fake, "/otp", required=True)
    assert fake.post("/transfer/bulk", json=body).status_code == 400
    control(fake, "/otp", required=False)
    made = fake.post("/transfer/bulk", json=body).json()["data"]
    assert [row["reference"] for row in made] == [row["reference"] for row in rows]


def test_subaccounts_and_splits_can_be_looked_up(fake: httpx.Client) -> None:
    body = {"business_name": "Ada", "settlement_bank": "057", "account_number": "0123456789"}
    code = fake.post("/subaccount", json=body).json()["data"]["subaccount_code"]
    fake.put(f"/subaccount/{code}", json={"active": False}).raise_for_status()
    shown = fake.get(f"/subaccount/{code}").json()["data"]
    assert shown["active"] is False
    assert fake.get("/subaccount").json()["data"] == [shown]
    shares = [{"subaccount": code, "share": 20}]
    wanted = {"name": "Half", "type": "percentage", "currency": "NGN", "subaccounts": shares}
    split = fake.post("/split", json=wanted).json()["data"]
    assert fake.get(f"/split/{split['split_code']}").json()["data"] == split
    assert fake.get("/split").json()["data"] == [split]
    assert refused(fake.get("/split/SPL_x")) == (404, "split_not_found")


@pytest.mark.parametrize(
    ("fields", "share"),
    [
        ({"subaccount": "ACCT"}, 447_500),
        ({"subaccount": "ACCT", "transaction_charge": 1000}, 499_000),
        ({"split_code": "SPL"}, 150_000),
    ],
)
def test_a_charge_is_shared_by_a_subaccount_or_a_kept_split_as_well(
    fake: httpx.Client, fields: dict[str, Any], share: int
) -> None:
    body = {"business_name": "Ada", "settlement_bank": "057", "account_number": "0123456789"}
    made = fake.post("/subaccount", json={**body, "percentage_charge": 10.5}).json()["data"]
    codes = {"ACCT": made["subaccount_code"]}
    shares = [{"subaccount": codes["ACCT"], "share": 30}]
    kept = {"name": "Third", "type": "percentage", "currency": "NGN", "subaccounts": shares}
    codes["SPL"] = fake.post("/split", json=kept).json()["data"]["split_code"]
    before = balance(fake)
    paid(fake, **{name: codes.get(str(value), value) for name, value in fields.items()})
    assert balance(fake) == before + 500_000 - 7500 - share


@pytest.mark.parametrize("fields", [{"subaccount": "ACCT_x"}, {"split_code": "SPL_x"}])
def test_a_charge_is_refused_when_its_receiver_is_unknown(
    fake: httpx.Client, fields: dict[str, Any]
) -> None:
    assert refused(initialize(fake, **fields))[0] == 404


def test_payments_are_settled_the_day_after(fake: httpx.Client) -> None:
    paid(fake)
    assert fake.get("/settlement").json()["data"] == []
    control(fake, "/clock", advance_s=86_400)
    (row,) = fake.get("/settlement").json()["data"]
    assert (row["total_processed"], row["total_fees"]) == (500_000, 7500)
    inside = fake.get(f"/settlement/{row['id']}/transactions").json()["data"]
    assert [transaction["reference"] for transaction in inside] == [REFERENCE]
    same = fake.get(f"/settlement/{row['id']}/transaction").json()["data"]
    assert same == inside  # the OpenAPI and the documentation write this path differently
