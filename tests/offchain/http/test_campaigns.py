from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine, literal, select
from sqlalchemy.exc import IntegrityError

from indexer.chain.types import to_checksum
from offchain.identity import campaign_identifier
from offchain.tables import campaign_splits, campaigns
from settlement.tables import campaigns as onchain_campaigns
from tests.support.checkout import told
from tests.support.offchain import CREATOR, NOW, OPERATOR_TOKEN, count, make_live

WALLET = "0x" + CREATOR.hex()
MIXED = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"  # an example of EIP-55
ONCHAIN = {"settlement_mode": "onchain", "chain": "celo-local", "creator_wallet": WALLET}


def register(
    http: httpx.Client, *, token: str | None = OPERATOR_TOKEN, **fields: Any
) -> httpx.Response:
    body = {
        "slug": "a-campaign",
        "title": "Uma campanha",
        "creator": "Ana",
        "goal_minor": 100_000,
        "currency": "brl",
        "deadline_at": (NOW + timedelta(days=30)).isoformat(),
        "settlement_mode": "fiat_only",
        **fields,
    }
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    return http.post("/v1/campaigns", json=body, headers=headers)


def split(account: str, share_bps: float, **fields: Any) -> dict[str, Any]:
    return {"account": account, "share_bps": share_bps, "role": "creator", **fields}


def test_campaign_is_registered_once_when_it_is_repeated(
    http: httpx.Client, engine: Engine
) -> None:
    first, second = register(http), register(http)
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json() == second.json()
    assert first.json()["onchain_state"] is None
    other = register(http, title="Outra")
    assert (other.status_code, other.json()["detail"]) == (
        409,
        "Nothing was written: the slug is taken, with another title.",
    )
    with engine.connect() as connection:
        assert count(connection, campaigns) == 1


def test_campaign_is_requested_from_settlement_when_it_settles_on_chain(
    http: httpx.Client, engine: Engine
) -> None:
    answer = register(http, **ONCHAIN).json()
    assert (answer["onchain_state"], answer["chain"]) == ("requested", "celo-local")
    assert answer["creator_wallet"] == to_checksum(CREATOR)
    with engine.connect() as connection:
        row = connection.execute(select(onchain_campaigns)).one()
        own = connection.execute(select(campaigns)).one()
    assert row.goal_base_units == 1000 * 10**18
    assert (row.currency, row.request_id) == ("BRL", own.id)
    assert row.identifier_hash == campaign_identifier(own.id)


def test_campaign_gets_the_treasury_kind_it_asks_for_when_the_network_offers_it(
    http: httpx.Client, engine: Engine
) -> None:
    answer = register(http, **ONCHAIN, treasury_kind="mirror-payment-treasury").json()
    assert answer["treasury_kind"] == "mirror-payment-treasury"
    with engine.connect() as connection:
        row = connection.execute(select(onchain_campaigns)).one()
    assert row.treasury_kind == "mirror-payment-treasury"


def test_campaign_shows_its_progress_when_it_is_repeated(
    http: httpx.Client, engine: Engine, login_engine: Engine
) -> None:
    register(http, slug="fiat-one")
    with engine.connect() as connection:
        make_live(login_engine, connection.execute(select(campaigns.c.id)).scalar_one())
    again = register(http, slug="fiat-one").json()
    assert again["onchain_state"] == "live"
    assert again["treasury_address"].startswith("0x")


@pytest.mark.parametrize("token", [None, "wrong", "operator"])
def test_campaign_is_401_when_the_operators_token_is(
    idle_http: httpx.Client, token: str | None
) -> None:
    answer = register(idle_http, token=token)
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"slug": "Not A Slug"}, "#/slug"),
        ({"slug": "0b6f4a52-7c1e-4a0b-9d53-2f7c5f1e8a01"}, "#/slug"),
        ({"slug": "abcdefab-7c1e-4a0b-9d53-2f7c5f1e8a01"}, "#/slug"),
        ({"slug": "abcdefab7c1e4a0b9d532f7c5f1e8a01"}, "#/slug"),
        ({"deadline_at": "2030-01-01T00:00:00"}, "#/deadline_at"),
        ({"deadline_at": "9999-12-31T23:59:59-12:00"}, "#/deadline_at"),
        ({"deadline_at": "0001-01-01T00:00:00+14:00"}, "#/deadline_at"),
        ({"launch_at": "0001-01-01T00:00:00+14:00"}, "#/launch_at"),
        ({"deadline_at": (NOW - timedelta(hours=1)).isoformat()}, "#/deadline_at"),
        ({"launch_at": (NOW + timedelta(days=31)).isoformat()}, "#"),
        ({"settlement_mode": "onchain"}, "#"),
        ({"chain": "celo-local"}, "#"),
        ({**ONCHAIN, "chain": "polygon"}, "#/chain"),
        ({**ONCHAIN, "currency": "usd"}, "#/currency"),
        ({**ONCHAIN, "treasury_kind": "oak-payment-treasury"}, "#/treasury_kind"),
        ({**ONCHAIN, "treasury_kind": "piggy-bank"}, "#/treasury_kind"),
        ({"creator_wallet": MIXED.replace("a", "A", 1)}, "#/creator_wallet"),
        ({"creator_wallet": "0x12"}, "#/creator_wallet"),
        ({"owner": "x"}, "#/owner"),
    ],
)
def test_campaign_is_422_when(idle_http: httpx.Client, fields: dict[str, Any], place: str) -> None:
    answer = register(idle_http, **fields)
    assert answer.status_code == 422
    assert [fault.get("pointer") for fault in answer.json()["errors"]] == [place]


def test_campaign_is_still_shown_when_it_is_repeated_after_its_deadline(
    http: httpx.Client, engine: Engine
) -> None:
    register(http)
    over = NOW - timedelta(hours=1)
    with engine.begin() as connection:
        connection.execute(campaigns.update().values(deadline_at=over))
    assert register(http, deadline_at=over.isoformat()).status_code == 200


def test_campaign_takes_a_wallet_when_its_checksum_is_right(http: httpx.Client) -> None:
    assert register(http, creator_wallet=MIXED).json()["creator_wallet"] == MIXED


def test_campaign_keeps_its_splits_and_shows_them_when_it_is_repeated(
    http: httpx.Client, engine: Engine
) -> None:
    splits = [split("cus-1", 8500), split("platform", 1500, role="platform")]
    first = register(http, splits=splits)
    assert first.status_code == 201
    assert first.json()["splits"] == [{"gateway": "crowdsplit", **one} for one in splits]
    assert register(http, splits=splits).status_code == 200
    for other in ([], list(reversed(splits)), [split("cus-1", 10_000)]):
        answer = register(http, splits=other)
        assert (answer.status_code, answer.json()["detail"]) == (
            409,
            "Nothing was written: the slug is taken, with another splits.",
        )
    with engine.connect() as connection:
        assert count(connection, campaign_splits) == 2


@pytest.mark.parametrize(
    ("splits", "place", "words"),
    [
        ([split("a", 9_999)], "#/splits", "sum to 9999, not to 10000"),
        ([split("a", 5_000), split("a", 5_000)], "#/splits", "has two shares"),
        ([split("a", 10_000, gateway="stripe")], "#/splits", "gateways enabled: crowdsplit"),
        ([split("a", 10_000, gateway="paypal")], "#/splits/0/gateway", ""),
        ([split("a", 0), split("b", 10_000)], "#/splits/0/share_bps", ""),
        ([split("a", 10_001)], "#/splits/0/share_bps", ""),
        ([split("a", 100.5)], "#/splits/0/share_bps", ""),
        ([split("ana@example.org", 10_000)], "#/splits/0/account", ""),
        ([split("52998224725", 10_000)], "#/splits/0/account", "a CPF"),
        ([split("4111111111111111", 10_000)], "#/splits/0/account", "a card number"),
        ([split("a", 10_000, role="The Boss")], "#/splits/0/role", ""),
        ([{"account": "a", "share_bps": 10_000}], "#/splits/0/role", "required"),
        ([split(f"a{n}", 100) for n in range(61)], "#/splits", "at most 60"),
    ],
)
def test_campaign_is_422_when_its_charges_could_not_be_split_so(
    idle_http: httpx.Client, splits: list[dict[str, Any]], place: str, words: str
) -> None:
    answer = register(idle_http, splits=splits)
    assert answer.status_code == 422
    [fault] = answer.json()["errors"]
    assert fault["pointer"] == place
    assert words.lower() in fault["detail"].lower()


def test_splits_that_are_no_whole_or_are_changed_are_refused_by_the_database(
    http: httpx.Client, engine: Engine
) -> None:
    register(http, splits=[split("a", 10_000)])
    for change in (
        campaign_splits.update().values(share_bps=1),
        campaign_splits.delete(),
        campaign_splits.insert().from_select(
            ["campaign_id", "place", "gateway", "account", "share_bps", "role"],
            select(
                campaign_splits.c.campaign_id,
                literal(1),
                campaign_splits.c.gateway,
                literal("b"),
                literal(1),
                literal("creator"),
            ),
        ),
    ):
        with pytest.raises(IntegrityError), engine.begin() as connection:
            connection.execute(change)


def test_campaign_is_422_when_any_word_of_it_holds_a_card_number(idle_http: httpx.Client) -> None:
    answer = register(idle_http, creator="Ana 4111 1111 1111 1111")
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "#/creator")
    assert "1111" not in told(answer)


def test_errors_are_problems_when_no_route_or_method_fits(idle_http: httpx.Client) -> None:
    for answer in (idle_http.get("/v1/nothing"), idle_http.get("/v1/payments")):
        assert answer.headers["content-type"] == "application/problem+json"
        assert set(answer.json()) == {"type", "title", "status", "trace_id"}


def test_openapi_names_every_operation_when_read(idle_http: httpx.Client) -> None:
    paths = idle_http.get("/openapi.json").json()["paths"]
    names = {operation["operationId"] for path in paths.values() for operation in path.values()}
    assert names == {
        "receiveWebhook",
        "createMedia",
        "createPayment",
        "createUploadLink",
        "mediaUploaded",
        "readMedia",
        "readPayment",
        "paymentQrSvg",
        "paymentQrPng",
        "registerCampaign",
        "metrics",
        "livez",
        "readyz",
    }
