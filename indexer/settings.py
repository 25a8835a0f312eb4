"""Settings come from the environment, are frozen, and every fault is listed at once."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, PostgresDsn, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from indexer.chain.networks import Network, network_by_name
from indexer.chain.urls import HTTP, WEBSOCKET, url_fault
from indexer.errors import ConfigurationError
from indexer.telemetry import LogFormat


def split_commas(value: object) -> object:
    """Read ``a,b`` as a list; leave what is already one alone."""
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


CommaSeparated = Annotated[tuple[str, ...], NoDecode, BeforeValidator(split_commas)]


def known_network(name: str) -> str:
    """Check a network's name among the other settings, so that all faults show at once.

    Raises:
        ValueError: No network has this name.
    """
    try:
        return network_by_name(name).name
    except ConfigurationError as error:
        raise ValueError(str(error)) from None


NetworkName = Annotated[str, AfterValidator(known_network)]


def _well_formed(urls: tuple[str, ...]) -> tuple[str, ...]:
    """Check nodes' URLs, all of them.

    Raises:
        ValueError: Says which are malformed by their place, and how; a URL may hold a key.
    """
    faults = [
        f"URL {place} of {len(urls)}: {fault}"
        for place, url in enumerate(urls, 1)
        if (fault := url_fault(url, HTTP)) is not None
    ]
    if faults:
        raise ValueError("; ".join(faults))
    return urls


def _well_formed_websocket(url: str) -> str:
    fault = url_fault(url, WEBSOCKET)
    if fault is not None:
        raise ValueError(fault)
    return url


RpcUrls = Annotated[CommaSeparated, AfterValidator(_well_formed)]
"""HTTP URLs of nodes."""
WebSocketUrl = Annotated[str, AfterValidator(_well_formed_websocket)]
CallsPerSecond = Annotated[float, Field(ge=0, allow_inf_nan=False)]
"""Of one RPC provider; 0 for any."""

AnySettings = TypeVar("AnySettings", bound=BaseSettings)


def checked(settings: type[AnySettings], **given: Any) -> AnySettings:  # noqa: ANN401 - any setting
    """Read and check the environment.

    Args:
        settings: What to read.
        given: Values, by variable, that stand instead of the environment's.

    Raises:
        ConfigurationError: Lists every missing or wrong setting, without their values.
    """
    try:
        return settings(**given)
    except ValidationError as error:
        faults = "\n".join(f"  {_variable(settings, e['loc'])}: {e['msg']}" for e in error.errors())
        raise ConfigurationError(f"settings of {settings.__name__} are wrong:\n{faults}") from None


class ProcessSettings(BaseSettings):
    """What every process needs. Each process derives its one settings class from this."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    database_url: PostgresDsn = Field(
        description="postgresql:// URL of the one login role.", validation_alias="DATABASE_URL"
    )
    log_format: LogFormat = Field(
        "json", description="json or console.", validation_alias="LASTRO_LOG_FORMAT"
    )
    log_level: str = Field(
        "INFO",
        pattern="^(DEBUG|INFO|WARNING|ERROR)$",
        description="Lowest level written.",
        validation_alias="LASTRO_LOG_LEVEL",
    )

    @property
    def database_url_text(self) -> str:
        """The database URL as text, password included: never log it."""
        return str(self.database_url)

    @classmethod
    def from_environment(cls) -> Self:
        """Read and check the environment.

        Raises:
            ConfigurationError: Lists every missing or wrong setting, without their values.
        """
        return checked(cls)


class ChainSettings(ProcessSettings):
    """What a process that follows or writes one chain needs."""

    chain: NetworkName = Field(
        description="Network name, e.g. celo or polygon-local.", validation_alias="LASTRO_CHAIN"
    )
    rpc_urls: RpcUrls = Field(
        min_length=1,
        description="JSON-RPC URLs of that chain, comma-separated.",
        validation_alias="LASTRO_RPC_URLS",
    )
    rpc_requests_per_s: CallsPerSecond | None = Field(
        None,
        description=(
            "Calls a second that each RPC provider grants, those in batches included; 0 for any. "
            "Empty: 25, and any on a local network."
        ),
        validation_alias="LASTRO_RPC_REQUESTS_PER_S",
    )
    deployments_dir: Path = Field(
        description="Directory of <network>.json deployment records.",
        validation_alias="LASTRO_DEPLOYMENTS_DIR",
    )

    @property
    def network(self) -> Network:
        """The network this process works on."""
        return network_by_name(self.chain)

    @property
    def rpc_calls_per_s(self) -> float:
        """The budget of each RPC provider; 0 for any."""
        given = self.rpc_requests_per_s
        return self.network.rpc_calls_per_s if given is None else given


class IndexerSettings(ChainSettings):
    """The indexer of one chain."""

    rpc_ws_url: WebSocketUrl | None = Field(
        None,
        description="WebSocket URL that announces new heads; empty polls for them.",
        validation_alias="LASTRO_RPC_WS_URL",
    )
    poll_interval_s: float = Field(
        0.25,
        gt=0,
        le=60,
        description="Seconds between looks at the head.",
        validation_alias="LASTRO_INDEXER_POLL_INTERVAL_S",
    )
    port: int = Field(
        0,
        ge=0,
        le=65535,
        description="Port of /livez, /readyz, /status and /metrics; 0 serves none.",
        validation_alias="LASTRO_INDEXER_PORT",
    )
    history: Literal["listed", "checked", "proven"] = Field(
        "checked",
        description="How far old blocks are verified while they are first read; see operations.",
        validation_alias="LASTRO_INDEXER_HISTORY",
    )
    audit_hour: int = Field(
        4,
        ge=0,
        le=23,
        description="Hour of the day, UTC, of the nightly audit against the contracts.",
        validation_alias="LASTRO_INDEXER_AUDIT_HOUR",
    )


def _variable(settings: type[BaseSettings], location: tuple[int | str, ...]) -> str:
    """Name the environment variable behind a validation error's location."""
    if not location:
        return "(together)"
    name = str(location[0])
    field = settings.model_fields.get(name)
    alias = field.validation_alias if field is not None else None
    return str(alias) if isinstance(alias, str) else name


@dataclass(frozen=True, slots=True)
class Variable:
    """One environment variable and who reads it."""

    name: str
    default: str | None
    """None: it must be set."""
    meaning: str
    readers: tuple[str, ...]


def environment_variables(classes: Mapping[str, type[BaseSettings]]) -> list[Variable]:
    """Describe every variable that the given settings classes read.

    Args:
        classes: Settings class of each process, by the process's name.
    """
    found: dict[str, Variable] = {}
    for process, settings in classes.items():
        for field_name, field in settings.model_fields.items():
            name = _variable(settings, (field_name,))
            known = found.get(name)
            default = None if field.is_required() else _default_text(field.default)
            found[name] = Variable(
                name=name,
                default=default if known is None or known.default == default else None,
                meaning=known.meaning if known else field.description or "",
                readers=(*(known.readers if known else ()), process),
            )
    return sorted(found.values(), key=lambda variable: variable.name)


def _default_text(value: object) -> str:
    if value is None or value == ():
        return ""
    return value if isinstance(value, str) else json.dumps(value, default=str)
