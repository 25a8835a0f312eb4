from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from sqlalchemy import Engine

from api.app import create_app
from api.reads.files import FILES_MAX
from tests.api import builders as b
from tests.api.chain_rows import T0
from tests.api.page_elements import Page
from tests.api.page_rows import CDN, VERSION, add_file, page_settings
from tests.api.serving import Stage

Read = Callable[[], Page]


@pytest.fixture
def pages(stage: Stage, database_url: str, tmp_path: Path) -> Iterator[httpx.Client]:
    with stage.showing(create_app(page_settings(database_url, tmp_path))) as client:
        yield client


@pytest.fixture
def read(pages: httpx.Client) -> Read:
    def get() -> Page:
        answer = pages.get("/campaigns/solar")
        assert answer.status_code == 200, answer.text
        return Page(answer.text)

    return get


def pictures(page: Page) -> list[str]:
    return [one["src"] for one in page.all("img") if "picture" in one.inside]


def test_page_shows_the_newest_cover_first_and_the_gallery_as_it_came(
    login_engine: Engine, read: Read
) -> None:
    with login_engine.begin() as rows:
        campaign_id = b.add_campaign(rows)
        add_file(rows, campaign_id, purpose="cover")
        keys = [
            add_file(rows, campaign_id, purpose=purpose, created_at=T0 + timedelta(seconds=at))
            for at, purpose in enumerate(("gallery", "gallery", "cover"), 1)
        ]

    page = read()

    first, second, cover = (f"{CDN}/{key}{VERSION}" for key in keys)
    assert pictures(page) == [cover, first, second]
    shown = [one for one in page.all("img") if "picture" in one.inside]
    assert all((one["width"], one["height"]) == ("1024", "683") for one in shown)
    assert [one.attributes.get("loading") for one in shown] == [None, "lazy", "lazy"]
    assert [one["alt"] for one in shown] == [
        "Imagem de capa de Campaign solar",
        "Imagem 1 de Campaign solar",
        "Imagem 2 de Campaign solar",
    ]
    assert page.one("meta", property="og:image")["content"] == cover


def test_page_offers_the_smallest_format_that_a_browser_knows(
    login_engine: Engine, read: Read
) -> None:
    with login_engine.begin() as rows:
        campaign_id = b.add_campaign(rows)
        siblings = [
            {"key": f"media/x.{name}", "type": f"image/{name}", "bytes": 1}
            for name in ("webp", "avif")
        ]
        add_file(rows, campaign_id, purpose="cover", siblings=siblings, processed="compressed")

    sources = [one for one in read().all("source") if "picture" in one.inside]

    assert [(one["type"], one["srcset"]) for one in sources] == [
        ("image/avif", f"{CDN}/media/x.avif{VERSION}"),
        ("image/webp", f"{CDN}/media/x.webp{VERSION}"),
    ]


def test_page_lists_documents_and_plays_videos(login_engine: Engine, read: Read) -> None:
    with login_engine.begin() as rows:
        campaign_id = b.add_campaign(rows)
        film = add_file(rows, campaign_id, "mp4", declared_type="video/mp4")
        plan = add_file(rows, campaign_id, "pdf", declared_type="application/pdf")
        scan = add_file(rows, campaign_id, purpose="document", created_at=T0 + timedelta(seconds=9))

    page = read()

    assert page.one("video").attributes.items() >= {"controls": "", "preload": "metadata"}.items()
    (source,) = [one for one in page.all("source") if "video" in one.inside]
    assert (source["src"], source["type"]) == (f"{CDN}/{film}{VERSION}", "video/mp4")
    links = [one for one in page.all("a") if "data-file" in one.attributes]
    assert [one["href"] for one in links] == [f"{CDN}/{key}{VERSION}" for key in (plan, scan)]
    assert [one.text for one in links] == ["Documento 1", "Documento 2"]
    assert "PDF, 1,2" in page.text
    assert pictures(page) == []


@pytest.mark.parametrize(
    "state", ["pending", "uploaded", "processing", "refused", "failed", "expired", "removed"]
)
def test_page_shows_no_file_that_is_not_ready(state: str, login_engine: Engine, read: Read) -> None:
    is_over = state in {"refused", "failed", "expired", "removed"}
    with login_engine.begin() as rows:
        campaign_id = b.add_campaign(rows)
        add_file(
            rows,
            campaign_id,
            state=state,
            reason="corrupt" if is_over else None,
            decided_at=T0 if is_over else None,
            next_try_at=T0,
        )
        add_file(rows, b.add_campaign(rows, "another"))

    page = read()

    assert pictures(page) == []
    assert "Ainda sem imagens" in page.text


def test_page_shows_no_more_files_than_it_may(login_engine: Engine, read: Read) -> None:
    with login_engine.begin() as rows:
        campaign_id = b.add_campaign(rows)
        for _ in range(FILES_MAX + 1):
            add_file(rows, campaign_id)
    assert len(pictures(read())) == FILES_MAX


def test_page_takes_and_shows_no_files_while_no_bucket_is_set(
    login_engine: Engine, stage: Stage, database_url: str, tmp_path: Path
) -> None:
    with login_engine.begin() as rows:
        add_file(rows, b.add_campaign(rows))
    settings = page_settings(database_url, tmp_path).model_copy(update={"s3_bucket": None})
    with stage.showing(create_app(settings)) as client:
        page = Page(client.get("/campaigns/solar").text)
    assert pictures(page) == []
    assert not list(page.all("section", id="upload"))
    assert "link de envio" not in page.text
