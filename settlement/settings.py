"""Settings of the settlement process of one (chain, signer)."""

from datetime import timedelta
from pathlib import Path

from pydantic import Field

from indexer.chain.types import Wei
from indexer.settings import ChainSettings

GWEI = 10**9


class SettlementSettings(ChainSettings):
    """Settlement of one chain with one signer, the platform's admin."""

    signer_keystore: Path = Field(
        description="Encrypted keystore (JSON) of the platform admin.",
        validation_alias="LASTRO_SIGNER_KEYSTORE",
    )
    signer_password_file: Path = Field(
        description="File whose one line is the keystore's password.",
        validation_alias="LASTRO_SIGNER_PASSWORD_FILE",
    )
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
    def linger(self) -> timedelta:
        """How long a payment waits for company."""
        return timedelta(seconds=self.linger_s)

    @property
    def payment_expiration(self) -> timedelta:
        """Wanted life of an on-chain payment."""
        return timedelta(days=self.payment_expiration_days)
