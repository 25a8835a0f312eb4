from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine, update

from api.app import create_app
from offchain.tables import campaigns
from stack.ports import free_port
from tests.api import builders as b
from tests.api import chain_rows as c
from tests.api.page_elements import Page
from tests.api.page_rows import page_settings
from tests.api.serving import Stage

BROWSER = {
    "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "Accept-Language": "pt-BR,pt;q=0.9,en;q=0.5",
}
ENGLISH = {**BROWSER, "Accept-Language": "en-GB,en;q=0.9"}
NBSP = "\u00a0"

Read = Callable[..., Page]


@pytest.fixture
def pages(stage: Stage, database_url: str, tmp_path: Path) -> Iterator[httpx.Client]:
    """The api, a day after its campaigns began."""
    app = create_app(page_settings(database_url, tmp_path))
    app.state.site = replace(app.state.site, clock=lambda: c.T0 + timedelta(days=1))
    with stage.showing(app) as client:
        yield client


@pytest.fixture
def read(pages: httpx.Client) -> Read:
    """GET a page as a browser, expect 200."""

    def get(path: str, headers: dict[str, str] = BROWSER) -> Page:
        answer = pages.get(path, headers=headers)
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        return Page(answer.text)

    return get


def test_page_shows_a_campaign_with_its_goal_and_how_far_it_is(
    login_engine: Engine, read: Read
) -> None:
    with login_engine.begin() as rows:
        c.add_marks(rows)
        campaign_id = b.add_campaign(rows)
        b.add_contribution(rows, campaign_id, amount_minor=123_456)
        b.add_contribution(rows, campaign_id, amount_minor=200_000)

    page = read("/campaigns/solar")

    assert page.one("h1").text == "Campaign solar"
    assert page.one("title").text == "Campaign solar · Lastro"
    assert "por Ana" in page.text
    bar = page.one("progress", _class="bar-of-goal")
    assert (bar["value"], bar["max"]) == ("323456", "1000000")
    assert bar["aria-valuetext"] == f"32%: R${NBSP}3.234,56 de R${NBSP}10.000,00"
    assert f"R${NBSP}3.234,56 arrecadados de R${NBSP}10.000,00" in page.text
    assert "2 contribuições" in page.text
    assert "29 dias restantes" in page.text
    assert page.one("time", datetime="2026-03-02T12:00:00Z").text == "2 de março de 2026, 09:00"


def test_page_shows_the_chain_side_with_the_block_it_is_true_as_of(
    login_engine: Engine, read: Read
) -> None:
    with login_engine.begin() as rows:
        c.add_marks(rows, indexed=41_234_567, finalized=60)
        campaign_id = b.add_campaign(rows)
        treasury = c.add_treasury(rows)
        b.add_settled(rows, campaign_id, amount_minor=5_000, confirmed_block=50)
        b.add_settled(rows, campaign_id, amount_minor=1_250, confirmed_block=70)

    page = read("/campaigns/solar")

    code = page.one("code")
    assert code["title"].lower() == f"0x{treasury.hex()}"
    (short, full) = [one for one in page.all("span") if "code" in one.inside]
    assert (short.text, short["aria-hidden"]) == (
        f"{code['title'][:6]}…{code['title'][-4:]}",
        "true",
    )
    assert full.text == code["title"]
    assert [one.text for one in page.all("dd", _class="figure")] == [
        f"62,50{NBSP}tBRLA",
        f"50,00{NBSP}tBRLA",
    ]
    assert "Dados até o bloco 41.234.567" in page.text
    assert "está parada" not in page.text


def test_page_says_when_the_index_halted_or_has_not_begun(login_engine: Engine, read: Read) -> None:
    with login_engine.begin() as rows:
        b.add_campaign(rows)
    assert "Nenhum bloco da rede foi lido ainda" in read("/campaigns/solar").text
    with login_engine.begin() as rows:
        c.add_marks(rows, degraded_reason="a finalized block changed")
    halted = read("/campaigns/solar").text
    assert "A leitura desta rede está parada" in halted
    assert "finalized block changed" not in halted


def test_page_shows_what_a_fiat_only_campaign_raised_and_no_chain(
    login_engine: Engine, read: Read
) -> None:
    with login_engine.begin() as rows:
        c.add_marks(rows)
        campaign_id = b.add_campaign(rows, "bread", mode="fiat_only")
        b.add_contribution(rows, campaign_id, amount_minor=1_500_000)

    page = read("/campaigns/bread")

    bar = page.one("progress", _class="bar-of-goal")
    assert (bar["value"], bar["max"]) == ("1000000", "1000000")
    assert bar["aria-valuetext"].startswith("150%")
    assert "Meta alcançada" in page.text
    assert "esta campanha não tem registro em blockchain" in page.text
    assert not list(page.all("code"))
    assert "bloco" not in page.text.replace("blockchain", "")


@pytest.mark.parametrize(
    ("days", "words"),
    [
        (-2, "Abre em 31 de janeiro de 2026"),
        (28, "2 dias restantes"),
        (29, "1 dia restante"),
        (29.5, "Últimas horas"),
        (30, "Encerrou em 2 de março de 2026"),
    ],
)
def test_page_says_how_long_a_campaign_takes_contributions(
    days: float, words: str, login_engine: Engine, pages: httpx.Client, stage: Stage, read: Read
) -> None:
    assert stage.shown is not None
    site = stage.shown.state.site
    stage.shown.state.site = replace(site, clock=lambda: c.T0 + timedelta(days=days))
    with login_engine.begin() as rows:
        b.add_campaign(rows)
    assert pages is not None
    assert words in read("/campaigns/solar").text


def test_page_is_in_the_language_asked_for_else_the_browsers(
    login_engine: Engine, pages: httpx.Client, read: Read
) -> None:
    with login_engine.begin() as rows:
        campaign_id = b.add_campaign(rows)
        b.add_contribution(rows, campaign_id, amount_minor=123_456)

    english = read("/campaigns/solar", ENGLISH)
    assert english.one("html")["lang"] == "en"
    assert "R$1,234.56 raised of R$10,000.00" in english.text
    assert "1 contribution " in english.text
    assert "March 2, 2026, 9:00\u202fAM" in english.text

    asked = read("/campaigns/solar?lang=pt-BR", ENGLISH)
    assert asked.one("html")["lang"] == "pt-BR"
    assert "1 contribuição" in asked.text
    links = {one["hreflang"]: one["href"] for one in asked.all("a") if "nav" in one.inside}
    assert links == {tag: f"/campaigns/solar?lang={tag}" for tag in ("pt-BR", "en")}

    answer = pages.get("/campaigns/solar?lang=xx", headers=ENGLISH)
    assert answer.headers["content-language"] == "en"
    assert answer.headers["vary"] == "Accept-Language"
    assert "set-cookie" not in answer.headers


def test_page_is_not_sent_again_until_something_on_it_changes(
    login_engine: Engine, pages: httpx.Client
) -> None:
    with login_engine.begin() as rows:
        c.add_marks(rows)
        campaign_id = b.add_campaign(rows)
    first = pages.get("/campaigns/solar", headers=BROWSER)
    held = {**BROWSER, "If-None-Match": first.headers["etag"]}

    same = pages.get("/campaigns/solar", headers=held)
    assert (same.status_code, same.content) == (304, b"")
    assert same.headers["content-security-policy"] == first.headers["content-security-policy"]
    assert same.headers["vary"] == "Accept-Language"
    other = {**ENGLISH, "If-None-Match": first.headers["etag"]}
    assert pages.get("/campaigns/solar", headers=other).status_code == 200

    with login_engine.begin() as rows:
        b.add_contribution(rows, campaign_id)
    assert pages.get("/campaigns/solar", headers=held).status_code == 200


def test_page_answers_head_and_an_id_like_a_slug(login_engine: Engine, pages: httpx.Client) -> None:
    with login_engine.begin() as rows:
        campaign_id = b.add_campaign(rows)
    got = pages.get(f"/campaigns/{campaign_id}", headers=BROWSER)
    head = pages.head(f"/campaigns/{campaign_id}", headers=BROWSER)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == got.headers["content-length"]
    assert Page(got.text).one("link", rel="canonical")["href"] == "/campaigns/solar"


@pytest.mark.parametrize("slug", ["nothing", "%00", "00000000-0000-4000-8000-000000000000"])
def test_unknown_campaign_is_a_page_for_people_and_a_problem_for_programs(
    slug: str, pages: httpx.Client
) -> None:
    for headers in (BROWSER, {"Accept": "*/*"}):
        answer = pages.get(f"/campaigns/{slug}", headers=headers)
        assert answer.status_code == 404
        assert Page(answer.text).one("h1").text == "Esta campanha não existe"
        assert answer.headers["cache-control"] == "no-store"
        assert "content-security-policy" in answer.headers
    told = pages.get(f"/campaigns/{slug}", headers={"Accept": "application/json"})
    assert told.status_code == 404
    assert told.headers["content-type"] == "application/problem+json"
    assert told.json()["type"] == "urn:problem-type:lastro:unknown-campaign"


def test_page_says_so_when_the_database_is_away(stage: Stage, tmp_path: Path) -> None:
    nowhere = f"postgresql://nobody@127.0.0.1:{free_port()}/none"
    with stage.showing(create_app(page_settings(nowhere, tmp_path))) as client:
        page = client.get("/campaigns/solar", headers=ENGLISH)
        told = client.get("/campaigns/solar", headers={"Accept": "application/problem+json"})
    assert page.status_code == told.status_code == 503
    assert Page(page.text).one("h1").text == "This page is away for a moment"
    assert int(page.headers["retry-after"]) > 0
    assert told.json()["type"] == "urn:problem-type:lastro:database-unavailable"


def test_page_shows_hostile_words_as_words(login_engine: Engine, read: Read) -> None:
    title = "<script>alert(1)</script> \"'><img src=x onerror=alert(2)> {{ 7*7 }}"
    with login_engine.begin() as rows:
        campaign_id = b.add_campaign(rows)
        hostile: dict[str, Any] = {"title": title, "creator": "\u202e</bdi><b>anA"}
        rows.execute(update(campaigns).where(campaigns.c.id == campaign_id).values(hostile))

    page = read("/campaigns/solar")

    assert page.one("h1").text == title
    assert page.one("meta", property="og:title")["content"] == title
    assert "</bdi><b>anA" in page.text
    assert "\u202e" not in page.text
    scripts = list(page.all("script"))
    assert [one["src"].startswith("/static/page.") for one in scripts] == [True]
    assert not [one for one in page.all("img") if one["src"] == "x"]
