"""Open every gateway that the settings enable: its connections, its queue, its adapter."""

from collections.abc import Mapping, Sequence

import httpx
from pydantic import AnyHttpUrl

from offchain.gateways.calling import Caller, FixedKey
from offchain.gateways.crowdsplit.adapter import CrowdSplit
from offchain.gateways.crowdsplit.token import NAME as CROWDSPLIT
from offchain.gateways.crowdsplit.token import BearerToken, Credentials
from offchain.gateways.pacing import Pace
from offchain.gateways.paystack.adapter import Paystack
from offchain.gateways.paystack.wire import NAME as PAYSTACK
from offchain.gateways.stripe.adapter import Stripe
from offchain.gateways.stripe.wire import HEADERS as STRIPE_HEADERS
from offchain.gateways.stripe.wire import NAME as STRIPE
from offchain.gateways.types import Gateway
from offchain.settings import GatewaySettings

CONNECTIONS_MAX = 40
PRODUCTION = {
    CROWDSPLIT: "https://payments.oaknetwork.org",
    STRIPE: "https://api.stripe.com",
    PAYSTACK: "https://api.paystack.co",
}


def open_gateways(
    settings: GatewaySettings, *, webhook_secrets: Mapping[str, Sequence[str]]
) -> dict[str, Gateway]:
    """Open the enabled gateways, by name; no call is made yet.

    Args:
        settings: The process' settings.
        webhook_secrets: Every active secret by gateway; a gateway without one takes no webhook.
    """
    gateways: dict[str, Gateway] = {}
    if settings.crowdsplit_client_id and settings.crowdsplit_client_secret:
        credentials = Credentials(settings.crowdsplit_client_id, settings.crowdsplit_client_secret)
        client = _client(settings, CROWDSPLIT, settings.crowdsplit_base_url)
        pace = _pace(settings, CROWDSPLIT)
        token = BearerToken(client, credentials, pace)
        caller = Caller(CROWDSPLIT, client, token, pace)
        gateways[CROWDSPLIT] = CrowdSplit(
            caller,
            webhook_secrets=webhook_secrets.get(CROWDSPLIT, ()),
            dialect=settings.crowdsplit_dialect,
            transfer_cap_minor=settings.crowdsplit_transfer_cap_minor,
        )
    if settings.stripe_secret_key:
        key = FixedKey(settings.stripe_secret_key.get_secret_value())
        client = _client(settings, STRIPE, settings.stripe_base_url)
        pace = _pace(settings, STRIPE)
        caller = Caller(STRIPE, client, key, pace, headers=STRIPE_HEADERS)
        gateways[STRIPE] = Stripe(caller, webhook_secrets=webhook_secrets.get(STRIPE, ()))
    if settings.paystack_secret_key:
        key = FixedKey(settings.paystack_secret_key.get_secret_value())
        client = _client(settings, PAYSTACK, settings.paystack_base_url)
        caller = Caller(PAYSTACK, client, key, _pace(settings, PAYSTACK))
        gateways[PAYSTACK] = Paystack(caller, webhook_secrets=webhook_secrets.get(PAYSTACK, ()))
    return gateways


def _client(settings: GatewaySettings, name: str, base_url: AnyHttpUrl | None) -> httpx.Client:
    return httpx.Client(
        base_url=PRODUCTION[name] if base_url is None else str(base_url),
        timeout=settings.gateway_timeout_s,
        limits=httpx.Limits(max_connections=CONNECTIONS_MAX),
    )


def _pace(settings: GatewaySettings, name: str) -> Pace:
    return Pace(name, calls_per_s=settings.gateway_calls_per_s)
