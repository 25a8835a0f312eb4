"""Creators' files, and the settings of an api that shows them."""

import uuid
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from sqlalchemy import Connection, insert

from api.settings import ApiSettings
from offchain.media.tables import files
from tests.api.chain_rows import T0, write_deployment

CDN = "https://cdn.example.org/files"
ETAG = '"0a1b2c3d4e5f"'
VERSION = "?v=0a1b2c3d"


def page_settings(database_url: str, directory: Path, **variables: str) -> ApiSettings:
    write_deployment(directory)
    return ApiSettings.model_validate(
        {
            "DATABASE_URL": database_url,
            "LASTRO_DEPLOYMENTS_DIR": directory,
            "LASTRO_CURSOR_SECRET": SecretStr("a secret of some length"),
            "LASTRO_S3_BUCKET": "lastro",
            "LASTRO_S3_ENDPOINT_URL": "https://store.example.org",
            "LASTRO_CDN_BASE_URL": CDN,
            "LASTRO_PUBLIC_URL": "https://pay.example.org",
            **variables,
        }
    )


def add_file(
    connection: Connection, campaign_id: uuid.UUID, extension: str = "jpg", **columns: Any
) -> str:
    """A file that is ready, unless ``columns`` say otherwise; returns its key."""
    file_id = uuid.uuid4()
    key = f"media/{campaign_id}/{file_id}.{extension}"
    values: dict[str, Any] = {
        "id": file_id,
        "campaign_id": campaign_id,
        "purpose": "gallery",
        "object_key": key,
        "declared_type": "image/jpeg",
        "declared_bytes": 1_234_567,
        "state": "ready",
        "etag": ETAG,
        "stored_bytes": 1_234_567,
        "sha256": bytes(32),
        "processed": "untouched",
        "url_expires_at": T0,
        "created_at": T0,
        "decided_at": T0,
        "next_try_at": None,
        **columns,
    }
    if values["declared_type"].startswith("image/"):
        values = {"width": 1024, "height": 683, "frames": 1, **values}
    connection.execute(insert(files).values(values))
    return key
