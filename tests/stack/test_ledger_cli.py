"""``lastro ledger``: what it tells of the books, what it finds, and with what it exits."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine
from typer.testing import CliRunner, Result

from indexer.errors import ConfigurationError
from offchain.ledger.accounts import tokens_in_treasury, tokens_platform_wallet
from offchain.ledger.tokens import token_currency
from offchain.ledger.transfers import Journal, post, post_journal
from stack import ledger_cli
from stack.cli import app
from tests.support import offchain as site
from tests.support.ledger_rows import OTHER, OWED, RECEIVABLE, moving, tamper

TOKEN = token_currency(site.CHAIN_ID, site.TOKEN)
UNITS = 50 * 10**18


@pytest.fixture
def database(database_url: str, engine_as: Callable[[str], Engine]) -> str:
    """A capture of 50 reais that was posted with its tokens, and a split one that waits."""
    tokens = moving(
        UNITS,
        debit=tokens_in_treasury(site.CHAIN_ID, site.TREASURY),
        credit=tokens_platform_wallet(site.CHAIN_ID),
        currency=TOKEN,
    )
    split = (moving(3000), moving(1000, credit=OTHER))
    with engine_as("offchain").begin() as connection:
        settled = post_journal(connection, Journal("capture", "a", pending=(moving(5000),)))
        post(connection, settled, at_once=(tokens,))
        post_journal(connection, Journal("capture", "b", pending=split))
    return database_url


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables are not folded, whatever terminal the tests run in."""
    monkeypatch.setattr(ledger_cli.console, "width", 240)


def invoke(*arguments: str, database: str = "") -> Result:
    environment = {"DATABASE_URL": database}
    return CliRunner().invoke(app, ["ledger", *arguments], env=environment)


def run(*arguments: str, database: str = "") -> tuple[int, dict[str, Any]]:
    """Exit code, and what was said as JSON; a refusal exits with 2, as ``main`` has it."""
    result = invoke(*arguments, "--json", database=database)
    if isinstance(result.exception, ConfigurationError):
        return 2, {"refused": str(result.exception)}
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.exit_code, json.loads(result.stdout.splitlines()[-1])


def test_trial_balance_tells_both_sides_of_every_currency_and_token(database: str) -> None:
    code, told = run("trial-balance", database=database)
    assert (code, told["balanced"], "accounts" in told) == (0, True, False)
    assert told["totals"] == [
        {
            "currency": "brl",
            "debits_posted": 5000,
            "credits_posted": 5000,
            "debits_pending": 4000,
            "credits_pending": 4000,
        },
        {
            "currency": TOKEN,
            "debits_posted": UNITS,
            "credits_posted": UNITS,
            "debits_pending": 0,
            "credits_pending": 0,
        },
    ]
    said = invoke("trial-balance", database=database).stdout
    assert "50.00" in said
    assert str(UNITS) in said
    assert "the ledger balances" in said
    assert OWED.name not in said


def test_trial_balance_tells_every_account_when_asked(database: str) -> None:
    _, told = run("trial-balance", "--accounts", database=database)
    found = {one["account"]: one for one in told["accounts"]}
    assert (found[RECEIVABLE.name]["debits_posted"], found[OTHER.name]["credits_pending"]) == (
        5000,
        1000,
    )
    assert OWED.name in invoke("trial-balance", "--accounts", database=database).stdout


def test_trial_balance_is_told_as_it_was_at_a_time(database: str, login_engine: Engine) -> None:
    tamper(
        login_engine,
        "UPDATE offchain.ledger_transfers SET created_at = now() - interval '2 days'"
        " WHERE source_id = 'b'",
    )
    _, told = run("trial-balance", "--at", "24h", database=database)
    assert {one["currency"]: one["debits_pending"] for one in told["totals"]} == {
        "brl": 4000,
        TOKEN: 0,
    }
    assert told["totals"][0]["debits_posted"] == 0


def test_trial_balance_exits_with_1_when_a_side_is_missing(
    database: str, login_engine: Engine
) -> None:
    tamper(login_engine, "DELETE FROM offchain.ledger_accounts WHERE normal_side = 'credit'")
    code, told = run("trial-balance", database=database)
    assert (code, told["balanced"]) == (1, False)
    said = invoke("trial-balance", database=database)
    assert said.exit_code == 1
    assert "THE LEDGER DOES NOT BALANCE" in said.stdout


def test_trial_balance_of_nothing_balances(database_url: str) -> None:
    assert run("trial-balance", database=database_url) == (
        0,
        {"balanced": True, "at": None, "totals": []},
    )


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_export_writes_every_transfer_and_goes_on_where_it_ended(
    database: str, tmp_path: Path
) -> None:
    whole = invoke("export", database=database).stdout_bytes.decode()
    found = rows(whole)
    assert [one["source_id"] for one in found] == ["a", "a", "a", "b", "b"]
    assert [one["decimal"] for one in found] == ["50.00", "50.00", "", "30.00", "10.00"]
    file = tmp_path / "rest.csv"
    code, told = run("export", "--after", found[1]["id"], "--out", str(file), database=database)
    assert (code, told) == (0, {"file": str(file), "transfers": 3, "last": found[-1]["id"]})
    assert rows(file.read_bytes().decode()) == found[2:]
    code, told = run("export", "--after", told["last"], "--out", str(file), database=database)
    assert (told["transfers"], told["last"], rows(file.read_text())) == (0, None, [])
    assert [path.name for path in tmp_path.iterdir()] == [file.name]


@pytest.mark.parametrize(
    ("form", "first"), [("jsonl", '{"id": "'), ("journal", "20"), ("csv", "id,journal_id,at")]
)
def test_export_is_written_in_each_form(database: str, form: str, first: str) -> None:
    said = invoke("export", "--format", form, database=database)
    assert said.exit_code == 0
    assert said.stdout.startswith(first)


def test_export_shows_how_far_it_is_when_it_is_long(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[str, int]] = []
    monkeypatch.setattr(ledger_cli, "LONG_EXPORT_LINES", 5)
    monkeypatch.setattr(
        "indexer.progress.LogLines.tell", lambda lines, done: seen.append((lines._unit, done))
    )
    assert len(rows(invoke("export", database=database).stdout)) == 5
    assert seen == [("transfers", done) for done in range(1, 6)]
    monkeypatch.setattr(ledger_cli, "LONG_EXPORT_LINES", 6)
    invoke("export", database=database)
    assert len(seen) == 5


def test_export_refuses_what_it_cannot_write_or_go_on_from(database: str, tmp_path: Path) -> None:
    unknown = "00000000-0000-0000-0000-000000000000"
    out = ["--out", str(tmp_path / "file")]
    for arguments in (
        ["export"],
        ["export", "--out", str(tmp_path / "no" / "directory")],
        ["export", "--after", unknown, *out],
        ["export", "--since", "yesterday", *out],
        ["export", "--until", "7w", *out],
    ):
        code, told = run(*arguments, database=database)
        assert (code, list(told)) == (2, ["refused"]), arguments
    assert "--until '7w'" in run("export", "--until", "7w", *out, database=database)[1]["refused"]
    assert list(tmp_path.iterdir()) == []
    assert invoke("export", "--after", "7", database=database).exit_code == 2


def test_check_holds_and_lists_what_has_long_been_pending(
    database: str, login_engine: Engine
) -> None:
    code, told = run("check", database=database)
    assert (code, told["ok"], told["pending"]) == (0, True, [])
    assert {one["ok"] for one in told["findings"]} == {True}
    tamper(
        login_engine,
        "UPDATE offchain.ledger_transfers SET created_at = now() - interval '8 days'"
        " WHERE source_id = 'b' AND position = 1",
    )
    code, told = run("check", database=database)
    assert (code, told["ok"]) == (0, True)
    (waits,) = told["pending"]
    assert (waits["source_id"], waits["amount"]) == ("b", 1000)
    assert waits["id"] in invoke("check", database=database).stdout
    assert run("check", "--pending-older-than", "9d", database=database)[1]["pending"] == []


def test_check_exits_with_1_when_a_promise_does_not_hold(
    database: str, login_engine: Engine
) -> None:
    tamper(login_engine, "DELETE FROM offchain.ledger_transfers WHERE source_id = 'b'")
    code, told = run("check", database=database)
    assert (code, told["ok"]) == (1, False)
    assert [one["name"] for one in told["findings"] if not one["ok"]] == ["journals.whole"]
    said = invoke("check", database=database)
    assert said.exit_code == 1
    assert "SOME DO NOT HOLD" in said.stdout
