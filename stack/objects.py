"""The object store of one stack: the local S3 and its queue, or the user's own in their place."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from stack.credentials import LocalSecrets
from stack.ports import LOOPBACK
from stack.settings import StackSettings

BUCKET: Final = "lastro-media"
QUEUE: Final = "lastro-media-written"
PUBLIC_PREFIX: Final = "media/"
"""Where creators' files lie; anybody may read them, as where a CDN stands before the bucket."""
REGION: Final = "us-east-1"
_ACCOUNT: Final = "123456789012"
"""moto's only one; a part of its queues' URLs."""


@dataclass(frozen=True, slots=True)
class ObjectStore:
    """Where the stack's objects are.

    Attributes:
        port: Of the local one.
        directory: Of the local one; its objects outlive it there.
        is_own: Whether the user brings one: then nothing is made or set in it.
    """

    port: int
    directory: Path
    is_own: bool

    @property
    def url(self) -> str:
        """The local one's endpoint, of S3 and SQS alike."""
        return f"http://{LOOPBACK}:{self.port}"

    def command(self, secrets: LocalSecrets, *, pages_url: str) -> tuple[str, ...]:
        """The command that serves it, with its bucket and queue, to the pages too.

        The secret is not in it but in the ``environment`` that services have, too.
        """
        options = {
            "--port": str(self.port),
            "--directory": str(self.directory),
            "--access-key-id": secrets.s3_access_key_id,
            "--bucket": BUCKET,
            "--queue": QUEUE,
            "--public-prefix": PUBLIC_PREFIX,
            "--origin": pages_url,
        }
        words = [word for option in options.items() for word in option]
        return (sys.executable, "-m", "stack.fakes.s3", *words)

    def environment(self, secrets: LocalSecrets, *, pages_url: str) -> dict[str, str]:
        """What a service process must know of the store, and of who may upload to it."""
        uploads = {
            "LASTRO_UPLOAD_SECRET": os.environ.get("LASTRO_UPLOAD_SECRET") or secrets.upload_secret,
            "LASTRO_PAGE_ORIGINS": pages_url,
            "LASTRO_PAGES_URL": pages_url,
        }
        if self.is_own:  # its LASTRO_ variables are the caller's; boto3 looks at these
            chain = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
            return uploads | chain
        return uploads | {
            "LASTRO_S3_BUCKET": BUCKET,
            "LASTRO_S3_ENDPOINT_URL": self.url,
            "LASTRO_S3_PUBLIC_ENDPOINT_URL": self.url,
            "LASTRO_S3_REGION": REGION,
            "LASTRO_S3_PATH_STYLE": "true",
            "LASTRO_S3_ACCESS_KEY_ID": secrets.s3_access_key_id,
            "LASTRO_S3_SECRET_ACCESS_KEY": secrets.s3_secret_access_key,
            "LASTRO_MEDIA_QUEUE_URL": f"{self.url}/{_ACCOUNT}/{QUEUE}",
            "LASTRO_SQS_ENDPOINT_URL": self.url,
            "LASTRO_CDN_BASE_URL": "",  # the caller's stands before another store
        }


def object_store(settings: StackSettings, directory: Path) -> ObjectStore:
    """The store that the settings choose.

    Args:
        settings: The user's choices.
        directory: The stack's.
    """
    is_own = settings.s3_endpoint_url is not None or settings.s3_bucket is not None
    return ObjectStore(settings.ports.s3, directory / "s3", is_own)


def trouble_with_own(settings: StackSettings) -> str | None:
    """What keeps the user's own store from being used; None when its bucket answers."""
    if settings.s3_bucket is None:
        return "set besides: LASTRO_S3_BUCKET"
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    given = os.environ.get
    is_path_style = (given("LASTRO_S3_PATH_STYLE") or "").lower() in {"1", "true", "yes", "on"}
    try:
        client = boto3.client(
            "s3",
            endpoint_url=None
            if settings.s3_endpoint_url is None
            else str(settings.s3_endpoint_url),
            region_name=given("LASTRO_S3_REGION") or REGION,
            aws_access_key_id=given("LASTRO_S3_ACCESS_KEY_ID") or None,
            aws_secret_access_key=given("LASTRO_S3_SECRET_ACCESS_KEY") or None,
            config=Config(
                connect_timeout=5,
                read_timeout=5,
                retries={"total_max_attempts": 1},
                signature_version="s3v4",
                s3={"addressing_style": "path" if is_path_style else "virtual"},
            ),
        )
        client.head_bucket(Bucket=settings.s3_bucket)
    except ClientError as error:
        code = error.response["ResponseMetadata"]["HTTPStatusCode"]
        reasons = {
            403: "the credentials may not see it: correct LASTRO_S3_ACCESS_KEY_ID and its secret",
            404: "there is no such bucket: make it, or correct LASTRO_S3_BUCKET",
        }
        return f"{settings.s3_bucket}: {reasons.get(code, f'the store answers {code}')}"
    except (BotoCoreError, ValueError) as error:
        return f"{settings.s3_bucket}: {error}: correct LASTRO_S3_ENDPOINT_URL or LASTRO_S3_BUCKET"
    return None
