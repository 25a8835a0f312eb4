"""Public URLs of files, with the version they are of.

The version is a part of the file's ETag: when a file is compressed under the same key, its URL
changes, so that no cache serves the original any more and none has to be invalidated.
"""

import re
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final
from urllib.parse import quote, urlsplit

from offchain.media.settings import PublicMediaSettings

ETAG_CHARACTERS: Final = 8

_NOT_PLAIN = re.compile(r"[^0-9A-Za-z]")


@dataclass(frozen=True, slots=True)
class PublicUrls:
    """Where the public reads files, and where its browsers send them.

    Attributes:
        base: What stands before a key, without a slash at its end.
        origin: Scheme and host that files are shown from: a page's ``img-src``.
        upload_origin: Scheme and host that browsers upload to: a page's ``connect-src``.
    """

    base: str
    origin: str
    upload_origin: str

    def of(self, object_key: str, etag: str | None) -> str:
        """The URL of an object as it is now; without an ETag, of whatever is there."""
        url = f"{self.base}/{quote(object_key)}"
        version = _NOT_PLAIN.sub("", etag or "")[:ETAG_CHARACTERS]
        return f"{url}?v={version}" if version else url


def public_urls(settings: PublicMediaSettings) -> PublicUrls | None:
    """Where files are; None while no bucket is set, which disables media."""
    if settings.s3_bucket is None:
        return None
    store = _store_base(settings, settings.s3_bucket)
    base = store if settings.cdn_base_url is None else str(settings.cdn_base_url).rstrip("/")
    return PublicUrls(base, origin=_origin(base), upload_origin=_origin(store))


def public_endpoint(settings: PublicMediaSettings) -> str:
    """The store as browsers reach it, without a bucket and without a slash at its end."""
    given = settings.s3_public_endpoint_url or settings.s3_endpoint_url
    return aws_endpoint(settings.s3_region) if given is None else str(given).rstrip("/")


def aws_endpoint(region: str) -> str:
    """AWS' own store in a region (AWS General Reference, "Amazon S3 endpoints")."""
    suffix = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    return f"https://s3.{region}.{suffix}"


def _store_base(settings: PublicMediaSettings, bucket: str) -> str:
    """The bucket, addressed as boto3 addresses it when it signs."""
    endpoint = public_endpoint(settings)
    if settings.s3_path_style or _is_address(endpoint):
        return f"{endpoint}/{bucket}"
    parts = urlsplit(endpoint)
    return f"{parts.scheme}://{bucket}.{parts.netloc}{parts.path}"


def _is_address(url: str) -> bool:
    """Whether the host is an IP address: that cannot be made part of a bucket's host name."""
    try:
        ip_address(urlsplit(url).hostname or "")
    except ValueError:
        return False
    return True


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
