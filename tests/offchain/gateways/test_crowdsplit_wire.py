import uuid
from typing import Any

import pytest

from offchain.gateways.crowdsplit.claims import read_refund
from offchain.gateways.crowdsplit.payouts import read_transfer
from offchain.gateways.crowdsplit.wire import bare_id, instant, payment_body, read_payment
from offchain.gateways.errors import GatewayUnavailable
from offchain.gateways.types import Part
from offchain.money import MinorUnits
from tests.offchain.gateways.test_brcode import DYNAMIC
from tests.support.crowdsplit import card_payment, new_payment

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


@pytest.mark.parametrize("kind", ["refund", "transfer", "installment_payment"])
def test_read_payment_sees_none_when_it_is_another_transaction(kind: str) -> None:
    assert read_payment(reply(type=kind)) is None


def test_read_payment_keeps_the_pledges_own_words_only() -> None:
    metadata = {
        "lastro_attempt_id": ID,
        "lastro_other": "x",
        "reward": "poster",
        "count": 5,
        "bad": "a\0",
    }
    seen = read_payment(reply(metadata=metadata))
    assert seen is not None
    assert (seen.attempt_id, seen.metadata) == (uuid.UUID(ID), {"reward": "poster"})


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


def test_payment_body_carries_the_pledges_words_and_ours_win() -> None:
    words = {"reward": "poster", "lastro_attempt_id": "forged"}
    body = payment_body(new_payment(attempt_id=uuid.UUID(ID), metadata=words), customer_id="c")
    assert body["metadata"] == {"reward": "poster", "lastro_attempt_id": ID}


def test_payment_body_names_every_part_when_it_is_split() -> None:
    parts = (Part("a", MinorUnits(4000)), Part("b", MinorUnits(1000)))
    body = payment_body(new_payment(parts=parts), customer_id="c")
    assert [(p["receiver"]["id"], p["amount"]) for p in body["allocations"]] == [
        ("a", 4000),
        ("b", 1000),
    ]
    assert "allocations" not in payment_body(new_payment(), customer_id="c")


def test_payment_body_carries_the_token_and_is_screened_first_when_it_is_a_card() -> None:
    body = payment_body(card_payment(), customer_id="cus_1")
    assert body["source"]["payment_method"] == {"type": "card", "card_token": "tok_good"}
    assert body["source"]["capture_method"] == "automatic"
    assert body["source"]["fraud_check"]["config"]["sequence"] == "fraud_before_auth"
    assert body["total_installments"] == 2


@pytest.mark.parametrize(
    ("text", "year"),
    [("2026-01-02T03:04:05Z", 2026), ("2026-01-02", 2026), ("soon", None), (5, None)],
)
def test_instant_is_utc_or_none_when_the_text_is(text: object, year: int | None) -> None:
    found = instant(text)
    assert (found and found.year) == year
    assert found is None or found.tzinfo is not None


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("created", "pending"),
        ("processing", "pending"),
        ("succeeded", "succeeded"),
        ("CAPTURED", "succeeded"),
        ("failed", "failed"),
        ("canceled", "failed"),
        ("canceled_after_completion", "failed"),
        ("surprising", "pending"),
    ],
)
def test_read_refund_and_transfer_translate_when_the_status_is(status: str, state: str) -> None:
    source = {"amount": 700, "currency": "BRL"}
    refund = read_refund({"id": f"ref_{ID}", "status": status, "source": source})
    assert refund is not None
    assert (refund.provider_refund_id, refund.state, refund.minor) == (ID, state, 700)
    transfer = read_transfer(
        {"id": f"tr_{ID}", "type": "transfer", "status": status, "source": source}
    )
    assert transfer is not None
    assert (transfer.state, transfer.minor, transfer.currency) == (state, 700, "brl")


def test_read_refund_takes_what_we_asked_for_where_the_answer_says_nothing() -> None:
    asked = uuid.uuid4()
    refund = read_refund({"id": f"ref_{ID}", "status": "created"}, refund_id=asked, minor=5)
    assert refund is not None
    assert (refund.refund_id, refund.minor) == (asked, 5)
    assert read_refund({"id": f"ref_{ID}", "status": "created"}) is None
    assert read_refund({}, minor=5) is None
