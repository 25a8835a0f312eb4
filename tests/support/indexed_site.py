"""A real chain with two payments, and ``lastro indexer`` run against it in this process."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, select
from typer.testing import CliRunner

from indexer.chain.networks import network_by_name
from indexer.chain.rpc import ChainReader
from indexer.chain.types import Address, BlockHash, BlockNumber, PaymentId
from indexer.errors import ConfigurationError
from indexer.projection_tables import payment_lives
from indexer.tables import marks
from stack.anvil import Anvil
from stack.cli import app
from stack.ports import free_port
from tests.support.echo import ECHO_CODE, deploy, emit
from tests.support.protocol_logs import (
    campaign_created,
    deployment,
    payment_confirmed,
    payment_created,
    treasury_deployed,
)
from tests.support.servers import running

NETWORK = network_by_name("celo-local")
CHAIN = NETWORK.chain_id
PAYMENT, OTHER_PAYMENT = PaymentId(b"p" * 32), PaymentId(b"q" * 32)
TIP, FINAL = 12, 10
"""Of the chain; reading on to the final block goes a few further."""
CAMPAIGN = Address(b"c" * 20)


@dataclass(frozen=True, slots=True)
class Chain:
    """A node, where a treasury stands on it, and where its record lies."""

    anvil: Anvil
    treasury: Address
    directory: Path


@dataclass(frozen=True, slots=True)
class Site:
    """A chain, a database, and the command line to both."""

    chain: Chain
    database_url: str

    @property
    def environment(self) -> dict[str, str]:
        return {
            "DATABASE_URL": self.database_url,
            "LASTRO_RPC_URLS": self.chain.anvil.url,
            "LASTRO_DEPLOYMENTS_DIR": str(self.chain.directory),
        }

    def run(self, *arguments: str) -> tuple[int, dict[str, Any]]:
        """Exit code, and what was said as JSON; a refusal exits with 2, as ``main`` has it."""
        result = CliRunner().invoke(
            app,
            ["indexer", *arguments, "--chain", NETWORK.name, "--json"],
            env=self.environment,
        )
        if isinstance(result.exception, ConfigurationError):
            return 2, {"refused": str(result.exception)}
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.exit_code, json.loads(result.stdout.splitlines()[-1])


def record_json(genesis: BlockHash, campaign_factory: Address, treasury_factory: Address) -> str:
    template = deployment(genesis)
    contracts = template.contracts.model_copy(
        update={"campaign_info_factory": campaign_factory, "treasury_factory": treasury_factory}
    )
    record = template.model_copy(update={"contracts": contracts}).model_dump()
    return json.dumps(record, default=lambda raw: "0x" + raw.hex())


@contextmanager
def mined(directory: Path) -> Iterator[Chain]:
    """A chain of its own, with two payments of which one is confirmed."""
    anvil = Anvil(NETWORK, free_port())
    with running(anvil.command(), answers=anvil.answers, log=directory / "anvil.log"):
        reader = ChainReader([anvil.url])
        genesis = reader.block_by_number(BlockNumber(0))
        reader.close()
        assert genesis is not None
        campaign_factory, treasury_factory, treasury = (deploy(anvil, ECHO_CODE) for _ in range(3))
        emit(anvil, campaign_created(CAMPAIGN, b"i" * 32, emitter=campaign_factory))
        emit(anvil, treasury_deployed(treasury, CAMPAIGN, emitter=treasury_factory))
        emit(anvil, payment_created(treasury, PAYMENT))
        emit(anvil, payment_created(treasury, OTHER_PAYMENT))
        emit(anvil, payment_confirmed(treasury, PAYMENT))
        anvil.call("anvil_mine", hex(TIP - 8))
        (directory / f"{NETWORK.name}.json").write_text(
            record_json(genesis.hash, campaign_factory, treasury_factory)
        )
        yield Chain(anvil, treasury, directory)


def fetched(engine: Engine) -> int:
    with engine.connect() as connection:
        return int(connection.execute(select(marks.c.fetched_number)).scalar_one())


def states(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        found = connection.execute(
            select(payment_lives.c.state).order_by(payment_lives.c.payment_id)
        )
        return list(found.scalars())
