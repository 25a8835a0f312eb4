"""The gateways of one stack: the fakes it runs, or the user's own in their place."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from stack.credentials import LocalSecrets
from stack.fakes.edge import CONTROL
from stack.ports import LOOPBACK
from stack.settings import StackSettings

HEALTH: Final = f"{CONTROL}/calls"
"""Where every fake answers once it serves."""
_OPTIONAL: Final[Mapping[str, tuple[str, ...]]] = {
    "crowdsplit": ("CROWDSPLIT_DIALECT", "CROWDSPLIT_TRANSFER_CAP_MINOR"),
    "stripe": (),
    "paystack": ("PAYSTACK_OLD_SECRET_KEYS",),
}
"""Settings that an account of the user's own may have besides."""


@dataclass(frozen=True, slots=True)
class GatewayPlace:
    """Where one gateway is."""

    name: str
    """As in its webhooks' address."""
    title: str
    variable: str
    """The setting that puts the user's own in its place."""
    port: int
    """Of the fake."""
    own_url: str | None
    """The user's own; None: the fake."""
    account: tuple[str, ...]
    """The settings that an account of the user's own needs."""

    @property
    def url(self) -> str:
        """Scheme and host."""
        return self.own_url or f"http://{LOOPBACK}:{self.port}"

    @property
    def missing(self) -> list[str]:
        """Settings without which the user's own cannot be used."""
        if self.own_url is None:
            return []
        return [name for name in self.account if not os.environ.get(name)]


def gateway_places(settings: StackSettings) -> tuple[GatewayPlace, ...]:
    """Every gateway of a stack."""
    ports = settings.ports
    return (
        GatewayPlace(
            name="crowdsplit",
            title="CrowdSplit",
            variable="CROWDSPLIT_BASE_URL",
            port=ports.crowdsplit,
            own_url=_text(settings.crowdsplit_base_url),
            account=(
                "CROWDSPLIT_CLIENT_ID",
                "CROWDSPLIT_CLIENT_SECRET",
                "CROWDSPLIT_WEBHOOK_SECRETS",
            ),
        ),
        GatewayPlace(
            name="stripe",
            title="Stripe",
            variable="STRIPE_BASE_URL",
            port=ports.stripe,
            own_url=_text(settings.stripe_base_url),
            account=("STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRETS"),
        ),
        GatewayPlace(
            name="paystack",
            title="Paystack",
            variable="PAYSTACK_BASE_URL",
            port=ports.paystack,
            own_url=_text(settings.paystack_base_url),
            account=("PAYSTACK_SECRET_KEY",),
        ),
    )


def _text(url: object) -> str | None:
    return None if url is None else str(url).rstrip("/")


def gateway_environment(places: tuple[GatewayPlace, ...], secrets: LocalSecrets) -> dict[str, str]:
    """What a service process must know of the gateways: the fakes' accounts, or the user's own."""
    environment = {}
    for place in places:
        environment[place.variable] = place.url
        if place.own_url is None:
            environment |= _account_at_fake(place.name, secrets)
        else:
            names = (*place.account, *_OPTIONAL[place.name])
            environment |= {name: os.environ[name] for name in names if name in os.environ}
    return environment


def _account_at_fake(name: str, secrets: LocalSecrets) -> dict[str, str]:
    accounts = {
        "crowdsplit": {
            "CROWDSPLIT_CLIENT_ID": secrets.crowdsplit_client_id,
            "CROWDSPLIT_CLIENT_SECRET": secrets.crowdsplit_client_secret,
            "CROWDSPLIT_WEBHOOK_SECRETS": secrets.crowdsplit_webhook_secret,
        },
        "stripe": {
            "STRIPE_SECRET_KEY": secrets.stripe_secret_key,
            "STRIPE_WEBHOOK_SECRETS": secrets.stripe_webhook_secret,
        },
        "paystack": {"PAYSTACK_SECRET_KEY": secrets.paystack_secret_key},
    }
    return accounts[name]


def fake_command(place: GatewayPlace, secrets: LocalSecrets, *, http_url: str) -> tuple[str, ...]:
    """The command that plays a gateway and sends its webhooks to us."""
    accounts = {
        "crowdsplit": {
            "--client-id": secrets.crowdsplit_client_id,
            "--client-secret": secrets.crowdsplit_client_secret,
            "--webhook-secret": secrets.crowdsplit_webhook_secret,
        },
        "stripe": {
            "--secret-key": secrets.stripe_secret_key,
            "--webhook-secret": secrets.stripe_webhook_secret,
        },
        "paystack": {"--secret-key": secrets.paystack_secret_key},
    }
    options = {
        "--port": str(place.port),
        "--webhook-url": f"{http_url}/v1/webhooks/{place.name}",
        **accounts[place.name],
    }
    words = [word for option in options.items() for word in option]
    return (sys.executable, "-m", f"stack.fakes.{place.name}", *words)
