"""Settings of the media pipeline, by what a process does with it: show, sign, or decide."""

from ipaddress import ip_address
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    AnyHttpUrl,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from indexer.settings import CommaSeparated, split_commas

SECRET_CHARACTERS_MIN: Final = 16

EngineName = Literal["pillow", "pyvips"]
SiblingName = Literal["webp", "avif"]


def _plain(url: AnyHttpUrl) -> AnyHttpUrl:
    """Refuse what a URL of ours must not hold.

    Raises:
        ValueError: It has a query, a fragment or credentials.
    """
    if url.query is not None or url.fragment is not None or url.username is not None:
        raise ValueError("must hold no user name, no query and no fragment")
    return url


def _origins(values: tuple[str, ...]) -> tuple[str, ...]:
    """Check origins as a browser sends them.

    Raises:
        ValueError: One is more or less than scheme, host and port; says which by its place.
    """
    for place, value in enumerate(values, 1):
        parts = urlsplit(value)
        is_web = parts.scheme in {"http", "https"} and parts.hostname is not None
        if not is_web or value.lower() != f"{parts.scheme}://{parts.netloc}" or "@" in value:
            raise ValueError(f"origin {place} must be scheme and host, e.g. https://example.org")
    return tuple(value.lower() for value in values)


def _proxies(values: tuple[str, ...]) -> tuple[str, ...]:
    """Check addresses of proxies.

    Raises:
        ValueError: One is not an IP address.
    """
    return tuple(str(ip_address(value)) for value in values)


Url = Annotated[AnyHttpUrl, AfterValidator(_plain)]
Origins = Annotated[CommaSeparated, AfterValidator(_origins)]
Proxies = Annotated[CommaSeparated, AfterValidator(_proxies)]
Siblings = Annotated[tuple[SiblingName, ...], NoDecode, BeforeValidator(split_commas)]


class PublicMediaSettings(BaseSettings):
    """Where the public reaches files. It holds no credentials, so it can leak none."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    s3_path_style: bool = Field(
        default=False,
        description="The bucket is in the path and not in the host name, as most S3-compatible "
        "stores want it.",
        validation_alias="LASTRO_S3_PATH_STYLE",
    )
    s3_bucket: str | None = Field(
        None,
        pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$",
        description="Bucket of creators' files; empty: no files are taken.",
        validation_alias="LASTRO_S3_BUCKET",
    )
    s3_endpoint_url: Url | None = Field(
        None,
        description="S3-compatible store instead of AWS.",
        validation_alias="LASTRO_S3_ENDPOINT_URL",
    )
    s3_public_endpoint_url: Url | None = Field(
        None,
        description="The store as browsers reach it; empty: as LASTRO_S3_ENDPOINT_URL.",
        validation_alias="LASTRO_S3_PUBLIC_ENDPOINT_URL",
    )
    s3_region: str = Field(
        "us-east-1",
        pattern=r"^[a-z0-9-]{2,40}$",
        description="Region of the bucket.",
        validation_alias="LASTRO_S3_REGION",
    )
    cdn_base_url: Url | None = Field(
        None,
        description="CDN in front of the bucket; empty: files are shown from the store itself.",
        validation_alias="LASTRO_CDN_BASE_URL",
    )

    @field_validator("s3_bucket")
    @classmethod
    def _fits_a_host_name(cls, value: str | None, info: ValidationInfo) -> str | None:
        """Refuse a bucket that no TLS certificate covers (AWS, "Bucket naming rules").

        Raises:
            ValueError: It has a dot and is to be part of a host name.
        """
        if value is not None and "." in value and not info.data.get("s3_path_style"):
            raise ValueError("a bucket with a dot in its name needs LASTRO_S3_PATH_STYLE=true")
        return value


class StoreSettings(PublicMediaSettings):
    """What a process needs that signs for the store, or works in it."""

    s3_access_key_id: str | None = Field(
        None,
        description="Access key of the store; empty: boto3 finds credentials by itself.",
        validation_alias="LASTRO_S3_ACCESS_KEY_ID",
    )
    s3_secret_access_key: SecretStr | None = Field(
        None,
        validate_default=True,
        description="Its secret.",
        validation_alias="LASTRO_S3_SECRET_ACCESS_KEY",
    )

    @field_validator("s3_secret_access_key")
    @classmethod
    def _keys_come_together(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        """Refuse half of the credentials.

        Raises:
            ValueError: One of the two is missing.
        """
        has_id = info.data.get("s3_access_key_id") is not None
        if has_id and value is None:
            raise ValueError("required, as LASTRO_S3_ACCESS_KEY_ID is set")
        if value is not None and not has_id:
            raise ValueError("set without LASTRO_S3_ACCESS_KEY_ID")
        return value


class UploadSettings(StoreSettings):
    """What the write API lets files in by."""

    upload_secret: SecretStr | None = Field(
        None,
        min_length=SECRET_CHARACTERS_MIN,
        description="Key that signs creators' upload links; the same on every replica. Empty: only "
        "the operator uploads.",
        validation_alias="LASTRO_UPLOAD_SECRET",
    )
    page_origins: Origins = Field(
        (),
        description="Origins of pages that may use /v1/media from a browser, comma-separated; none "
        "are needed behind one origin.",
        validation_alias="LASTRO_PAGE_ORIGINS",
    )
    pages_url: Url | None = Field(
        None,
        description="Where the outside reaches the pages, for upload links; empty: as "
        "LASTRO_PUBLIC_URL.",
        validation_alias="LASTRO_PAGES_URL",
    )
    trusted_proxies: Proxies = Field(
        (),
        description="Addresses of our own proxies, comma-separated: from them X-Forwarded-For says "
        "where an upload was asked for.",
        validation_alias="LASTRO_TRUSTED_PROXIES",
    )


class MediaWorkSettings(StoreSettings):
    """What the worker decides files with."""

    media_queue_url: Url | None = Field(
        None,
        description="SQS queue of the bucket's events; empty: uploads are found without it, later.",
        validation_alias="LASTRO_MEDIA_QUEUE_URL",
    )
    sqs_endpoint_url: Url | None = Field(
        None,
        description="SQS-compatible endpoint instead of AWS.",
        validation_alias="LASTRO_SQS_ENDPOINT_URL",
    )
    media_engine: EngineName = Field(
        "pillow",
        description="What compresses images: pillow, or pyvips where it is installed.",
        validation_alias="LASTRO_MEDIA_ENGINE",
    )
    media_siblings: Siblings = Field(
        (),
        description="Formats that a compressed image is kept in besides its own, comma-separated: "
        "webp, avif.",
        validation_alias="LASTRO_MEDIA_SIBLINGS",
    )
