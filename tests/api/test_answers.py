"""What holds for every answer: freshness, tags, privacy, one snapshot, and no way to write."""

import re
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine, event, text
from sqlalchemy.exc import DBAPIError

from api.app import create_app
from api.dependencies import open_read_engine
from api.settings import ApiSettings
from api.values import checksum
from tests.api import builders as b
from tests.api import chain_rows as c
from tests.api.serving import Stage

Get = Callable[..., Any]


@pytest.fixture
def every_url(login_engine: Engine) -> list[str]:
    """Each route, over a world in which every table it reads has a row."""
    with login_engine.begin() as rows:
        c.add_marks(rows, indexed=100, finalized=98)
        c.add_block(rows, 50)
        campaign = b.add_campaign(rows)
        treasury = c.add_treasury(rows)
        attempt_id = b.add_settled(rows, campaign)
        b.add_contribution(
            rows, campaign, fiat_status="mismatch", review_reason="private", received_minor=1
        )
        c.add_log(rows, "confirm")
        b.add_transaction(rows, "confirm", state="mined_ok", mined_by="confirm", mined_block=50)
    return [
        "/v1/campaigns",
        "/v1/campaigns/solar",
        "/v1/campaigns/solar/contributions",
        f"/v1/contributions/{attempt_id}",
        "/v1/treasuries",
        f"/v1/treasuries/celo-local/0x{treasury.hex()}",
        f"/v1/transactions/0x{c.hash_of('confirm').hex()}",
        "/v1/status",
    ]


def test_every_answer_says_the_block_it_is_true_as_of(get: Get, every_url: list[str]) -> None:
    for url in every_url:
        assert get(url)["as_of"][0]["block_hash"] == "0x" + c.hash_of("block 100").hex(), url


def test_no_answer_holds_anything_private(
    login_engine: Engine, client: httpx.Client, every_url: list[str]
) -> None:
    with login_engine.connect() as rows:
        private = [
            b.BACKER_REFERENCE,
            "signed-bytes",
            b"signed-bytes".hex(),
            "private",
            "pix-",
            "provider-",
            (b"s" * 32).hex(),
            *map(str, rows.execute(text("SELECT id FROM offchain.pledges")).scalars()),
            *map(str, rows.execute(text("SELECT id FROM offchain.backers")).scalars()),
        ]
    for url in [*every_url, "/readyz", "/livez", "/openapi.json"]:
        answer = client.get(url)
        assert answer.status_code == 200
        for secret in private:
            assert secret not in answer.text, (url, secret)


def test_hashes_are_lower_case_and_addresses_checksummed(
    client: httpx.Client, every_url: list[str]
) -> None:
    for url in every_url:
        answer = client.get(url)
        assert answer.status_code == 200
        body = answer.text
        assert re.findall(r"0x[0-9a-fA-F]{64}", body) == re.findall(r"0x[0-9a-f]{64}", body)
        addresses = re.findall(r'"(0x[0-9a-fA-F]{40})"', body)
        assert [checksum(bytes.fromhex(found[2:])) for found in addresses] == addresses


def test_answer_is_304_while_nothing_changed(client: httpx.Client, every_url: list[str]) -> None:
    for url in every_url:
        tag = client.get(url).headers["etag"]
        assert tag.startswith('W/"')
        for named in (tag, f'"x", {tag}', tag.removeprefix("W/"), "*"):
            again = client.get(url, headers={"If-None-Match": named})
            assert (again.status_code, again.content) == (304, b"")
            assert again.headers["etag"] == tag
        assert client.get(url, headers={"If-None-Match": 'W/"other"'}).status_code == 200


def test_tag_changes_with_the_head_even_at_the_same_height(
    login_engine: Engine, client: httpx.Client, every_url: list[str]
) -> None:
    before = [client.get(url).headers["etag"] for url in every_url]
    with login_engine.begin() as rows:
        rows.execute(
            text("UPDATE chain.marks SET indexed_hash = :hash"), {"hash": c.hash_of("fork")}
        )
    for url, tag in zip(every_url, before, strict=True):
        assert client.get(url, headers={"If-None-Match": tag}).status_code == 200, url


def test_tag_changes_with_off_chain_rows_under_the_same_head(
    login_engine: Engine, client: httpx.Client, every_url: list[str]
) -> None:
    url = every_url[2]
    tag = client.get(url).headers["etag"]
    with login_engine.begin() as rows:
        rows.execute(text("UPDATE offchain.payment_attempts SET claim_status = 'disputed'"))
    assert client.get(url, headers={"If-None-Match": tag}).status_code == 200


def test_rows_and_as_of_are_of_one_instant_when_a_block_commits_between_reads(
    login_engine: Engine, settings: ApiSettings, stage: Stage
) -> None:
    with login_engine.begin() as rows:
        c.add_marks(rows, indexed=100, finalized=98)
        campaign = b.add_campaign(rows)
        c.add_treasury(rows)
        b.add_settled(rows, campaign, confirmed_block=50)
    app = create_app(settings)
    commits: list[str] = []

    @event.listens_for(app.state.reader.engine, "after_cursor_execute")
    def commit_a_block_after_the_marks(*execution: Any) -> None:
        if not commits and "chain.marks" in execution[2]:
            commits.append("block 101")
            with login_engine.begin() as rows:
                b.add_settled(rows, campaign, confirmed_block=101)
                c.move_marks(rows, indexed=101, finalized=101)

    with stage.showing(app) as client:
        torn, whole = (client.get("/v1/campaigns/solar").json() for _ in range(2))
    assert commits
    for answer, block, payments in ((torn, 100, 1), (whole, 101, 2)):
        assert answer["as_of"][0]["block_number"] == block
        assert answer["raised"]["contributions"] == payments
        assert answer["onchain"]["raised"][0]["payments_finalized"] == payments


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM chain.marks",
        "INSERT INTO offchain.backers (id, reference, salt) VALUES (gen_random_uuid(), 'x', 'x')",
        "UPDATE settlement.requests SET state = 'settled'",
        "CREATE TABLE chain.mine (id int)",
        "CREATE TEMPORARY TABLE mine (id int)",
    ],
)
def test_engine_refuses_to_write(settings: ApiSettings, statement: str) -> None:
    engine = open_read_engine(settings)
    with engine.connect() as connection, pytest.raises(DBAPIError, match=r"read-only|permission"):
        connection.exec_driver_sql(statement)
    engine.dispose()


def test_role_refuses_to_write_even_when_the_transaction_may(settings: ApiSettings) -> None:
    engine = open_read_engine(settings)
    with engine.connect() as connection:
        connection.exec_driver_sql("SET TRANSACTION READ WRITE")
        with pytest.raises(DBAPIError, match="permission denied"):
            connection.exec_driver_sql("DELETE FROM chain.marks")
    engine.dispose()


def test_no_route_takes_a_write(client: httpx.Client, every_url: list[str]) -> None:
    for url in every_url:
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            answer = client.request(method, url)
            assert answer.status_code == 405
            assert answer.headers["content-type"] == "application/problem+json"
