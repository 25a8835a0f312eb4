import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from offchain.gateways.choosing import PLATFORM_ACCOUNT
from offchain.gateways.errors import GatewayUnavailable
from offchain.gateways.paystack.wire import (
    ABANDONED_AFTER,
    initialize_body,
    is_duplicate,
    is_reference,
    is_unknown,
    read_initialized,
    read_transaction,
    split_of,
)
from offchain.gateways.types import Method, Observation, Part
from offchain.money import MinorUnits
from tests.support.paystack import NAIRA, new_payment

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
ATTEMPT = uuid.UUID("5d0c2b7e-1c3f-4b64-8a0e-6a7b1f2c9d10")


def shown(**fields: Any) -> dict[str, Any]:
    return {
        "id": 77,
        "status": "success",
        "reference": str(ATTEMPT),
        "amount": 500_000,
        "requested_amount": 500_000,
        "currency": "NGN",
        "created_at": "2026-01-01T11:59:00.000Z",
        "metadata": {"lastro_attempt_id": str(ATTEMPT), "order": "7"},
        **fields,
    }


def seen(**fields: Any) -> Observation:
    observation = read_transaction(shown(**fields), now=NOW)
    assert observation is not None
    return observation


def test_read_transaction_tells_what_was_paid_when_it_succeeded() -> None:
    paid = seen()
    assert (paid.provider_payment_id, paid.attempt_id) == (str(ATTEMPT), ATTEMPT)
    assert (paid.effect, paid.provider_status) == ("captured", "success")
    assert (paid.amount_minor, paid.received_minor, paid.currency) == (500_000, 500_000, "ngn")
    assert paid.metadata == {"order": "7"}


@pytest.mark.parametrize(
    ("status", "effect"),
    [
        ("pending", "awaiting"),
        ("ongoing", "awaiting"),
        ("ONGOING", "awaiting"),
        ("processing", "processing"),
        ("queued", "processing"),
        ("reversed", "captured"),
        ("failed", "failed"),
        ("abandoned", "awaiting"),
        ("surprising", "unknown"),
        (None, "unknown"),
    ],
)
def test_read_transaction_translates_when_the_status_is(status: str | None, effect: str) -> None:
    assert seen(status=status).effect == effect


@pytest.mark.parametrize(
    ("age", "effect"),
    [
        (ABANDONED_AFTER - timedelta(seconds=1), "awaiting"),
        (ABANDONED_AFTER, "failed"),
    ],
)
def test_read_transaction_gives_an_abandoned_payment_up_when_it_is_old(
    age: timedelta, effect: str
) -> None:
    assert seen(status="abandoned", created_at=(NOW - age).isoformat()).effect == effect


def test_read_transaction_keeps_an_abandoned_payment_when_its_age_is_unknown() -> None:
    assert seen(status="abandoned", created_at="yesterday").effect == "awaiting"


def test_read_transaction_tells_both_amounts_when_less_was_paid_than_asked_for() -> None:
    paid = seen(amount=400_000)
    assert (paid.amount_minor, paid.received_minor) == (500_000, 400_000)


def test_read_transaction_has_received_nothing_when_it_is_not_paid() -> None:
    assert seen(status="ongoing").received_minor is None


@pytest.mark.parametrize(
    ("metadata", "own"),
    [
        (
            '{"lastro_attempt_id":"5d0c2b7e-1c3f-4b64-8a0e-6a7b1f2c9d10","order":"7"}',
            {"order": "7"},
        ),
        ("", {}),
        ("not json", {}),
        ("[]", {}),
        (None, {}),
        ({"order": "7", "count": 1, "lastro_else": "x"}, {"order": "7"}),
    ],
)
def test_read_transaction_reads_metadata_when_it_is(metadata: object, own: dict[str, str]) -> None:
    paid = seen(metadata=metadata)
    assert (paid.metadata, paid.attempt_id) == (own, ATTEMPT)


@pytest.mark.parametrize(
    ("reference", "told"),
    [
        (str(ATTEMPT), str(uuid.uuid5(ATTEMPT, "another"))),
        (str(ATTEMPT), 7),
        ("T685312322670591", str(ATTEMPT)),
        (ATTEMPT.hex, str(ATTEMPT)),
        (str(ATTEMPT).upper(), None),
    ],
)
def test_read_transaction_is_no_attempts_when_reference_and_metadata_do_not_agree(
    reference: str, told: object
) -> None:
    metadata = {} if told is None else {"lastro_attempt_id": told}
    paid = seen(reference=reference, metadata=metadata)
    assert (paid.provider_payment_id, paid.attempt_id) == (reference, None)


@pytest.mark.parametrize("reference", [None, 12, "", "..", "a/b", "a b", "ä", "x" * 101])
def test_read_transaction_sees_none_when_its_reference_is(reference: object) -> None:
    assert read_transaction(shown(reference=reference), now=NOW) is None


@pytest.mark.parametrize(
    "fields",
    [
        {"amount": 2**63},
        {"amount": "9" * 40},
        {"requested_amount": 2**63},
        {"status": "a\0"},
        {"currency": "x" * 300},
    ],
)
def test_read_transaction_believes_nothing_when_our_columns_could_not_hold_it(
    fields: dict[str, Any],
) -> None:
    with pytest.raises(GatewayUnavailable):
        read_transaction(shown(**fields), now=NOW)


def test_read_transaction_is_tolerant_when_fields_are_missing_or_of_another_type() -> None:
    paid = read_transaction({"reference": "r", "amount": "12", "currency": 5}, now=NOW)
    assert paid is not None
    assert (paid.amount_minor, paid.currency, paid.effect) == (12, None, "unknown")


@pytest.mark.parametrize("text", ["pl_1001", "T9171231_412325_3be2736c_n6tml", "a.b=c-d", "7"])
def test_is_reference_takes_ours_and_paystacks_own(text: str) -> None:
    assert is_reference(text)


def test_initialize_body_speaks_paystacks_words() -> None:
    new = new_payment(attempt_id=ATTEMPT, metadata={"order": "7"})
    assert initialize_body(new) == {
        "email": f"{new.backer_id}@backers.invalid",
        "amount": 500_000,
        "currency": "NGN",
        "reference": str(ATTEMPT),
        "channels": ["card"],
        "metadata": {"order": "7", "lastro_attempt_id": str(ATTEMPT)},
        "callback_url": "https://platform.example/thanks",
    }


@pytest.mark.parametrize(
    ("method", "channels"),
    [("card", ["card"]), ("bank", ["bank", "bank_transfer"]), ("ussd", ["ussd"])],
)
def test_initialize_body_offers_the_channels_of(method: Method, channels: list[str]) -> None:
    assert initialize_body(new_payment(method=method))["channels"] == channels


def test_initialize_body_has_no_callback_when_nobody_waits_for_one() -> None:
    assert "callback_url" not in initialize_body(new_payment(return_url=None))


@pytest.mark.parametrize(
    ("parts", "bearer"),
    [
        ([("ACCT_a", 300_000), ("ACCT_b", 200_000)], "all-proportional"),
        ([("ACCT_a", 300_000), (PLATFORM_ACCOUNT, 200_000)], "account"),
    ],
)
def test_split_of_names_subaccounts_only_and_who_bears_the_fee(
    parts: list[tuple[str, int]], bearer: str
) -> None:
    split = split_of([Part(account, MinorUnits(minor)) for account, minor in parts])
    assert split == {
        "type": "flat",
        "bearer_type": bearer,
        "subaccounts": [
            {"subaccount": account, "share": minor}
            for account, minor in parts
            if account != PLATFORM_ACCOUNT
        ],
    }


def test_split_of_is_none_when_all_is_the_platforms() -> None:
    assert split_of([]) is None
    assert split_of([Part(PLATFORM_ACCOUNT, NAIRA.minor)]) is None


@pytest.mark.parametrize(
    "data",
    [
        {"reference": str(ATTEMPT)},
        {"reference": "another", "authorization_url": "https://checkout.example/x"},
        {"reference": str(ATTEMPT), "authorization_url": "javascript:alert(1)"},
        {"reference": str(ATTEMPT), "authorization_url": "https://" + "x" * 3000},
        {},
    ],
)
def test_read_initialized_is_none_when_the_answer_gives_no_page(data: dict[str, Any]) -> None:
    assert read_initialized(data, new_payment(attempt_id=ATTEMPT)) is None


def kind_of(body: object) -> str:
    kinds = {"duplicate": is_duplicate(body), "unknown": is_unknown(body)}
    return " and ".join(kind for kind, holds in kinds.items() if holds) or "other"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"code": "duplicate_reference"}, "duplicate"),
        ({"code": "duplicate_transfer_reference"}, "duplicate"),
        ({"message": "Duplicate Transaction Reference"}, "duplicate"),
        ({"message": "Reference already exists on a transfer"}, "duplicate"),
        ({"code": "transaction_not_found"}, "unknown"),
        ({"message": "Transaction reference not found"}, "unknown"),
        ({"code": "invalid_Key", "message": "Invalid key"}, "other"),
        ({"code": 7, "message": None}, "other"),
        (None, "other"),
        ([], "other"),
    ],
)
def test_refusals_are_told_apart_with_and_without_a_code(body: object, kind: str) -> None:
    assert kind_of(body) == kind
