"""What pages are made with, built once: texts, templates, files and headers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from babel.support import Translations
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from api.pages.assets import Assets, load_assets
from api.pages.catalogs import load_translations
from api.pages.formats import Formats
from api.pages.headers import page_headers
from api.pages.negotiation import LANGUAGES, Language
from api.settings import ApiSettings
from offchain.media.urls import PublicUrls, public_urls

TEMPLATES: Final = Path(__file__).parent / "templates"


@dataclass(frozen=True, slots=True)
class Edition:
    """The pages in one language."""

    language: Language
    formats: Formats
    translations: Translations
    templates: Environment

    def render(self, template: str, **values: Any) -> bytes:  # noqa: ANN401 - any value of a page
        """Fill in a template; what is missing is an error, never an empty place."""
        return self.templates.get_template(template).render(values).encode()


@dataclass(frozen=True, slots=True)
class Site:
    """Everything that pages are made with.

    Attributes:
        editions: By tag of their language.
        assets: Stylesheet, script and icon.
        urls: Where creators' files are; None while no store is configured: no files, no uploads.
        write_api: Base URL of the write API, for the script; empty for the page's own origin.
        headers: What every page is sent with.
        clock: Now, for what is left until a deadline.
    """

    editions: Mapping[str, Edition]
    assets: Assets
    urls: PublicUrls | None
    write_api: str
    headers: Mapping[str, str]
    clock: Callable[[], datetime]

    def edition(self, language: Language) -> Edition:
        """The pages in a language."""
        return self.editions[language.tag]


def open_site(
    settings: ApiSettings, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> Site:
    """Read everything that pages are made with."""
    urls = public_urls(settings)
    write_api = "" if settings.public_url is None else str(settings.public_url).rstrip("/")
    assets = load_assets()
    return Site(
        editions={language.tag: _edition(language, assets) for language in LANGUAGES},
        assets=assets,
        urls=urls,
        write_api=write_api,
        headers=page_headers(urls, write_api=write_api),
        clock=clock,
    )


def _edition(language: Language, assets: Assets) -> Edition:
    translations = load_translations(language)
    templates = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    templates.policies["ext.i18n.trimmed"] = True
    templates.install_gettext_translations(translations, newstyle=True)  # type: ignore[attr-defined] # put there by the extension
    templates.globals.update(asset=assets.url, language=language, languages=LANGUAGES)
    return Edition(language, Formats(language), translations, templates)
