"""What a browser would rather have: a language, and a page or a JSON document. Pure.

Both headers are lists of weighted choices (RFC 9110 §12.4.2 and §12.5).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

CHOICES_MAX: Final = 32
"""Choices of one header that are looked at; no browser sends as many."""

_JSON: Final = frozenset({"application/json", "application/problem+json"})
_PAGE: Final = frozenset({"text/html", "application/xhtml+xml"})


@dataclass(frozen=True, slots=True)
class Language:
    """A language that pages are written in.

    Attributes:
        tag: BCP 47 tag, for HTML and HTTP.
        locale: Its name in CLDR and of its catalog.
        name: What it calls itself.
    """

    tag: str
    locale: str
    name: str


PORTUGUESE: Final = Language("pt-BR", "pt_BR", "Português")
ENGLISH: Final = Language("en", "en", "English")
LANGUAGES: Final = (PORTUGUESE, ENGLISH)
"""The first stands where nothing else is asked for."""


def choose_language(asked: str | None, accept_language: str | None) -> Language:
    """The language asked for by name, else the browser's favourite, else Portuguese.

    Args:
        asked: Tag in the URL; one that is not known is as good as none.
        accept_language: The header. Another variant of a language is that language.
    """
    for tag in [asked or "", *_weighted(accept_language)]:
        primary = tag.lower().partition("-")[0]
        for language in LANGUAGES:
            if primary == language.tag.partition("-")[0]:
                return language
    return LANGUAGES[0]


def prefers_json(accept: str | None) -> bool:
    """Whether a client names JSON before any page; a browser, or who names nothing, does not."""
    for media_type in _weighted(accept):
        if media_type in _PAGE:
            return False
        if media_type in _JSON:
            return True
    return False


def _weighted(header: str | None) -> Sequence[str]:
    """Values of a header, the wanted ones, best first; those of one weight in their order."""
    weighed: list[tuple[float, str]] = []
    for choice in (header or "").split(",")[:CHOICES_MAX]:
        value, *parameters = (part.strip() for part in choice.split(";"))
        weight = _weight(parameters)
        if value and weight > 0:
            weighed.append((weight, value.lower()))
    return [value for _weight, value in sorted(weighed, key=lambda one: -one[0])]


def _weight(parameters: Sequence[str]) -> float:
    """The quality of a choice, 1 unless given; what is no number makes it unwanted."""
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0
