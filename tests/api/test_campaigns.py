from collections.abc import Callable
from typing import Any
from uuid import uuid4

import httpx
from sqlalchemy import Engine, update

from offchain.tables import payment_attempts
from tests.api import builders as b
from tests.api import chain_rows as c

Get = Callable[..., Any]


def test_campaign_joins_gateway_settlement_and_chain(login_engine: Engine, get: Get) -> None:
    with login_engine.begin() as rows:
        c.add_marks(rows, indexed=100, finalized=60)
        campaign_id = b.add_campaign(rows)
        c.add_treasury(rows, block=10, log_index=3)
        b.add_settled(rows, campaign_id, amount_minor=5_000, confirmed_block=50)
        b.add_settled(rows, campaign_id, amount_minor=1_234, confirmed_block=70)
        b.add_settled(rows, campaign_id, amount_minor=999, confirmed_block=None)
        b.add_contribution(rows, campaign_id, amount_minor=77, fiat_status="mismatch")
        b.add_contribution(rows, campaign_id, amount_minor=88, claim_status="refunded")

    campaign = get("/v1/campaigns/solar")

    assert campaign["id"] == str(campaign_id)
    assert campaign["goal"] == {
        "raw": "1000000", "decimals": 2, "currency": "BRL", "display": "10000.00",
    }  # fmt: skip
    assert campaign["raised"]["captured"]["raw"] == "7233"
    assert campaign["raised"]["contributions"] == 3
    onchain = campaign["onchain"]
    assert (onchain["state"], onchain["network"]) == ("live", "celo-local")
    assert (onchain["block_number"], onchain["log_index"]) == (10, 3)
    assert (onchain["confirmations"], onchain["finality"]) == (91, "finalized")
    (raised,) = onchain["raised"]
    assert raised["confirmed"] == {
        "raw": str(6_234 * c.CENTAVO), "decimals": 18, "currency": "BRL", "display": "62.34",
    }  # fmt: skip
    assert raised["finalized"]["display"] == "50.00"
    assert (raised["payments_confirmed"], raised["payments_finalized"]) == (2, 1)
    assert raised["symbol"] == "tBRLA"


def test_campaign_counts_what_is_raised_once_a_pledge_and_not_what_is_given_back(
    login_engine: Engine, get: Get
) -> None:
    with login_engine.begin() as rows:
        c.add_marks(rows)
        campaign_id = b.add_campaign(rows)
        paid = b.add_contribution(rows, campaign_id, amount_minor=5_000)
        again = b.add_contribution(
            rows, campaign_id, amount_minor=5_000, claim_status="refund_pending"
        )
        twice = b.pledge_of(rows, paid)
        for claim in ("refund_pending", "disputed"):
            rows.execute(
                update(payment_attempts)
                .where(payment_attempts.c.id == again)
                .values(pledge_id=twice, claim_status=claim)
            )
        b.add_contribution(rows, campaign_id, amount_minor=300, claim_status="disputed")
        for lost in ("refund_pending", "partially_refunded", "refunded", "dispute_lost"):
            b.add_contribution(rows, campaign_id, amount_minor=77, claim_status=lost)

    raised = get("/v1/campaigns/solar")["raised"]

    assert (raised["captured"]["raw"], raised["contributions"]) == ("5300", 2)


def test_campaign_has_no_chain_parts_when_fiat_only(login_engine: Engine, get: Get) -> None:
    with login_engine.begin() as rows:
        c.add_marks(rows)
        campaign_id = b.add_campaign(rows, "bread", mode="fiat_only")
        b.add_contribution(rows, campaign_id, amount_minor=5_000)

    campaign = get(f"/v1/campaigns/{campaign_id}")

    assert campaign["settlement_mode"] == "fiat_only"
    assert campaign["onchain"] is None
    assert campaign["as_of"] == []
    assert campaign["raised"]["captured"]["display"] == "50.00"
    (contribution,) = get("/v1/campaigns/bread/contributions")["items"]
    assert (contribution["finality"], contribution["onchain"]) == (None, None)


def test_campaign_is_pending_when_settlement_has_not_created_it(
    login_engine: Engine, get: Get
) -> None:
    with login_engine.begin() as rows:
        b.add_campaign(rows, "a", state="requested")
        b.add_campaign(rows, "b", state=None, age_s=1)

    first, second = get("/v1/campaigns")["items"]

    for campaign in (first, second):
        assert campaign["onchain"]["finality"] == "pending"
        assert campaign["onchain"]["treasury"] is None
        assert campaign["onchain"]["confirmations"] == 0
    assert (first["onchain"]["state"], second["onchain"]["state"]) == ("requested", None)


def test_campaign_says_nulls_when_the_chain_was_never_indexed(
    login_engine: Engine, get: Get
) -> None:
    with login_engine.begin() as rows:
        b.add_campaign(rows)
    (stamp,) = get("/v1/campaigns/solar")["as_of"]
    assert (stamp["network"], stamp["block_number"], stamp["lag_blocks"]) == (
        "celo-local", None, None,
    )  # fmt: skip


def test_campaigns_filter_by_mode_chain_and_finality(login_engine: Engine, get: Get) -> None:
    with login_engine.begin() as rows:
        c.add_marks(rows, indexed=100, finalized=60)
        c.add_marks(rows, chain_id=31338, network="polygon-local")
        b.add_campaign(rows, "fiat", mode="fiat_only")
        b.add_campaign(rows, "final")
        c.add_treasury(rows, "final", block=60)
        b.add_campaign(rows, "young")
        c.add_treasury(rows, "young", block=61)
        b.add_campaign(rows, "waiting", state="requested", chain_id=31338)

    def slugs(**filters: str) -> set[str]:
        return {campaign["slug"] for campaign in get("/v1/campaigns", **filters)["items"]}

    assert slugs() == {"fiat", "final", "young", "waiting"}
    assert slugs(settlement_mode="fiat_only") == {"fiat"}
    assert slugs(chain="celo-local") == {"final", "young"}
    assert slugs(chain="31338") == {"waiting"}
    assert slugs(finality="finalized") == {"final"}
    assert slugs(finality="included") == {"young"}
    assert slugs(finality="pending") == {"waiting"}


def test_as_of_names_every_chain_of_a_list(login_engine: Engine, get: Get) -> None:
    with login_engine.begin() as rows:
        c.add_marks(rows, indexed=100, finalized=98, head=103)
        c.add_marks(
            rows, chain_id=31338, network="polygon-local", degraded_reason="a final hash changed"
        )

    celo, polygon = get("/v1/campaigns")["as_of"]

    assert celo == {
        "chain_id": 31337,
        "network": "celo-local",
        "block_number": 100,
        "block_hash": "0x" + c.hash_of("block 100").hex(),
        "block_timestamp": "2026-01-31T12:01:40Z",
        "finalized_block": 98,
        "head_block": 103,
        "lag_blocks": 3,
        "degraded": False,
    }
    assert polygon["degraded"] is True
    assert len(get("/v1/campaigns", chain="celo-local")["as_of"]) == 1


def test_campaign_answers_404_when_unknown(client: httpx.Client) -> None:
    for path in (
        "/v1/campaigns/none",
        f"/v1/campaigns/{uuid4()}",
        "/v1/campaigns/none/contributions",
        "/v1/campaigns/%00",
        "/v1/campaigns/%ff",
    ):
        answer = client.get(path)
        assert answer.status_code == 404
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["type"] == "urn:problem-type:lastro:unknown-campaign"


def test_list_refuses_what_it_does_not_know(client: httpx.Client) -> None:
    for query in ("limit=0", "limit=101", "chain=bitcoin", "finality=sure", "tpyo=1", "cursor="):
        answer = client.get(f"/v1/campaigns?{query}")
        assert answer.status_code == 422, query
        problem = answer.json()
        assert problem["type"] == "urn:problem-type:lastro:invalid-request"
        assert problem["errors"][0]["parameter"] == query.split("=")[0]
