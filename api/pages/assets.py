"""Stylesheet, script and icon of the pages, under names that hold a digest of what is in them.

A name never stands for other bytes, so that browsers keep them for ever.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

STATIC = Path(__file__).parent / "static"
PREFIX: Final = "/static/"
DIGEST_HEX_DIGITS: Final = 16
CACHE_CONTROL: Final = "public, max-age=31536000, immutable"

MEDIA_TYPES: Final[Mapping[str, str]] = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True)
class Asset:
    """One file that pages use."""

    path: str
    media_type: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Assets:
    """Every file that pages use, by its name in the directory."""

    by_name: Mapping[str, Asset]

    def url(self, name: str) -> str:
        """Path of a file, with its digest.

        Raises:
            KeyError: There is no such file.
        """
        return PREFIX + self.by_name[name].path

    def find(self, path: str) -> Asset | None:
        """The file under this name; None when there is none, or one with other bytes."""
        return next((asset for asset in self.by_name.values() if asset.path == path), None)


def load_assets(directory: Path = STATIC) -> Assets:
    """Read every file of a directory that pages may use."""
    return Assets(
        {
            path.name: _load(path)
            for path in sorted(directory.iterdir())
            if path.suffix in MEDIA_TYPES
        }
    )


def _load(path: Path) -> Asset:
    body = path.read_bytes()
    digest = hashlib.sha256(body).hexdigest()[:DIGEST_HEX_DIGITS]
    return Asset(f"{path.stem}.{digest}{path.suffix}", MEDIA_TYPES[path.suffix], body)
