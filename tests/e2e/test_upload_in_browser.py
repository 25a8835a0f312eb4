"""A creator uploads from a real browser: page, write API, worker and store are real processes."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO

import httpx
import pytest
from PIL import Image
from playwright.sync_api import Browser, ConsoleMessage, FilePayload, Locator, Page, expect
from sqlalchemy import Engine

from indexer.db.session import open_engine
from stack.postgres import EmbeddedPostgres
from stack.valkey import EmbeddedValkey
from tests.support import pictures
from tests.support.browser import running_chromium
from tests.support.offchain import add_campaign
from tests.support.upload_site import UploadSite, running_upload_site

TEMPLATE = "lastro_template"
RED = (220, 20, 20)
TURN_CLOCKWISE = 6
"""EXIF orientation of a picture whose top is at its right (Exif 3.0, tag 274)."""
COMPRESS_ABOVE_BYTES = 5 * 1024 * 1024
BYTES_MAX = 20 * 1024 * 1024
WIDTH_MAX = 1024
UPLOAD_BYTES_PER_S = 4_000_000
SHOWN_IN_MS = 45_000

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


@contextmanager
def opened(
    browser: Browser, url: str, *, scripted: bool = True, tolerated: tuple[str, ...] = ()
) -> Iterator[Page]:
    """A page in a browser of its own, which must have complained of nothing but ``tolerated``."""
    complaints: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if message.type == "error" and not any(part in message.text for part in tolerated):
            complaints.append(message.text)

    context = browser.new_context(locale="pt-BR", java_script_enabled=scripted)
    page = context.new_page()
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", note)
    try:
        page.goto(url)
        yield page
        assert complaints == []
    finally:
        context.close()


def photo(*, sideways: bool = False) -> bytes:
    """A photograph of over 5 MiB with a red top; ``sideways`` as a phone stores an upright one."""
    picture = pictures.photo(1600, 2400, noise=60)
    picture.paste(RED, (0, 0, 1600, 400))
    if sideways:
        picture = picture.transpose(Image.Transpose.ROTATE_90)
    block = pictures.exif(TURN_CLOCKWISE if sideways else 1, gps=True)
    return pictures.saved(picture, pictures.JPEG, quality=97, subsampling=0, exif=block)


def choose(page: Page, *files: FilePayload) -> list[Locator]:
    """Choose files as a person does; their rows in the list."""
    with page.expect_file_chooser() as chooser:
        page.get_by_label("Escolha arquivos").click()
    chooser.value.set_files(files)
    return [row_of(page, file["name"]) for file in files]


def row_of(page: Page, name: str) -> Locator:
    return page.get_by_role("listitem").filter(has_text=name)


def file(name: str, kind: str, content: bytes) -> FilePayload:
    return {"name": name, "mimeType": kind, "buffer": content}


def shown(picture: Locator) -> tuple[int, int]:
    """Natural size of a picture that has come, whose upper left must be red."""
    picture.scroll_into_view_if_needed()
    width, height = picture.evaluate(
        "image => image.decode().then(() => [image.naturalWidth, image.naturalHeight])"
    )
    answer = httpx.get(picture.evaluate("image => image.currentSrc"))
    assert pictures.SECRET not in answer.content
    with Image.open(BytesIO(answer.content)) as image:
        assert image.size == (width, height)
        corner = image.convert("RGB").resize((2, 12)).tobytes()[:3]
    assert corner[0] > 2 * max(corner[1:])
    return width, height


def slow_down(page: Page) -> None:
    """Give the page a phone's line, on which an upload takes longer than a moment."""
    page.context.new_cdp_session(page).send(
        "Network.emulateNetworkConditions",
        {
            "offline": False,
            "latency": 0,
            "downloadThroughput": -1,
            "uploadThroughput": UPLOAD_BYTES_PER_S,
        },
    )


def record_progress(page: Page) -> None:
    """Keep every value that the bar of an upload shows."""
    page.evaluate(
        """() => {
          window.seenParts = [];
          const list = document.querySelector("#upload-list");
          const note = (bar) => window.seenParts.push(bar.value);
          new MutationObserver(
            () => list.querySelectorAll("progress[value]:not([hidden])").forEach(note),
          ).observe(list, { subtree: true, attributes: true });
        }"""
    )


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
    small = pictures.saved(pictures.marked(300, 200), pictures.PNG)
    pdf = b"%PDF-1.7\n%%EOF\n"
    with opened(chromium, site.upload_link(slug)) as page:
        page.get_by_label("Capa").focus()
        page.keyboard.press("ArrowRight")
        page.keyboard.press("Tab")
        expect(page.get_by_label("Escolha arquivos")).to_be_focused()
        with page.expect_file_chooser() as chooser:
            page.keyboard.press("Space")
        files = [
            file("um.png", pictures.PNG, small),
            file("dois.png", pictures.PNG, small),
            file("plano.pdf", "application/pdf", pdf),
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
    small = pictures.saved(pictures.marked(300, 200), pictures.PNG)
    prefix = f"/{site.store.bucket}/"
    # The edge that answers 503 knows nothing of pages: no page may read what it says.
    tolerated = ("Failed to load resource", "blocked by CORS policy")
    with opened(chromium, site.upload_link(slug), tolerated=tolerated) as page:
        site.store.fault(path=prefix, method="PUT", mode="reset_after")
        (row,) = choose(page, file("foto.png", pictures.PNG, small))
        expect(row).to_contain_text("Pronto: já está na página", timeout=SHOWN_IN_MS)

        site.store.fault(path=prefix, method="PUT", mode="status", status=503, times=4)
        (row,) = choose(page, file("outra.png", pictures.PNG, small))
        expect(row).to_contain_text("A conexão falhou. Verifique-a", timeout=SHOWN_IN_MS)
        row.get_by_role("button", name="Tentar de novo: outra.png").click()
        expect(row).to_contain_text("Pronto: já está na página", timeout=SHOWN_IN_MS)


def test_link_of_another_campaign_lets_nobody_in(
    chromium: Browser, site: UploadSite, slug: str, engine: Engine
) -> None:
    add_campaign(engine, slug=f"other-{slug}")
    token = site.upload_link(f"other-{slug}").partition("#")[2]
    small = pictures.saved(pictures.marked(300, 200), pictures.PNG)
    with opened(chromium, site.page(slug), tolerated=("Failed to load resource",)) as page:
        expect(page.get_by_text("Escolha arquivos")).to_be_hidden()
        page.goto(f"{site.page(slug)}#{token}")  # on top of the page itself
        (row,) = choose(page, file("foto.png", pictures.PNG, small))
        expect(row).to_contain_text("Seu link de envio não vale mais para esta campanha")
        expect(row.get_by_role("button")).to_be_hidden()
