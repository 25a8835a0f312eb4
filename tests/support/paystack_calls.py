"""The fake Paystack inside a test, and calls to it as an integration makes them."""

from typing import Any

import httpx

KEY = "sk_test_fake"
REFERENCE = "order-1001"
TRANSFER = "payout-0123456789-a"


def initialize(fake: httpx.Client, **fields: Any) -> httpx.Response:
    body = {"email": "a@example.org", "amount": 500_000, "reference": REFERENCE, **fields}
    return fake.post("/transaction/initialize", json=body)


def control(fake: httpx.Client, path: str, /, **body: Any) -> Any:
    return fake.post(f"/__fake__{path}", json=body).raise_for_status().json()


def verified(fake: httpx.Client, reference: str = REFERENCE) -> Any:
    return fake.get(f"/transaction/verify/{reference}").raise_for_status().json()["data"]


def paid(fake: httpx.Client, **fields: Any) -> str:
    reference = str(initialize(fake, **fields).json()["data"]["reference"])
    control(fake, f"/payments/{reference}/pay")
    return reference


def refund(fake: httpx.Client, **fields: Any) -> httpx.Response:
    return fake.post("/refund", json={"transaction": REFERENCE, **fields})


def recipient(fake: httpx.Client, **fields: Any) -> httpx.Response:
    body = {"name": "Ada", "account_number": "0123456789", "bank_code": "057", **fields}
    return fake.post("/transferrecipient", json=body)


def transfer(fake: httpx.Client, **fields: Any) -> httpx.Response:
    code = recipient(fake).json()["data"]["recipient_code"]
    body = {"source": "balance", "amount": 100, "recipient": code, "reference": TRANSFER, **fields}
    return fake.post("/transfer", json=body)


def balance(fake: httpx.Client, currency: str = "NGN") -> int:
    rows = fake.get("/balance").json()["data"]
    return next(int(row["balance"]) for row in rows if row["currency"] == currency)


def refused(answer: httpx.Response) -> tuple[int, str]:
    body = answer.json()
    assert body["status"] is False
    assert set(body) == {"status", "message", "meta", "type", "code"}
    return answer.status_code, body["code"]
