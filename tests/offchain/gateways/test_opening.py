"""Every enabled gateway is opened with its own account, and takes webhooks with its own secrets."""

import hashlib
import hmac
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

import pytest

from offchain.gateways.crowdsplit.adapter import CrowdSplit
from offchain.gateways.crowdsplit.token import BearerToken
from offchain.gateways.opening import open_gateways
from offchain.settings import HttpSettings, WorkerSettings
from stack.fakes.crowdsplit.webhooks import sign as sign_crowdsplit
from stack.fakes.delivery import Signing
from stack.fakes.stripe.webhooks import sign as sign_stripe
from tests.support.crowdsplit import CLIENT_ID, CLIENT_SECRET, FakeCrowdSplit
from tests.support.crowdsplit import new_payment as new_pix
from tests.support.offchain import environment
from tests.support.paystack import SECRET_KEY, PaystackSite
from tests.support.paystack import new_payment as new_page
from tests.support.stripe import SECRET_KEY as STRIPE_KEY
from tests.support.stripe import new_card_payment, own_fake

BODY = b'{"id":"evt_1"}'
NOW = datetime.now(UTC)
Headers = Callable[[str], Mapping[str, str]]
SECRETS = {
    "CROWDSPLIT_WEBHOOK_SECRETS": "whsec_a,whsec_b",
    "STRIPE_WEBHOOK_SECRETS": "whsec_c,whsec_d",
    "PAYSTACK_OLD_SECRET_KEYS": "sk_old",
}


def settings_of(urls: Mapping[str, str]) -> dict[str, str]:
    accounts = {
        "CROWDSPLIT_CLIENT_ID": CLIENT_ID,
        "CROWDSPLIT_CLIENT_SECRET": CLIENT_SECRET,
        "STRIPE_SECRET_KEY": STRIPE_KEY,
        "PAYSTACK_SECRET_KEY": SECRET_KEY,
    }
    database, redis = "postgresql://nobody@localhost/none", "redis://localhost"
    return environment(database, redis, **accounts, **SECRETS, **urls)


def crowdsplit_headers(secret: str) -> Mapping[str, str]:
    return sign_crowdsplit(BODY, Signing(secret, int(NOW.timestamp()), is_forged=False))


def stripe_headers(secret: str) -> Mapping[str, str]:
    return sign_stripe(BODY, Signing(secret, int(NOW.timestamp()), is_forged=False))


def paystack_headers(secret: str) -> Mapping[str, str]:
    digest = hmac.new(secret.encode(), BODY, hashlib.sha512).hexdigest()
    return {"X-Paystack-Signature": digest}


def test_opened_gateways_take_payments_with_the_account_of_their_settings(
    crowdsplit: FakeCrowdSplit, paystack: PaystackSite
) -> None:
    with own_fake() as stripe:
        urls = {
            "CROWDSPLIT_BASE_URL": crowdsplit.url,
            "STRIPE_BASE_URL": stripe.url,
            "PAYSTACK_BASE_URL": paystack.url,
        }
        settings = WorkerSettings.model_validate(settings_of(urls))
        gateways = open_gateways(settings, webhook_secrets={})
        created = [
            gateways["crowdsplit"].create_payment(new_pix()),
            gateways["stripe"].create_payment(new_card_payment()),
            gateways["paystack"].create_payment(new_page()),
        ]
        assert [seen.effect for seen in created] == ["awaiting"] * 3
        for gateway in gateways.values():
            gateway.close()


def test_opened_crowdsplit_asks_for_its_token_in_the_queue_of_its_calls() -> None:
    settings = WorkerSettings.model_validate(settings_of({}))
    gateway = open_gateways(settings, webhook_secrets={})["crowdsplit"]
    assert isinstance(gateway, CrowdSplit)
    caller = gateway._api._caller
    assert isinstance(caller._authorization, BearerToken)
    assert caller._authorization._pace is caller._pace


@pytest.mark.parametrize(
    ("name", "headers", "good", "others"),
    [
        ("crowdsplit", crowdsplit_headers, ["whsec_a", "whsec_b"], ["whsec_c", "sk_old"]),
        ("stripe", stripe_headers, ["whsec_c", "whsec_d"], ["whsec_a", STRIPE_KEY]),
        ("paystack", paystack_headers, [SECRET_KEY, "sk_old"], ["whsec_a", "whsec_c"]),
    ],
)
def test_opened_gateway_takes_a_webhook_signed_with_any_active_secret_of_its_own(
    name: str, headers: Headers, good: list[str], others: list[str]
) -> None:
    settings = HttpSettings.model_validate(settings_of({}))
    gateways = open_gateways(settings, webhook_secrets=settings.webhook_secrets)
    knows_none = open_gateways(settings, webhook_secrets={})
    for secret in good:
        assert gateways[name].verify_webhook(headers(secret), BODY, now=NOW) is None
        assert knows_none[name].verify_webhook(headers(secret), BODY, now=NOW) == "forged"
    for secret in others:
        assert gateways[name].verify_webhook(headers(secret), BODY, now=NOW) == "forged"
