"""Settings of the off-chain processes: http, worker and cron, each with only what it uses."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AnyHttpUrl, BeforeValidator, Field, RedisDsn, SecretStr
from pydantic_settings import NoDecode

from indexer.chain.networks import Network, network_by_name
from indexer.settings import NetworkName, ProcessSettings, split_commas
from offchain.gateway_settings import GatewayAccounts, WebhookSecretSettings
from offchain.media.settings import MediaWorkSettings, UploadSettings

LateMoney = Literal["review", "accept", "return"]
"""What becomes of money that came after its payment had expired or was canceled."""
WorkerQueues = Literal["all", "money", "media"]
"""Which work a worker takes."""


class QueueSettings(ProcessSettings):
    """What every off-chain process needs: Postgres and the wake-up bell."""

    redis_url: RedisDsn = Field(
        description="redis:// URL of the queue; it may lose everything at any time.",
        validation_alias="REDIS_URL",
    )

    @property
    def redis_url_text(self) -> str:
        """The Redis URL as text, password included: never log it."""
        return str(self.redis_url)


class GatewaySettings(GatewayAccounts, QueueSettings):
    """What a process that calls gateways and knows chains needs."""

    keeps_wallets: bool = Field(
        default=False,
        description="Creators may come without a wallet: settlement has one made for them "
        "(LASTRO_REMOTE_SIGNER_URL there).",
        validation_alias="LASTRO_KEEPS_WALLETS",
    )
    gateway_timeout_s: float = Field(
        10,
        gt=0,
        le=60,
        description="Seconds until a call to a gateway is given up.",
        validation_alias="LASTRO_GATEWAY_TIMEOUT_S",
    )
    gateway_calls_per_s: int = Field(
        50,
        ge=1,
        le=1000,
        description="Calls a second that one process makes to one gateway; more wait in turn.",
        validation_alias="LASTRO_GATEWAY_CALLS_PER_S",
    )
    chains: Annotated[tuple[NetworkName, ...], NoDecode, BeforeValidator(split_commas)] = Field(
        (),
        description="Networks on which campaigns may settle, comma-separated.",
        validation_alias="LASTRO_CHAINS",
    )
    deployments_dir: Path = Field(
        description="Directory of <network>.json deployment records.",
        validation_alias="LASTRO_DEPLOYMENTS_DIR",
    )

    @property
    def networks(self) -> tuple[Network, ...]:
        """The networks on which campaigns may settle."""
        return tuple(network_by_name(name) for name in self.chains)


class HttpSettings(UploadSettings, WebhookSecretSettings, GatewaySettings):
    """The write API: webhooks, checkout, campaign registry, uploads."""

    port: int = Field(
        ge=1, le=65535, description="Port of the write API.", validation_alias="LASTRO_HTTP_PORT"
    )
    host: str = Field(
        "127.0.0.1",
        description="Address the write API listens on.",
        validation_alias="LASTRO_HTTP_HOST",
    )
    public_url: AnyHttpUrl = Field(
        description="Where the outside reaches this API, e.g. for webhook registration.",
        validation_alias="LASTRO_PUBLIC_URL",
    )
    operator_token: SecretStr = Field(
        description="Bearer token of operator endpoints.", validation_alias="LASTRO_OPERATOR_TOKEN"
    )
    pix_lifetime_s: int = Field(
        3600,
        ge=60,
        le=30 * 86400,
        description="Seconds a PIX code can be paid.",
        validation_alias="LASTRO_PIX_LIFETIME_S",
    )
    webhook_queue_max: int = Field(
        1000,
        ge=1,
        le=100_000,
        description="Webhooks that may wait for their commit; more are told to come again (503).",
        validation_alias="LASTRO_WEBHOOK_QUEUE_MAX",
    )

    @property
    def pix_lifetime(self) -> timedelta:
        """How long a PIX code can be paid."""
        return timedelta(seconds=self.pix_lifetime_s)


class WorkerSettings(MediaWorkSettings, GatewaySettings):
    """The RQ worker that runs the sweeps."""

    poll_gap_s: float = Field(
        60,
        gt=0,
        le=3600,
        description="Least seconds between two reads of one open payment at its gateway.",
        validation_alias="LASTRO_POLL_GAP_S",
    )
    job_seconds_max: int = Field(
        20,
        ge=1,
        le=300,
        description="Seconds after which a sweep stops and leaves the rest to its next run.",
        validation_alias="LASTRO_JOB_SECONDS_MAX",
    )
    worker_queues: WorkerQueues = Field(
        "all",
        description="What this worker takes: all; money (webhooks, payments, refunds, ledger) or "
        "media (creators' files), where each is to have workers of its own.",
        validation_alias="LASTRO_WORKER_QUEUES",
    )
    late_money: LateMoney = Field(
        "review",
        description="Money of a payment that had expired or was canceled: review holds it for an "
        "operator, accept takes it where the campaign still can, return gives it back.",
        validation_alias="LASTRO_LATE_MONEY",
    )

    @property
    def poll_gap(self) -> timedelta:
        """Least time between two reads of one open payment at its gateway."""
        return timedelta(seconds=self.poll_gap_s)


class CronSettings(QueueSettings):
    """The clock that enqueues the sweeps."""

    sweep_interval_s: int = Field(
        5,
        ge=1,
        le=3600,
        description="Seconds between sweeps of the inbox, refunds, hand-overs, chain feedback and "
        "files.",
        validation_alias="LASTRO_SWEEP_INTERVAL_S",
    )
    poll_interval_s: int = Field(
        30,
        ge=1,
        le=3600,
        description="Seconds between looks for payments to re-read and expired ones.",
        validation_alias="LASTRO_POLL_INTERVAL_S",
    )
    list_interval_s: int = Field(
        300,
        ge=1,
        le=3600,
        description="Seconds between walks of each gateway's own list of changed payments.",
        validation_alias="LASTRO_LIST_INTERVAL_S",
    )
    ledger_check_interval_s: int = Field(
        3600,
        ge=1,
        le=86400,
        description="Seconds between checks of the whole ledger.",
        validation_alias="LASTRO_LEDGER_CHECK_INTERVAL_S",
    )
