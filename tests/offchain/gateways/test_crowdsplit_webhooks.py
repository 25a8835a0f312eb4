"""Vectors that the Oak payments SDK's own routine agrees with."""

import hashlib
import hmac
import json
import uuid
from datetime import UTC, datetime

import pytest

from offchain.gateways.crowdsplit.webhooks import read, verify
from offchain.gateways.types import UnreadableWebhook

SECRET = "test-webhook-secret"
T = 1767225600
V1_BODY = (
    b'{"id":"evt_0b6f4a52-7c1e-4a0b-9d53-2f7c5f1e8a01","api_version":"v1","event":"payment.captured"'
    b',"category":"payment_lifecycle","data":{"id":"pay_5d0c2b7e-1c3f-4b64-8a0e-6a7b1f2c9d10",'
    b'"status":"captured","version":3,"source":{"amount":5000,"currency":"brl"},'
    b'"metadata":{"ref":"pl_1001"}}}'
)
V1 = "62c74a1e7005e23bd3b75c06724ad46c753317f38646b32a9827bafb3eb52724"
V1_LEGACY = "d2054ab5b0d16b07afc5f140761ef0e583d2c98ea16195d8832e1d0bd7992ebd"
V2_BODY = (
    '{"id":"n-2","api_version":"v1","event":"payment.failed","category":"payment_lifecycle",'
    '"data":{"id":"p-2","status":"failed","metadata":{"nome":"João Conceição"}}}'
).encode()
V2 = "0efaf222721211f4953e15bb21fe28267f5923013a187af46d0c210a8c7394b7"
P, R = "5d0c2b7e-1c3f-4b64-8a0e-6a7b1f2c9d10", "0b6f4a52-7c1e-4a0b-9d53-2f7c5f1e8a01"
V3_SECRET = "whk_local_2"
V3_T = 1767229200
V3_BODY = b'{ "id": "n-3",\n  "event": "payment.succeeded" }\n'
V3 = "2a0359e622d08ae79e21c1c46006deabe8ab4a94d37b036ded9062e4cb1fa260"


def at(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def check(body: bytes, header: str, *, now: int = T, stamp: str | None = None) -> str | None:
    headers = {"CrowdSplit-Signature": header}
    if stamp is not None:
        headers["CrowdSplit-Timestamp"] = stamp
    return verify(headers, body, secrets=[SECRET, V3_SECRET], now=at(now))


def test_vectors_are_the_published_ones_when_measured() -> None:
    assert (len(V1_BODY), len(V2_BODY), len(V3_BODY)) == (286, 165, 48)


@pytest.mark.parametrize(
    ("body", "signature", "t"), [(V1_BODY, V1, T), (V2_BODY, V2, T), (V3_BODY, V3, V3_T)]
)
def test_verify_accepts_when_raw_bytes_are_signed(body: bytes, signature: str, t: int) -> None:
    assert check(body, f"t={t},v1={signature}", now=t) is None


@pytest.mark.parametrize(
    ("body", "header", "now", "refusal"),
    [
        (V1_BODY, f"t={T + 1},v1={V1}", T, "forged"),
        (V1_BODY.replace(b"5000", b"5001"), f"t={T},v1={V1}", T, "forged"),
        (V1_BODY, f"t={T},v1={V1}", T + 301, "stale"),
        (V1_BODY, f"t={T},v1={V1}", T - 301, "stale"),
        (V1_BODY, f"v1={V1}", T, "malformed"),
        (V1_BODY, f"t={T}", T, "malformed"),
        (V1_BODY, f"t=soon,v1={V1}", T, "malformed"),
        (V1_BODY, f"t={T},t={T + 1},v1={V1}", T, "malformed"),
        (V1_BODY, V1_LEGACY, T, "malformed"),
        (V1_BODY, f"t=,v1={V1_LEGACY}", T, "malformed"),
        (V1_BODY, f"t={'9' * 13},v1={V1}", T, "malformed"),
        (V1_BODY, f"t={'9' * 400},v1={V1}", T, "malformed"),
        (V1_BODY, f"t={'9' * 5000},v1={V1}", T, "malformed"),
        (V1_BODY, f"t={T},v1={V1_LEGACY}", T, "forged"),
    ],
)
def test_verify_refuses_when(body: bytes, header: str, now: int, refusal: str) -> None:
    assert check(body, header, now=now) == refusal


def test_verify_accepts_when_any_of_several_signatures_is_good_as_in_a_rotation() -> None:
    assert check(V1_BODY, f"t={T},v1=00,v1={V1}") is None


def test_verify_accepts_when_exactly_five_minutes_old_and_the_header_has_another_case() -> None:
    headers = {"crowdsplit-SIGNATURE": f"t={T},v1={V1}"}
    assert verify(headers, V1_BODY, secrets=[SECRET], now=at(T + 300)) is None


def test_verify_refuses_when_unsigned_or_the_timestamp_header_differs() -> None:
    assert verify({}, V1_BODY, secrets=[SECRET], now=at(T)) == "unsigned"
    signature = f"t={T},v1={V1}"
    assert check(V1_BODY, signature, stamp=str(T + 1)) == "malformed"
    assert check(V1_BODY, signature, stamp=str(T)) is None


def test_verify_refuses_when_no_secret_is_active() -> None:
    digest = hmac.new(b"", f"{T}.".encode() + V1_BODY, hashlib.sha256).hexdigest()
    header = {"CrowdSplit-Signature": f"t={T},v1={digest}"}
    assert verify(header, V1_BODY, secrets=[], now=at(T)) == "forged"


def test_read_gives_bare_ids_when_they_are_prefixed() -> None:
    event = read(V1_BODY)
    assert event.event_key == "0b6f4a52-7c1e-4a0b-9d53-2f7c5f1e8a01"
    assert event.provider_payment_id == "5d0c2b7e-1c3f-4b64-8a0e-6a7b1f2c9d10"
    assert event.attempt_id is None


@pytest.mark.parametrize(
    ("event", "data", "payment"),
    [
        ("payment.captured", {"id": f"pay_{P}"}, P),
        ("PAYMENT.CAPTURED", {"id": P.upper(), "type": "payment"}, P),
        ("payment.refund.created", {"id": f"ref_{R}", "reference_transaction_id": P}, P),
        ("refund.failed", {"id": R, "reference_transaction_id": f"pay_{P}"}, P),
        ("payment.refunded", {"id": R, "type": "refund", "reference_transaction_id": P}, P),
        ("payment.disputed", {"id": f"dis_{R}", "payment": {"id": P}}, P),
        ("payment.dispute.closed", {"id": R, "payment": {"id": f"pay_{P}"}}, P),
        ("transaction.updated", {"id": P}, P),
        ("transaction.updated", {"id": R, "type": "refund", "reference_transaction_id": P}, P),
        ("transaction.updated", {"id": R, "type": "transfer"}, None),
        ("refund.succeeded", {"id": R}, None),
        ("customer.created", {"id": R}, None),
        ("transfer.succeeded", {"id": R, "type": "transfer"}, None),
        ("payment.captured", {"id": "../x"}, None),
        ("payment.captured", {"id": 5}, None),
        ("payment.updated", None, None),
    ],
)
def test_read_finds_the_payment_when_the_event_is_about(
    event: str, data: object, payment: str | None
) -> None:
    body = json.dumps({"id": "1", "event": event, "data": data}).encode()
    assert read(body).provider_payment_id == payment


def test_read_finds_our_attempt_when_it_is_in_the_metadata() -> None:
    attempt_id = uuid.uuid4()
    data = {"metadata": {"lastro_attempt_id": str(attempt_id)}}
    body = json.dumps({"id": "1", "event": "payment.captured", "data": data}).encode()
    assert read(body).attempt_id == attempt_id


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b'{"id":1,"event":"x"}',
        b'{"id":"1"}',
        b'{"id":"a\\u0000","event":"x"}',
        b'{"id":"a\\ud800","event":"x"}',
        b'{"id":"1","event":"x\\udfff"}',
        b'{"id":"1","event":"payment.captured","data":{"id":"\\ud800"}}',
        b'{"id":"' + b"a" * 300 + b'","event":"x"}',
        b"[" * 900_000,
    ],
    ids=lambda body: repr(body[:30]),
)
def test_read_refuses_when_it_is_not_an_event(body: bytes) -> None:
    with pytest.raises(UnreadableWebhook):
        read(body)
