import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stripe._encode import _api_encode

from offchain.gateways.errors import GatewayUnavailable
from offchain.gateways.stripe.wire import (
    account_state,
    asks_for_more,
    error_code,
    form,
    is_id,
    is_key_taken,
    payment_fields,
    read_dispute,
    read_intent,
    read_refund,
    read_transfer,
    unfit,
)
from offchain.gateways.types import Card, Part
from offchain.money import Currency, MinorUnits, Money
from tests.support.stripe import new_card_payment

OURS = uuid.UUID("5d0c2b7e-1c3f-4b64-8a0e-6a7b1f2c9d10")
LEAVES = st.one_of(st.integers(), st.booleans(), st.text("ab[]&= é", max_size=5))
NAMES = st.text("abc", min_size=1, max_size=3)


def intent(**fields: Any) -> dict[str, Any]:
    return {"id": "pi_1", "status": "succeeded", "amount": 5000, "currency": "brl", **fields}


def part(account_id: str, minor: int) -> Part:
    return Part(account_id, MinorUnits(minor))


def test_form_nests_keys_as_stripe_takes_them() -> None:
    fields = {"a": {"b": 1, "c": {"d": True}}, "e": ["x", {"f": False}], "g": None}
    assert form(fields) == {"a[b]": "1", "a[c][d]": "true", "e[0]": "x", "e[1][f]": "false"}


@given(
    st.dictionaries(
        NAMES,
        st.recursive(
            LEAVES,
            lambda inner: st.one_of(
                st.lists(inner, max_size=3), st.dictionaries(NAMES, inner, max_size=3)
            ),
            max_leaves=8,
        ),
        max_size=4,
    )
)
def test_form_is_the_librarys_own_encoding_whatever_is_nested(fields: dict[str, Any]) -> None:
    # The library forgets that booleans are lower case within arrays.
    assert form(fields) == {
        key: str(value).lower() if isinstance(value, bool) else str(value)
        for key, value in _api_encode(fields)
    }


def test_payment_fields_name_the_attempt_beside_the_pledges_own_words() -> None:
    new = new_card_payment(attempt_id=OURS, metadata={"pledge": "pl_1001"})
    assert payment_fields(new) == {
        "amount": 5000,
        "currency": "brl",
        "allowed_payment_method_types": ["card"],
        "metadata": {"pledge": "pl_1001", "lastro_attempt_id": str(OURS)},
    }


def test_payment_fields_make_a_destination_charge_when_one_receiver_is_connected() -> None:
    parts = (part("acct_1", 3000), part("platform", 500), part("acct_1", 1500))
    fields = payment_fields(new_card_payment(parts=parts))
    assert fields["transfer_data"] == {"destination": "acct_1", "amount": 4500}
    assert "transfer_group" not in fields


def test_payment_fields_leave_the_split_to_transfers_when_several_are_connected() -> None:
    parts = (part("acct_1", 3000), part("acct_2", 2000))
    fields = payment_fields(new_card_payment(attempt_id=OURS, parts=parts))
    assert fields["transfer_group"] == f"pay:{OURS}"
    assert "transfer_data" not in fields


def test_payment_fields_split_nothing_when_all_is_the_platforms() -> None:
    fields = payment_fields(new_card_payment(parts=(part("platform", 5000),)))
    assert {"transfer_data", "transfer_group"}.isdisjoint(fields)


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({}, None),
        ({"amount": Money(MinorUnits(5000), Currency("jpy"))}, "currency_not_taken"),
        ({"amount": Money(MinorUnits(5000), Currency("kwd"))}, "currency_not_taken"),
        ({"method": "pix"}, "method_not_taken"),
        ({"card": Card("4242424242424242", 1, "ANA", "4242", "12/2030")}, "card_not_taken"),
        ({"parts": (part("acct_1/../x", 5000),)}, "unknown_receiver"),
        ({"parts": (part("RCP_1", 5000),)}, "unknown_receiver"),
    ],
)
def test_unfit_names_the_fault_when(fields: dict[str, Any], fault: str | None) -> None:
    assert unfit(new_card_payment(**fields)) == fault


@pytest.mark.parametrize(
    ("fields", "effect", "status"),
    [
        ({"status": "requires_payment_method"}, "awaiting", "requires_payment_method"),
        (
            {
                "status": "requires_payment_method",
                "last_payment_error": {"code": "card_declined", "decline_code": "lost_card"},
            },
            "awaiting",
            "requires_payment_method/lost_card",
        ),
        ({"status": "requires_confirmation"}, "awaiting", "requires_confirmation"),
        ({"status": "requires_action"}, "awaiting", "requires_action"),
        ({"status": "processing"}, "processing", "processing"),
        ({"status": "requires_capture"}, "authorized", "requires_capture"),
        ({"status": "succeeded"}, "captured", "succeeded"),
        ({"status": "canceled"}, "canceled", "canceled"),
        (
            {"status": "canceled", "last_payment_error": {"code": "expired_card"}},
            "failed",
            "canceled/expired_card",
        ),
        ({"status": "surprising"}, "unknown", "surprising"),
        ({"status": None}, "unknown", ""),
    ],
)
def test_read_intent_translates_when(fields: dict[str, Any], effect: str, status: str) -> None:
    seen = read_intent(intent(**fields))
    assert seen is not None
    assert (seen.effect, seen.provider_status) == (effect, status)


def test_read_intent_says_what_was_asked_for_and_what_was_received() -> None:
    seen = read_intent(intent(amount_received=4000, currency="BRL", client_secret="pi_1_secret_2"))
    assert seen is not None
    assert (seen.amount_minor, seen.received_minor, seen.currency) == (5000, 4000, "brl")
    assert seen.client_secret == "pi_1_secret_2"
    assert "secret" not in repr(seen)


def test_read_intent_echoes_the_pledges_words_without_ours() -> None:
    words = {"pledge": "João", "lastro_attempt_id": str(OURS), "lastro_x": "y", "bad": "\0", "n": 1}
    seen = read_intent(intent(metadata=words))
    assert seen is not None
    assert (seen.attempt_id, seen.metadata) == (OURS, {"pledge": "João"})


def test_read_intent_is_tolerant_when_fields_are_missing_or_of_another_type() -> None:
    seen = read_intent({"id": "pi_1", "metadata": "x", "amount": "5000", "client_secret": 1})
    assert seen is not None
    assert (seen.amount_minor, seen.currency, seen.attempt_id, seen.client_secret) == (None,) * 4


@pytest.mark.parametrize("identifier", [None, 1, "", "ch_1", "pi_", "pi_1/../x", "pi_1\n", "pi_é"])
def test_read_intent_sees_none_when_its_id_is_not_one_of_theirs(identifier: object) -> None:
    assert read_intent(intent(id=identifier)) is None


@pytest.mark.parametrize(
    "fields",
    [{"amount": 2**63}, {"amount_received": 10**30}, {"currency": "b\0l"}, {"status": "\ud800"}],
)
def test_read_intent_believes_nothing_when_our_columns_could_not_hold_it(
    fields: dict[str, Any],
) -> None:
    with pytest.raises(GatewayUnavailable):
        read_intent(intent(**fields))


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("pending", "pending"),
        ("requires_action", "pending"),
        (None, "pending"),
        ("surprising", "pending"),
        ("succeeded", "succeeded"),
        ("failed", "failed"),
        ("canceled", "failed"),
    ],
)
def test_read_refund_translates_when_its_status_is(status: str | None, state: str) -> None:
    metadata = {"lastro_refund_id": str(OURS)}
    seen = read_refund({"id": "re_1", "status": status, "amount": 700, "metadata": metadata})
    assert (seen.provider_refund_id, seen.refund_id, seen.minor) == ("re_1", OURS, 700)
    assert seen.state == state


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("needs_response", "open"),
        ("under_review", "open"),
        ("warning_needs_response", "open"),
        ("appeal_under_review", "open"),
        ("surprising", "open"),
        ("won", "won"),
        ("warning_closed", "won"),
        ("prevented", "won"),
        ("lost", "lost"),
    ],
)
def test_read_dispute_translates_when_its_status_is(status: str, state: str) -> None:
    seen = read_dispute({"id": "du_1", "status": status, "amount": 5000})
    assert (seen.provider_dispute_id, seen.state, seen.minor) == ("du_1", state, 5000)


@pytest.mark.parametrize(
    ("fields", "state", "minor"),
    [
        ({}, "succeeded", 900),
        ({"amount_reversed": 300}, "succeeded", 600),
        ({"amount_reversed": 900, "reversed": True}, "failed", 0),
    ],
)
def test_read_transfer_says_what_is_left_when(
    fields: dict[str, Any], state: str, minor: int
) -> None:
    seen = read_transfer({"id": "tr_1", "amount": 900, "currency": "brl", **fields})
    assert (seen.state, seen.minor, seen.currency) == (state, minor, "brl")


@pytest.mark.parametrize("document", [{}, {"id": "../x", "amount": 1}, {"id": "re_1"}])
def test_readers_believe_nothing_when_it_is_not_the_object(document: dict[str, Any]) -> None:
    for read in (read_refund, read_dispute, read_transfer):
        with pytest.raises(GatewayUnavailable):
            read(document)


@pytest.mark.parametrize(
    ("fields", "state"),
    [
        ({}, "pending"),
        ({"charges_enabled": True, "payouts_enabled": True}, "active"),
        ({"capabilities": {"transfers": "active"}, "payouts_enabled": True}, "active"),
        ({"capabilities": {"transfers": "active"}, "details_submitted": True}, "pending"),
        ({"payouts_enabled": True, "details_submitted": True}, "pending"),
        ({"details_submitted": True, "requirements": {"past_due": ["x"]}}, "restricted"),
        ({"details_submitted": True, "requirements": {"pending_verification": ["x"]}}, "pending"),
        ({"requirements": {"disabled_reason": "rejected.fraud"}}, "rejected"),
    ],
)
def test_account_state_is_told_when(fields: dict[str, Any], state: str) -> None:
    assert account_state({"id": "acct_1", **fields}) == state


@pytest.mark.parametrize(
    ("fields", "is_asked"),
    [
        ({"details_submitted": True}, False),
        ({"details_submitted": True, "requirements": {"currently_due": ["x"]}}, True),
        ({"details_submitted": True, "requirements": {"pending_verification": ["x"]}}, False),
        ({}, True),
    ],
)
def test_asks_for_more_tells_whether_the_receiver_must_act(
    fields: dict[str, Any], *, is_asked: bool
) -> None:
    assert asks_for_more(fields) is is_asked


@pytest.mark.parametrize(
    ("status", "error", "is_taken", "code"),
    [
        (409, {"type": "idempotency_error", "code": "in_use"}, True, "in_use"),
        (409, {}, True, ""),
        (400, {"type": "idempotency_error"}, True, "idempotency_error"),
        (400, {"type": "invalid_request_error", "code": "x"}, False, "x"),
        (402, {"type": "card_error", "code": "c\0"}, False, "card_error"),
        (400, "odd", False, ""),
    ],
)
def test_is_key_taken_tells_another_calls_answer_from_ours(
    status: int, error: object, *, is_taken: bool, code: str
) -> None:
    body = {"error": error}
    assert (is_key_taken(status, body), error_code(body)) == (is_taken, code)


def test_is_id_knows_only_their_ids() -> None:
    assert is_id("pi_3Oa", "pi")
    assert not is_id("tr_1", "pi")
    assert not is_id(None, "pi")
    assert not is_id("pi_" + "a" * 300, "pi")
