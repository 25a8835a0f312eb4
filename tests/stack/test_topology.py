"""Which gateways a stack runs, and what its processes are told of them."""

import json
import os
from pathlib import Path

import pytest

from stack.credentials import load_secrets
from stack.doctor import examine
from stack.outside import examine_outside
from stack.ports import free_port
from stack.settings import StackSettings
from stack.topology import Topology
from tests.support.stripe import SECRET_KEY, own_fake

FAKES = ["crowdsplit", "stripe", "paystack"]
DATABASE = "postgresql://nobody@localhost/none"


@pytest.fixture(autouse=True)
def _no_accounts_of_the_callers_own(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("STRIPE_", "PAYSTACK_"))]:
        monkeypatch.delenv(name)


def topology(directory: Path, **settings: str) -> Topology:
    chosen = {"LASTRO_DATA_DIR": directory, "LASTRO_PORT_BASE": free_port(), **settings}
    found = StackSettings.model_validate(chosen)
    return Topology(found, directory, keeps_chains=False, tuning={})


def test_stack_runs_every_gateway_and_gives_each_the_account_its_services_use(
    tmp_path: Path,
) -> None:
    stack = topology(tmp_path, DATABASE_URL=DATABASE)
    told = stack.environment()
    programs = {program.name: program for program in stack.servers()}
    assert [name for name in programs if name in FAKES] == FAKES
    for place in stack.gateways:
        words = programs[place.name].command
        assert f"{stack.http_url}/v1/webhooks/{place.name}" in words
        assert told[place.variable] == place.url
        account = [told[name] for name in place.account]
        assert account
        assert set(account) <= set(words)


def test_stack_runs_no_fake_and_makes_no_account_where_the_user_brings_the_gateway(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRIPE_SECRET_KEY", "sk_test_mine")
    monkeypatch.setenv("STRIPE_WEBHOOK_SECRETS", "whsec_mine")
    stack = topology(tmp_path, DATABASE_URL=DATABASE, STRIPE_BASE_URL="https://api.stripe.com")
    told = stack.environment()
    assert told["STRIPE_BASE_URL"] == "https://api.stripe.com"
    assert (told["STRIPE_SECRET_KEY"], told["STRIPE_WEBHOOK_SECRETS"]) == (
        "sk_test_mine",
        "whsec_mine",
    )
    assert "stripe" not in {program.name for program in stack.servers()}


def test_doctor_looks_at_the_port_of_every_fake_that_would_run(tmp_path: Path) -> None:
    subjects = {finding.subject for finding in examine(topology(tmp_path).settings)}
    ports = {f"port of the fake {name}" for name in ("CrowdSplit", "Stripe", "Paystack")}
    assert ports <= subjects


def test_gateway_of_the_users_own_is_found_wanting_until_its_account_is_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with own_fake() as fake:
        settings = topology(tmp_path, STRIPE_BASE_URL=fake.url).settings
        [without] = examine_outside(settings)
        assert (without.subject, without.is_well) == ("STRIPE_BASE_URL", False)
        assert without.detail == "set besides: STRIPE_SECRET_KEY, STRIPE_WEBHOOK_SECRETS"
        monkeypatch.setenv("STRIPE_SECRET_KEY", SECRET_KEY)
        monkeypatch.setenv("STRIPE_WEBHOOK_SECRETS", "whsec_1")
        [whole] = examine_outside(settings)
        assert whole.is_well, whole.detail
    [gone] = examine_outside(settings)
    assert not gone.is_well
    assert "correct STRIPE_BASE_URL" in gone.detail


def test_secrets_of_an_older_stack_are_kept_and_completed(tmp_path: Path) -> None:
    first = load_secrets(tmp_path)
    older = {
        name: value
        for name, value in json.loads((tmp_path / "secrets.json").read_text()).items()
        if not name.startswith(("stripe", "paystack"))
    }
    (tmp_path / "secrets.json").write_text(json.dumps(older))
    second = load_secrets(tmp_path)
    assert second.operator_token == first.operator_token
    assert second.stripe_secret_key.startswith("sk_test_")
    assert second.stripe_secret_key != first.stripe_secret_key
    assert load_secrets(tmp_path) == second
    assert (tmp_path / "secrets.json").stat().st_mode & 0o777 == 0o600
