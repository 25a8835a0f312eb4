"""Stripe's own client library, pointed at the fake, finds nothing missing."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import stripe
from stripe import RequestsClient, StripeClient, params

from offchain.gateways.stripe.webhooks import read, verify
from stack.fakes.stripe import accounts, payments, refunds, transfers, webhooks
from tests.support.stripe import SECRET_KEY, FakeStripe, own_fake
from tests.support.waiting import eventually
from tests.support.webhook_endpoint import listening


@pytest.fixture
def fake() -> Iterator[FakeStripe]:
    with own_fake() as made:
        yield made


@pytest.fixture
def library(fake: FakeStripe, monkeypatch: pytest.MonkeyPatch) -> Iterator[StripeClient]:
    """The library as it comes, save that it writes no telemetry id into the home directory."""
    monkeypatch.setattr(stripe, "enable_telemetry", False)
    http = RequestsClient()
    yield StripeClient(SECRET_KEY, base_addresses={"api": fake.url}, http_client=http)
    http.close()  # type: ignore[no-untyped-call]


def intent_of(library: StripeClient, **more: str) -> stripe.PaymentIntent:
    return library.v1.payment_intents.create(
        {
            "amount": 5000,
            "currency": "brl",
            "allowed_payment_method_types": ["card"],
            "metadata": {"pledge": "João", **more},
        }
    )


def paid_with(library: StripeClient, payment_method: str) -> stripe.PaymentIntent:
    return library.v1.payment_intents.confirm(
        intent_of(library).id, {"payment_method": payment_method}
    )


def receiver(library: StripeClient) -> stripe.Account:
    return library.v1.accounts.create(
        {
            "type": "express",
            "country": "BR",
            "email": "creator@example.org",
            "capabilities": {"transfers": {"requested": True}},
        }
    )


@pytest.mark.parametrize(
    ("taken", "known"),
    [
        (payments.CREATE, params.PaymentIntentCreateParams),
        (refunds.CREATE, params.RefundCreateParams),
        (transfers.CREATE, params.TransferCreateParams),
        (accounts.CREATE_ACCOUNT, params.AccountCreateParams),
        (accounts.CREATE_CUSTOMER, params.CustomerCreateParams),
        (accounts.CREATE_LINK, params.AccountLinkCreateParams),
        (webhooks.CREATE, params.WebhookEndpointCreateParams),
    ],
)
def test_fake_takes_no_parameter_that_the_library_does_not_know(
    taken: tuple[str, ...], known: type
) -> None:
    # So our adapter, whose fields the fake checks, sends none that this version refuses.
    assert set(taken) <= set(known.__annotations__)


# Payments


def test_library_creates_confirms_and_reads_an_intent(library: StripeClient) -> None:
    created = intent_of(library)
    assert (created.status, created.metadata["pledge"]) == ("requires_payment_method", "João")
    confirmed = library.v1.payment_intents.confirm(created.id, {"payment_method": "pm_card_visa"})
    assert (confirmed.status, confirmed.amount_received) == ("succeeded", 5000)
    read_back = library.v1.payment_intents.retrieve(created.id, {"expand": ["latest_charge"]})
    charge = read_back.latest_charge
    assert isinstance(charge, stripe.Charge)
    assert (charge.status, charge.captured, charge.metadata["pledge"]) == (
        "succeeded",
        True,
        "João",
    )


@pytest.mark.parametrize(
    ("card", "code", "decline_code"),
    [
        ("pm_card_chargeDeclined", "card_declined", "generic_decline"),
        ("pm_card_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds"),
        ("pm_card_chargeDeclinedExpiredCard", "expired_card", None),
    ],
)
def test_library_raises_its_card_error_when_a_magic_card_is_declined(
    library: StripeClient, card: str, code: str, decline_code: str | None
) -> None:
    created = intent_of(library)
    with pytest.raises(stripe.CardError) as declined:
        library.v1.payment_intents.confirm(created.id, {"payment_method": card})
    error = declined.value.error
    assert error is not None
    assert (error.code, error.decline_code) == (code, decline_code)
    assert declined.value.request_id is not None
    assert declined.value.request_id.startswith("req_")
    again = library.v1.payment_intents.retrieve(created.id)
    assert again.status == "requires_payment_method"
    assert again.last_payment_error is not None
    assert again.last_payment_error.code == code


def test_library_sees_what_the_payer_must_do_when_the_card_asks_for_authentication(
    library: StripeClient, fake: FakeStripe
) -> None:
    waiting = paid_with(library, "pm_card_threeDSecure2Required")
    assert waiting.status == "requires_action"
    assert waiting.next_action is not None
    assert waiting.next_action.type == "use_stripe_sdk"
    fake.control(f"/payments/{waiting.id}/pay")
    assert library.v1.payment_intents.retrieve(waiting.id).status == "succeeded"


def test_library_captures_a_part_of_what_was_authorized(library: StripeClient) -> None:
    held = library.v1.payment_intents.create(
        {
            "amount": 5000,
            "currency": "brl",
            "capture_method": "manual",
            "payment_method": "pm_card_visa",
            "confirm": True,
        }
    )
    assert (held.status, held.amount_capturable) == ("requires_capture", 5000)
    taken = library.v1.payment_intents.capture(held.id, {"amount_to_capture": 3000})
    assert (taken.status, taken.amount_received) == ("succeeded", 3000)


def test_library_is_told_when_an_intent_is_not_in_the_state_for_it(library: StripeClient) -> None:
    created = intent_of(library)
    canceled = library.v1.payment_intents.cancel(
        created.id, {"cancellation_reason": "requested_by_customer"}
    )
    assert canceled.status == "canceled"
    with pytest.raises(stripe.InvalidRequestError) as refused:
        library.v1.payment_intents.confirm(created.id, {"payment_method": "pm_card_visa"})
    assert refused.value.code == "payment_intent_unexpected_state"
    with pytest.raises(stripe.InvalidRequestError) as missing:
        library.v1.payment_intents.retrieve("pi_none")
    assert (missing.value.code, missing.value.http_status) == ("resource_missing", 404)


def test_library_pages_through_a_list_either_way(library: StripeClient) -> None:
    made = [intent_of(library).id for _ in range(5)]
    newest_first = made[::-1]
    listed = library.v1.payment_intents.list({"limit": 2})
    assert [row.id for row in listed.data] == newest_first[:2]
    assert listed.has_more
    assert [row.id for row in listed.auto_paging_iter()] == newest_first
    before = library.v1.payment_intents.list({"limit": 2, "ending_before": made[0]})
    assert [row.id for row in before.data] == newest_first[2:4]
    assert before.has_more
    later = int(datetime.now(UTC).timestamp()) + 60
    assert library.v1.payment_intents.list({"created": {"gte": later}}).data == []


# Idempotency


def test_library_gets_the_first_answer_again_when_its_key_is_the_same(
    library: StripeClient,
) -> None:
    ids = {
        library.v1.payment_intents.create(
            {"amount": 5000, "currency": "brl"}, {"idempotency_key": "k"}
        ).id
        for _ in range(3)
    }
    assert len(ids) == 1
    with pytest.raises(stripe.IdempotencyError):
        library.v1.payment_intents.create(
            {"amount": 6000, "currency": "brl"}, {"idempotency_key": "k"}
        )


# Refunds and disputes


def test_library_refunds_in_parts_and_never_more_than_was_paid(library: StripeClient) -> None:
    paid = paid_with(library, "pm_card_visa")
    part = library.v1.refunds.create({"payment_intent": paid.id, "amount": 3000})
    assert (part.status, part.payment_intent) == ("succeeded", paid.id)
    with pytest.raises(stripe.InvalidRequestError):
        library.v1.refunds.create({"payment_intent": paid.id, "amount": 2001})
    rest = library.v1.refunds.create({"payment_intent": paid.id})
    assert rest.amount == 2000
    with pytest.raises(stripe.InvalidRequestError) as refused:
        library.v1.refunds.create({"payment_intent": paid.id})
    assert refused.value.code == "charge_already_refunded"
    [charge] = library.v1.charges.list({"payment_intent": paid.id}).data
    assert (charge.amount_refunded, charge.refunded) == (5000, True)
    listed = library.v1.refunds.list({"payment_intent": paid.id}).data
    assert [row.id for row in listed] == [rest.id, part.id]


def test_library_sees_a_refund_pending_then_failed_and_the_charge_restored(
    library: StripeClient, fake: FakeStripe
) -> None:
    paid = paid_with(library, "pm_card_pendingRefund")
    refund = library.v1.refunds.create({"payment_intent": paid.id})
    assert refund.status == "pending"
    fake.settle_refund(refund.id, succeeds=False)
    assert library.v1.refunds.retrieve(refund.id).status == "failed"
    assert isinstance(paid.latest_charge, str)
    assert library.v1.charges.retrieve(paid.latest_charge).amount_refunded == 0


@pytest.mark.parametrize(
    ("evidence", "status", "balance"),
    [("winning_evidence", "won", 5000), ("losing_evidence", "lost", 0)],
)
def test_library_answers_a_dispute_and_the_money_follows(
    library: StripeClient, fake: FakeStripe, evidence: str, status: str, balance: int
) -> None:
    before = brl_balance(library)
    paid = paid_with(library, "pm_card_createDispute")
    [dispute] = library.v1.disputes.list({"payment_intent": paid.id}).data
    assert (dispute.status, dispute.amount, dispute.charge) == (
        "needs_response",
        5000,
        paid.latest_charge,
    )
    answered = library.v1.disputes.update(
        dispute.id, {"evidence": {"uncategorized_text": evidence}, "submit": True}
    )
    assert answered.status == status
    assert brl_balance(library) - before == balance
    assert fake.get(f"/charges/{paid.latest_charge}")["disputed"] is True


def brl_balance(library: StripeClient) -> int:
    return next(a.amount for a in library.v1.balance.retrieve().available if a.currency == "brl")


# Connect


def test_library_onboards_a_receiver_pays_it_and_takes_a_part_back(
    library: StripeClient, fake: FakeStripe
) -> None:
    fake.control("/accounts", state="new")
    account = receiver(library)
    assert (account.charges_enabled, account.details_submitted) == (False, False)
    link = library.v1.account_links.create(
        {
            "account": account.id,
            "type": "account_onboarding",
            "refresh_url": "https://lastro.example/again",
            "return_url": "https://lastro.example/back",
        }
    )
    with pytest.raises(stripe.InvalidRequestError):
        pay_out(library, account.id)
    assert fake.http.get(link.url).is_redirect
    assert library.v1.accounts.retrieve(account.id).payouts_enabled
    transfer = pay_out(library, account.id)
    reversal = library.v1.transfers.reversals.create(transfer.id, {"amount": 300})
    assert reversal.transfer == transfer.id
    again = library.v1.transfers.retrieve(transfer.id)
    assert (again.amount_reversed, again.reversed, len(again.reversals.data)) == (300, False, 1)
    assert [row.id for row in library.v1.transfers.list({"transfer_group": "g"}).data] == [
        transfer.id
    ]


def pay_out(library: StripeClient, account_id: str) -> stripe.Transfer:
    return library.v1.transfers.create(
        {"amount": 900, "currency": "brl", "destination": account_id, "transfer_group": "g"}
    )


def test_library_splits_a_charge_and_takes_the_share_back_with_the_refund(
    library: StripeClient,
) -> None:
    account = receiver(library)
    paid = library.v1.payment_intents.create(
        {
            "amount": 5000,
            "currency": "brl",
            "payment_method": "pm_card_visa",
            "confirm": True,
            "transfer_data": {"destination": account.id, "amount": 4000},
        }
    )
    [share] = library.v1.transfers.list({"destination": account.id}).data
    assert (share.amount, share.source_transaction) == (4000, paid.latest_charge)
    library.v1.refunds.create({"payment_intent": paid.id, "reverse_transfer": True})
    assert library.v1.transfers.retrieve(share.id).reversed


def test_library_makes_a_customer_and_pays_as_one(library: StripeClient) -> None:
    customer = library.v1.customers.create({"email": "a@example.org", "name": "Ana"})
    paid = library.v1.payment_intents.create(
        {"amount": 5000, "currency": "brl", "customer": customer.id}
    )
    assert library.v1.customers.retrieve(customer.id).email == "a@example.org"
    [found] = library.v1.payment_intents.list({"customer": customer.id}).data
    assert found.id == paid.id


# Events


def test_library_lists_the_events_of_a_payment(library: StripeClient) -> None:
    paid_with(library, "pm_card_visa")
    events = library.v1.events.list({"types": ["payment_intent.succeeded", "charge.succeeded"]})
    assert [event.type for event in events.data] == ["payment_intent.succeeded", "charge.succeeded"]
    charges = library.v1.events.list({"type": "charge.*"}).data
    assert [event.type for event in charges] == ["charge.succeeded"]
    event = library.v1.events.retrieve(charges[0].id)
    assert event.data.object["object"] == "charge"


def test_library_and_our_verifier_accept_what_the_fake_delivers(library: StripeClient) -> None:
    with listening() as endpoint:
        registered = library.v1.webhook_endpoints.create(
            {"url": endpoint.url, "enabled_events": ["payment_intent.succeeded"]}
        )
        assert registered.secret is not None
        paid = paid_with(library, "pm_card_visa")
        eventually(lambda: endpoint.received)
        [(headers, body)] = endpoint.received
        event = library.construct_event(body, headers["Stripe-Signature"], registered.secret)
        assert (event.type, event.data.object["id"]) == ("payment_intent.succeeded", paid.id)
        now = datetime.now(UTC)
        assert verify(headers, body, secrets=[registered.secret], now=now) is None
        assert verify(headers, body, secrets=["whsec_other"], now=now) == "forged"
        assert read(body).provider_payment_id == paid.id
        library.v1.webhook_endpoints.delete(registered.id)
        assert library.v1.webhook_endpoints.list().data == []
