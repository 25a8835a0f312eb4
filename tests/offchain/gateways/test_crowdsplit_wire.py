import uuid
from typing import Any

import pytest

from offchain.gateways.crowdsplit_wire import bare_id, payment_body, read_payment
from offchain.gateways.errors import GatewayUnavailable
from tests.offchain.gateways.test_brcode import DYNAMIC
from tests.offchain.gateways.test_gateway_suite import card_payment, new_payment

ID = "5d0c2b7e-1c3f-4b64-8a0e-6a7b1f2c9d10"


def reply(**fields: Any) -> dict[str, Any]:
    source = {"amount": 5000, "currency": "BRL"}
    return {"id": f"pay_{ID}", "status": "captured", "source": source, **fields}


@pytest.mark.parametrize(
    ("wire", "bare"), [(f"pay_{ID}", ID), (ID, ID), (ID.upper(), ID), ("n_2", "n_2"), ("x", "x")]
)
def test_bare_id_is_the_same_when_either_dialect_is_used(wire: str, bare: str) -> None:
    assert bare_id(wire) == bare


@pytest.mark.parametrize(
    "place",
    [
        {"qr_code": DYNAMIC},
        {"emv": DYNAMIC},
        {"pix_string": DYNAMIC},
        {"provider_response": {"charges": [{"last_transaction": {"qr_code": DYNAMIC}}]}},
        {"qr_code": "https://not.a.code", "provider_response": {"qr_code": DYNAMIC}},
    ],
)
def test_read_payment_finds_the_code_when_it_lies_in(place: dict[str, Any]) -> None:
    seen = read_payment(reply(**place))
    assert seen is not None
    assert seen.pix_code == DYNAMIC


def test_read_payment_shows_no_code_when_its_checksum_is_wrong() -> None:
    seen = read_payment(reply(qr_code=DYNAMIC[:-1] + "0"))
    assert seen is not None
    assert seen.pix_code is None


@pytest.mark.parametrize(
    ("status", "sub_status", "effect"),
    [
        ("initiated", None, "awaiting"),
        ("AWAITING_CONFIRMATION", None, "awaiting"),
        ("processing", None, "processing"),
        ("processing", "awaiting_capture", "authorized"),
        ("captured", None, "captured"),
        ("succeeded", "funds_received", "captured"),
        ("canceled", None, "canceled"),
        ("failed", "authorized", "failed"),
        ("surprising", None, "unknown"),
        (None, None, "unknown"),
    ],
)
def test_read_payment_translates_when_the_status_is(
    status: str | None, sub_status: str | None, effect: str
) -> None:
    seen = read_payment(reply(status=status, sub_status=sub_status))
    assert seen is not None
    assert seen.effect == effect


@pytest.mark.parametrize(
    ("fields", "claim"),
    [
        ({}, "none"),
        ({"refund_ids": ["ref_1"]}, "refund_pending"),
        ({"status": "canceled_after_completion"}, "refunded"),
        ({"dispute_ids": ["dis_1"], "refund_ids": ["ref_1"]}, "disputed"),
    ],
)
def test_read_payment_sees_a_claim_when(fields: dict[str, Any], claim: str) -> None:
    seen = read_payment(reply(**fields))
    assert seen is not None
    assert seen.claim == claim


def test_read_payment_is_tolerant_when_fields_are_missing_or_of_another_type() -> None:
    assert read_payment({"status": "captured"}) is None
    seen = read_payment({"id": ID, "source": [], "metadata": "x", "version": True})
    assert seen is not None
    assert (seen.amount_minor, seen.currency, seen.attempt_id, seen.version) == (None,) * 4


@pytest.mark.parametrize(
    "fields",
    [
        {"version": 2**31},
        {"source": {"amount": 2**63, "currency": "BRL"}},
        {"provider_response": {"paid_amount": 10**30}},
        {"source": {"amount": 5000, "currency": "b\0l"}},
        {"status": "paid\ud800"},
    ],
)
def test_read_payment_believes_nothing_when_our_columns_could_not_hold_it(
    fields: dict[str, Any],
) -> None:
    with pytest.raises(GatewayUnavailable):
        read_payment(reply(**fields))


def test_read_payment_sees_none_when_its_id_is_not_one_of_the_gateways() -> None:
    assert read_payment(reply(id="../x")) is None


def test_payment_body_has_no_capture_method_when_it_is_pix() -> None:
    body = payment_body(new_payment(attempt_id=uuid.UUID(ID)), customer_id="cus_1")
    assert "capture_method" not in body["source"]
    assert body["metadata"] == {"lastro_attempt_id": ID}
    assert body["source"]["payment_method"]["expiry_date"].endswith("Z")


def test_payment_body_carries_the_token_when_it_is_a_card() -> None:
    body = payment_body(card_payment(), customer_id="cus_1")
    assert body["source"]["payment_method"] == {"type": "card", "card_token": "tok_good"}
    assert body["source"]["capture_method"] == "automatic"
    assert body["total_installments"] == 2
