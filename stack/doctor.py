"""What this machine lacks or has wrong, and how to mend it."""

import os
import shutil
import sys
from collections.abc import Callable, Iterator

from indexer.errors import LastroError
from stack.anvil import anvil_program
from stack.gateways import gateway_places
from stack.objects import object_store
from stack.outside import Finding, examine_outside
from stack.ports import Ports, is_free
from stack.postgres import EmbeddedPostgres
from stack.settings import CHECKOUT, StackSettings
from stack.valkey import valkey_program

FREE_SPACE_BYTES = 2 * 2**30


def examine(settings: StackSettings) -> list[Finding]:
    """Look at everything ``lastro up`` needs, without changing anything."""
    return [
        _python(),
        _setup("the service's environment", ".venv"),
        _setup("Ape's environment", ".venv-contracts"),
        _setup("the contracts' npm packages", "contracts/node_modules"),
        *_programs(settings),
        _unprivileged_user(),
        _space(settings),
        *_ports(settings),
        *examine_outside(settings),
    ]


def _python() -> Finding:
    version = ".".join(str(part) for part in sys.version_info[:3])
    well = (3, 11) <= sys.version_info < (3, 13)
    mend = "" if well else ": install Python 3.11 or 3.12 and run 'make setup'"
    return Finding("Python", well, version + mend)


def _setup(subject: str, place: str) -> Finding:
    made = (CHECKOUT / place / ".lastro-stamp").exists()
    return Finding(subject, made, place if made else f"{place} is missing: run 'make setup'")


def _programs(settings: StackSettings) -> Iterator[Finding]:
    searches: dict[str, Callable[[], str]] = {
        "anvil": anvil_program,
        "Valkey": valkey_program,
        "Postgres": lambda: str(EmbeddedPostgres(settings.data_dir, 0).binaries / "postgres"),
    }
    for subject, search in searches.items():
        try:
            yield Finding(subject, True, search())
        except LastroError as error:
            yield Finding(subject, False, str(error))


def _unprivileged_user() -> Finding:
    if os.geteuid() != 0:
        return Finding("user", True, "not root")
    found = shutil.which("setpriv")
    return Finding(
        "user",
        found is not None,
        "root; Postgres runs as nobody"
        if found
        else "root, and there is no setpriv to run Postgres as nobody: apt-get install util-linux",
    )


def _space(settings: StackSettings) -> Finding:
    place = settings.data_dir
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    well = free >= FREE_SPACE_BYTES
    mend = "" if well else ": free some, or choose another LASTRO_DATA_DIR"
    return Finding("disk", well, f"{free // 2**20} MiB free at {place}{mend}")


def _ports(settings: StackSettings) -> Iterator[Finding]:
    ports: Ports = settings.ports
    embedded = {
        "the read API": (ports.api, True),
        "webhooks and checkout": (ports.http, True),
        "Postgres": (ports.postgres, settings.database_url is None),
        "Valkey": (ports.valkey, settings.redis_url is None),
        "celo-local": (ports.celo, settings.celo_rpc_url is None),
        "polygon-local": (ports.polygon, settings.polygon_rpc_url is None),
        "the local S3": (ports.s3, not object_store(settings, settings.data_dir).is_own),
    } | {
        f"the fake {place.title}": (place.port, place.own_url is None)
        for place in gateway_places(settings)
    }
    for purpose, (port, is_ours) in embedded.items():
        if not is_ours:
            continue
        free = is_free(port)
        mend = "" if free else " is in use: stop what listens there, or set LASTRO_PORT_BASE"
        yield Finding(f"port of {purpose}", free, f"{port}{mend}")
