"""Settings of the gateways: each is enabled by its secrets, and one at least must be.

What an enabled gateway needs besides is asked for by name, together with everything else that is
missing.
"""

from typing import Annotated, Final, Literal

from pydantic import (
    AfterValidator,
    AnyHttpUrl,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from indexer.settings import split_commas

Secrets = Annotated[tuple[SecretStr, ...], NoDecode, BeforeValidator(split_commas)]
"""Comma-separated; several are active while one is rotated."""


def _without_path(url: AnyHttpUrl) -> AnyHttpUrl:
    """Refuse a base URL that repeats what the adapter adds.

    Raises:
        ValueError: It has more than scheme, host and port.
    """
    if url.path not in {None, "/"} or url.query is not None or url.username is not None:
        raise ValueError("must be scheme and host only, without a path")
    return url


BaseUrl = Annotated[AnyHttpUrl, AfterValidator(_without_path)]

_NONE_ENABLED: Final = (
    "no gateway is enabled: set CROWDSPLIT_CLIENT_ID and CROWDSPLIT_CLIENT_SECRET, "
    "STRIPE_SECRET_KEY or PAYSTACK_SECRET_KEY"
)
_ENABLING: Final = ("crowdsplit_client_id", "stripe_secret_key", "paystack_secret_key")


class GatewayAccounts(BaseSettings):
    """Our accounts at the gateways."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    crowdsplit_client_id: str | None = Field(
        None,
        description="Merchant client id; with its secret it enables CrowdSplit.",
        validation_alias="CROWDSPLIT_CLIENT_ID",
    )
    crowdsplit_client_secret: SecretStr | None = Field(
        None,
        validate_default=True,
        description="Merchant client secret at CrowdSplit.",
        validation_alias="CROWDSPLIT_CLIENT_SECRET",
    )
    crowdsplit_base_url: BaseUrl | None = Field(
        None,
        description="Scheme and host of CrowdSplit, without /api/v1; empty: production.",
        validation_alias="CROWDSPLIT_BASE_URL",
    )
    crowdsplit_dialect: Literal["gen3", "gen2"] = Field(
        "gen3",
        description="Generation of CrowdSplit's contract: gen3 or gen2.",
        validation_alias="CROWDSPLIT_DIALECT",
    )
    crowdsplit_transfer_cap_minor: int = Field(
        10_000_00,
        ge=1,
        description="The most that CrowdSplit takes in one transfer, in centavos.",
        validation_alias="CROWDSPLIT_TRANSFER_CAP_MINOR",
    )
    stripe_secret_key: SecretStr | None = Field(
        None,
        description="Secret or restricted API key; it enables Stripe.",
        validation_alias="STRIPE_SECRET_KEY",
    )
    stripe_base_url: BaseUrl | None = Field(
        None,
        description="Scheme and host of Stripe, without /v1; empty: production.",
        validation_alias="STRIPE_BASE_URL",
    )
    paystack_secret_key: SecretStr | None = Field(
        None,
        validate_default=True,
        description="Secret API key; it enables Paystack, and signs its webhooks.",
        validation_alias="PAYSTACK_SECRET_KEY",
    )
    paystack_base_url: BaseUrl | None = Field(
        None,
        description="Scheme and host of Paystack; empty: production.",
        validation_alias="PAYSTACK_BASE_URL",
    )

    @field_validator("crowdsplit_client_secret")
    @classmethod
    def _come_together(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        """Refuse half of CrowdSplit's credentials.

        Raises:
            ValueError: One of the two is missing.
        """
        has_id = info.data.get("crowdsplit_client_id") is not None
        if has_id and value is None:
            raise ValueError("required, as CROWDSPLIT_CLIENT_ID is set")
        if value is not None and not has_id:
            raise ValueError("set without CROWDSPLIT_CLIENT_ID")
        return value

    @field_validator("paystack_secret_key")
    @classmethod
    def _one_is_enabled(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        """Refuse to run without any gateway; stands at the last of the settings that enable one.

        Raises:
            ValueError: None is enabled.
        """
        if value is None and all(info.data.get(name) is None for name in _ENABLING):
            raise ValueError(_NONE_ENABLED)
        return value


class WebhookSecretSettings(GatewayAccounts):
    """What the gateways sign their webhooks with, besides."""

    crowdsplit_webhook_secrets: Secrets = Field(
        (),
        validate_default=True,
        description="Active webhook secrets of CrowdSplit, comma-separated; several while one is "
        "rotated.",
        validation_alias="CROWDSPLIT_WEBHOOK_SECRETS",
    )
    stripe_webhook_secrets: Secrets = Field(
        (),
        validate_default=True,
        description="Active webhook secrets of Stripe (whsec_…), comma-separated; several while "
        "one is rotated.",
        validation_alias="STRIPE_WEBHOOK_SECRETS",
    )
    paystack_old_secret_keys: Secrets = Field(
        (),
        description="Earlier API keys of Paystack, comma-separated, whose webhooks are still "
        "taken while the key is rotated.",
        validation_alias="PAYSTACK_OLD_SECRET_KEYS",
    )

    @field_validator("crowdsplit_webhook_secrets", "stripe_webhook_secrets")
    @classmethod
    def _given_where_enabled(
        cls, value: tuple[SecretStr, ...], info: ValidationInfo
    ) -> tuple[SecretStr, ...]:
        """Refuse an enabled gateway whose webhooks could not be checked.

        Raises:
            ValueError: Its secrets are missing.
        """
        gateway = (info.field_name or "").partition("_")[0]
        variable = {"crowdsplit": "CROWDSPLIT_CLIENT_ID", "stripe": "STRIPE_SECRET_KEY"}[gateway]
        if not value and info.data.get(variable.lower()) is not None:
            raise ValueError(f"required, as {variable} is set")
        return value

    @property
    def webhook_secrets(self) -> dict[str, tuple[str, ...]]:
        """Every secret that a webhook may be signed with, by gateway."""
        current = () if self.paystack_secret_key is None else (self.paystack_secret_key,)
        by_gateway = {
            "crowdsplit": self.crowdsplit_webhook_secrets,
            "stripe": self.stripe_webhook_secrets,
            "paystack": (*current, *self.paystack_old_secret_keys),
        }
        return {
            gateway: tuple(secret.get_secret_value() for secret in secrets)
            for gateway, secrets in by_gateway.items()
        }
