"""Settings of the local stack: what it embeds, and what it is told to use instead."""

from pathlib import Path
from typing import Self

from pydantic import AnyHttpUrl, Field, PostgresDsn, RedisDsn, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from indexer.errors import ConfigurationError
from stack.ports import Ports

CHECKOUT = Path(__file__).resolve().parents[1]


class StackSettings(BaseSettings):
    """The stack's own settings; every one has a default, so that ``lastro up`` needs none."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    data_dir: Path = Field(
        CHECKOUT / ".lastro",
        description="Everything the stack writes goes here.",
        validation_alias="LASTRO_DATA_DIR",
    )
    port_base: int = Field(
        18700,
        ge=1024,
        le=65500,
        description="First of the block of ports the stack listens on.",
        validation_alias="LASTRO_PORT_BASE",
    )
    database_url: PostgresDsn | None = Field(
        None,
        description="Your Postgres instead of the embedded one.",
        validation_alias="DATABASE_URL",
    )
    redis_url: RedisDsn | None = Field(
        None,
        description="Your Redis or Valkey instead of the embedded one.",
        validation_alias="REDIS_URL",
    )
    celo_rpc_url: AnyHttpUrl | None = Field(
        None,
        description="Your node for celo-local (chain id 31337) instead of the embedded anvil.",
        validation_alias="CELO_RPC_URL",
    )
    polygon_rpc_url: AnyHttpUrl | None = Field(
        None,
        description="Your node for polygon-local (chain id 31338) instead of the embedded anvil.",
        validation_alias="POLYGON_RPC_URL",
    )
    crowdsplit_base_url: AnyHttpUrl | None = Field(
        None,
        description="Your CrowdSplit instead of the fake one.",
        validation_alias="CROWDSPLIT_BASE_URL",
    )
    stripe_base_url: AnyHttpUrl | None = Field(
        None,
        description="Your Stripe instead of the fake one.",
        validation_alias="STRIPE_BASE_URL",
    )
    paystack_base_url: AnyHttpUrl | None = Field(
        None,
        description="Your Paystack instead of the fake one.",
        validation_alias="PAYSTACK_BASE_URL",
    )
    s3_endpoint_url: AnyHttpUrl | None = Field(
        None,
        description="Your S3-compatible store instead of the local one.",
        validation_alias="LASTRO_S3_ENDPOINT_URL",
    )
    s3_bucket: str | None = Field(
        None,
        description="Your bucket, at AWS or at LASTRO_S3_ENDPOINT_URL, instead of the local one.",
        validation_alias="LASTRO_S3_BUCKET",
    )

    @property
    def ports(self) -> Ports:
        """The stack's block of ports."""
        return Ports(self.port_base)

    @classmethod
    def from_environment(cls) -> Self:
        """Read and check the environment.

        Raises:
            ConfigurationError: Lists every wrong setting.
        """
        try:
            found = cls()
            return found.model_copy(update={"data_dir": found.data_dir.absolute()})
        except ValidationError as error:
            faults = "\n".join(f"  {e['loc'][0]}: {e['msg']}" for e in error.errors())
            raise ConfigurationError(f"the stack's settings are wrong:\n{faults}") from None
