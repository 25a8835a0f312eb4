"""Where the public finds files, and where its browsers send them."""

from datetime import timedelta
from urllib.parse import urlsplit

import pytest

from indexer.errors import ConfigurationError
from indexer.settings import checked
from offchain.media.kinds import ACCEPTED
from offchain.media.opening import open_media
from offchain.media.settings import (
    MediaWorkSettings,
    PublicMediaSettings,
    StoreSettings,
    UploadSettings,
)
from offchain.media.store import Put
from offchain.media.urls import public_urls

KEY = "media/a/b.jpg"
ETAG = "9b2cf535f27731c974343645a3985328"
STORES = {
    "aws": ({}, "https://ours.s3.us-east-1.amazonaws.com"),
    "aws_elsewhere": (
        {"LASTRO_S3_REGION": "sa-east-1"},
        "https://ours.s3.sa-east-1.amazonaws.com",
    ),
    "aws_path": ({"LASTRO_S3_PATH_STYLE": "true"}, "https://s3.us-east-1.amazonaws.com/ours"),
    "compatible": (
        {"LASTRO_S3_ENDPOINT_URL": "https://nyc3.digitalocean.example"},
        "https://ours.nyc3.digitalocean.example",
    ),
    "compatible_path": (
        {
            "LASTRO_S3_ENDPOINT_URL": "http://objects.example:9000",
            "LASTRO_S3_PATH_STYLE": "true",
        },
        "http://objects.example:9000/ours",
    ),
    "address": ({"LASTRO_S3_ENDPOINT_URL": "http://127.0.0.1:9000"}, "http://127.0.0.1:9000/ours"),
    "apart": (
        {
            "LASTRO_S3_ENDPOINT_URL": "http://objects.internal:9000",
            "LASTRO_S3_PUBLIC_ENDPOINT_URL": "https://objects.example",
            "LASTRO_S3_PATH_STYLE": "true",
        },
        "https://objects.example/ours",
    ),
}


def environment(**more: str) -> dict[str, str]:
    account = {"LASTRO_S3_ACCESS_KEY_ID": "AKIA", "LASTRO_S3_SECRET_ACCESS_KEY": "secret"}
    return {"LASTRO_S3_BUCKET": "ours", **account, **more}


@pytest.mark.parametrize("name", STORES)
def test_file_is_shown_from_the_store_with_its_version(name: str) -> None:
    more, base = STORES[name]
    urls = public_urls(PublicMediaSettings.model_validate(environment(**more)))
    assert urls is not None
    assert urls.of(KEY, ETAG) == f"{base}/{KEY}?v=9b2cf535"
    parts = urlsplit(base)
    assert urls.origin == urls.upload_origin == f"{parts.scheme}://{parts.netloc}"


@pytest.mark.parametrize("name", STORES)
def test_upload_is_signed_for_the_place_that_pages_may_connect_to(name: str) -> None:
    more, base = STORES[name]
    media = open_media(StoreSettings.model_validate(environment(**more)))
    assert media is not None
    put = Put(KEY, ACCEPTED["image/jpeg"], 5, None)
    signed = media.store.sign_put(put, life=timedelta(hours=1))
    assert signed.url.startswith(f"{base}/{KEY}?")
    assert "X-Amz-Expires=3600" in signed.url
    assert signed.url.startswith(media.urls.upload_origin)
    media.close()


def test_file_is_shown_from_the_cdn_and_still_uploaded_to_the_store() -> None:
    settings = environment(LASTRO_CDN_BASE_URL="https://cdn.example/files/")
    urls = public_urls(PublicMediaSettings.model_validate(settings))
    assert urls is not None
    assert urls.of(KEY, ETAG) == f"https://cdn.example/files/{KEY}?v=9b2cf535"
    assert urls.origin == "https://cdn.example"
    assert urls.upload_origin == "https://ours.s3.us-east-1.amazonaws.com"


@pytest.mark.parametrize(
    ("etag", "version"), [(f'"{ETAG}"', "?v=9b2cf535"), ("ab-2", "?v=ab2"), (None, ""), ('""', "")]
)
def test_version_is_what_is_plain_of_an_etag(etag: str | None, version: str) -> None:
    urls = public_urls(PublicMediaSettings.model_validate(environment()))
    assert urls is not None
    assert urls.of(KEY, etag).removeprefix(f"{urls.base}/{KEY}") == version


def test_media_are_disabled_without_a_bucket() -> None:
    assert public_urls(PublicMediaSettings.model_validate({})) is None
    assert open_media(StoreSettings.model_validate({})) is None


@pytest.mark.parametrize(
    ("settings", "more", "fault"),
    [
        (PublicMediaSettings, {"LASTRO_S3_BUCKET": "with.dot"}, "LASTRO_S3_PATH_STYLE"),
        (PublicMediaSettings, {"LASTRO_S3_BUCKET": "UPPER"}, "pattern"),
        (PublicMediaSettings, {"LASTRO_CDN_BASE_URL": "https://cdn.example/?x=1"}, "no query"),
        (PublicMediaSettings, {"LASTRO_S3_ENDPOINT_URL": "https://u:p@s3.example"}, "user name"),
        (StoreSettings, {"LASTRO_S3_SECRET_ACCESS_KEY": ""}, "required"),
        (StoreSettings, {"LASTRO_S3_ACCESS_KEY_ID": ""}, "set without"),
        (UploadSettings, {"LASTRO_UPLOAD_SECRET": "short"}, "16"),
        (UploadSettings, {"LASTRO_PAGE_ORIGINS": "https://a.example,*"}, "origin 2"),
        (UploadSettings, {"LASTRO_PAGE_ORIGINS": "https://a.example/path"}, "origin 1"),
        (UploadSettings, {"LASTRO_TRUSTED_PROXIES": "proxy"}, "proxy"),
        (MediaWorkSettings, {"LASTRO_MEDIA_ENGINE": "sharp"}, "pillow"),
        (MediaWorkSettings, {"LASTRO_MEDIA_SIBLINGS": "webp,heic"}, "avif"),
    ],
)
def test_wrong_settings_are_refused(
    settings: type[PublicMediaSettings],
    more: dict[str, str],
    fault: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in environment(**more).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=fault):
        checked(settings)


def test_bucket_with_a_dot_is_fine_in_the_path() -> None:
    settings = environment(LASTRO_S3_BUCKET="with.dot", LASTRO_S3_PATH_STYLE="true")
    urls = public_urls(PublicMediaSettings.model_validate(settings))
    assert urls is not None
    assert urls.base == "https://s3.us-east-1.amazonaws.com/with.dot"
