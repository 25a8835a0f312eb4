"""What browsers are told not to do on our pages. Pure."""

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from offchain.media.urls import PublicUrls

NO_SNIFFING: Final[Mapping[str, str]] = {"X-Content-Type-Options": "nosniff"}

_PERMISSIONS: Final = ", ".join(
    f"{feature}=()"
    for feature in (
        "browsing-topics", "camera", "display-capture", "geolocation", "microphone", "payment",
        "usb",
    )
)  # fmt: skip


def page_headers(urls: PublicUrls | None, *, write_api: str) -> dict[str, str]:
    """Headers of every page.

    Args:
        urls: Where files are; None when there are none.
        write_api: Base URL of the write API; empty when it is at the page's own origin.
    """
    return {
        "Content-Security-Policy": content_security_policy(urls, write_api=write_api),
        # A creator's link holds a token in its fragment; no page is told where a visitor was.
        "Referrer-Policy": "no-referrer",
        "Permissions-Policy": _PERMISSIONS,
        "Cross-Origin-Opener-Policy": "same-origin",
        **NO_SNIFFING,
    }


def content_security_policy(urls: PublicUrls | None, *, write_api: str) -> str:
    """The policy (CSP Level 3): only our own script and style, and nothing inline."""
    shown = [] if urls is None else [urls.origin]
    reached = [] if urls is None else [urls.upload_origin, *_origin(write_api)]
    policy = {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'", *shown],
        "media-src": shown or ["'none'"],
        "connect-src": list(dict.fromkeys(["'self'", *reached])),
        "form-action": ["'self'"],
        "base-uri": ["'none'"],
        "frame-ancestors": ["'none'"],
        # The script writes no HTML at all, so no text of a creator can become some.
        "require-trusted-types-for": ["'script'"],
        "trusted-types": ["'none'"],
    }
    return "; ".join(f"{name} {' '.join(sources)}" for name, sources in policy.items())


def _origin(url: str) -> list[str]:
    parts = urlsplit(url)
    return [f"{parts.scheme}://{parts.netloc}"] if parts.netloc else []
