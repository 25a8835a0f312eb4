"""The processes that are killed: two settlement engines without a leader, and an indexer.

They are forked from a server that has every module loaded and nothing open, so that a new process
is at work within some 50 ms; what it opens, it opens itself. Deaths are real SIGKILLs.
"""

import ctypes
import multiprocessing
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path

from sqlalchemy import Engine

import indexer.__main__ as indexer_process
from benchmarks.chaos_points import Doom, DoomedReader, DoomedSigner, watch
from benchmarks.settlement_site import NETWORK
from indexer.chain.deployments import load_deployment
from indexer.db.base import ROLES
from indexer.db.session import open_engine
from indexer.telemetry import configure_logging
from settlement.lane import Lane, Policy
from settlement.loop import OUTSIDE_FAILURES, pause_s
from settlement.runner import Runner
from settlement.signers.keystore import KeystoreSigner
from settlement.trips import apply_trips
from tests.support.real_protocol import ADMIN

TURN_PAUSE_S = 0.03
PAUSE_MAX_S = 0.5
"""Chaos passes quickly; so does patience."""
INDEXER_POLL_S = 0.05
END_TIMEOUT_S = 10.0
EXIT_BROKEN = 3
IMPORTED_BY_COMMAND = "benchmarks.chaos_kinds"
_PR_SET_PDEATHSIG = 1

BOLD = Policy(
    linger=timedelta(0),
    batch_items_max=25,
    resend_after=timedelta(seconds=0.3),
    bump_after=timedelta(seconds=1),
    bump_blocks=2,
)
"""Small batches and little patience: many transactions, many replacements."""
RASH = Policy(
    linger=timedelta(0),
    batch_items_max=25,
    resend_after=timedelta(seconds=0.1),
    bump_after=timedelta(0),
    bump_blocks=0,
)
"""Replaces whatever one turn finds unmined."""


@dataclass(frozen=True, slots=True)
class Post:
    """Where a process works: all that it is told at its start."""

    database: str
    rpc_urls: tuple[str, ...]
    directory: Path
    """Where the deployment record lies, and where what the process says is kept."""
    policy: Policy = BOLD


Work = Callable[[Post, Doom], None]


def settle_for_ever(post: Post, doom: Doom) -> None:
    """Take turns of the platform's lane as the process's loop does, but for its lock."""
    _begin(post, "settlement")
    engine = open_engine(post.database, role=ROLES["settlement"])
    watch(engine, doom)
    lane = Lane(
        engine=engine,
        reader=DoomedReader(post.rpc_urls, doom),
        signer=DoomedSigner(KeystoreSigner(ADMIN), doom),
        network=NETWORK,
        deployment=load_deployment(post.directory, NETWORK),
        policy=post.policy,
    )
    try:
        _take_turns(lane)
    except Exception:  # noqa: BLE001 - whatever ends the process is told by whoever watches
        traceback.print_exc()
        sys.exit(EXIT_BROKEN)


def _take_turns(lane: Lane) -> None:
    runner, started, failures = Runner(lane), False, 0
    while True:
        try:
            if not started:
                runner.start()
                started = True
            runner.turn()
            with lane.engine.begin() as connection:
                apply_trips(connection, chain_id=lane.chain_id, signer=lane.sender)
            failures = 0
        except OUTSIDE_FAILURES:
            failures += 1
        time.sleep(min(pause_s(TURN_PAUSE_S, failures), PAUSE_MAX_S))


def index_for_ever(post: Post, doom: Doom) -> None:
    """Be ``python -m indexer``."""
    _begin(post, "indexer")
    os.environ.update(
        {
            "DATABASE_URL": post.database,
            "LASTRO_CHAIN": NETWORK.name,
            "LASTRO_RPC_URLS": ",".join(post.rpc_urls),
            "LASTRO_DEPLOYMENTS_DIR": str(post.directory),
            "LASTRO_INDEXER_POLL_INTERVAL_S": str(INDEXER_POLL_S),
            "LASTRO_LOG_LEVEL": "WARNING",
        }
    )
    watch(Engine, doom)
    while indexer_process.main() == indexer_process.EXIT_TRANSIENT:
        time.sleep(PAUSE_MAX_S)  # Postgres was away: whoever supervises it would start it again
    sys.exit(EXIT_BROKEN)


def _begin(post: Post, name: str) -> None:
    """Die with the server, and say to a file what there is to say."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    log = os.open(post.directory / f"{name}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(log, stream)
    configure_logging(process=f"{name}-{os.getpid()}", level="WARNING")


def forking() -> ForkServerContext:
    """A server of processes; the first that it starts takes a second or two, the others nothing.

    Each process runs the module of the command line once more, under another name; so all that it
    imports is loaded too.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__, IMPORTED_BY_COMMAND])
    return context


class Actor:
    """One process, and its successors."""

    def __init__(self, context: ForkServerContext, work: Work, post: Post) -> None:
        """Start nothing yet."""
        self.post = post
        self._context = context
        self._work = work
        self._process: ForkServerProcess | None = None

    def start(self, doom: Doom) -> None:
        """Start a process where there is none."""
        self._process = self._context.Process(
            target=self._work, args=(self.post, doom), daemon=True
        )
        self._process.start()

    def ended(self) -> int | None:
        """How the process ended, once; None while it runs, or after that was asked."""
        process = self._process
        if process is None or process.exitcode is None:
            return None
        code = process.exitcode
        process.close()
        self._process = None
        return code

    def kill(self) -> None:
        """Kill it, wherever it is."""
        self._signal(signal.SIGKILL)
        if self._process is not None:
            self._process.join(END_TIMEOUT_S)

    def stop(self) -> None:
        """Let it sleep, wherever it is: what it holds, it goes on holding."""
        self._signal(signal.SIGSTOP)

    def wake(self) -> None:
        """Let it go on as if no time had passed."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        process = self._process
        if process is not None and process.pid is not None and process.exitcode is None:
            os.kill(process.pid, number)
