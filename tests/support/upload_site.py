"""Everything an upload from a browser passes, as real processes at three origins."""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from stack.ports import LOOPBACK, free_port
from tests.support.offchain import OPERATOR_TOKEN, environment
from tests.support.s3 import S3Site, running_s3
from tests.support.servers import running


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
        LASTRO_UPLOAD_SECRET="a secret that signs upload links",
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
