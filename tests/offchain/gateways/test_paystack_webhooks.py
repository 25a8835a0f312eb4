import hashlib
import hmac
import json
import uuid
from datetime import UTC, datetime
from typing import Any

import pytest

from offchain.gateways.paystack.webhooks import read, verify
from offchain.gateways.types import UnreadableWebhook
from tests.support.paystack import PaystackSite

SECRET = "sk_test_local_1"
BODY = (
    b'{"event":"charge.success","data":{"id":302961,"reference":"pl_1001","amount":500000,'
    b'"currency":"NGN","status":"success"}}'
)
SIGNATURE = (
    "6b35921970f0e0455db9ff52adaa27768e9fdfba640f7433661162d20f51c77c"
    "dc606de941d4fcb7189b54f71125350debd5d000130f420bce70fb81cb7b6711"
)
ATTEMPT = uuid.UUID("5d0c2b7e-1c3f-4b64-8a0e-6a7b1f2c9d10")


def check(body: bytes, signature: str, *, secrets: list[str] | None = None) -> str | None:
    headers = {"x-paystack-signature": signature}
    return verify(headers, body, secrets=[SECRET] if secrets is None else secrets)


def event(name: str, **data: Any) -> bytes:
    return json.dumps({"event": name, "data": data}).encode()


def test_vector_is_the_recorded_one_when_measured() -> None:
    assert len(BODY) == 121
    assert hmac.new(SECRET.encode(), BODY, hashlib.sha512).hexdigest() == SIGNATURE


def test_verify_accepts_when_the_raw_bytes_are_signed() -> None:
    assert check(BODY, SIGNATURE) is None
    assert verify({"X-PAYSTACK-Signature": SIGNATURE}, BODY, secrets=[SECRET]) is None


def test_verify_accepts_when_any_active_key_signed_as_in_a_rotation() -> None:
    assert check(BODY, SIGNATURE, secrets=["sk_new", SECRET]) is None


@pytest.mark.parametrize(
    ("body", "signature", "secrets", "refusal"),
    [
        (BODY.replace(b"500000", b"500001"), SIGNATURE, [SECRET], "forged"),
        (BODY + b"\n", SIGNATURE, [SECRET], "forged"),
        (BODY, SIGNATURE[::-1], [SECRET], "forged"),
        (BODY, SIGNATURE, ["another key"], "forged"),
        (BODY, SIGNATURE, [], "forged"),
        (BODY, SIGNATURE[:-1], [SECRET], "malformed"),
        (BODY, SIGNATURE.upper(), [SECRET], "malformed"),
        (BODY, "", [SECRET], "malformed"),
        (BODY, "é" * 128, [SECRET], "malformed"),
        (BODY, hmac.new(SECRET.encode(), BODY, hashlib.sha256).hexdigest(), [SECRET], "malformed"),
    ],
)
def test_verify_refuses_when(body: bytes, signature: str, secrets: list[str], refusal: str) -> None:
    assert check(body, signature, secrets=secrets) == refusal


def test_verify_refuses_when_there_is_no_signature() -> None:
    assert verify({"x-other": SIGNATURE}, BODY, secrets=[SECRET]) == "unsigned"


def test_the_adapter_takes_a_replay_for_ever_because_nothing_is_stamped(
    paystack: PaystackSite,
) -> None:
    much_later = datetime(2100, 1, 1, tzinfo=UTC)
    headers = {"X-Paystack-Signature": SIGNATURE}
    assert paystack.adapter().verify_webhook(headers, BODY, now=much_later) is None


def test_read_has_one_key_when_the_same_event_is_delivered_again() -> None:
    spaced = json.dumps(json.loads(BODY), indent=1).encode()
    expected = hashlib.sha256(b"charge.success|302961|pl_1001|success").hexdigest()
    assert read(BODY).event_key == read(spaced).event_key == expected


@pytest.mark.parametrize(
    "changed", [{"id": 2}, {"reference": "another"}, {"status": "reversed"}, {"event": "x.y"}]
)
def test_read_has_another_key_when_it_is_another_event(changed: dict[str, Any]) -> None:
    fields = {"event": "transfer.success", "id": 1, "reference": "r", "status": "success"}

    def key(values: dict[str, Any]) -> str:
        data = {name: value for name, value in values.items() if name != "event"}
        return read(event(values["event"], **data)).event_key

    assert key({**fields, **changed}) != key(fields)


def test_read_keeps_refunds_apart_although_their_events_have_neither_number_nor_reference() -> None:
    # As published: a pending refund has only its transaction's reference and its amount.
    first, second, third = (
        event("refund.pending", transaction_reference=reference, amount=amount, status="pending")
        for reference, amount in (("a", "100"), ("b", "100"), ("a", "200"))
    )
    assert len({read(body).event_key for body in (first, second, third)}) == 3
    assert read(first).event_key == read(bytes(first)).event_key


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("charge.success", {"reference": str(ATTEMPT), "metadata": ""}),
        (
            "charge.success",
            {"reference": str(ATTEMPT), "metadata": {"lastro_attempt_id": str(ATTEMPT)}},
        ),
        ("refund.processed", {"transaction_reference": str(ATTEMPT), "refund_reference": "132"}),
        (
            "charge.dispute.create",
            {"transaction": {"reference": str(ATTEMPT)}, "transaction_reference": None},
        ),
        ("CHARGE.DISPUTE.RESOLVE", {"transaction": {"reference": str(ATTEMPT)}}),
    ],
)
def test_read_finds_the_payment_and_the_attempt_when_the_event_is(
    name: str, data: dict[str, Any]
) -> None:
    seen = read(event(name, **data))
    assert (seen.event, seen.provider_payment_id, seen.attempt_id) == (name, str(ATTEMPT), ATTEMPT)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("transfer.success", {"reference": str(ATTEMPT)}),
        ("invoice.update", {"transaction": {"reference": str(ATTEMPT)}}),
        ("subscription.create", {"subscription_code": "SUB_1"}),
        ("charge.success", {"reference": 12}),
        ("charge.success", {"reference": "../transfer"}),
        ("refund.failed", {"transaction": 12, "transaction_reference": None}),
    ],
)
def test_read_names_no_payment_when_the_event_is(name: str, data: dict[str, Any]) -> None:
    seen = read(event(name, **data))
    assert (seen.provider_payment_id, seen.attempt_id) == (None, None)


def test_read_names_a_payment_but_no_attempt_when_the_reference_is_not_ours() -> None:
    seen = read(BODY)
    assert (seen.provider_payment_id, seen.attempt_id) == ("pl_1001", None)


def test_read_takes_an_event_without_data() -> None:
    assert read(b'{"event":"customeridentification.failed"}').provider_payment_id is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b'{"event":1,"data":{}}',
        b'{"event":"","data":{}}',
        b'{"event":"a\\u0000","data":{}}',
        b'{"event":"a\\ud800","data":{}}',
        b'{"event":"' + b"a" * 200 + b'"}',
        b"[" * 900_000,
    ],
    ids=lambda body: repr(body[:30]),
)
def test_read_refuses_when_it_is_not_an_event(body: bytes) -> None:
    with pytest.raises(UnreadableWebhook):
        read(body)
