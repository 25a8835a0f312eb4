"""Random chains that fork, lie and kill the indexer, for as many cases as asked for.

Each case ends in a comparison with a fresh index of the final chain: facts, blocks, ledger, marks,
projections and aggregates. The first difference is printed with the seed of its case, which
``--cases 1 --seed <it>`` repeats. Postgres is one of its own.
"""

import argparse
import json
import logging
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import structlog
from rich.console import Console
from rich.progress import Progress
from sqlalchemy import Engine

from indexer.db.base import ROLES
from indexer.db.session import open_engine
from migrations.run import migrate
from stack.ports import free_port
from stack.postgres import EmbeddedPostgres
from tests.support.indexing import forget_all
from tests.support.random_chain import actions_of, run_case
from tests.support.servers import running

FAST_NOT_DURABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
DATABASE = "soak"
CASES_PER_CLEANING = 100
"""So that a long run stays as quick as a short one."""
DIFFERENCES_SHOWN = 20


@dataclass(slots=True)
class Tally:
    """What all cases together did."""

    cases: int = 0
    differences: int = 0
    """Cases whose rows were not those of a fresh index."""
    reorgs: int = 0
    lies: int = 0
    restarts: int = 0


@contextmanager
def own_database() -> Iterator[Engine]:
    """A fresh Postgres with our schema, gone when the block ends."""
    with tempfile.TemporaryDirectory(prefix="lastro-soak-") as home:
        directory = Path(home)
        directory.chmod(0o755)  # as root, Postgres runs as another user
        server = EmbeddedPostgres(directory / "postgres", free_port())
        server.initialize()
        with running(
            server.command(FAST_NOT_DURABLE), answers=server.answers, log=directory / "log"
        ):
            server.create_database(DATABASE)
            migrate(server.url(DATABASE))
            engine = open_engine(server.url(DATABASE), role=ROLES["chain"])
            try:
                yield engine
            finally:
                engine.dispose()


def soak(engine: Engine, cases: int, seed: int, console: Console) -> Tally:
    """Run numbered cases, from ``seed`` on."""
    tally = Tally()
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("cases", total=cases)
        for number in range(seed, seed + cases):
            outcome = run_case(engine, actions_of(number))
            tally.cases += 1
            tally.reorgs += outcome.reorgs
            tally.lies += outcome.lies
            tally.restarts += outcome.restarts
            if outcome.differences:
                tally.differences += 1
                sys.stderr.write(f"case {number} differs from a fresh index:\n")
                for line in outcome.differences[:DIFFERENCES_SHOWN]:
                    sys.stderr.write(f"  {line}\n")
            if tally.cases % CASES_PER_CLEANING == 0:
                forget_all(engine)
            progress.advance(task)
    return tally


def main() -> int:
    """Run the command line; 1 when some case differs."""
    parser = argparse.ArgumentParser(description="Drive random chains through the indexer.")
    parser.add_argument("--cases", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=0, help="number of the first case")
    parser.add_argument("--json", action="store_true", help="print only the JSON object")
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    console = Console(stderr=True, quiet=options.json)
    with own_database() as engine:
        tally = soak(engine, options.cases, options.seed, console)
    print(json.dumps({**asdict(tally), "seed": options.seed}))
    return 1 if tally.differences else 0


if __name__ == "__main__":
    sys.exit(main())
