"""What only CrowdSplit has, over real HTTP; what every gateway must do is in the suite."""

import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from offchain.gateways.crowdsplit import api as api_module
from offchain.gateways.crowdsplit import changes
from offchain.gateways.crowdsplit.adapter import CrowdSplit
from offchain.gateways.crowdsplit.api import data_of
from offchain.gateways.crowdsplit.wire import Dialect
from offchain.gateways.errors import GatewayRefused, GatewayUnavailable, OutcomeUnknown
from offchain.gateways.types import NewRefund, Observation, Part
from offchain.money import MinorUnits
from stack.fakes.crowdsplit.cards import DECLINED_TOKEN, FRAUD_TOKEN, REVIEW_TOKEN
from tests.support.crowdsplit import FakeCrowdSplit, card_payment, new_account, new_payment
from tests.support.gateway_http import tomorrow
from tests.support.offchain import FIFTY
from tests.support.waiting import eventually


@pytest.fixture
def gateway(crowdsplit: FakeCrowdSplit) -> CrowdSplit:
    return crowdsplit.adapter()


def read(gateway: CrowdSplit, observation: Observation) -> Observation:
    seen = gateway.read_payment(observation.provider_payment_id)
    assert seen is not None
    return seen


def paid(crowdsplit: FakeCrowdSplit, gateway: CrowdSplit) -> Observation:
    created = gateway.create_payment(new_payment())
    crowdsplit.pay(created.provider_payment_id)
    return created


def refund_of(seen: Observation, **fields: Any) -> NewRefund:
    values: dict[str, Any] = {
        "refund_id": uuid.uuid4(),
        "provider_payment_id": seen.provider_payment_id,
        "amount": FIFTY,
        "is_full": True,
        **fields,
    }
    return NewRefund(**values)


def test_create_gives_a_payable_pix_code(gateway: CrowdSplit) -> None:
    created = gateway.create_payment(new_payment())
    assert created.pix_code is not None
    assert created.provider_payment_id == str(uuid.UUID(created.provider_payment_id))


def test_read_counts_the_gateways_versions(crowdsplit: FakeCrowdSplit, gateway: CrowdSplit) -> None:
    created = paid(crowdsplit, gateway)
    assert (created.version, read(gateway, created).version) == (1, 2)


@pytest.mark.parametrize(
    ("token", "effect", "status"),
    [
        ("tok_good", "captured", "captured/captured"),
        (DECLINED_TOKEN, "failed", "failed/authorization_failed"),
        (FRAUD_TOKEN, "failed", "failed/fraud_check_failed"),
        (REVIEW_TOKEN, "authorized", "awaiting_confirmation/fraud_check_pending"),
    ],
)
def test_create_screens_and_charges_a_card_when_its_token_is(
    gateway: CrowdSplit, token: str, effect: str, status: str
) -> None:
    created = gateway.create_payment(card_payment(token=token))
    assert (created.effect, created.provider_status) == (effect, status)


@pytest.mark.parametrize(("decision", "effect"), [("approve", "captured"), ("decline", "failed")])
def test_a_card_under_review_goes_on_when_a_person_decides(
    crowdsplit: FakeCrowdSplit, gateway: CrowdSplit, decision: str, effect: str
) -> None:
    created = gateway.create_payment(card_payment(token=REVIEW_TOKEN))
    crowdsplit.control(f"/payments/{created.provider_payment_id}/fraud", decision=decision)
    assert read(gateway, created).effect == effect


def test_create_splits_a_charge_among_approved_receivers(
    crowdsplit: FakeCrowdSplit, gateway: CrowdSplit
) -> None:
    ids = [gateway.open_account(new_account()).account_id for _ in range(2)]
    parts = tuple(
        Part(account_id, MinorUnits(minor))
        for account_id, minor in zip(ids, (4000, 1000), strict=True)
    )
    created = gateway.create_payment(new_payment(parts=parts))
    shown = crowdsplit.control(f"/payments/{created.provider_payment_id}/pay")
    amounts = {part["receiver"]["id"]: part["amount"] for part in shown["allocations"]}
    assert amounts == dict(zip(ids, (4000, 1000), strict=True))


def test_create_is_refused_when_a_receiver_is_not_approved_yet(
    crowdsplit: FakeCrowdSplit, gateway: CrowdSplit
) -> None:
    crowdsplit.control("/switches", registrations="manual")
    account = gateway.open_account(new_account())
    parts = (Part(account.account_id, FIFTY.minor),)
    with pytest.raises(GatewayRefused) as refused:
        gateway.create_payment(new_payment(parts=parts))
    assert (refused.value.status, refused.value.code) == (422, "validation_error")


def test_create_sends_its_key_on_every_try(crowdsplit: FakeCrowdSplit, gateway: CrowdSplit) -> None:
    crowdsplit.fault("/payments", "reset_after", method="POST")
    new = new_payment()
    gateway.create_payment(new)
    keys = [call["idempotency_key"] for call in crowdsplit.calls("POST", "/payments")]
    assert keys.count(str(new.attempt_id)) == 2


def test_create_finds_the_first_one_when_the_same_key_carries_another_body(
    gateway: CrowdSplit,
) -> None:
    new = new_payment()
    first = gateway.create_payment(new)
    later = datetime.now(UTC) + timedelta(hours=2)
    changed = new_payment(attempt_id=new.attempt_id, expires_at=later)
    # 409 is answered by looking it up, never by a second create.
    assert gateway.create_payment(changed).provider_payment_id == first.provider_payment_id


def test_create_is_unknown_when_its_key_is_taken_but_no_payment_is_listed_yet(
    crowdsplit: FakeCrowdSplit, gateway: CrowdSplit
) -> None:
    crowdsplit.fault("/payments", "status", method="POST", status=409)
    with pytest.raises(OutcomeUnknown):
        gateway.create_payment(new_payment())


def test_create_is_unknown_when_its_key_is_taken_and_the_list_cannot_be_read(
    crowdsplit: FakeCrowdSplit, gateway: CrowdSplit
) -> None:
    crowdsplit.fault("/payments", "status", method="POST", status=409)
    crowdsplit.fault("/transactions", "status", times=3)
    with pytest.raises(OutcomeUnknown):
        gateway.create_payment(new_payment())


def test_create_is_refused_for_good_when_the_request_is_wrong(gateway: CrowdSplit) -> None:
    past = datetime.now(UTC) - timedelta(hours=1)
    with pytest.raises(GatewayRefused) as refused:
        gateway.create_payment(new_payment(expires_at=past))
    assert (refused.value.status, refused.value.code) == (422, "validation_error")


def test_find_says_none_when_an_empty_list_is_404(
    crowdsplit: FakeCrowdSplit, gateway: CrowdSplit
) -> None:
    crowdsplit.fault("/transactions", "empty_list_404")
    assert gateway.find_payment(uuid.uuid4(), since=datetime.now(UTC)) is None


def test_find_reads_on_from_page_to_page(
    gateway: CrowdSplit, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = new_payment()
    for new in (wanted, new_payment(), new_payment()):
        gateway.create_payment(new)
    monkeypatch.setattr(api_module, "PAGE", 1)
    found = gateway.find_payment(wanted.attempt_id, since=wanted.created_at)
    assert found is not None
    assert found.attempt_id == wanted.attempt_id


@pytest.mark.parametrize("dialect", ["gen3", "gen2"])
def test_find_looks_first_where_a_payment_is_likely_however_many_came_since(
    crowdsplit: FakeCrowdSplit,
    later: Callable[[], datetime],
    monkeypatch: pytest.MonkeyPatch,
    dialect: Dialect,
) -> None:
    crowdsplit.control("/switches", dialect=dialect)
    gateway = crowdsplit.adapter(dialect=dialect)
    later()
    since = datetime.now(UTC) + timedelta(hours=1)
    old, late, *others = (new_payment(expires_at=since + timedelta(hours=3)) for _ in range(4))
    gateway.create_payment(old)
    later()
    for new in (late, *others):  # repeated an hour after they were named
        gateway.create_payment(new)
    monkeypatch.setattr(api_module, "PAGE", 1)
    found = gateway.find_payment(late.attempt_id, since=since)
    assert found is not None
    assert found.attempt_id == late.attempt_id
    monkeypatch.setattr(changes, "LIST_PAGES_MAX", 1)
    found = gateway.find_payment(old.attempt_id, since=since)
    assert found is not None
    assert found.attempt_id == old.attempt_id


def test_rows_are_unavailable_when_there_are_more_pages_than_are_read(
    gateway: CrowdSplit, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        gateway.create_payment(new_payment())
    monkeypatch.setattr(api_module, "PAGE", 1)
    rows = gateway._api.rows("/transactions", "transaction_list", pages_max=2)
    with pytest.raises(GatewayUnavailable):
        list(rows)


@pytest.mark.parametrize(
    "odd", ["x", "../merchant/webhooks", "\0", "\ud800", "a b", "?limit=1", "x" * 70_000]
)
def test_nothing_is_asked_when_an_id_is_none_of_the_gateways(
    crowdsplit: FakeCrowdSplit, gateway: CrowdSplit, odd: str
) -> None:
    before = len(crowdsplit.all_calls())
    assert gateway.read_payment(odd) is None
    assert gateway.read_account(odd) is None
    assert gateway.read_transfer(odd) is None
    assert not gateway.delete_webhook(odd)
    assert len(crowdsplit.all_calls()) == before


@pytest.fixture
def later(crowdsplit: FakeCrowdSplit) -> Iterator[Callable[[], datetime]]:
    """Lets an hour pass at the gateway; a moment after all that was before, by any clock."""
    crowdsplit.control("/switches", refunds="manual")
    moved: list[int] = []

    def pass_an_hour() -> datetime:
        moved.append(3600)
        crowdsplit.control("/clock", advance_s=3600)
        return datetime.now(UTC) + timedelta(minutes=30)

    yield pass_an_hour
    crowdsplit.control("/clock", advance_s=-sum(moved))


def test_changed_payments_names_the_payment_of_a_decided_refund_and_of_a_decided_dispute(
    crowdsplit: FakeCrowdSplit, gateway: CrowdSplit, later: Callable[[], datetime]
) -> None:
    refunded, disputed = paid(crowdsplit, gateway), paid(crowdsplit, gateway)
    refund = gateway.refund(refund_of(refunded))
    path = f"/payments/{disputed.provider_payment_id}/dispute"
    crowdsplit.control(path, outcome="open")
    start = later()
    wanted = {refunded.provider_payment_id, disputed.provider_payment_id}
    assert wanted.isdisjoint(gateway.changed_payments(since=start, until=tomorrow()))
    crowdsplit.control(f"/refunds/{refund.provider_refund_id}", succeeds=True)
    crowdsplit.control(path, outcome="won")
    assert wanted <= set(gateway.changed_payments(since=start, until=tomorrow()))


@pytest.fixture
def nobody_listens(gateway: CrowdSplit) -> Iterator[None]:
    """A webhook whose every delivery fails."""
    url = f"http://127.0.0.1:9/{uuid.uuid4()}"
    gateway.register_webhook(url)
    yield
    for endpoint in gateway.list_webhooks():
        gateway.delete_webhook(endpoint.id)


@pytest.mark.usefixtures("nobody_listens")
def test_undelivered_lists_what_did_not_reach_us_since_then_and_it_can_be_replayed(
    crowdsplit: FakeCrowdSplit, gateway: CrowdSplit
) -> None:
    start = datetime.now(UTC)
    seen = paid(crowdsplit, gateway)
    told = {
        row.event: row
        for row in gateway.undelivered(since=start)
        if row.provider_payment_id == seen.provider_payment_id
    }
    captured = told["payment.captured"]
    assert list(gateway.undelivered(since=start + timedelta(days=3650))) == []

    def attempts() -> int:
        reply = gateway._api.get(f"/merchant/webhooks/notifications/{captured.id}")
        return int(data_of(reply)["delivery_attempts"])

    eventually(lambda: attempts() == 1)
    gateway.replay(captured.id)
    eventually(lambda: attempts() == 2)


def test_webhook_is_registered_once_listed_without_its_secret_and_deleted(
    gateway: CrowdSplit,
) -> None:
    url = f"http://127.0.0.1:9/{uuid.uuid4()}"
    assert gateway.register_webhook(url) == "test-webhook-secret"
    with pytest.raises(GatewayRefused) as refused:
        gateway.register_webhook(url)
    assert refused.value.status == 409
    (registered,) = [row for row in gateway.list_webhooks() if row.url == url]
    assert registered.is_active
    assert gateway.delete_webhook(registered.id)
    assert not gateway.delete_webhook(registered.id)
    assert gateway.register_webhook(url)  # and may be registered again
    assert gateway.delete_webhook(next(r.id for r in gateway.list_webhooks() if r.url == url))


def test_webhook_is_registered_once_when_the_first_reply_is_lost(
    crowdsplit: FakeCrowdSplit, gateway: CrowdSplit
) -> None:
    url = f"http://127.0.0.1:9/{uuid.uuid4()}"
    crowdsplit.fault("/merchant/webhooks", "reset_after", method="POST")
    assert gateway.register_webhook(url)
    (registered,) = [row for row in gateway.list_webhooks() if row.url == url]
    assert gateway.delete_webhook(registered.id)


def test_replay_is_refused_when_the_notification_is_unknown(gateway: CrowdSplit) -> None:
    with pytest.raises(GatewayRefused):
        gateway.replay(str(uuid.uuid4()))
