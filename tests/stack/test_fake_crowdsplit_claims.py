"""The fake's refunds, disputes, receivers and transfers."""

import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.crowdsplit_api import CPF, FakeApi, running_api


@pytest.fixture
def fake() -> Iterator[FakeApi]:
    with running_api() as api:
        yield api


@pytest.fixture(scope="module")
def idle() -> Iterator[FakeApi]:
    """One fake for every test that leaves nothing behind which another looks at."""
    with running_api() as api:
        yield api


@pytest.fixture
def manual(fake: FakeApi) -> FakeApi:
    """The fake, which leaves every end to the control API."""
    fake.control("/switches", refunds="manual", transfers="manual", registrations="manual")
    return fake


def transfer(fake: FakeApi, amount: int, **fields: Any) -> Any:
    source = {"amount": amount, "currency": "brl"}
    return fake.post("/transfer", provider="pagar_me", source=source, **fields)


def test_refunds_never_exceed_what_was_paid(fake: FakeApi) -> None:
    identifier = fake.paid()
    part = fake.post(f"/payments/{identifier}/refund", key="r", amount=3000)
    again = fake.post(f"/payments/{identifier}/refund", key="r", amount=3000)
    assert part.json() == again.json()
    assert fake.post(f"/payments/{identifier}/refund", amount=2001).status_code == 400
    assert fake.post(f"/payments/{identifier}/refund", amount=0).status_code == 422
    assert fake.post(f"/payments/{identifier}/refund").json()["data"]["amount"] == 2000
    row = fake.http.get("/__fake__/totals").json()["payments"][0]
    assert (row["paid_amount"], row["refunded_amount"]) == (5000, 5000)


def test_refund_is_refused_when_nothing_was_paid(idle: FakeApi) -> None:
    waiting = idle.pix().json()["data"]["id"]
    assert idle.post(f"/payments/{waiting}/refund").status_code == 400


def test_refund_says_created_and_then_how_it_ended(manual: FakeApi) -> None:
    identifier = manual.paid()
    body: dict[str, Any] = {"amount": 3000, "metadata": {"why": "asked"}}
    refund = manual.post(f"/payments/{identifier}/refund", **body).json()["data"]
    assert refund["status"] == "created"
    assert manual.payment(identifier)["refund_ids"] == [refund["id"]]
    for succeeds, status in ((True, "succeeded"), (False, "failed")):
        manual.control(f"/refunds/{refund['id']}", succeeds=succeeds)
        shown = manual.data(f"/transactions/{refund['id']}")
        assert (shown["status"], shown["type"]) == (status, "refund")
        assert shown["reference_transaction_id"] == identifier
        assert (shown["source"]["amount"], shown["metadata"]) == (3000, {"why": "asked"})
    # What failed may be given back after all.
    assert manual.post(f"/payments/{identifier}/refund").json()["data"]["amount"] == 5000


def test_refund_succeeds_by_itself_when_that_is_left_to_the_fake(fake: FakeApi) -> None:
    refund = fake.post(f"/payments/{fake.paid()}/refund").json()["data"]
    assert refund["status"] == "created"
    assert fake.data(f"/transactions/{refund['id']}")["status"] == "succeeded"


def test_dispute_is_named_by_its_payment_and_decided(fake: FakeApi) -> None:
    identifier = fake.paid()
    opened = fake.control(f"/payments/{identifier}/dispute", outcome="open")
    assert opened["status"] == "needs_response"
    assert fake.payment(identifier)["dispute_ids"] == [opened["id"]]
    for outcome in ("lost", "won"):
        fake.control(f"/payments/{identifier}/dispute", outcome=outcome)
        (row,) = fake.data("/disputes")["dispute_list"]
        assert (row["id"], row["status"]) == (opened["id"], outcome)
        assert row["payment"]["id"] == identifier


def test_dispute_takes_evidence_until_it_is_decided(fake: FakeApi) -> None:
    opened = fake.control(f"/payments/{fake.paid()}/dispute", outcome="open")
    path = f"/api/v1/disputes/{opened['id']}"
    evidence = {"text_evidences": [{"key": "product_description", "value": "a book"}]}
    answer = fake.http.put(f"{path}/evidence", json=evidence).json()["data"]
    assert answer["evidences"] == evidence["text_evidences"]
    assert fake.http.put(f"{path}/submit").json()["data"]["status"] == "under_review"
    assert fake.http.put(f"{path}/close").json()["data"]["status"] == "lost"
    assert fake.http.put(f"{path}/submit").status_code == 400


def test_dispute_is_refused_when_nothing_was_paid(idle: FakeApi) -> None:
    waiting = idle.pix().json()["data"]["id"]
    path = f"/__fake__/payments/{waiting}/dispute"
    assert idle.http.post(path, json={"outcome": "open"}).status_code == 400
    assert idle.http.post(path, json={"outcome": "maybe"}).status_code == 422


@pytest.mark.parametrize(
    "fields",
    [
        {"email": ""},
        {"document_number": CPF},
        {"document_number": "123", "document_type": "personal_tax_id"},
        {"document_number": CPF, "document_type": "company_tax_id"},
    ],
)
def test_customer_is_refused_when_it_has(idle: FakeApi, fields: dict[str, str]) -> None:
    assert idle.post("/customers", **{"email": "a@example.org", **fields}).status_code == 422


def test_customers_are_listed_by_their_address_changed_and_read(fake: FakeApi) -> None:
    wanted = fake.customer(email="b@example.org")
    fake.customer()
    rows = fake.data("/customers", email="b@example.org")["customer_list"]
    assert [row["id"] for row in rows] == [wanted]
    changed = fake.http.put(f"/api/v1/customers/{wanted}", json={"first_name": "Bia"})
    assert changed.json()["data"]["version"] == 2
    assert fake.data(f"/customers/{wanted}")["first_name"] == "Bia"


def test_registration_waits_with_a_link_until_it_is_decided(manual: FakeApi) -> None:
    customer = manual.customer(document_number=CPF, document_type="cpf")
    path = f"/provider-registration/{customer}"
    assert manual.data(f"{path}/status") == []
    assert manual.post(f"{path}/submit", provider="pagar_me", target_role="x").status_code == 422
    body = {"provider": "pagar_me", "target_role": "subaccount"}
    (submitted,) = manual.post(f"{path}/submit", **body).json()["data"]
    assert submitted["status"] == "AWAITING_CONFIRMATION"
    assert submitted["provider_response"]["kyc_link"].startswith("https://")
    manual.control(f"/customers/{customer}/registration", status="APPROVED")
    (row,) = manual.data(f"{path}/status")
    assert (row["status"], row["provider_response"]) == ("APPROVED", None)


def test_registration_is_refused_when_the_customer_has_no_document(idle: FakeApi) -> None:
    path = f"/provider-registration/{idle.customer()}/submit"
    assert idle.post(path, provider="pagar_me", target_role="subaccount").status_code == 422
    assert idle.data("/provider-registration/schema", provider="pagar_me")["type"] == "object"


@pytest.mark.parametrize(
    "key",
    [CPF, "11222333000181", "+5511987654321", "ana@example.org", str(uuid.UUID(int=5))],
)
def test_pix_key_is_a_payment_method_when_it_is(idle: FakeApi, key: str) -> None:
    path = f"/customers/{idle.customer()}/payment_methods"
    made = idle.post(path, type="pix", pix_string=key).json()["data"]
    assert made["status"] == "active"
    assert [row["id"] for row in idle.data(path, type="pix")] == [made["id"]]
    assert idle.data(path, type="card") == []
    assert idle.data(f"{path}/{made['id']}")["pix_string"] == key
    assert idle.http.delete(f"/api/v1{path}/{made['id']}").status_code == 200
    assert idle.get(f"{path}/{made['id']}").status_code == 404


@pytest.mark.parametrize(
    "terms",
    [
        {"type": "pix", "pix_string": "nobody"},
        {"type": "pix", "pix_string": "Ana@example.org"},
        {"type": "card", "card_token": "x"},
        {"type": "bank", "bank_name": "x"},
        {"type": "cash"},
    ],
)
def test_payment_method_is_refused_when_it_is(idle: FakeApi, terms: dict[str, str]) -> None:
    assert idle.post(f"/customers/{idle.customer()}/payment_methods", **terms).status_code == 422


def test_stored_card_shows_no_token(idle: FakeApi) -> None:
    path = f"/customers/{idle.customer()}/payment_methods"
    card: dict[str, Any] = {
        "type": "card",
        "card_token": "tok_x",
        "billing_address": {"city": "Recife"},
    }
    assert "tok_x" not in idle.post(path, **card).text


def test_split_goes_only_to_whom_the_provider_approved(manual: FakeApi) -> None:
    receiver = manual.receiver()
    part = {"receiver": {"type": "connected_account", "id": receiver}, "amount": 5000}
    assert manual.pix(top={"allocations": [part]}).status_code == 422
    manual.control(f"/customers/{receiver}/registration", status="APPROVED")
    assert manual.pix(top={"allocations": [part]}).status_code == 201


def test_transfer_is_capped_and_decided_once(manual: FakeApi) -> None:
    assert transfer(manual, 1_000_001).status_code == 422
    made = transfer(manual, 1_000_000).json()["data"]
    assert (made["status"], made["type"]) == ("created", "transfer")
    path = f"/transfers/{made['id']}"
    manual.control(path, succeeds=False)
    assert manual.data(f"/transactions/{made['id']}")["status"] == "failed"
    assert manual.http.post(f"/__fake__{path}", json={"succeeds": True}).status_code == 400
    manual.control("/switches", transfer_cap_minor=10)
    assert transfer(manual, 11).status_code == 422


def test_transfer_may_be_decided_by_the_merchant_in_development(manual: FakeApi) -> None:
    made = transfer(manual, 100).json()["data"]
    answer = manual.post("/transfer/webhook", transfer_id=made["id"], status="SUCCEEDED")
    assert answer.json()["data"]["status"] == "succeeded"


def test_transfer_goes_only_to_an_approved_receivers_own_method(fake: FakeApi) -> None:
    receiver = fake.receiver()
    path = f"/customers/{receiver}/payment_methods"
    method = fake.post(path, type="pix", pix_string=CPF).json()["data"]["id"]

    def destination(customer: str, method_id: str) -> dict[str, Any]:
        return {"customer": {"id": customer}, "payment_method": {"id": method_id, "type": "pix"}}

    assert transfer(fake, 1, destination=destination(receiver, method)).status_code == 201
    other = f"pm_{uuid.uuid4()}"
    assert transfer(fake, 1, destination=destination(receiver, other)).status_code == 404
    stranger = destination(fake.customer(), method)
    assert transfer(fake, 1, destination=stranger).status_code == 422
