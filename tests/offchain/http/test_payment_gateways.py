"""Which gateway takes a payment, what it is given, and what the backer pays with."""

import uuid
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine, insert, select, update

from offchain.gateways.types import NewAccount
from offchain.tables import campaign_splits, idempotency_keys, payment_attempts
from tests.support.checkout import CARD, interrupt, pay, slug_of, unlock
from tests.support.crowdsplit import FakeCrowdSplit, new_account
from tests.support.offchain import attempt
from tests.support.paystack import PaystackSite
from tests.support.stripe import FakeStripe, new_receiver


def abroad(http: httpx.Client, currency: str, **fields: Any) -> httpx.Response:
    """A card payment in a campaign of this currency."""
    fields = {"method": "card", **fields}
    return pay(http, campaign=f"open-{currency}", currency=currency, **fields)


def add_splits(engine: Engine, slug: str, *rows: tuple[str, str, int]) -> None:
    with engine.begin() as connection:
        campaign_id = connection.exec_driver_sql(
            "SELECT id FROM offchain.campaigns WHERE slug = %s", (slug,)
        ).scalar_one()
        connection.execute(
            insert(campaign_splits),
            [
                {
                    "campaign_id": campaign_id,
                    "place": place,
                    "gateway": gateway,
                    "account": account,
                    "share_bps": bps,
                    "role": "creator",
                }
                for place, (gateway, account, bps) in enumerate(rows)
            ],
        )


@pytest.mark.parametrize(
    ("currency", "fields", "gateway"),
    [
        ("brl", {"method": "pix"}, "crowdsplit"),
        ("brl", {"card": CARD}, "crowdsplit"),
        ("brl", {"gateway": "stripe"}, "stripe"),
        ("usd", {}, "stripe"),
        ("usd", {"gateway": "paystack"}, "paystack"),
        ("ngn", {"method": "bank"}, "paystack"),
        ("ngn", {"method": "ussd"}, "paystack"),
    ],
)
def test_payment_goes_to_the_first_gateway_in_order_that_takes_it_unless_one_is_named(
    shop: httpx.Client, currency: str, fields: dict[str, Any], gateway: str
) -> None:
    answer = abroad(shop, currency, **fields)
    assert (answer.status_code, answer.json()["gateway"]) == (201, gateway), answer.text


def test_stripe_gives_a_client_secret_and_nothing_else_to_pay_with(
    shop: httpx.Client, engine: Engine, stripe: FakeStripe
) -> None:
    made = abroad(shop, "usd", metadata={"order": "A-17"}).json()
    assert made["status"] == "awaiting_confirmation"
    assert (made["pix"], made["authorization_url"], made["expires_at"]) == (None, None, None)
    provider_id = attempt(engine, uuid.UUID(made["payment_id"])).provider_payment_id
    intent = stripe.get(f"/payment_intents/{provider_id}")
    assert made["client_secret"] == intent["client_secret"]
    assert (intent["amount"], intent["currency"]) == (5000, "usd")
    assert intent["metadata"] == {"order": "A-17", "lastro_attempt_id": made["payment_id"]}


def test_paystack_gives_its_page_and_sends_the_backer_back_from_it(
    shop: httpx.Client, paystack: PaystackSite
) -> None:
    made = abroad(shop, "ngn", method="bank", return_url="https://platform.example/done").json()
    assert (made["pix"], made["client_secret"], made["status"]) == (
        None,
        None,
        "awaiting_confirmation",
    )
    paid = httpx.post(made["authorization_url"], data={"action": "pay"})
    assert paid.status_code == 303
    assert paid.headers["location"].startswith("https://platform.example/done?trxref=")
    seen = paystack.adapter().read_payment(made["payment_id"])
    assert seen is not None
    assert (seen.effect, seen.amount_minor, seen.currency) == ("captured", 5000, "ngn")


@pytest.mark.parametrize(
    ("currency", "fields", "place"),
    [
        ("brl", {}, "#/card"),
        ("brl", {"gateway": "crowdsplit"}, "#/card"),
        ("brl", {"gateway": "stripe", "card": CARD}, "#/card"),
        ("usd", {"card": CARD}, "#/card"),
        ("usd", {"gateway": "paystack", "card": CARD}, "#/card"),
    ],
)
def test_card_token_is_asked_for_where_one_is_charged_and_refused_elsewhere(
    shop: httpx.Client, currency: str, fields: dict[str, Any], place: str
) -> None:
    answer = abroad(shop, currency, **fields)
    assert (answer.status_code, slug_of(answer)) == (422, "invalid-request")
    assert [fault["pointer"] for fault in answer.json()["errors"]] == [place]


@pytest.mark.parametrize(
    ("currency", "fields"),
    [
        ("brl", {"method": "ussd"}),
        ("usd", {"method": "pix"}),
        ("ngn", {"gateway": "crowdsplit", "card": CARD}),
        ("brl", {"gateway": "stripe", "method": "pix"}),
    ],
)
def test_payment_is_422_and_names_what_is_taken_when_no_gateway_takes_it(
    shop: httpx.Client, engine: Engine, currency: str, fields: dict[str, Any]
) -> None:
    answer = abroad(shop, currency, **fields)
    assert (answer.status_code, slug_of(answer)) == (422, "method-not-taken")
    detail = answer.json()["detail"]
    assert detail.startswith("Crowdsplit" if "crowdsplit" in fields.values() else ("No", "Stripe"))
    assert "enabled: crowdsplit (card, pix in brl); stripe (card in brl" in detail
    with engine.connect() as connection:
        assert not connection.execute(select(idempotency_keys)).all()


def test_payment_is_found_again_at_stripe_when_the_reply_was_lost(
    shop: httpx.Client, engine: Engine, stripe: FakeStripe
) -> None:
    stripe.fault("create", "reset_after", times=3)
    lost = abroad(shop, "usd", key="k")
    unlock(engine)
    found = abroad(shop, "usd", key="k")
    assert (lost.status_code, found.status_code) == (503, 201), (lost.text, found.text)
    assert found.json()["payment_id"] == lost.json()["payment_id"]
    assert stripe.created(found.json()["payment_id"]) == 1


def test_payment_says_that_its_page_is_lost_when_paystacks_reply_was(
    shop: httpx.Client, engine: Engine, paystack: PaystackSite
) -> None:
    paystack.fault("create", "reset_after", times=3)
    lost = abroad(shop, "ngn", key="k", method="ussd")
    unlock(engine)
    found, again = (abroad(shop, "ngn", key="k", method="ussd") for _ in range(2))
    assert (lost.status_code, found.status_code, slug_of(found)) == (503, 409, "payment-page-lost")
    assert (again.status_code, again.json()) == (409, found.json())
    for name in ("payment_id", "pledge_id"):
        assert found.json()[name] == lost.json()[name]
    assert paystack.created(found.json()["payment_id"]) == 1
    anew = abroad(shop, "ngn", method="ussd", pledge_id=found.json()["pledge_id"])
    assert (anew.status_code, anew.json()["pledge_id"]) == (201, found.json()["pledge_id"])


def test_payment_is_awaited_when_its_page_is_lost_and_the_backer_has_paid_on_it(
    shop: httpx.Client, engine: Engine
) -> None:
    made = abroad(shop, "ngn", key="k", method="ussd").json()
    httpx.post(made["authorization_url"], data={"action": "pay"})
    interrupt(engine)
    with engine.begin() as connection:
        connection.execute(update(payment_attempts).values(authorization_url=None))
    assert abroad(shop, "ngn", key="k", method="ussd").status_code == 201


def test_payment_is_503_when_its_gateway_was_disabled_since_it_was_begun(
    shop: httpx.Client, engine: Engine
) -> None:
    made = abroad(shop, "usd", key="k").json()
    interrupt(engine)
    with engine.begin() as connection:
        connection.execute(update(payment_attempts).values(gateway="gone"))
    answer = abroad(shop, "usd", key="k")
    assert (answer.status_code, slug_of(answer)) == (503, "gateway-unavailable")
    assert answer.json()["payment_id"] == made["payment_id"]


def test_charge_is_split_when_the_campaign_is(
    shop: httpx.Client, engine: Engine, crowdsplit: FakeCrowdSplit
) -> None:
    """A lost reply and its repeat send equal parts, or the gateway would refuse the key."""
    account = crowdsplit.adapter().open_account(new_account()).account_id
    add_splits(engine, "open-brl", ("crowdsplit", account, 6667), ("crowdsplit", "platform", 3333))
    crowdsplit.fault("/payments", "reset_before", method="POST", times=3)
    fields: dict[str, Any] = {"campaign": "open-brl", "amount_minor": 101, "key": "k"}
    lost = pay(shop, **fields)
    unlock(engine)
    assert (lost.status_code, pay(shop, **fields).status_code) == (503, 201)
    provider_id = next(iter(_provider_ids(engine)))
    shown = crowdsplit.adapter()._api.read(f"/transactions/{provider_id}")
    assert shown is not None
    parts = [(part["receiver"], part["amount"]) for part in shown["allocations"]]
    assert [amount for _, amount in parts] == [67, 34]
    assert parts[0][0]["id"].endswith(account)
    assert parts[1][0] == {"type": "platform"}


def test_charge_is_split_at_stripe_and_paystack_in_their_own_words(
    shop: httpx.Client, engine: Engine, stripe: FakeStripe, paystack: PaystackSite
) -> None:
    account = stripe.adapter().open_account(_receiver()).account_id
    add_splits(engine, "open-usd", ("stripe", account, 9000), ("stripe", "platform", 1000))
    subaccount = paystack.subaccount("Readers")
    add_splits(engine, "open-ngn", ("paystack", subaccount, 10_000))
    card = abroad(shop, "usd").json()
    provider_id = attempt(engine, uuid.UUID(card["payment_id"])).provider_payment_id
    transfer = stripe.get(f"/payment_intents/{provider_id}")["transfer_data"]
    assert (transfer["destination"], transfer["amount"]) == (account, 4500)
    page = abroad(shop, "ngn", method="ussd")
    assert page.status_code == 201, page.text


def test_payment_is_422_when_the_campaign_is_split_and_has_no_accounts_at_its_gateway(
    shop: httpx.Client, engine: Engine
) -> None:
    add_splits(engine, "open-brl", ("stripe", "acct_1", 10_000))
    answer = pay(shop, campaign="open-brl")
    assert (answer.status_code, slug_of(answer)) == (422, "split-not-taken")
    assert answer.json()["detail"] == "The campaign is split and has no accounts at crowdsplit."


def _receiver() -> NewAccount:
    return new_receiver(country="US", document="123456789")


def _provider_ids(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        return list(connection.execute(select(payment_attempts.c.provider_payment_id)).scalars())
