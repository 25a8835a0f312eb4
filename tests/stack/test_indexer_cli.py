"""``lastro indexer`` on a real chain: what each command finds, does, refuses and exits with."""

import json
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from sqlalchemy import Engine, delete, select, update
from typer.testing import CliRunner

from indexer.chain.deployments import load_deployment
from indexer.chain.rpc import ChainReader
from indexer.chain.types import BlockNumber
from indexer.ledger import forget
from indexer.projection_tables import payment_lives
from indexer.tables import (
    payments_confirmed,
)
from stack import mending
from stack.cli import app
from stack.history import read_on
from stack.ports import free_port
from stack.settings import CHECKOUT
from tests.support.echo import emit
from tests.support.environment import bare_environment
from tests.support.indexed_site import (
    CHAIN,
    FINAL,
    NETWORK,
    OTHER_PAYMENT,
    TIP,
    Chain,
    Site,
    fetched,
    mined,
    states,
)
from tests.support.protocol_logs import (
    payment_confirmed,
)
from tests.support.waiting import eventually

LASTRO = str(CHECKOUT / ".venv" / "bin" / "lastro")


def test_status_tells_the_marks_when_a_backfill_has_ended(indexed: Site) -> None:
    code, status = indexed.run("status")
    assert code == 0
    assert status["indexed"]["number"] == status["fetched"]["number"] == TIP
    assert status["ledger"]["holes"]["count"] == 0
    assert [one["provider"] for one in status["providers"]] == [indexed.chain.anvil.url]


def test_status_of_people_names_every_mark(indexed: Site) -> None:
    said = CliRunner().invoke(
        app, ["indexer", "status", "--chain", NETWORK.name], env=indexed.environment
    )
    for word in ("head", "indexed", "finalized", "proven up to", "holes", "truth score"):
        assert word in said.stdout


def test_backfill_does_nothing_when_all_was_read(indexed: Site, rows: Engine) -> None:
    code, answer = indexed.run("backfill")
    assert (code, answer["read"], answer["ranges"]) == (0, [], [])
    assert states(rows) == ["confirmed", "created"]


def test_backfill_stops_where_told_and_fills_holes(site: Site, login_engine: Engine) -> None:
    code, answer = site.run("backfill", "--to", "6")
    assert (code, answer["read"][0]) == (0, 1)
    assert fetched(login_engine) >= 6
    assert site.run("backfill")[0] == 0
    with login_engine.begin() as connection:
        connection.execute(delete(payments_confirmed))
        forget(connection, CHAIN, BlockNumber(7), BlockNumber(8))
    assert site.run("status")[1]["ledger"]["holes"]["first"] == [[7, 8]]
    code, answer = site.run("repair", "--holes")
    assert (code, answer["ranges"]) == (0, [[7, 8]])
    assert answer["tables"]["payments_confirmed"] == {"before": 0, "missing": 1, "false": 0}
    assert site.run("status")[1]["ledger"]["holes"]["count"] == 0
    assert states(login_engine) == ["confirmed", "created"]


def test_history_is_read_to_the_final_block_and_projected(
    chain: Chain, engine_as: Callable[[str], Engine]
) -> None:
    engine, reader = engine_as("chain"), ChainReader([chain.anvil.url])
    place = mending.Chain(engine, reader, NETWORK, load_deployment(chain.directory, NETWORK))
    # by headers it would have gone on to the tip
    read = read_on(place, None, depth="checked", header_scan_blocks_max=3)
    reader.close()
    assert (read, fetched(engine)) == ((1, FINAL), FINAL)
    assert states(engine) == ["confirmed", "created"]


def test_backfill_refuses_when_the_chain_is_shorter(site: Site) -> None:
    code, answer = site.run("backfill", "--to", "1000")
    assert code == 2
    assert "the chain ends at block 12" in answer["refused"]


def test_verify_fails_until_repaired_when_a_fact_is_missing(indexed: Site, rows: Engine) -> None:
    span = ("--from", "1", "--to", str(FINAL))
    assert indexed.run("verify", *span)[0] == 0
    with rows.begin() as connection:
        connection.execute(delete(payments_confirmed))

    code, found = indexed.run("verify", *span)
    assert (code, found["same"]) == (1, False)
    assert found["tables"]["payments_confirmed"] == {"before": 0, "missing": 1, "false": 0}
    with rows.connect() as connection:  # it only looked
        assert connection.execute(select(payments_confirmed)).all() == []

    assert indexed.run("repair", *span)[0] == 0
    assert indexed.run("verify", *span)[0] == 0


def test_verify_refuses_when_a_block_is_not_final(indexed: Site) -> None:
    code, answer = indexed.run("verify", "--from", "1", "--to", "12")
    assert code == 2
    assert "finalized" in answer["refused"]


def test_rebuild_keeps_the_old_rows_unless_told_when_they_differ(
    indexed: Site, rows: Engine
) -> None:
    code, answer = indexed.run("rebuild")
    assert (code, answer["same"], answer["before"]) == (0, True, answer["after"])
    with rows.begin() as connection:
        connection.execute(update(payment_lives).values(confirmed_block=None))

    code, answer = indexed.run("rebuild")
    assert (code, answer["same"], answer["kept"]) == (1, False, False)
    assert states(rows) == ["created", "created"]

    code, answer = indexed.run("rebuild", "--accept")
    assert (code, answer["same"], answer["kept"]) == (0, False, True)
    assert states(rows) == ["confirmed", "created"]


def test_checksum_is_the_same_when_everything_is_read_anew(indexed: Site, rows: Engine) -> None:
    before = indexed.run("checksum", "--to", str(FINAL), "--projections")
    assert before[0] == 0
    code, done = indexed.run("rewind", "--to", "0", "--below-finalized", "--yes")
    assert (code, done["lowered_finalized"]) == (0, True)
    assert states(rows) == []
    assert indexed.run("backfill")[0] == 0
    assert indexed.run("checksum", "--to", str(FINAL), "--projections") == before
    with rows.begin() as connection:
        connection.execute(update(payments_confirmed).values(tx_index=9))
    assert indexed.run("checksum", "--to", str(FINAL))[1]["facts"] != before[1]["facts"]


def test_checksum_refuses_when_blocks_are_not_indexed(indexed: Site) -> None:
    code, answer = indexed.run("checksum", "--to", "4000")
    assert (code, answer["refused"]) == (2, "celo-local is not indexed up to 4000")


@pytest.mark.usefixtures("other_writer")
def test_no_command_writes_while_the_indexer_runs(site: Site) -> None:
    for command in (("rewind", "--to", "3"), ("rebuild",), ("backfill",), ("repair", "--holes")):
        code, answer = site.run(*command)
        assert code == 2
        assert "Postgres session" in answer["refused"]
        assert "is the writer of celo-local: stop that indexer first" in answer["refused"]


def test_follow_is_the_indexer_until_told_to_stop(
    database_url: str, login_engine: Engine, tmp_path: Path
) -> None:
    with mined(tmp_path) as own:
        _follow(Site(own, database_url), login_engine, tmp_path)


def _follow(site: Site, login_engine: Engine, tmp_path: Path) -> None:
    port = free_port()
    environment = bare_environment(**site.environment, LASTRO_INDEXER_PORT=str(port))
    command = [LASTRO, "indexer", "follow", "--chain", NETWORK.name, "--json"]
    with (tmp_path / "follow.log").open("wb") as output:
        process = subprocess.Popen(command, env=environment, stderr=output)
    try:

        def metrics() -> str:
            try:
                return httpx.get(f"http://127.0.0.1:{port}/metrics").text
            except httpx.HTTPError:
                return ""

        def follows() -> bool:
            assert process.poll() is None, (tmp_path / "follow.log").read_text()
            return 'indexed_block{network="celo-local"} 12.0' in metrics()

        eventually(follows, timeout_s=60)
        emit(site.chain.anvil, payment_confirmed(site.chain.treasury, OTHER_PAYMENT))
        eventually(lambda: states(login_engine) == ["confirmed"] * 2, timeout_s=30)
        assert "lastro_indexer_rows_written_total" in metrics()
        assert 'method="eth_getBlockByNumber"' in metrics()
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()
    lines = (tmp_path / "follow.log").read_text().splitlines()
    assert all(json.loads(line)["process"] == "indexer" for line in lines)


@pytest.mark.usefixtures("other_writer")
def test_command_line_exits_with_2_and_one_line_when_refused(site: Site) -> None:
    done = subprocess.run(
        [LASTRO, "indexer", "rewind", "--chain", NETWORK.name, "--to", "1"],
        env=bare_environment(**site.environment),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("lastro: Postgres session")
    assert len(done.stderr.splitlines()) == 1
