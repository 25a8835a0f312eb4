"""Everything an upload from a browser passes, as real processes at three origins, and its use."""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Final
from uuid import UUID

import httpx
import pytest
from PIL import Image
from playwright.sync_api import Browser, ConsoleMessage, FilePayload, Locator, Page

from offchain.media.tokens import Grant, sign_token, upload_link
from stack.ports import LOOPBACK, free_port
from tests.support import pictures
from tests.support.offchain import OPERATOR_TOKEN, environment
from tests.support.s3 import S3Site, running_s3
from tests.support.servers import running

UPLOAD_SECRET: Final = "a secret that signs upload links"
UPLOAD_BYTES_PER_S: Final = 4_000_000
RED = (220, 20, 20)
TURN_CLOCKWISE = 6
"""EXIF orientation of a picture whose top is at its right (Exif 3.0, tag 274)."""


@dataclass(frozen=True, slots=True)
class UploadSite:
    """Where the pages and the write API are, and the store behind them."""

    pages_url: str
    write_url: str
    store: S3Site

    def page(self, slug: str) -> str:
        return f"{self.pages_url}/campaigns/{slug}"

    def upload_link(self, slug: str) -> str:
        """The link that the operator hands to a campaign's creator."""
        made = httpx.post(
            f"{self.write_url}/v1/campaigns/{slug}/upload-links",
            headers={"Authorization": f"Bearer {OPERATOR_TOKEN}"},
        )
        url: str = made.raise_for_status().json()["url"]
        return url

    def link_that_is_over(self, slug: str, campaign_id: UUID) -> str:
        """A link of a campaign that ended an hour ago."""
        grant = Grant(campaign_id, datetime.now(UTC) - timedelta(hours=1))
        token = sign_token(grant, secret=UPLOAD_SECRET.encode())
        return upload_link(self.pages_url, slug, token)


@contextmanager
def running_upload_site(directory: Path, database_url: str, redis_url: str) -> Iterator[UploadSite]:
    """Run pages, write API, a worker and the store until the block ends; logs are in the directory.

    No clock rings: what a worker hears of uploads is what the pages' script says.
    """
    pages_url, write_url = (f"http://{LOOPBACK}:{free_port()}" for _ in range(2))
    with ExitStack() as processes, pytest.MonkeyPatch.context() as patch:
        store = processes.enter_context(running_s3(directory / "store", pages_url))
        site = UploadSite(pages_url, write_url, store)
        for name, value in _variables(site, database_url, redis_url).items():
            patch.setenv(name, value)
        for module, process, url in (
            ("offchain", "http", write_url),
            ("offchain", "worker", None),
            ("api", "", pages_url),
        ):
            command = [sys.executable, "-m", *f"{module} {process}".split()]
            log = directory / f"{module}-{process}.log"
            processes.enter_context(running(command, answers=_answering(url), log=log))
        yield site


def _variables(site: UploadSite, database_url: str, redis_url: str) -> dict[str, str]:
    """The environment of every process."""
    return environment(
        database_url,
        redis_url,
        LASTRO_API_PORT=site.pages_url.rpartition(":")[2],
        LASTRO_HTTP_PORT=site.write_url.rpartition(":")[2],
        LASTRO_PUBLIC_URL=site.write_url,
        LASTRO_PAGES_URL=site.pages_url,
        LASTRO_PAGE_ORIGINS=site.pages_url,
        LASTRO_UPLOAD_SECRET=UPLOAD_SECRET,
        LASTRO_S3_BUCKET=site.store.bucket,
        LASTRO_S3_ENDPOINT_URL=site.store.endpoint_url,
        LASTRO_S3_PATH_STYLE="true",
        LASTRO_S3_REGION=site.store.region,
        LASTRO_S3_ACCESS_KEY_ID=site.store.access_key_id,
        LASTRO_S3_SECRET_ACCESS_KEY=site.store.secret_access_key,
    )


def _answering(url: str | None) -> Callable[[], bool]:
    """Whether a process serves; one without an address is up while it runs."""

    def answers() -> bool:
        try:
            return url is None or httpx.get(f"{url}/readyz").is_success
        except httpx.HTTPError:
            return False

    return answers


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


def photo(*, sideways: bool = False) -> bytes:
    """A photograph of over 5 MiB with a red top; ``sideways`` as a phone stores an upright one."""
    picture = pictures.photo(1600, 2400, noise=60)
    picture.paste(RED, (0, 0, 1600, 400))
    if sideways:
        picture = picture.transpose(Image.Transpose.ROTATE_90)
    block = pictures.exif(TURN_CLOCKWISE if sideways else 1, gps=True)
    return pictures.saved(picture, pictures.JPEG, quality=97, subsampling=0, exif=block)


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
