"""A deployed protocol on an anvil of Ape's own, and one campaign with its treasury."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import ape
import pytest
import world

ROOT = Path(__file__).parents[2]
ANVIL_PACKAGES = ROOT / "contracts" / "node_modules" / "@foundry-rs"

# ape-foundry looks for anvil on the PATH only. One that is there already is preferred.
if not shutil.which("anvil"):
    binaries = [str(path.parent) for path in ANVIL_PACKAGES.glob("anvil-*/bin/anvil")]
    os.environ["PATH"] = os.pathsep.join([*binaries, os.environ["PATH"]])

# anvil keeps old states under its home as soon as it has some hundreds of them.
os.environ["HOME"] = str(ROOT / ".build" / "home")


@pytest.fixture(scope="session")
def people(accounts):
    return world.People(*(accounts[index] for index in range(6)))


@pytest.fixture(scope="session")
def protocol(people):
    return world.deploy(people)


@pytest.fixture(scope="session")
def params(protocol):
    return protocol.params


@pytest.fixture(scope="session")
def campaigns(protocol):
    return protocol.campaigns


@pytest.fixture(scope="session")
def treasuries(protocol):
    return protocol.treasuries


@pytest.fixture(scope="session")
def brla(protocol):
    return protocol.brla


@pytest.fixture(scope="session")
def campaign(protocol, people):
    return world.create_campaign(protocol, people)


# Used or not: a session's fixture that came after a module's would be undone with the module.
@pytest.fixture(scope="session", autouse=True)
def treasury(protocol, people, campaign):
    return world.create_treasury(protocol, people, campaign)


@pytest.fixture
def now():
    return ape.chain.pending_timestamp
