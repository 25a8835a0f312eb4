"""What every gateway adapter must do, run over real HTTP against the gateway's fake."""

import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from indexer.errors import ConfigurationError
from offchain.gateways import crowdsplit as adapter_module
from offchain.gateways.crowdsplit_session import token_life_s
from offchain.gateways.errors import GatewayRefused, GatewayUnavailable, OutcomeUnknown
from offchain.gateways.types import Card, NewPayment
from stack.fakes.crowdsplit.books import DECLINED_TOKEN
from tests.support.crowdsplit import FakeCrowdSplit
from tests.support.offchain import FIFTY

NOW = datetime.now(UTC)
CARD = Card(
    token="tok_good", installments=2, holder_name="ANA", last_four="4242", expiration="12/2030"
)


def new_payment(**fields: Any) -> NewPayment:
    values: dict[str, Any] = {
        "attempt_id": uuid.uuid4(),
        "backer_id": uuid.uuid4(),
        "method": "pix",
        "amount": FIFTY,
        "created_at": NOW,
        "expires_at": NOW + timedelta(hours=1),
        **fields,
    }
    return NewPayment(**values)


def card_payment(**card: Any) -> NewPayment:
    fields = {name: getattr(CARD, name) for name in Card.__slots__} | card
    return new_payment(method="card", card=Card(**fields), expires_at=None)


def test_create_gives_a_payable_pix_code_and_echoes_our_id(crowdsplit: FakeCrowdSplit) -> None:
    new = new_payment()
    created = crowdsplit.adapter().create_payment(new)
    assert created.attempt_id == new.attempt_id
    assert created.effect == "awaiting"
    assert (created.amount_minor, created.currency) == (5000, "brl")
    assert created.pix_code is not None
    assert created.provider_payment_id == str(uuid.UUID(created.provider_payment_id))


def test_read_says_captured_when_it_was_paid(crowdsplit: FakeCrowdSplit) -> None:
    gateway = crowdsplit.adapter()
    created = gateway.create_payment(new_payment())
    crowdsplit.pay(created.provider_payment_id)
    paid = gateway.read_payment(created.provider_payment_id)
    assert paid is not None
    assert (paid.effect, paid.received_minor, paid.version) == ("captured", 5000, 2)


def test_read_says_what_was_received_when_the_amount_was_wrong(crowdsplit: FakeCrowdSplit) -> None:
    gateway = crowdsplit.adapter()
    created = gateway.create_payment(new_payment())
    crowdsplit.pay(created.provider_payment_id, 4000)
    paid = gateway.read_payment(created.provider_payment_id)
    assert paid is not None
    assert paid.received_minor == 4000


def test_read_says_none_when_the_gateway_does_not_know_it(crowdsplit: FakeCrowdSplit) -> None:
    assert crowdsplit.adapter().read_payment(str(uuid.uuid4())) is None


@pytest.mark.parametrize(
    ("make", "effect"),
    [
        (card_payment, "captured"),
        (lambda: card_payment(token=DECLINED_TOKEN), "failed"),
    ],
)
def test_create_charges_a_card_when_its_token_is(
    crowdsplit: FakeCrowdSplit, make: Callable[[], NewPayment], effect: str
) -> None:
    assert crowdsplit.adapter().create_payment(make()).effect == effect


def test_create_makes_one_payment_when_it_is_repeated(crowdsplit: FakeCrowdSplit) -> None:
    new = new_payment()
    ids = {crowdsplit.adapter().create_payment(new).provider_payment_id for _ in range(3)}
    assert len(ids) == 1


@pytest.mark.parametrize("mode", ["timeout_after", "reset_after"])
def test_create_makes_one_payment_when_the_first_reply_is_lost(
    crowdsplit: FakeCrowdSplit, mode: str
) -> None:
    crowdsplit.fault("/payments", mode, method="POST", seconds=3)
    new = new_payment()
    created = crowdsplit.adapter().create_payment(new)
    found = [row for row in crowdsplit.totals()["payments"] if str(new.attempt_id) in str(row)]
    assert [row["id"] for row in found] == [f"pay_{created.provider_payment_id}"]
    calls = crowdsplit.calls("POST", "/payments")
    assert [c["idempotency_key"] for c in calls].count(str(new.attempt_id)) == 2


def test_find_finds_the_payment_when_every_reply_of_its_create_was_lost(
    crowdsplit: FakeCrowdSplit,
) -> None:
    crowdsplit.fault("/payments", "reset_after", method="POST", times=3)
    gateway, new = crowdsplit.adapter(), new_payment()
    with pytest.raises(OutcomeUnknown):
        gateway.create_payment(new)
    found = gateway.find_payment(new.attempt_id, since=new.created_at)
    assert found is not None
    assert found.attempt_id == new.attempt_id


def test_find_says_none_when_nothing_was_created_and_an_empty_list_is_404(
    crowdsplit: FakeCrowdSplit,
) -> None:
    gateway = crowdsplit.adapter()
    assert gateway.find_payment(uuid.uuid4(), since=NOW) is None
    crowdsplit.fault("/transactions", "empty_list_404")
    assert gateway.find_payment(uuid.uuid4(), since=NOW) is None


def test_create_is_refused_when_the_same_key_carries_another_body(
    crowdsplit: FakeCrowdSplit,
) -> None:
    gateway, new = crowdsplit.adapter(), new_payment()
    first = gateway.create_payment(new)
    changed = new_payment(attempt_id=new.attempt_id, expires_at=NOW + timedelta(hours=2))
    # 409 is answered by looking it up, never by a second create.
    assert gateway.create_payment(changed).provider_payment_id == first.provider_payment_id


def test_create_is_unknown_when_its_key_is_taken_but_no_payment_is_listed_yet(
    crowdsplit: FakeCrowdSplit,
) -> None:
    crowdsplit.fault("/payments", "status", method="POST", status=409)
    with pytest.raises(OutcomeUnknown):
        crowdsplit.adapter().create_payment(new_payment())


@pytest.mark.parametrize("status", [401, 403])
def test_create_is_not_refused_when_the_gateway_locks_us_out(
    crowdsplit: FakeCrowdSplit, status: int
) -> None:
    crowdsplit.fault("/payments", "status", method="POST", status=status, times=2)
    with pytest.raises(GatewayUnavailable):
        crowdsplit.adapter().create_payment(new_payment())


def test_create_is_unknown_when_we_are_locked_out_after_a_try_whose_reply_was_lost(
    crowdsplit: FakeCrowdSplit,
) -> None:
    crowdsplit.fault("/payments", "reset_after", method="POST")
    crowdsplit.fault("/payments", "status", method="POST", status=403)
    with pytest.raises(OutcomeUnknown):
        crowdsplit.adapter().create_payment(new_payment())


def test_find_says_unavailable_when_there_are_more_pages_than_it_reads(
    crowdsplit: FakeCrowdSplit, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway = crowdsplit.adapter()
    for _ in range(3):
        gateway.create_payment(new_payment())
    monkeypatch.setattr(adapter_module, "PAGE", 1)
    monkeypatch.setattr(adapter_module, "FIND_PAGES_MAX", 2)
    with pytest.raises(GatewayUnavailable):
        gateway.find_payment(uuid.uuid4(), since=NOW)


@pytest.mark.parametrize(
    "odd", ["x", "../merchant/webhooks", "\0", "\ud800", "a b", "?limit=1", "x" * 70_000]
)
def test_read_asks_nothing_when_the_id_is_none_of_the_gateways(
    crowdsplit: FakeCrowdSplit, odd: str
) -> None:
    before = len(crowdsplit.http.get("/__fake__/calls").json()["calls"])
    assert crowdsplit.adapter().read_payment(odd) is None
    assert len(crowdsplit.http.get("/__fake__/calls").json()["calls"]) == before


def test_create_is_refused_for_good_when_the_request_is_wrong(crowdsplit: FakeCrowdSplit) -> None:
    with pytest.raises(GatewayRefused) as refused:
        crowdsplit.adapter().create_payment(new_payment(expires_at=NOW - timedelta(hours=1)))
    assert (refused.value.status, refused.value.code) == (422, "validation_error")


@pytest.mark.parametrize("mode", ["status", "malformed_json", "retry_after_date", "reset_before"])
def test_read_is_repeated_when_the_gateway_stumbles(crowdsplit: FakeCrowdSplit, mode: str) -> None:
    gateway = crowdsplit.adapter()
    created = gateway.create_payment(new_payment())
    crowdsplit.fault("/transactions/", mode, status=503, times=2)
    assert gateway.read_payment(created.provider_payment_id) is not None


def test_read_gives_up_when_the_gateway_stays_away(crowdsplit: FakeCrowdSplit) -> None:
    gateway = crowdsplit.adapter()
    gateway.create_payment(new_payment())
    crowdsplit.fault("/transactions/", "status", status=500, times=3)
    with pytest.raises(GatewayUnavailable):
        gateway.read_payment(str(uuid.uuid4()))


def test_calls_share_one_grant_when_they_start_together(crowdsplit: FakeCrowdSplit) -> None:
    gateway, before = crowdsplit.adapter(), crowdsplit.grants()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: gateway.read_payment(str(uuid.uuid4())), range(8)))
    assert crowdsplit.grants() == before + 1


def test_calls_take_a_new_token_once_when_theirs_is_refused(crowdsplit: FakeCrowdSplit) -> None:
    gateway = crowdsplit.adapter()
    created = gateway.create_payment(new_payment())
    crowdsplit.control("/tokens/forget")
    before = crowdsplit.grants()
    assert gateway.read_payment(created.provider_payment_id) is not None
    assert crowdsplit.grants() == before + 1


def test_calls_name_the_setting_when_the_merchant_is_unknown(crowdsplit: FakeCrowdSplit) -> None:
    with pytest.raises(ConfigurationError, match="CROWDSPLIT_CLIENT_SECRET") as error:
        crowdsplit.adapter(client_secret="wrong").read_payment(str(uuid.uuid4()))
    assert "wrong" not in str(error.value)


@pytest.mark.parametrize(
    ("token", "expires_in", "life_s"),
    [
        ("opaque", 3600, 300),
        ("opaque", 120, 120),
        ("opaque", 3_600_000, 300),
        ("opaque", 90_000, 90),
        ("opaque", None, 300),
        # {"exp": 1767225700} unsigned: its own expiry wins over expires_in
        ("e30.eyJleHAiOjE3NjcyMjU3MDB9.x", 3600, 100),
        ("e30.eyJleHAiOjE3NjcyMjU1MDB9.x", 3600, 0),
    ],
)
def test_token_life_s_is_capped_when(token: str, expires_in: int | None, life_s: float) -> None:
    now = datetime.fromtimestamp(1767225600, UTC)
    assert token_life_s(token, expires_in, now=now) == life_s
