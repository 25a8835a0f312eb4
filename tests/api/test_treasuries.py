from collections.abc import Callable
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine

from api.values import checksum
from tests.api import builders as b
from tests.api import chain_rows as c

Get = Callable[..., Any]


def test_treasury_adds_up_its_payments(login_engine: Engine, get: Get) -> None:
    with login_engine.begin() as rows:
        c.add_marks(rows, indexed=100, finalized=60)
        campaign = b.add_campaign(rows)
        treasury = c.add_treasury(rows)
        for block in (50, 70, None):
            b.add_settled(rows, campaign, amount_minor=2_500, confirmed_block=block)

    answer = get(f"/v1/treasuries/celo-local/{checksum(treasury)}")

    assert answer["campaign_slug"] == "solar"
    assert answer["payments"] == {"created": 1, "confirmed": 2, "cancelled": 0, "refunded": 0}
    (raised,) = answer["raised"]
    assert (raised["confirmed"]["display"], raised["finalized"]["display"]) == ("50.00", "25.00")
    assert answer["as_of"][0]["block_number"] == 100


def test_treasury_amounts_have_no_scale_when_the_token_is_unknown(
    login_engine: Engine, get: Get
) -> None:
    with login_engine.begin() as rows:
        campaign = b.add_campaign(rows)
        c.add_treasury(rows)
        b.add_settled(rows, campaign)
        rows.exec_driver_sql(
            "UPDATE chain.payment_lives SET token = decode(repeat('77', 20), 'hex')"
        )
    (treasury,) = get("/v1/treasuries")["items"]
    assert treasury["raised"][0]["confirmed"] == {
        "raw": str(5_000 * c.CENTAVO), "decimals": None, "currency": None, "display": None,
    }  # fmt: skip


def test_treasury_of_another_platform_has_no_slug_and_no_payments(
    login_engine: Engine, get: Get
) -> None:
    with login_engine.begin() as rows:
        c.add_treasury(rows, "foreign")
    (treasury,) = get("/v1/treasuries")["items"]
    assert (treasury["campaign_slug"], treasury["raised"]) == (None, [])
    assert treasury["payments"]["confirmed"] == 0


@pytest.mark.parametrize("write", [str.lower, lambda text: "0x" + text[2:].upper(), str])
def test_address_is_taken_in_any_case_and_given_in_eip_55(
    login_engine: Engine, get: Get, write: Callable[[str], str]
) -> None:
    with login_engine.begin() as rows:
        treasury = checksum(c.add_treasury(rows))
    assert get(f"/v1/treasuries/31337/{write(treasury)}")["treasury"] == treasury


def test_address_is_refused_when_its_checksum_is_wrong(client: httpx.Client) -> None:
    right = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"  # EIP-55's first test case
    wrong = right.replace("aAeb", "aaeb")
    assert client.get(f"/v1/treasuries/celo/{right}").status_code == 404
    answer = client.get(f"/v1/treasuries/celo/{wrong}")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["parameter"] == "address"
    assert "EIP-55" in answer.json()["errors"][0]["detail"]


def test_treasury_answers_404_when_unknown(login_engine: Engine, client: httpx.Client) -> None:
    with login_engine.begin() as rows:
        c.add_marks(rows, indexed=100)
    unknown_chain = client.get(f"/v1/treasuries/bitcoin/0x{'00' * 20}").json()
    assert (unknown_chain["status"], unknown_chain["type"].rpartition(":")[2]) == (
        404, "unknown-chain",
    )  # fmt: skip
    unknown = client.get(f"/v1/treasuries/celo-local/0x{'00' * 20}").json()
    assert unknown["type"].endswith("unknown-treasury")
    assert unknown["as_of"][0]["block_number"] == 100


def test_treasuries_filter_by_chain_and_finality(login_engine: Engine, get: Get) -> None:
    with login_engine.begin() as rows:
        c.add_marks(rows, indexed=100, finalized=60)
        c.add_treasury(rows, "final", block=60)
        c.add_treasury(rows, "young", block=61)
        c.add_treasury(rows, "other", block=5, chain_id=31338)

    def blocks(**filters: str) -> list[int]:
        return [item["block_number"] for item in get("/v1/treasuries", **filters)["items"]]

    assert blocks() == [60, 61, 5]
    assert blocks(chain="celo-local") == [60, 61]
    assert blocks(finality="finalized") == [60]
    assert blocks(finality="included") == [61, 5]
