"""Nodes' URLs: what is wrong with one, what of it may be shown, and hiding the rest. Pure.

User, password, path and query of a URL may hold keys. None of them is ever shown, whether the URL
is well formed or not, and whether we or the node repeat it.
"""

import re
from typing import Final
from urllib.parse import unquote, urlsplit

import httpx

from indexer.chain.refusal_words import (
    BATCH_WORDS,
    BEYOND_WORDS,
    NOT_A_RANGE,
    PRUNED_WORDS,
    RATE_WORDS,
    WIDE_WORDS,
)

HTTP: Final = ("http", "https")
WEBSOCKET: Final = ("ws", "wss")
HIDDEN: Final = "***"
MALFORMED: Final = "(malformed URL)"
_SECRET_CHARS = 6
"""Shorter pieces of a URL tell nothing, and stand in any text."""
_HOST = re.compile(r"[a-z0-9._-]+|[0-9a-f:.]+|.*[^\x00-\x7f].*", re.IGNORECASE)
"""A name, an IPv6 address, or an international name, which httpx has checked."""
_PLAIN_WORDS = "\n".join(
    (*RATE_WORDS, *PRUNED_WORDS, *BEYOND_WORDS, *BATCH_WORDS, *WIDE_WORDS, *NOT_A_RANGE)
)
"""By them refusals are understood; as a path of ``/archive`` they are no secret."""


def url_fault(url: str, schemes: tuple[str, ...]) -> str | None:
    """What is wrong with a URL, without a word of it; None: nothing.

    Args:
        url: As configured.
        schemes: Those that are spoken, such as ``HTTP``.
    """
    if url.partition("://")[0].lower() not in schemes:
        return f"it does not begin with {' or '.join(f'{one}://' for one in schemes)}"
    return _fault_behind_scheme(url)


def public_url(url: str) -> str:
    """Scheme, host and port of a URL; of a malformed one nothing, for anything may stand there."""
    scheme, separator, _ = url.partition("://")
    if not separator or not scheme.isalnum() or _fault_behind_scheme(url) is not None:
        return MALFORMED
    parts = urlsplit(url)
    host = parts.hostname or ""
    name = f"[{host}]" if ":" in host else host
    return (
        f"{parts.scheme}://{name}"
        if parts.port is None
        else f"{parts.scheme}://{name}:{parts.port}"
    )


class Redaction:
    """Takes the secret parts of one URL out of words that somebody else chose."""

    def __init__(self, url: str) -> None:
        """Learn what is secret.

        Args:
            url: As configured, well formed or not.
        """
        self._url = url
        self._public = public_url(url)
        self._pieces = {
            piece
            for secret in _secrets(url)
            for text in (secret, unquote(secret))
            for piece in _pieces(_lower(text))
            if piece not in _PLAIN_WORDS
        }

    def __call__(self, text: str) -> str:
        """The text with every run of six characters or more that the URL hides taken out."""
        text = text.replace(self._url, self._public)
        low = _lower(text)
        hidden = [False] * len(text)
        for at in range(len(low) - _SECRET_CHARS + 1):
            if low[at : at + _SECRET_CHARS] in self._pieces:
                hidden[at : at + _SECRET_CHARS] = [True] * _SECRET_CHARS
        shown: list[str] = []
        for char, is_hidden in zip(text, hidden, strict=True):
            if not is_hidden:
                shown.append(char)
            elif not shown or shown[-1] != HIDDEN:
                shown.append(HIDDEN)
        return "".join(shown)


def _fault_behind_scheme(url: str) -> str | None:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
        httpx.URL(url)
    except (ValueError, httpx.InvalidURL):
        return "its host or port is malformed"
    if any(char.isspace() or not char.isprintable() for char in url):
        return "a space or an invisible character stands in it"
    if not host:
        return "it names no host"
    if port == 0 or not _HOST.fullmatch(host):
        return "its host or port is malformed"
    if "@" in f"{parts.path}{parts.query}{parts.fragment}":
        return "an @ stands behind its host: write / in a password as %2F, and @ as %40"
    return None


def _secrets(url: str) -> tuple[str, ...]:
    try:
        parts = urlsplit(url)
    except ValueError:
        return (url,)
    userinfo = parts.netloc.rpartition("@")[0]
    return (userinfo, parts.path, parts.query, parts.fragment)


def _pieces(text: str) -> set[str]:
    return {text[at : at + _SECRET_CHARS] for at in range(len(text) - _SECRET_CHARS + 1)}


def _lower(text: str) -> str:
    """Lower case of ASCII alone: as long as the text itself."""
    return "".join(char.lower() if char.isascii() else char for char in text)
