"""Builders of media tests: files declared by hand, uploads as a browser sends them, pictures."""

import io
import random
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

import httpx
from PIL import Image
from sqlalchemy import Engine, select, update

from offchain.jobs.sweeps.media import decide_one
from offchain.media.declaring import Declaration, Uploader, declare
from offchain.media.kinds import ACCEPTED, COMPRESS_ABOVE_BYTES
from offchain.media.opening import Media, open_media
from offchain.media.rows import File, hint, quarantine_key, read_file
from offchain.media.settings import MediaWorkSettings
from offchain.media.store import MediaStore, Put, SignedPut
from offchain.media.tables import files
from offchain.media.tokens import Grant, sign_token
from offchain.services import Services
from tests.support.offchain import OPERATOR_TOKEN, add_campaign
from tests.support.s3 import S3Site

JPEG = "image/jpeg"
PDF = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\n%%EOF\n"
SLUG = "a-school"
OPERATOR = {"Authorization": f"Bearer {OPERATOR_TOKEN}"}
UPLOAD_SECRET = "upload-secret-of-the-tests"
BIG_SIZE = (2400, 1600)


def media_environment(site: S3Site, **more: str) -> dict[str, str]:
    """The media settings of every process, for one store."""
    return {
        "LASTRO_S3_BUCKET": site.bucket,
        "LASTRO_S3_ENDPOINT_URL": site.endpoint_url,
        "LASTRO_S3_REGION": site.region,
        "LASTRO_S3_PATH_STYLE": "true",
        "LASTRO_S3_ACCESS_KEY_ID": site.access_key_id,
        "LASTRO_S3_SECRET_ACCESS_KEY": site.secret_access_key,
        "LASTRO_MEDIA_QUEUE_URL": site.queue_url,
        "LASTRO_SQS_ENDPOINT_URL": site.endpoint_url,
        "LASTRO_UPLOAD_SECRET": UPLOAD_SECRET,
        **more,
    }


def media_of(site: S3Site, **more: str) -> Media:
    """The worker's side of one store."""
    media = open_media(MediaWorkSettings.model_validate(media_environment(site, **more)))
    assert media is not None
    return media


def declared(
    services: Services,
    content: bytes,
    *,
    content_type: str = JPEG,
    campaign_id: UUID | None = None,
    **columns: Any,
) -> File:
    """Declare a file of some bytes, as the write API does."""
    values: dict[str, Any] = {
        "file_id": uuid.uuid4(),
        "campaign_id": campaign_id or add_campaign(services.engine),
        "purpose": "gallery",
        "kind": ACCEPTED[content_type],
        "size_bytes": len(content),
        "sha256": None,
        **columns,
    }
    with services.engine.begin() as connection:
        file = declare(
            connection,
            Declaration(**values),
            Uploader("Somebody", "192.0.2.1"),
            now=services.clock(),
        )
    assert isinstance(file, File)
    return file


def store_of(services: Services) -> MediaStore:
    assert services.media is not None
    return services.media.store


def signed_for(services: Services, file: File, **fields: Any) -> SignedPut:
    put = Put(
        file.object_key, ACCEPTED[file.declared_type], file.declared_bytes, file.declared_sha256
    )
    return store_of(services).sign_put(replace(put, **fields), life=timedelta(hours=1))


def send(signed: SignedPut, content: bytes, **headers: str) -> httpx.Response:
    """Send bytes as a browser does."""
    return httpx.put(signed.url, content=content, headers={**signed.headers, **headers})


def uploaded(services: Services, content: bytes, **declaration: Any) -> File:
    """A declared file whose bytes are in the store; nobody said so yet."""
    file = declared(services, content, **declaration)
    assert send(signed_for(services, file), content).status_code == httpx.codes.OK
    return file


def planted(site: S3Site, file: File, content: bytes, **parameters: Any) -> None:
    """Put an object where a file's belongs, as only somebody with the store's keys can."""
    given = {"ContentType": file.declared_type, **parameters}
    site.client().put_object(Bucket=site.bucket, Key=file.object_key, Body=content, **given)


def now_of(engine: Engine, file: File) -> File:
    """A file as it is by now."""
    with engine.connect() as connection:
        found = read_file(connection, file.id)
    assert found is not None
    return found


def row_of(engine: Engine, file: File) -> Any:
    with engine.connect() as connection:
        return connection.execute(select(files).where(files.c.id == file.id)).one()


def change(engine: Engine, file: File, **columns: Any) -> None:
    """Change a row as nobody should, minding its version."""
    with engine.begin() as connection:
        connection.execute(
            update(files)
            .where(files.c.id == file.id)
            .values(columns | {"version": files.c.version + 1})
        )


def at(services: Services, **ahead: float) -> Services:
    """The same services at a later business time."""
    moment = datetime.now(UTC) + timedelta(**ahead)
    return replace(services, clock=lambda: moment)


def told(services: Services, file: File) -> Any:
    """Somebody says that it came, and a worker hears it; the row afterwards."""
    with services.engine.begin() as connection:
        hint(connection, file.id, now=services.clock())
    decide_one(services, file.id)
    return row_of(services.engine, file)


def quarantined(site: S3Site, file: File) -> Any:
    """The object of a failed file, as operators find it."""
    return site.client().get_object(Bucket=site.bucket, Key=quarantine_key(file.object_key))


def is_public(site: S3Site, key: str) -> bool:
    """Whether anybody may read an object who knows its key."""
    return httpx.get(f"{site.endpoint_url}/{site.bucket}/{key}").is_success


def picture(size: tuple[int, int] = (40, 30), kind: str = "JPEG", **options: Any) -> bytes:
    """A picture of one colour."""
    target = io.BytesIO()
    Image.new("RGB", size, (200, 120, 40)).save(target, kind, **options)
    return target.getvalue()


def big_picture(kind: str = "JPEG") -> bytes:
    """A picture of noise that is large enough to be made smaller."""
    noise = random.Random(7).randbytes(BIG_SIZE[0] * BIG_SIZE[1] * 3)  # noqa: S311
    target = io.BytesIO()
    options: dict[str, Any] = {} if kind == "PNG" else {"quality": 98, "subsampling": 0}
    Image.frombytes("RGB", BIG_SIZE, noise).save(target, kind, **options)
    assert len(target.getvalue()) > COMPRESS_ABOVE_BYTES
    return target.getvalue()


def stored(site: S3Site, file: File) -> Any:
    """An object as the store has it: headers, metadata and bytes."""
    return site.client().get_object(Bucket=site.bucket, Key=file.object_key)


def is_stored(site: S3Site, key: str) -> bool:
    listed = site.client().list_objects_v2(Bucket=site.bucket, Prefix=key)
    return any(found["Key"] == key for found in listed.get("Contents", ()))


def writes_of(site: S3Site, file: File) -> int:
    """How often a file's object was written over, whoever asked, since the store runs."""
    path = f"/{site.bucket}/{file.object_key}"
    calls = [call for call in site.calls() if call["method"] == "PUT"]
    return sum(call["path"].partition("?")[0] == path for call in calls)


def digest(content: bytes) -> bytes:
    return sha256(content).digest()


def token_for(campaign_id: UUID, *, life: timedelta = timedelta(hours=1)) -> dict[str, str]:
    grant = Grant(campaign_id, datetime.now(UTC) + life)
    return {"Authorization": f"Bearer {sign_token(grant, secret=UPLOAD_SECRET.encode())}"}


def body(**changes: Any) -> dict[str, Any]:
    content = picture()
    given = {
        "campaign": SLUG,
        "purpose": "cover",
        "content_type": "image/jpeg",
        "size_bytes": len(content),
    }
    return given | changes


def problem(answer: httpx.Response) -> str:
    assert answer.headers["content-type"] == "application/problem+json"
    kind: str = answer.json()["type"].removeprefix("urn:problem-type:lastro:")
    return kind
