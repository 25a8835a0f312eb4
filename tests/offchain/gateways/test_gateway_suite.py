"""What every gateway adapter must do, run over real HTTP against each gateway's fake.

What only one gateway has is tested beside its adapter.
"""

import uuid
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest

from offchain.gateways.errors import GatewayRefused, GatewayUnavailable, OutcomeUnknown
from offchain.gateways.types import (
    DisputeState,
    NewRefund,
    Observation,
    PayoutGateway,
    RefundSeen,
    UnreadableWebhook,
)
from offchain.money import MinorUnits, Money
from stack.fakes.edge import Mode
from tests.support.gateway_http import tomorrow
from tests.support.gateway_sites import DisputeOutcome, GatewaySite


def read(gateway: PayoutGateway, observation: Observation) -> Observation:
    seen = gateway.read_payment(observation.provider_payment_id)
    assert seen is not None
    return seen


def paid(site: GatewaySite, gateway: PayoutGateway) -> Observation:
    created = gateway.create_payment(site.new_payment())
    site.pay(created)
    return read(gateway, created)


def received(seen: Observation) -> int | None:
    return seen.amount_minor if seen.received_minor is None else seen.received_minor


def refund_of(site: GatewaySite, seen: Observation, minor: int | None = None) -> NewRefund:
    whole = site.new_payment().amount
    return NewRefund(
        refund_id=uuid.uuid4(),
        provider_payment_id=seen.provider_payment_id,
        amount=whole if minor is None else Money(MinorUnits(minor), whole.currency),
        is_full=minor is None,
    )


def only_refund(gateway: PayoutGateway, observation: Observation) -> RefundSeen:
    (refund,) = read(gateway, observation).refunds
    return refund


def test_gateway_takes_what_its_site_pays_with(site: GatewaySite, gateway: PayoutGateway) -> None:
    new = site.new_payment()
    assert gateway.name == site.name
    assert new.method in gateway.methods
    assert new.amount.currency in gateway.currencies


def test_create_shows_a_way_to_pay_and_echoes_our_id(
    site: GatewaySite, gateway: PayoutGateway
) -> None:
    new = site.new_payment()
    created = gateway.create_payment(new)
    assert created.attempt_id == new.attempt_id
    assert created.effect == "awaiting"
    assert (created.amount_minor, created.currency) == (new.amount.minor, new.amount.currency)
    ways = (created.pix_code, created.client_secret, created.authorization_url)
    assert sum(way is not None for way in ways) == 1


def test_read_says_what_create_said_while_nobody_paid(
    site: GatewaySite, gateway: PayoutGateway
) -> None:
    created = gateway.create_payment(site.new_payment())
    seen = read(gateway, created)
    assert (seen.attempt_id, seen.effect) == (created.attempt_id, "awaiting")
    assert (seen.refunds, seen.disputes) == ((), ())


def test_read_gives_the_pledges_own_words_back_without_ours(
    site: GatewaySite, gateway: PayoutGateway
) -> None:
    words = {"project": "Ação", "reward": "poster"}
    created = gateway.create_payment(site.new_payment(metadata=words))
    assert read(gateway, created).metadata == words


def test_read_says_captured_when_it_was_paid(site: GatewaySite, gateway: PayoutGateway) -> None:
    seen = paid(site, gateway)
    assert seen.effect == "captured"
    assert received(seen) == site.new_payment().amount.minor


def test_read_says_what_was_received_when_the_amount_was_wrong(
    site: GatewaySite, gateway: PayoutGateway
) -> None:
    created = gateway.create_payment(site.new_payment())
    site.pay(created, 4000)
    seen = read(gateway, created)
    assert (seen.effect, received(seen)) == ("captured", 4000)


def test_read_says_it_is_over_when_it_failed_for_good(
    site: GatewaySite, gateway: PayoutGateway
) -> None:
    created = gateway.create_payment(site.new_payment())
    site.fail(created)
    assert read(gateway, created).effect in {"failed", "canceled"}


def test_read_says_none_when_the_gateway_does_not_know_it(gateway: PayoutGateway) -> None:
    assert gateway.read_payment(str(uuid.uuid4())) is None


@pytest.mark.parametrize("odd", ["", "x", "../balance", "\0", "\ud800", "a b", "?limit=1", "."])
def test_read_says_none_when_the_id_is_none_of_the_gateways(
    gateway: PayoutGateway, odd: str
) -> None:
    assert gateway.read_payment(odd) is None


def test_create_makes_one_payment_when_it_is_repeated(site: GatewaySite) -> None:
    new = site.new_payment()
    ids = {site.adapter().create_payment(new).provider_payment_id for _ in range(3)}
    assert len(ids) == 1
    assert site.created(new.attempt_id) == 1


@pytest.mark.parametrize("mode", ["timeout_after", "reset_after"])
def test_create_makes_one_payment_when_the_first_reply_is_lost(
    site: GatewaySite, gateway: PayoutGateway, mode: Mode
) -> None:
    site.fault("create", mode, seconds=3)
    new = site.new_payment()
    created = gateway.create_payment(new)
    assert created.attempt_id == new.attempt_id
    assert site.created(new.attempt_id) == 1


def test_find_finds_the_payment_when_every_reply_of_its_create_was_lost(
    site: GatewaySite, gateway: PayoutGateway
) -> None:
    site.fault("create", "reset_after", times=3)
    new = site.new_payment()
    with pytest.raises(OutcomeUnknown):
        gateway.create_payment(new)
    found = gateway.find_payment(new.attempt_id, since=new.created_at)
    assert found is not None
    assert found.attempt_id == new.attempt_id
    assert site.created(new.attempt_id) == 1


def test_find_says_none_when_nothing_was_created(gateway: PayoutGateway) -> None:
    assert gateway.find_payment(uuid.uuid4(), since=datetime.now(UTC)) is None


def test_create_is_refused_for_good_when_the_gateway_says_no(
    site: GatewaySite, gateway: PayoutGateway
) -> None:
    site.fault("create", "status", status=400)
    with pytest.raises(GatewayRefused) as refused:
        gateway.create_payment(site.new_payment())
    assert refused.value.status == 400


@pytest.mark.parametrize("status", [401, 403])
def test_create_is_not_refused_when_the_gateway_locks_us_out(
    site: GatewaySite, gateway: PayoutGateway, status: int
) -> None:
    site.fault("create", "status", status=status, times=2)
    with pytest.raises(GatewayUnavailable):
        gateway.create_payment(site.new_payment())


def test_create_is_unknown_when_we_are_locked_out_after_a_try_whose_reply_was_lost(
    site: GatewaySite, gateway: PayoutGateway
) -> None:
    site.fault("create", "reset_after")
    site.fault("create", "status", status=403)
    with pytest.raises(OutcomeUnknown):
        gateway.create_payment(site.new_payment())


@pytest.mark.parametrize("mode", ["status", "malformed_json", "retry_after_date", "reset_before"])
def test_read_is_repeated_when_the_gateway_stumbles(
    site: GatewaySite, gateway: PayoutGateway, mode: Mode
) -> None:
    created = gateway.create_payment(site.new_payment())
    site.fault("read", mode, status=503, times=2)
    assert read(gateway, created).attempt_id == created.attempt_id


def test_read_gives_up_when_the_gateway_stays_away(
    site: GatewaySite, gateway: PayoutGateway
) -> None:
    created = gateway.create_payment(site.new_payment())
    site.fault("read", "status", status=500, times=3)
    with pytest.raises(GatewayUnavailable):
        read(gateway, created)


def test_refund_is_pending_until_the_gateway_says_how_it_ended(
    site: GatewaySite, gateway: PayoutGateway
) -> None:
    seen = paid(site, gateway)
    new = refund_of(site, seen)
    begun = gateway.refund(new)
    assert (begun.state, begun.minor) == ("pending", new.amount.minor)
    site.settle_refund(begun.provider_refund_id, succeeds=True)
    now = read(gateway, seen)
    assert now.effect == "captured"  # what came in; what went back stands beside it
    assert [(r.provider_refund_id, r.state, r.minor) for r in now.refunds] == [
        (begun.provider_refund_id, "succeeded", new.amount.minor)
    ]


def test_refund_may_fail_although_it_had_succeeded(
    site: GatewaySite, gateway: PayoutGateway
) -> None:
    seen = paid(site, gateway)
    begun = gateway.refund(refund_of(site, seen))
    for succeeds, state in ((True, "succeeded"), (False, "failed")):
        site.settle_refund(begun.provider_refund_id, succeeds=succeeds)
        assert only_refund(gateway, seen).state == state


def test_refunds_in_parts_are_all_seen_and_never_exceed_what_was_paid(
    site: GatewaySite, gateway: PayoutGateway
) -> None:
    seen = paid(site, gateway)
    for minor in (1000, 1500):
        gateway.refund(refund_of(site, seen, minor))
    assert sorted(refund.minor for refund in read(gateway, seen).refunds) == [1000, 1500]
    with pytest.raises(GatewayRefused):
        gateway.refund(refund_of(site, seen))


def test_refund_is_made_once_when_it_is_repeated(site: GatewaySite, gateway: PayoutGateway) -> None:
    seen = paid(site, gateway)
    new = refund_of(site, seen, 1000)
    ids = {gateway.refund(new).provider_refund_id for _ in range(3)}
    assert ids == {only_refund(gateway, seen).provider_refund_id}


def test_refund_is_made_once_when_its_reply_is_lost(
    site: GatewaySite, gateway: PayoutGateway
) -> None:
    seen = paid(site, gateway)
    new = refund_of(site, seen, 1000)
    site.fault("refund", "reset_after")
    with suppress(OutcomeUnknown):
        gateway.refund(new)
    again = gateway.refund(new)
    assert only_refund(gateway, seen).provider_refund_id == again.provider_refund_id


@pytest.mark.parametrize(
    ("outcomes", "state"),
    [
        (["open"], "open"),
        (["open", "won"], "won"),
        (["open", "lost"], "lost"),
        (["open", "lost", "won"], "won"),
    ],
)
def test_read_sees_a_dispute_when_it_went(
    site: GatewaySite,
    gateway: PayoutGateway,
    outcomes: list[DisputeOutcome],
    state: DisputeState,
) -> None:
    seen = paid(site, gateway)
    for outcome in outcomes:
        site.dispute(seen, outcome)
    (dispute,) = read(gateway, seen).disputes
    assert (dispute.state, dispute.minor) == (state, site.new_payment().amount.minor)


def test_changed_payments_names_what_was_paid_though_no_webhook_came(
    site: GatewaySite, gateway: PayoutGateway
) -> None:
    start = datetime.now(UTC) - timedelta(minutes=1)
    seen = paid(site, gateway)
    assert seen.provider_payment_id in set(gateway.changed_payments(since=start, until=tomorrow()))


def test_verify_accepts_a_genuine_webhook_and_nothing_else(
    site: GatewaySite, gateway: PayoutGateway
) -> None:
    body = site.some_event(paid(site, gateway))
    headers, now = site.signed(body), datetime.now(UTC)
    assert gateway.verify_webhook(headers, body, now=now) is None
    assert gateway.verify_webhook(headers, body + b" ", now=now) == "forged"
    assert gateway.verify_webhook({}, body, now=now) == "unsigned"
    assert {name.lower() for name in headers} <= set(gateway.signature_headers)


def test_verify_refuses_an_old_webhook_where_the_gateway_stamps_them(
    site: GatewaySite, gateway: PayoutGateway
) -> None:
    body = site.some_event(paid(site, gateway))
    old = site.signed(body, age_s=3600)
    is_stamped = old != site.signed(body)
    verdict = gateway.verify_webhook(old, body, now=datetime.now(UTC))
    assert verdict == ("stale" if is_stamped else None)


def test_webhook_names_its_payment_and_keeps_its_key(
    site: GatewaySite, gateway: PayoutGateway
) -> None:
    seen = paid(site, gateway)
    body = site.some_event(seen)
    event = gateway.read_webhook(body)
    assert event.provider_payment_id == seen.provider_payment_id
    assert event.event_key == site.adapter().read_webhook(body).event_key != ""


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"[" * 100_000])
def test_webhook_is_unreadable_when_it_is_no_event(gateway: PayoutGateway, body: bytes) -> None:
    with pytest.raises(UnreadableWebhook):
        gateway.read_webhook(body)
