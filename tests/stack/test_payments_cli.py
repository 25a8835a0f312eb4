"""``lastro payments``: what each command says, does, refuses and exits with."""

import json
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select
from typer.testing import CliRunner, Result

from indexer.errors import ConfigurationError
from indexer.plain import plain
from offchain.claim_tables import refunds
from offchain.tables import attempt_events
from stack.cli import app
from stack.payments_view import money
from tests.support.claims import Paid, dispute_seen, paid, refund_rows, refund_seen
from tests.support.offchain import (
    DEPLOYMENT,
    add_attempt,
    add_campaign,
    add_pledge,
    make_live,
    seen,
    set_request_state,
)


class PaymentsCli:
    """The command line to one database."""

    def __init__(self, database_url: str, data: Path) -> None:
        self._environment = {
            "DATABASE_URL": database_url,
            "USER": "ana",
            "LASTRO_DATA_DIR": str(data),
            "LASTRO_DEPLOYMENTS_DIR": str(data),
        }

    def run(self, *arguments: str) -> tuple[int, dict[str, Any]]:
        """Exit code, and what was said as JSON; a refusal exits with 2, as ``main`` has it."""
        result = self._invoke(*arguments, "--json")
        if isinstance(result.exception, ConfigurationError):
            return 2, {"refused": str(result.exception)}
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.exit_code, json.loads(result.stdout.splitlines()[-1])

    def say(self, *arguments: str) -> str:
        """What a person reads."""
        result = self._invoke(*arguments)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.stdout

    def why(self, name: str) -> dict[str, Any]:
        """What settlement tells of a payment."""
        arguments = ["settlement", "why", name, "--json"]
        result = CliRunner().invoke(app, arguments, env=self._environment)
        assert result.exit_code == 0, result.output
        told: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
        return told

    def _invoke(self, *arguments: str) -> Result:
        return CliRunner().invoke(app, ["payments", *arguments], env=self._environment)


@pytest.fixture
def cli(database_url: str, tmp_path: Path) -> PaymentsCli:
    record = json.dumps(DEPLOYMENT.model_dump(), default=plain)
    (tmp_path / f"{DEPLOYMENT.network}.json").write_text(record)
    return PaymentsCli(database_url, tmp_path)


@pytest.fixture
def engine(engine_as: Callable[[str], Engine]) -> Engine:
    return engine_as("offchain")


@pytest.fixture
def late(engine: Engine, login_engine: Engine) -> Paid:
    """Money that came after its code had expired, for a campaign that settles on-chain."""
    campaign_id = add_campaign(engine, onchain=True)
    make_live(login_engine, campaign_id)
    pledge_id = add_pledge(engine, campaign_id)
    one = Paid(engine, login_engine, add_attempt(engine, pledge_id, fiat_status="expired"))
    one.see()
    return one


def test_held_is_well_where_nothing_waits(cli: PaymentsCli) -> None:
    assert cli.run("held") == (0, {"held": [], "total": 0})
    assert "nothing waits for a person" in cli.say("held")


def test_held_exits_with_1_and_says_why_when_a_person_is_needed(
    cli: PaymentsCli, late: Paid
) -> None:
    code, told = cli.run("held")
    (one,) = told["held"]
    assert (code, one["payment_id"]) == (1, str(late.id))
    assert one["reason"] == "paid after the attempt was expired"
    said = cli.say("held")
    for words in (str(late.id), "50.00 BRL", "late_paid"):
        assert words in said


def test_held_says_how_many_it_does_not_show(cli: PaymentsCli, engine: Engine, late: Paid) -> None:
    campaign_id = add_campaign(engine, onchain=False)
    newer = add_attempt(engine, add_pledge(engine, campaign_id), fiat_status="expired")
    Paid(engine, late.login, newer).see()
    code, told = cli.run("held", "--limit", "1")
    assert (code, len(told["held"]), told["total"]) == (1, 1, 2)
    assert "1 more wait" in cli.say("held", "--limit", "1")


def test_close_lets_a_payment_be_that_was_looked_at_until_something_new_comes(
    cli: PaymentsCli, engine: Engine, login_engine: Engine
) -> None:
    one = paid(engine, login_engine, onchain=False)
    one.see(disputes=(dispute_seen("lost", 2000),))
    assert cli.run("held")[1]["total"] == 1
    code, told = cli.run("close", str(one.id), "--note", "the bank is right")
    assert (code, told["payment"]["reason"]) == (0, None)
    assert cli.run("held") == (0, {"held": [], "total": 0})
    with engine.connect() as connection:
        event = connection.execute(
            select(attempt_events).where(attempt_events.c.lattice == "review")
        ).one()
    assert (event.from_status, event.to_status) == ("open", "closed")
    assert event.evidence == {
        "decided_by": "ana",
        "note": "the bank is right",
        "why": "the gateway reports the payment as partially refunded",
    }
    assert cli.run("close", str(one.id), "--note", "again")[0] == 2
    one.see(disputes=(dispute_seen("won", 2000),))
    assert cli.run("held")[1]["total"] == 1


def test_close_is_refused_for_money_that_is_held(cli: PaymentsCli, late: Paid) -> None:
    code, told = cli.run("close", str(late.id), "--note", "looked at")
    assert code == 2
    assert "accept it, or give it back" in told["refused"]


def test_show_tells_all_about_a_payment_by_either_of_its_names(
    cli: PaymentsCli, engine: Engine, login_engine: Engine
) -> None:
    one = paid(engine, login_engine, onchain=False)
    one.see(refunds=(refund_seen(minor=2000),), disputes=(dispute_seen(minor=3000),))
    code, told = cli.run("show", seen(one.id).provider_payment_id)
    assert code == 0
    assert told["payment"]["claim_status"] == "disputed"
    assert [(row["state"], row["amount"]["minor"]) for row in told["refunds"]] == [
        ("succeeded", 2000)
    ]
    assert [row["state"] for row in told["disputes"]] == ["open"]
    assert {line["source"] for line in told["ledger"]} == {"capture", "refund", "dispute"}
    said = cli.say("show", str(one.id))
    for words in ("NEEDS A PERSON", "20.00 BRL", "30.00 BRL", "captured, disputed"):
        assert words in said
    assert "secret" not in said


def test_show_refuses_a_payment_that_is_not_there(cli: PaymentsCli) -> None:
    code, told = cli.run("show", str(uuid.uuid4()))
    assert (code, "there is no one payment" in told["refused"]) == (2, True)


def test_accept_takes_late_money_hands_it_over_and_keeps_who_decided(
    cli: PaymentsCli, engine: Engine, late: Paid
) -> None:
    code, told = cli.run("accept", str(late.id), "--by", "bia")
    assert (code, told["payment"]["fiat_status"]) == (0, "captured")
    assert late.statuses() == ("captured", "queued", "none")
    with engine.connect() as connection:
        evidence = connection.execute(
            select(attempt_events.c.evidence).where(attempt_events.c.to_status == "captured")
        ).scalar_one()
    assert evidence["decided_by"] == "bia"
    code, told = cli.run("accept", str(late.id))
    assert (code, "stays as it is" in told["refused"]) == (2, True)


def test_accept_leaves_the_hand_over_to_the_sweep_where_no_deployment_is_at_hand(
    cli: PaymentsCli, tmp_path: Path, late: Paid
) -> None:
    (tmp_path / f"{DEPLOYMENT.network}.json").unlink()
    assert "is accepted" in cli.say("accept", str(late.id))
    assert late.statuses() == ("captured", "none", "none")


def test_return_gives_held_money_back_once(cli: PaymentsCli, engine: Engine, late: Paid) -> None:
    code, told = cli.run("return", str(late.id))
    assert code == 0
    with engine.connect() as connection:
        row = connection.execute(select(refunds)).one()
    assert (str(row.id), row.requested_by, row.state) == (told["refund_id"], "ana", "requested")
    code, told = cli.run("return", str(late.id))
    assert (code, "nothing is left of it" in told["refused"]) == (2, True)


def test_refund_gives_a_part_back_and_refuses_more_than_is_left(
    cli: PaymentsCli, engine: Engine, login_engine: Engine
) -> None:
    one = paid(engine, login_engine, onchain=False)
    assert cli.run("refund", str(one.id), "--amount", "2000")[0] == 0
    code, told = cli.run("refund", str(one.id), "--amount", "3001")
    assert (code, "3000 minor units of it are left" in told["refused"]) == (2, True)
    assert "is refunded" in cli.say("refund", str(one.id))
    assert refund_rows(engine, one.id) == [
        ("operator", "requested", 2000),
        ("operator", "requested", 3000),
    ]


def test_refund_and_return_say_which_of_them_is_meant(
    cli: PaymentsCli, engine: Engine, login_engine: Engine, late: Paid
) -> None:
    accepted = paid(engine, login_engine, onchain=False)
    assert "return it instead" in cli.run("refund", str(late.id))[1]["refused"]
    assert "refund it instead" in cli.run("return", str(accepted.id))[1]["refused"]


@pytest.mark.parametrize(
    ("minor", "currency", "words"),
    [(5000, "brl", "50.00 BRL"), (123_456_789, "usd", "1,234,567.89 USD"), (None, "brl", "-")],
)
def test_money_is_told_in_its_major_unit(minor: int | None, currency: str, words: str) -> None:
    assert money(minor, currency) == words


def test_payment_that_was_handed_over_anew_is_found_at_settlement_by_its_own_id(
    cli: PaymentsCli, engine: Engine, login_engine: Engine
) -> None:
    one = paid(engine, login_engine)
    one.see(disputes=(dispute_seen(),))
    set_request_state(login_engine, one.id, "void", reason="its refund was asked for")
    one.look()
    one.see(disputes=(dispute_seen("won"),))
    code, told = cli.run("show", str(one.id))
    name = told["payment"]["settlement_id"]
    assert (code, told["payment"]["chain_status"]) == (0, "queued")
    assert name not in {None, str(one.id)}
    assert name in cli.say("show", str(one.id))
    assert cli.run("show", name)[1]["payment"]["payment_id"] == str(one.id)
    story = cli.why(str(one.id))["payment"]
    assert (story["root_id"], len(story["generations"])) == (name, 1)
