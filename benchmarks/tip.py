"""How long after a block is mined its facts are committed with proof, by a real indexer process.

It follows a chain whose history is short: what is left to do of a long one when the head is reached
(proofs, details that events do not carry) goes on between the blocks and holds each up by a slice.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psycopg

from benchmarks.chain import BenchmarkError
from benchmarks.synthetic import EVENTS_PER_TRANSACTION, Synthetic
from stack.postgres import clean_environment

CATCH_UP_S = 120.0
APPEAR_S = 10.0
POLL_S = 0.000_5
BETWEEN_BLOCKS_S = 0.1
"""A tenth of the shortest block time there is: the mark of finality moves in between."""


def tip_latencies(chain: Synthetic, database: str, *, blocks: int) -> list[float]:
    """Seconds from asking the node to mine a block to its proven facts being visible, each.

    Raises:
        BenchmarkError: The indexer does not catch up, or a block does not appear.
    """
    with tempfile.TemporaryDirectory(prefix="lastro-tip-") as home:
        (Path(home) / "celo-local.json").write_text(chain.place.record_json)
        process = subprocess.Popen(
            [sys.executable, "-m", "indexer"],
            env={
                **clean_environment(),
                "DATABASE_URL": database,
                "LASTRO_CHAIN": "celo-local",
                "LASTRO_RPC_URLS": chain.place.url,
                "LASTRO_RPC_WS_URL": chain.place.url.replace("http", "ws", 1),
                "LASTRO_DEPLOYMENTS_DIR": home,
                "LASTRO_INDEXER_HISTORY": "proven",
                "LASTRO_LOG_LEVEL": "ERROR",
                "PATH": os.environ["PATH"],
            },
        )
        try:
            with psycopg.connect(database, autocommit=True) as connection:
                _await_height(connection, chain.place.height, CATCH_UP_S)
                height = chain.place.height
                latencies = []
                for _ in range(blocks):
                    height += 1
                    asked = time.perf_counter()
                    chain.emit(EVENTS_PER_TRANSACTION)
                    _await_height(connection, height, APPEAR_S)
                    latencies.append(time.perf_counter() - asked)
                    time.sleep(BETWEEN_BLOCKS_S)
                _require_proven(connection, height)
            return latencies
        finally:
            process.terminate()
            process.wait()


def _await_height(connection: psycopg.Connection, height: int, timeout_s: float) -> None:
    give_up = time.monotonic() + timeout_s
    while time.monotonic() < give_up:
        row = connection.execute("SELECT indexed_number FROM chain.marks").fetchone()
        if row is not None and row[0] is not None and row[0] >= height:
            return
        time.sleep(POLL_S)
    raise BenchmarkError(f"block {height} was not indexed within {timeout_s:.0f} s")


def _require_proven(connection: psycopg.Connection, height: int) -> None:
    row = connection.execute(
        "SELECT proven, logs_count FROM chain.blocks WHERE number = %s", (height,)
    ).fetchone()
    if row != (True, EVENTS_PER_TRANSACTION):
        raise BenchmarkError(f"block {height} is not there as it was mined: {row}")
