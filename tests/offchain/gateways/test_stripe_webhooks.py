"""Vectors that the official library's own routine agrees with, and where ours is stricter."""

import json
import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from stripe import SignatureVerificationError, Webhook, WebhookSignature

from offchain.gateways.signatures import Tolerance, verify_stamped
from offchain.gateways.stripe.webhooks import PAYMENT_EVENTS, read, verify
from offchain.gateways.types import UnreadableWebhook

SECRET = "whsec_test_local_1"
T = 1767225600
BODY = (
    b'{"id":"evt_test_1","object":"event","type":"payment_intent.succeeded",'
    b'"data":{"object":{"id":"pi_test_1","amount_received":5000,"currency":"usd"}}}'
)
V1 = "792dc838bdcbfe09180d647cbeeca1808ee04eec788c3a971504b00e540f0d07"


def check(header: str, *, body: bytes = BODY, now: int = T) -> str | None:
    at = datetime.fromtimestamp(now, UTC)
    headers = {"Stripe-Signature": header}
    return verify(headers, body, secrets=["whsec_old", SECRET], now=at)


def event(kind: str, subject: object, **more: Any) -> bytes:
    return json.dumps({"id": "evt_1", "type": kind, "data": {"object": subject}, **more}).encode()


def test_vector_is_the_published_one_when_measured() -> None:
    assert len(BODY) == 147
    header = WebhookSignature.generate_signature_header(BODY.decode(), SECRET, T)
    assert header == f"t={T},v1={V1}"


@pytest.mark.parametrize(
    "header",
    [
        f"t={T},v1={V1}",
        f"t={T},v1={V1},v0=6ffbb59b2300aae63f272406069a9788598b792a944a07aba816edb039989a39",
        f"t={T},v1=00,v1={V1}",
        f" t = {T} , v1 = {V1} ",
    ],
)
def test_verify_accepts_when_any_v1_is_good(header: str) -> None:
    assert check(header) is None


@pytest.mark.parametrize("now", [T + 300, T - 60])
def test_verify_accepts_when_the_stamp_is_just_within_the_tolerance(now: int) -> None:
    assert check(f"t={T},v1={V1}", now=now) is None


@pytest.mark.parametrize(
    ("header", "now", "refusal"),
    [
        (f"t={T},v1={V1}", T + 301, "stale"),
        (f"t={T},v1={V1}", T - 61, "stale"),
        (f"t={T + 1},v1={V1}", T, "forged"),
        (f"t={T},v1={V1[:-1]}8", T, "forged"),
        (f"t={T},v1={V1.upper()}", T, "forged"),
        (f"t={T},v1=é", T, "forged"),
        (f"t={T},v0={V1}", T, "malformed"),
        (f"v1={V1}", T, "malformed"),
        (f"t=-{T},v1={V1}", T, "malformed"),
        (f"t={T},t={T + 1},v1={V1}", T, "malformed"),
        (f"t=²,v1={V1}", T, "malformed"),
        (f"t={'9' * 5000},v1={V1}", T, "malformed"),
        ("", T, "malformed"),
    ],
)
def test_verify_refuses_when(header: str, now: int, refusal: str) -> None:
    assert check(header, now=now) == refusal


def test_verify_refuses_when_one_byte_of_the_body_is_changed_or_spaced_otherwise() -> None:
    assert check(f"t={T},v1={V1}", body=BODY.replace(b"5000", b"5001")) == "forged"
    assert check(f"t={T},v1={V1}", body=BODY + b"\n") == "forged"


def test_verify_refuses_when_it_is_unsigned_or_no_secret_is_active() -> None:
    now = datetime.fromtimestamp(T, UTC)
    assert verify({"CrowdSplit-Signature": f"t={T},v1={V1}"}, BODY, secrets=[SECRET], now=now) == (
        "unsigned"
    )
    signed = {"stripe-SIGNATURE": f"t={T},v1={V1}"}
    assert verify(signed, BODY, secrets=[], now=now) == "forged"
    assert verify(signed, BODY, secrets=[SECRET], now=now) is None


def test_verify_stamped_refuses_when_the_stamp_is_repeated_otherwise() -> None:
    now = datetime.fromtimestamp(T, UTC)
    tolerance = Tolerance(behind_s=1, ahead_s=1)

    def refusal(again: str) -> str | None:
        return verify_stamped(
            f"t={T},v1={V1}",
            BODY,
            secrets=[SECRET],
            now=now,
            tolerance=tolerance,
            stamp_again=again,
        )

    assert refusal(str(T)) is None
    assert refusal(str(T + 1)) == "malformed"


def test_verify_refuses_a_stamp_of_the_future_that_the_library_lets_pass() -> None:
    ahead = int(datetime.now(UTC).timestamp()) + 3600
    header = WebhookSignature.generate_signature_header(BODY.decode(), SECRET, ahead)
    Webhook.construct_event(BODY, header, SECRET)
    assert check(header, now=ahead - 3600) == "stale"
    with pytest.raises(SignatureVerificationError):
        Webhook.construct_event(BODY, f"t={T},v1={V1}", SECRET)


@pytest.mark.parametrize(
    ("kind", "subject"),
    [
        ("payment_intent.succeeded", {"id": "pi_1"}),
        ("payment_intent.payment_failed", {"id": "pi_1"}),
        ("charge.succeeded", {"id": "ch_1", "payment_intent": "pi_1"}),
        ("charge.refunded", {"id": "ch_1", "payment_intent": "pi_1"}),
        ("charge.refund.updated", {"id": "re_1", "payment_intent": "pi_1"}),
        ("refund.failed", {"id": "re_1", "payment_intent": "pi_1"}),
        ("charge.dispute.created", {"id": "du_1", "payment_intent": "pi_1"}),
        ("charge.dispute.closed", {"id": "du_1", "payment_intent": {"id": "pi_1"}}),
    ],
)
def test_read_finds_the_payment_when_the_event_is_about(kind: str, subject: object) -> None:
    found = read(event(kind, subject))
    assert (found.event_key, found.event) == ("evt_1", kind)
    assert found.provider_payment_id == "pi_1"


@pytest.mark.parametrize(
    ("kind", "subject", "more"),
    [
        ("account.updated", {"id": "acct_1"}, {"account": "acct_1"}),
        ("transfer.reversed", {"id": "tr_1", "payment_intent": "pi_1"}, {}),
        ("payout.failed", {"id": "po_1"}, {}),
        ("charge.succeeded", {"id": "ch_1", "payment_intent": None}, {}),
        ("charge.succeeded", {"id": "ch_1", "payment_intent": "../refunds"}, {}),
        ("payment_intent.succeeded", None, {}),
        # A connected account's own payment, which our key cannot read.
        ("payment_intent.succeeded", {"id": "pi_1"}, {"account": "acct_1"}),
    ],
)
def test_read_finds_no_payment_when_it_is_not_one_of_ours(
    kind: str, subject: object, more: dict[str, Any]
) -> None:
    found = read(event(kind, subject, **more))
    assert (found.event, found.provider_payment_id, found.attempt_id) == (kind, None, None)


def test_read_finds_our_attempt_when_it_is_in_the_metadata() -> None:
    attempt_id = uuid.uuid4()
    subject = {"id": "pi_1", "metadata": {"lastro_attempt_id": str(attempt_id)}}
    assert read(event("payment_intent.succeeded", subject)).attempt_id == attempt_id


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b'{"id":1,"type":"x"}',
        b'{"id":"1"}',
        b'{"id":"","type":"x"}',
        b'{"id":"a\\u0000","type":"x"}',
        b'{"id":"1","type":"x\\udfff"}',
        b'{"id":"' + b"a" * 300 + b'","type":"x"}',
        b"[" * 900_000,
    ],
    ids=lambda body: repr(body[:30]),
)
def test_read_refuses_when_it_is_not_an_event(body: bytes) -> None:
    with pytest.raises(UnreadableWebhook):
        read(body)


def test_payment_events_are_no_more_than_one_list_may_be_filtered_by() -> None:
    assert len(set(PAYMENT_EVENTS)) == len(PAYMENT_EVENTS) <= 20
