"""A creator uploads from a real browser: page, write API, worker and store are real processes."""

import uuid
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Route, expect
from sqlalchemy import Engine

from indexer.db.session import open_engine
from stack.postgres import EmbeddedPostgres
from stack.valkey import EmbeddedValkey
from tests.support import pictures
from tests.support.browser import running_chromium
from tests.support.offchain import add_campaign
from tests.support.upload_site import (
    UploadSite,
    choose,
    file,
    opened,
    photo,
    record_progress,
    row_of,
    running_upload_site,
    shown,
    slow_down,
)

TEMPLATE = "lastro_template"
COMPRESS_ABOVE_BYTES = 5 * 1024 * 1024
BYTES_MAX = 20 * 1024 * 1024
WIDTH_MAX = 1024
SHOWN_IN_MS = 45_000
SMALL = pictures.saved(pictures.marked(300, 200), pictures.PNG)
PDF = b"%PDF-1.7\n%%EOF\n"

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with running_chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def engine(postgres: EmbeddedPostgres) -> Iterator[Engine]:
    name = f"uploads_{uuid.uuid4().hex}"
    postgres.create_database(name, template=TEMPLATE)
    opened = open_engine(postgres.url(name), role=None)
    yield opened
    opened.dispose()


@pytest.fixture(scope="module")
def site(
    tmp_path_factory: pytest.TempPathFactory, engine: Engine, valkey: EmbeddedValkey
) -> Iterator[UploadSite]:
    """One site for all of them; each test has a campaign of its own."""
    database_url = engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    with running_upload_site(tmp_path_factory.mktemp("site"), database_url, valkey.url) as running:
        yield running


@pytest.fixture
def slug(engine: Engine) -> str:
    slug = f"solar-{uuid.uuid4().hex[:8]}"
    add_campaign(engine, slug=slug, title="Energia solar")
    return slug


def test_creator_uploads_a_phones_picture_and_everybody_sees_it_upright(
    chromium: Browser, site: UploadSite, slug: str
) -> None:
    original = photo(sideways=True)
    assert len(original) > COMPRESS_ABOVE_BYTES
    with opened(chromium, site.upload_link(slug)) as page:
        slow_down(page)
        record_progress(page)
        (row,) = choose(page, file("foto.jpg", pictures.JPEG, original))

        expect(row).to_contain_text("Pronto: já está na página", timeout=SHOWN_IN_MS)
        assert page.get_by_role("status").text_content() == "foto.jpg: Pronto: já está na página"
        cover = page.get_by_alt_text("Imagem de capa de Energia solar")
        assert shown(cover) == (WIDTH_MAX, WIDTH_MAX * 2400 // 1600)
        parts = page.evaluate("window.seenParts")
        assert any(0 < part < 1 for part in parts)
        assert (parts, parts[-1]) == (sorted(parts), 1)

    with opened(chromium, site.page(slug), scripted=False) as page:
        cover = page.get_by_alt_text("Imagem de capa de Energia solar")
        assert shown(cover) == (WIDTH_MAX, WIDTH_MAX * 2400 // 1600)
        expect(page.locator("noscript p")).to_contain_text("O envio precisa de JavaScript")
        expect(page.locator("noscript p")).to_be_visible()
        expect(page.get_by_text("Escolha arquivos")).to_be_hidden()


def test_creator_uploads_several_files_at_once_with_the_keyboard(
    chromium: Browser, site: UploadSite, slug: str
) -> None:
    with opened(chromium, site.upload_link(slug)) as page:
        page.get_by_label("Capa").focus()
        page.keyboard.press("ArrowRight")
        page.keyboard.press("Tab")
        expect(page.get_by_label("Escolha arquivos")).to_be_focused()
        with page.expect_file_chooser() as chooser:
            page.keyboard.press("Space")
        files = [
            file("um.png", pictures.PNG, SMALL),
            file("dois.png", pictures.PNG, SMALL),
            file("plano.pdf", "application/pdf", PDF),
        ]
        chooser.value.set_files(files)
        for one in files:
            row = row_of(page, one["name"])
            expect(row).to_contain_text("Pronto: já está na página", timeout=SHOWN_IN_MS)
        for number in (1, 2):
            assert shown(page.get_by_alt_text(f"Imagem {number} de Energia solar")) == (300, 200)
        expect(page.get_by_role("link", name="Documento 1")).to_be_visible()


def test_creator_is_told_why_a_file_is_not_taken(
    chromium: Browser, site: UploadSite, slug: str
) -> None:
    refused = [
        (file("desenho.svg", "image/svg+xml", b"<svg/>"), "São aceitos: JPEG, PNG, WebP, GIF"),
        (file("filme.mp4", "video/mp4", b"film"), "A capa precisa ser uma imagem"),
        (
            file("enorme.png", pictures.PNG, bytes(BYTES_MAX + 1)),
            "O arquivo tem 20,1 MB: o máximo é",
        ),
        (file("vazio.png", pictures.PNG, b""), "O arquivo está vazio"),
    ]
    came = [
        (file("mentira.png", pictures.PNG, b"<html>"), "não é do tipo que o nome indica"),
        (file("meia.jpg", pictures.JPEG, photo()[:-100_000]), "O arquivo está incompleto"),
    ]
    with opened(chromium, site.upload_link(slug)) as page:
        before = len(site.store.calls())
        for chosen, words in refused:
            (row,) = choose(page, chosen)
            expect(row).to_contain_text(words)
        assert len(site.store.calls()) == before
        for chosen, words in came:
            (row,) = choose(page, chosen)
            expect(row).to_contain_text(words, timeout=SHOWN_IN_MS)
            expect(row.get_by_role("button")).to_be_hidden()
        expect(page.get_by_text("Ainda sem imagens")).to_be_visible()


def test_upload_goes_on_when_the_answer_of_the_store_is_lost(
    chromium: Browser, site: UploadSite, slug: str
) -> None:
    prefix = f"/{site.store.bucket}/"
    # The edge that answers 503 knows nothing of pages: no page may read what it says.
    tolerated = ("Failed to load resource", "blocked by CORS policy")
    with opened(chromium, site.upload_link(slug), tolerated=tolerated) as page:
        site.store.fault(path=prefix, method="PUT", mode="reset_after")
        (row,) = choose(page, file("foto.png", pictures.PNG, SMALL))
        expect(row).to_contain_text("Pronto: já está na página", timeout=SHOWN_IN_MS)

        site.store.fault(path=prefix, method="PUT", mode="status", status=503, times=4)
        (row,) = choose(page, file("outra.png", pictures.PNG, SMALL))
        expect(row).to_contain_text("A conexão falhou. Verifique-a", timeout=SHOWN_IN_MS)
        row.get_by_role("button", name="Tentar de novo: outra.png").click()
        expect(row).to_contain_text("Pronto: já está na página", timeout=SHOWN_IN_MS)


def test_link_of_another_campaign_lets_nobody_in(
    chromium: Browser, site: UploadSite, slug: str, engine: Engine
) -> None:
    add_campaign(engine, slug=f"other-{slug}")
    token = site.upload_link(f"other-{slug}").partition("#")[2]
    with opened(chromium, site.page(slug), tolerated=("Failed to load resource",)) as page:
        expect(page.get_by_text("Escolha arquivos")).to_be_hidden()
        page.goto(f"{site.page(slug)}#{token}")  # on top of the page itself
        (row,) = choose(page, file("foto.png", pictures.PNG, SMALL))
        expect(row).to_contain_text("Seu link de envio não vale mais para esta campanha")
        expect(row.get_by_role("button")).to_be_hidden()
        page.reload()
        expect(page.get_by_text("Abra o link de envio")).to_be_visible()
        expect(page.get_by_text("Escolha arquivos")).to_be_hidden()


def test_new_link_opened_in_the_same_tab_takes_the_place_of_one_that_is_over(
    chromium: Browser, site: UploadSite, slug: str, engine: Engine
) -> None:
    over = site.link_that_is_over(f"over-{slug}", add_campaign(engine, slug=f"over-{slug}"))
    with opened(chromium, over, tolerated=("Failed to load resource",)) as page:
        (row,) = choose(page, file("foto.png", pictures.PNG, SMALL))
        expect(row).to_contain_text("Seu link de envio não vale mais para esta campanha")
        page.goto(site.upload_link(f"over-{slug}"))  # only the fragment differs: no page is loaded
        expect(row).to_contain_text("Você tem um novo link de envio")
        row.get_by_role("button", name="Tentar de novo: foto.png").click()
        expect(row).to_contain_text("Pronto: já está na página", timeout=SHOWN_IN_MS)
        (row,) = choose(page, file("plano.pdf", "application/pdf", PDF))
        expect(row).to_contain_text("Pronto: já está na página", timeout=SHOWN_IN_MS)


def test_link_lets_its_tab_upload_but_is_in_no_address_that_people_share(
    chromium: Browser, site: UploadSite, slug: str, engine: Engine
) -> None:
    add_campaign(engine, slug=f"other-{slug}")
    with opened(chromium, site.page(slug)) as page:
        page.goto(site.upload_link(slug))
        expect(page.get_by_text("Escolha arquivos")).to_be_visible()
        assert page.evaluate("location.href") == site.page(slug)
        page.reload()
        expect(page.get_by_text("Escolha arquivos")).to_be_visible()
        page.get_by_role("link", name="English").click()
        expect(page.get_by_text("Choose files")).to_be_visible()
        assert page.evaluate("location.href") == f"{site.page(slug)}?lang=en"

        page.goto(site.page(f"other-{slug}"))
        expect(page.get_by_text("Abra o link de envio")).to_be_visible()
        expect(page.get_by_text("Escolha arquivos")).to_be_hidden()
        page.go_back()
        page.go_back()
        expect(page.get_by_text("Escolha arquivos")).to_be_visible()
        assert page.evaluate("location.href") == site.page(slug)
        (row,) = choose(page, file("plano.pdf", "application/pdf", PDF))
        expect(row).to_contain_text("Pronto: já está na página", timeout=SHOWN_IN_MS)


def test_creator_of_several_covers_is_told_which_one_is_shown(
    chromium: Browser, site: UploadSite, slug: str
) -> None:
    covers = [file(name, pictures.PNG, SMALL) for name in ("um.png", "dois.png", "tres.png")]
    with opened(chromium, site.upload_link(slug)) as page:
        asked: list[str] = []
        held: list[Route] = []

        def hold_the_first(route: Route) -> None:
            """Tell nothing of the file that was sent first: the other is seen to be ready first."""
            asked.append(route.request.url)
            if route.request.url == asked[0]:
                held.append(route)
            else:
                route.continue_()

        page.route("**/v1/media/*", hold_the_first)
        first, second = choose(page, *covers[:2])
        expect(second).to_contain_text("Pronto: já está na página", timeout=SHOWN_IN_MS)
        for route in held:
            route.continue_()
        page.unroute("**/v1/media/*")
        expect(first).to_contain_text("Pronto, mas outra capa ficou no lugar", timeout=SHOWN_IN_MS)
        expect(second).to_contain_text("Pronto: já está na página")
        (address,) = set(asked) - {asked[0]}
        shown_now = page.locator("#media .cover picture").get_attribute("data-file")
        assert address.endswith(f"/{shown_now}")

        (third,) = choose(page, covers[2])
        expect(third).to_contain_text("Pronto: já está na página", timeout=SHOWN_IN_MS)
        expect(second).to_contain_text("Pronto, mas outra capa ficou no lugar")


def test_file_that_is_ready_does_not_wait_for_a_page_that_never_comes(
    chromium: Browser, site: UploadSite, slug: str
) -> None:
    with opened(chromium, site.upload_link(slug)) as page:
        page.evaluate(
            """() => {
              const timeout = Object.getOwnPropertyDescriptor(XMLHttpRequest.prototype, "timeout");
              const shorten = function (ms) { timeout.set.call(this, Math.min(ms, 300)); };
              Object.defineProperty(XMLHttpRequest.prototype, "timeout", { set: shorten });
            }"""
        )
        page.route(site.page(slug), lambda _route: None)
        (row,) = choose(page, file("foto.png", pictures.PNG, SMALL))
        expect(row).to_contain_text("Pronto: recarregue a página", timeout=SHOWN_IN_MS)


def test_creator_is_told_that_a_file_was_removed_before_it_was_shown(
    chromium: Browser, site: UploadSite, slug: str
) -> None:
    def remove(route: Route) -> None:
        """What the write API says of a file that the operator took away."""
        answer = route.fetch()
        route.fulfill(response=answer, json={**answer.json(), "state": "removed", "url": None})

    with opened(chromium, site.upload_link(slug)) as page:
        page.route("**/v1/media/*", remove)
        (row,) = choose(page, file("foto.png", pictures.PNG, SMALL))
        expect(row).to_contain_text("O arquivo foi removido", timeout=SHOWN_IN_MS)
        expect(row.get_by_role("button")).to_be_hidden()
