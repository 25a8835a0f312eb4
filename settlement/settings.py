"""Settings of the settlement process of one (chain, signer)."""

from datetime import timedelta

from pydantic import Field, model_validator

from indexer.chain.types import Wei
from indexer.settings import ChainSettings
from settlement.fees import WorthBound
from settlement.signer_settings import SignerSettings

GWEI = 10**9


class SettlementSettings(SignerSettings, ChainSettings):
    """Settlement of one chain with one signer, the platform's admin."""

    poll_interval_s: float = Field(
        0.25,
        gt=0,
        le=60,
        description="Seconds between looks at what is due.",
        validation_alias="LASTRO_SETTLEMENT_POLL_INTERVAL_S",
    )
    linger_s: float = Field(
        1.0,
        ge=0,
        le=3600,
        description="Seconds a payment waits for company before anything is sent for it.",
        validation_alias="LASTRO_SETTLEMENT_LINGER_S",
    )
    batch_items_max: int = Field(
        5000,
        ge=1,
        le=5000,
        description="Payments in one transaction; treasury kind, gas and bytes bound it further.",
        validation_alias="LASTRO_SETTLEMENT_BATCH_ITEMS_MAX",
    )
    in_flight_max: int = Field(
        16,
        ge=1,
        le=64,
        description="Transactions sent and not mined; go-ethereum keeps 16 a sender.",
        validation_alias="LASTRO_SETTLEMENT_IN_FLIGHT_MAX",
    )
    port: int = Field(
        0,
        ge=0,
        le=65535,
        description="Port of /livez, /readyz, /status and /metrics; 0 serves none.",
        validation_alias="LASTRO_SETTLEMENT_PORT",
    )
    gas_budget_per_day_gwei: int = Field(
        0,
        ge=0,
        description="Gwei that may be spent on gas in 24 hours; 0 for any.",
        validation_alias="LASTRO_GAS_BUDGET_PER_DAY_GWEI",
    )
    fee_bps_max: int = Field(
        0,
        ge=0,
        le=10_000,
        description="Gas may cost this many basis points of what it settles; 0 for any. Needs "
        "LASTRO_COIN_PRICE_MINOR.",
        validation_alias="LASTRO_FEE_BPS_MAX",
    )
    coin_price_minor: int = Field(
        0,
        ge=0,
        description="Price of one coin of the chain in minor units (centavos) of the payments' "
        "currency.",
        validation_alias="LASTRO_COIN_PRICE_MINOR",
    )
    through_adapter: bool = Field(
        default=False,
        description="Call treasuries through the platform's adapter of the deployment record.",
        validation_alias="LASTRO_SETTLEMENT_THROUGH_ADAPTER",
    )
    max_fee_per_gas_gwei: int = Field(
        1000,
        ge=1,
        description="Never offer more per gas than this.",
        validation_alias="LASTRO_MAX_FEE_PER_GAS_GWEI",
    )
    resend_after_s: float = Field(
        3.0,
        gt=0,
        description="Seconds until the same bytes are sent again while they are not mined.",
        validation_alias="LASTRO_SETTLEMENT_RESEND_AFTER_S",
    )
    bump_after_s: float = Field(
        30.0,
        gt=0,
        description="Seconds until the lowest unmined transaction is replaced at a higher fee.",
        validation_alias="LASTRO_SETTLEMENT_BUMP_AFTER_S",
    )
    payment_expiration_days: int = Field(
        30,
        ge=1,
        le=365,
        description="Life of an on-chain payment that awaits its confirmation; the protocol's own "
        "maximum bounds it further.",
        validation_alias="LASTRO_PAYMENT_EXPIRATION_DAYS",
    )

    @property
    def max_fee_per_gas_wei(self) -> Wei:
        """The fee cap in wei per gas."""
        return Wei(self.max_fee_per_gas_gwei * GWEI)

    @property
    def gas_budget_wei(self) -> Wei | None:
        """Coins for gas in 24 hours; None for any."""
        return Wei(self.gas_budget_per_day_gwei * GWEI) or None

    @property
    def worth(self) -> WorthBound | None:
        """What settling may cost by what it settles; None for any."""
        if not self.fee_bps_max:
            return None
        return WorthBound(self.fee_bps_max, self.coin_price_minor)

    @model_validator(mode="after")
    def _require_price(self) -> "SettlementSettings":
        if self.fee_bps_max and not self.coin_price_minor:
            raise ValueError("LASTRO_FEE_BPS_MAX needs LASTRO_COIN_PRICE_MINOR, above zero")
        return self

    @property
    def linger(self) -> timedelta:
        """How long a payment waits for company."""
        return timedelta(seconds=self.linger_s)

    @property
    def payment_expiration(self) -> timedelta:
        """Wanted life of an on-chain payment."""
        return timedelta(days=self.payment_expiration_days)
