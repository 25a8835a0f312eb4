"""What one stack consists of: which programs, with which environment, in which order."""

import os
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import httpx

from indexer.chain.networks import Network, network_by_name
from migrations.run import code_revision
from stack.anvil import Anvil
from stack.credentials import LocalSecrets, PlatformKey, load_platform_key, load_secrets
from stack.gateways import (
    HEALTH,
    GatewayPlace,
    fake_command,
    gateway_environment,
    gateway_places,
)
from stack.objects import ObjectStore, object_store
from stack.ports import LOOPBACK
from stack.postgres import EmbeddedPostgres
from stack.settings import CHECKOUT, StackSettings
from stack.supervisor import Program
from stack.valkey import EmbeddedValkey

CELO = network_by_name("celo-local")
POLYGON = network_by_name("polygon-local")
NETWORKS = (CELO, POLYGON)
HEALTH_TIMEOUT_S = 2

_PASSED_ON = ("HOME", "LANG", "LC_ALL", "PATH", "TZ")


@dataclass(frozen=True)
class Topology:
    """One stack in one directory.

    Attributes:
        settings: The user's choices.
        directory: Where this stack keeps its data, logs, keys and deployment records.
        keeps_chains: Whether anvil's chains outlive the stack.
        tuning: Environment variables that override the defaults of the service processes.
    """

    settings: StackSettings
    directory: Path
    keeps_chains: bool
    tuning: Mapping[str, str]

    @cached_property
    def postgres(self) -> EmbeddedPostgres | None:
        """The embedded Postgres; None where the user brings one."""
        if self.settings.database_url is not None:
            return None
        return EmbeddedPostgres(self.directory / "postgres", self.settings.ports.postgres)

    @cached_property
    def valkey(self) -> EmbeddedValkey | None:
        """The embedded Valkey; None where the user brings one."""
        if self.settings.redis_url is not None:
            return None
        return EmbeddedValkey(self.directory / "valkey", self.settings.ports.valkey)

    @cached_property
    def anvils(self) -> list[Anvil]:
        """The embedded chains the user does not replace."""
        choices = (
            (CELO, self.settings.celo_rpc_url, self.settings.ports.celo),
            (POLYGON, self.settings.polygon_rpc_url, self.settings.ports.polygon),
        )
        return [
            Anvil(
                network,
                port,
                self.directory / f"{network.name}.state.json" if self.keeps_chains else None,
            )
            for network, replaced_by, port in choices
            if replaced_by is None
        ]

    @property
    def database_url(self) -> str:
        """The database of the service."""
        return str(self.settings.database_url) if self.postgres is None else self.postgres.url()

    @property
    def redis_url(self) -> str:
        """The queue of the service."""
        return str(self.settings.redis_url) if self.valkey is None else self.valkey.url

    def rpc_url(self, network: Network) -> str:
        """The node of one chain."""
        ports = self.settings.ports
        if network is CELO:
            return str(self.settings.celo_rpc_url or f"http://{LOOPBACK}:{ports.celo}")
        return str(self.settings.polygon_rpc_url or f"http://{LOOPBACK}:{ports.polygon}")

    def ws_url(self, network: Network) -> str:
        """Where the node of one chain announces heads; empty for a node that is not ours."""
        external = self.settings.celo_rpc_url if network is CELO else self.settings.polygon_rpc_url
        return "" if external else self.rpc_url(network).replace("http", "ws", 1)

    @property
    def api_url(self) -> str:
        """The read API."""
        return f"http://{LOOPBACK}:{self.settings.ports.api}"

    @property
    def http_url(self) -> str:
        """Webhooks, checkout and every other write."""
        return f"http://{LOOPBACK}:{self.settings.ports.http}"

    @cached_property
    def gateways(self) -> tuple[GatewayPlace, ...]:
        """Every gateway, fake or not."""
        return gateway_places(self.settings)

    @cached_property
    def objects(self) -> ObjectStore:
        """The store of creators' files."""
        return object_store(self.settings, self.directory)

    @property
    def deployments(self) -> Path:
        """Where the local chains' deployment records lie."""
        return self.directory / "deployments"

    @cached_property
    def secrets(self) -> LocalSecrets:
        """The stack's secrets."""
        return load_secrets(self.directory)

    @cached_property
    def platform_key(self) -> PlatformKey:
        """The key settlement signs with."""
        return load_platform_key(self.directory)

    def environment(self, **more: str) -> dict[str, str]:
        """The environment of a service process: ours alone, not the caller's."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if name in _PASSED_ON or name.startswith("LASTRO_")
        }
        secrets = self.secrets
        return {
            **kept,
            "PYTHONUNBUFFERED": "1",
            "PYTHONPATH": str(CHECKOUT),
            "ETH_HASH_BACKEND": "pysha3",
            "DATABASE_URL": self.database_url,
            "REDIS_URL": self.redis_url,
            "LASTRO_DEPLOYMENTS_DIR": str(self.deployments),
            "LASTRO_CHAINS": ",".join(network.name for network in NETWORKS),
            "LASTRO_SIGNER": "keystore",
            "LASTRO_SIGNER_KEYSTORE": str(self.platform_key.keystore),
            "LASTRO_SIGNER_PASSWORD_FILE": str(self.platform_key.password_file),
            "LASTRO_API_PORT": str(self.settings.ports.api),
            "LASTRO_CURSOR_SECRET": secrets.cursor_secret,
            "LASTRO_EXPECTED_REVISION": code_revision(),
            "LASTRO_HTTP_PORT": str(self.settings.ports.http),
            "LASTRO_PUBLIC_URL": self.http_url,
            "LASTRO_OPERATOR_TOKEN": secrets.operator_token,
            **gateway_environment(self.gateways, secrets),
            **self.objects.environment(secrets, pages_url=self.api_url),
            **self.tuning,
            **more,
        }

    def servers(self) -> list[Program]:
        """The outside parts this stack embeds: database, queue, chains, gateways, object store."""
        plain = self.environment()
        programs = []
        if self.postgres is not None:
            programs.append(
                Program(
                    "postgres",
                    tuple(self.postgres.command()),
                    plain,
                    self.postgres.answers,
                    signal.SIGINT,  # "fast": do not wait for clients
                )
            )
        if self.valkey is not None:
            programs.append(
                Program("valkey", tuple(self.valkey.command()), plain, self.valkey.answers)
            )
        programs.extend(
            Program(
                chain.network.name,
                tuple(chain.command()),
                plain | {"HOME": str(self.directory)},  # anvil spills old states into HOME
                chain.answers,
                signal.SIGINT,
                restarts=False,  # a chain that forgot its blocks is another chain
            )
            for chain in self.anvils
        )
        programs.extend(
            Program(
                place.name,
                fake_command(place, self.secrets, http_url=self.http_url),
                plain,
                _is_ready(place.url, HEALTH)(self.directory),
                restarts=False,  # it keeps its payments in memory
            )
            for place in self.gateways
            if place.own_url is None
        )
        if not self.objects.is_own:
            programs.append(
                Program(
                    "s3",
                    self.objects.command(self.secrets, pages_url=self.api_url),
                    plain,
                    _is_ready(self.objects.url, HEALTH)(self.directory),
                )
            )
        return programs

    def services(self) -> list[Program]:
        """Lastro's own processes, upstream last."""
        programs = []
        for network in NETWORKS:
            programs += [
                self._service("indexer", _has_said("following_started"), network=network),
                self._service("settlement", _has_said("lane_opened"), network=network),
            ]
        return [
            *programs,
            self._service("offchain http", _is_ready(self.http_url)),
            self._service("offchain worker", _has_said("worker_started")),
            self._service("offchain cron", _has_said("cron_started")),
            self._service("api", _is_ready(self.api_url, "/livez")),
        ]

    def _service(
        self,
        words: str,
        health: Callable[[Path], Callable[[], bool]],
        *,
        network: Network | None = None,
    ) -> Program:
        """One of our processes: ``python -m`` and these words; named by the last, and its chain."""
        module = words.split()
        name = module[-1]
        environment = self.environment()
        if network is not None:
            name = f"{name}-{network.name}"
            environment |= {
                "LASTRO_CHAIN": network.name,
                "LASTRO_RPC_URLS": self.rpc_url(network),
                "LASTRO_RPC_WS_URL": self.ws_url(network),
            }
        log = self.directory / "logs" / f"{name}.log"
        return Program(name, (sys.executable, "-m", *module), environment, health(log))


def _is_ready(url: str, path: str = "/readyz") -> Callable[[Path], Callable[[], bool]]:
    """Health of a program that serves HTTP."""

    def answers() -> bool:
        try:
            return httpx.get(f"{url}{path}", timeout=HEALTH_TIMEOUT_S).is_success
        except httpx.HTTPError:
            return False

    return lambda _log: answers


def _has_said(event: str) -> Callable[[Path], Callable[[], bool]]:
    """Health of a program that serves nothing: it has logged that its work began.

    Where the caller asked for warnings only, running is all that can be known.
    """
    is_silent = os.environ.get("LASTRO_LOG_LEVEL") in {"WARNING", "ERROR"}

    def in_log(log: Path) -> Callable[[], bool]:
        return lambda: is_silent or (log.exists() and event in log.read_text(errors="replace"))

    return in_log
