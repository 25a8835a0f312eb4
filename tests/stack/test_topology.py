"""Which gateways a stack runs, and what its processes are told of them."""

import json
import os
from pathlib import Path

import boto3
import httpx
import pytest

from stack.credentials import load_secrets
from stack.doctor import examine
from stack.outside import examine_outside
from stack.ports import LOOPBACK, Ports, free_port
from stack.settings import StackSettings
from stack.supervisor import Supervisor
from stack.topology import Topology
from tests.support.s3 import running_s3
from tests.support.stripe import SECRET_KEY, own_fake

FAKES = ["crowdsplit", "stripe", "paystack"]
OTHERS = ("STRIPE_", "PAYSTACK_", "LASTRO_S3_")
DATABASE = "postgresql://nobody@localhost/none"


@pytest.fixture(autouse=True)
def _no_accounts_of_the_callers_own(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(OTHERS)]:
        monkeypatch.delenv(name)


def topology(directory: Path, **settings: str) -> Topology:
    base = free_port() - Ports(0).s3  # of all, only the S3's is listened on here
    chosen = {"LASTRO_DATA_DIR": directory, "LASTRO_PORT_BASE": base, **settings}
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


def test_doctor_looks_at_the_port_of_the_local_s3_unless_the_user_brings_one(
    tmp_path: Path,
) -> None:
    local = {finding.subject for finding in examine(topology(tmp_path).settings)}
    assert "port of the local S3" in local
    own = topology(tmp_path, LASTRO_S3_ENDPOINT_URL=f"http://{LOOPBACK}:{free_port()}").settings
    assert "port of the local S3" not in {finding.subject for finding in examine(own)}


def test_stack_runs_an_s3_with_the_bucket_and_queue_its_services_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LASTRO_CDN_BASE_URL", "https://cdn.example")
    monkeypatch.setenv("LASTRO_UPLOAD_SECRET", "u" * 64)
    stack = topology(tmp_path, DATABASE_URL=DATABASE)
    [program] = [program for program in stack.servers() if program.name == "s3"]
    assert stack.secrets.s3_secret_access_key not in program.command
    told = stack.environment()
    supervisor = Supervisor(tmp_path)
    try:
        supervisor.start(program)
        account = {
            "aws_access_key_id": told["LASTRO_S3_ACCESS_KEY_ID"],
            "aws_secret_access_key": told["LASTRO_S3_SECRET_ACCESS_KEY"],
            "region_name": told["LASTRO_S3_REGION"],
        }
        client = boto3.client("s3", endpoint_url=told["LASTRO_S3_ENDPOINT_URL"], **account)
        client.put_object(Bucket=told["LASTRO_S3_BUCKET"], Key="media/1/2.jpg", Body=b"1")
        queue = boto3.client("sqs", endpoint_url=told["LASTRO_SQS_ENDPOINT_URL"], **account)
        events = queue.receive_message(
            QueueUrl=told["LASTRO_MEDIA_QUEUE_URL"], MaxNumberOfMessages=10, WaitTimeSeconds=5
        )["Messages"]
        assert len(events) == 2  # the test event, and the picture's
        public = f"{told['LASTRO_S3_PUBLIC_ENDPOINT_URL']}/{told['LASTRO_S3_BUCKET']}/media/1/2.jpg"
        page = {"Origin": told["LASTRO_PAGE_ORIGINS"]}
        shown = httpx.get(public, headers=page)
        assert shown.content == b"1"
        assert shown.headers["access-control-allow-origin"] == stack.api_url
    finally:
        supervisor.stop()
    assert told["LASTRO_PAGES_URL"] == stack.api_url
    assert told["LASTRO_UPLOAD_SECRET"] == "u" * 64, "links are signed by it from outside, too"
    assert told["LASTRO_CDN_BASE_URL"] == "", "it stands before another store"


def test_stack_makes_nothing_in_an_s3_of_the_users_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LASTRO_S3_BUCKET", "mine")
    monkeypatch.setenv("AWS_PROFILE", "me")
    stack = topology(tmp_path, DATABASE_URL=DATABASE, LASTRO_S3_BUCKET="mine")
    told = stack.environment()
    assert "s3" not in {program.name for program in stack.servers()}
    assert (told["LASTRO_S3_BUCKET"], told["AWS_PROFILE"]) == ("mine", "me")
    assert not {"LASTRO_S3_ENDPOINT_URL", "LASTRO_MEDIA_QUEUE_URL"} & told.keys()
    assert told["LASTRO_UPLOAD_SECRET"] == stack.secrets.upload_secret


def test_s3_of_the_users_own_is_found_wanting_until_its_bucket_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def finding(**settings: str) -> tuple[bool, str]:
        [found] = examine_outside(topology(tmp_path, **settings).settings)
        assert found.subject == "LASTRO_S3_BUCKET"
        return found.is_well, found.detail

    with running_s3(tmp_path / "objects") as site:
        own = {"LASTRO_S3_ENDPOINT_URL": site.endpoint_url}
        assert finding(**own) == (False, "set besides: LASTRO_S3_BUCKET")
        monkeypatch.setenv("LASTRO_S3_PATH_STYLE", "true")
        monkeypatch.setenv("LASTRO_S3_ACCESS_KEY_ID", site.access_key_id)
        monkeypatch.setenv("LASTRO_S3_SECRET_ACCESS_KEY", "wrong")
        is_well, detail = finding(**own, LASTRO_S3_BUCKET=site.bucket)
        assert not is_well
        assert "correct LASTRO_S3_ACCESS_KEY_ID" in detail
        monkeypatch.setenv("LASTRO_S3_SECRET_ACCESS_KEY", site.secret_access_key)
        is_well, detail = finding(**own, LASTRO_S3_BUCKET="another-bucket")
        assert not is_well
        assert "no such bucket" in detail
        assert finding(**own, LASTRO_S3_BUCKET=site.bucket) == (True, "answers")
    is_well, detail = finding(**own, LASTRO_S3_BUCKET=site.bucket)
    assert not is_well
    assert "correct LASTRO_S3_ENDPOINT_URL" in detail


def test_secrets_of_an_older_stack_are_kept_and_completed(tmp_path: Path) -> None:
    first = load_secrets(tmp_path)
    older = {
        name: value
        for name, value in json.loads((tmp_path / "secrets.json").read_text()).items()
        if not name.startswith(("stripe", "paystack", "s3", "upload"))
    }
    (tmp_path / "secrets.json").write_text(json.dumps(older))
    second = load_secrets(tmp_path)
    assert second.operator_token == first.operator_token
    assert second.stripe_secret_key.startswith("sk_test_")
    assert (len(second.s3_access_key_id), len(second.s3_secret_access_key)) == (20, 40)
    assert second.stripe_secret_key != first.stripe_secret_key
    assert load_secrets(tmp_path) == second
    assert (tmp_path / "secrets.json").stat().st_mode & 0o777 == 0o600
