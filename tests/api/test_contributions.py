from collections.abc import Callable
from typing import Any
from uuid import uuid4, uuid5

import httpx
import pytest
from sqlalchemy import Engine, update

from offchain.tables import payment_attempts
from tests.api import builders as b
from tests.api import chain_rows as c

Get = Callable[..., Any]


def test_contribution_is_the_same_under_both_names(login_engine: Engine, get: Get) -> None:
    with login_engine.begin() as rows:
        c.add_marks(rows, indexed=100, finalized=98)
        attempt_id = b.add_settled(rows, b.add_campaign(rows), confirmed_block=50)
    payment_id = "0x" + c.hash_of(f"payment {attempt_id}").hex()

    contribution = get(f"/v1/contributions/{attempt_id}")

    assert contribution == get(f"/v1/contributions/{payment_id}")
    assert contribution == get("/v1/contributions/0x" + payment_id[2:].upper())
    assert contribution["payment_id"] == payment_id
    assert contribution["captured_at"] == "2026-01-31T12:00:00Z"
    assert (contribution["fiat_status"], contribution["settlement_state"]) == (
        "captured", "included",
    )  # fmt: skip
    onchain = contribution["onchain"]
    assert onchain["amount"]["display"] == contribution["amount"]["display"] == "50.00"
    assert onchain["tx_hash"] == "0x" + c.hash_of("confirm").hex()
    assert (onchain["block_number"], onchain["log_index"]) == (50, 7)
    assert (onchain["confirmations"], onchain["finality"]) == (51, "finalized")
    assert onchain["proven"] is True


def test_contribution_finality_follows_the_confirming_block(login_engine: Engine, get: Get) -> None:
    with login_engine.begin() as rows:
        c.add_marks(rows, indexed=100, finalized=60)
        campaign = b.add_campaign(rows)
        expected = {
            str(b.add_settled(rows, campaign, confirmed_block=60)): "finalized",
            str(b.add_settled(rows, campaign, confirmed_block=61)): "included",
            str(b.add_settled(rows, campaign, confirmed_block=None)): "pending",
            str(b.add_contribution(rows, campaign, fiat_status="awaiting")): "pending",
            str(b.add_contribution(rows, campaign, chain_status="failed")): "reverted",
        }

    items = get("/v1/campaigns/solar/contributions")["items"]

    assert {item["id"]: item["finality"] for item in items} == expected
    for finality in ("finalized", "included", "pending", "reverted"):
        found = get("/v1/campaigns/solar/contributions", finality=finality)["items"]
        assert {item["id"] for item in found} == {
            name for name, value in expected.items() if value == finality
        }


def test_contribution_created_but_not_confirmed_has_no_place(
    login_engine: Engine, get: Get
) -> None:
    with login_engine.begin() as rows:
        c.add_marks(rows)
        attempt_id = b.add_settled(rows, b.add_campaign(rows), confirmed_block=None)
    onchain = get(f"/v1/contributions/{attempt_id}")["onchain"]
    assert (onchain["state"], onchain["finality"]) == ("created", "pending")
    assert (onchain["block_number"], onchain["confirmations"]) == (None, 0)


@pytest.mark.parametrize(
    "is_under_another_name", [False, True], ids=["reissued", "handed over anew"]
)
def test_contribution_shows_the_generation_that_stands_when_an_earlier_one_was_given_up(
    login_engine: Engine, get: Get, *, is_under_another_name: bool
) -> None:
    with login_engine.begin() as rows:
        c.add_marks(rows)
        attempt_id = b.add_contribution(rows, b.add_campaign(rows), chain_status="queued")
        given_up = "void" if is_under_another_name else "superseded"
        b.add_request(rows, attempt_id, state=given_up)
        root = None if is_under_another_name else attempt_id
        stands = b.add_request(rows, attempt_id, state="ready", generation=1, root_id=root)
        if is_under_another_name:
            rows.execute(update(payment_attempts).values(settlement_id=uuid5(attempt_id, "1")))
    assert get(f"/v1/contributions/{attempt_id}")["payment_id"] == "0x" + stands.hex()


def test_contribution_held_for_review_is_visible(login_engine: Engine, get: Get) -> None:
    with login_engine.begin() as rows:
        campaign = b.add_campaign(rows)
        b.add_contribution(
            rows,
            campaign,
            fiat_status="mismatch",
            received_minor=4_900,
            review_reason="paid 4900 of 5000",
        )
        b.add_contribution(rows, campaign, fiat_status="expired")

    (held,) = get("/v1/campaigns/solar/contributions", fiat_status="mismatch")["items"]

    assert held["needs_review"] is True
    assert held["received"]["display"] == "49.00"


def test_contribution_answers_404_with_the_blocks_looked_at(
    login_engine: Engine, client: httpx.Client
) -> None:
    with login_engine.begin() as rows:
        c.add_marks(rows, indexed=100)
    for name in (str(uuid4()), "0x" + "ab" * 32):
        answer = client.get(f"/v1/contributions/{name}")
        assert answer.status_code == 404
        assert answer.json()["as_of"][0]["block_number"] == 100


def test_contribution_answers_422_when_the_name_is_neither(client: httpx.Client) -> None:
    for name in ("hello", "0x12", "0x" + "zz" * 32):
        answer = client.get(f"/v1/contributions/{name}")
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["parameter"] == "payment_id"
