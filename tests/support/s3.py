"""The local S3 as a real server, with its queue, for any test that needs one."""

import json
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import boto3
import httpx
from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

from stack.fakes.edge import CONTROL
from stack.ports import LOOPBACK, free_port
from tests.support.servers import running

REGION = "us-east-1"
ACCOUNT = "123456789012"
ORIGIN = "http://127.0.0.1:18700"
"""Of the pages that the bucket's CORS rule lets in."""
PUBLIC_PREFIX = "media/"


@dataclass(frozen=True, slots=True)
class S3Site:
    """One running store: its address, its one account, its one bucket and that one's queue."""

    endpoint_url: str
    access_key_id: str = "AKIALASTROTESTS00001"
    secret_access_key: str = "a-secret/of+forty=characters-for-tests-1"
    bucket: str = "lastro-media"
    queue: str = "lastro-media-written"
    region: str = REGION

    @property
    def queue_url(self) -> str:
        return f"{self.endpoint_url}/{ACCOUNT}/{self.queue}"

    def client(self, **config: Any) -> Any:
        """A client of S3, path style; ``config`` are further settings of botocore's Config."""
        settings = {"signature_version": "s3v4", "s3": {"addressing_style": "path"}, **config}
        return boto3.client("s3", config=Config(**settings), **self.account)

    def sqs(self) -> Any:
        return boto3.client("sqs", **self.account)

    @property
    def account(self) -> dict[str, Any]:
        """What boto3 needs to call as the one who may."""
        return {
            "endpoint_url": self.endpoint_url,
            "region_name": self.region,
            "aws_access_key_id": self.access_key_id,
            "aws_secret_access_key": self.secret_access_key,
        }

    def presign_put(self, key: str, *, expires_s: int = 3600, **parameters: Any) -> str:
        """A URL that writes one object; the caller sends the headers that ``parameters`` sign."""
        url: str = self.client().generate_presigned_url(
            "put_object",
            Params={"Bucket": self.bucket, "Key": key, **parameters},
            ExpiresIn=expires_s,
        )
        return url

    def presign_get(self, key: str, *, expires_s: int = 3600, **parameters: Any) -> str:
        url: str = self.client().generate_presigned_url(
            "get_object",
            Params={"Bucket": self.bucket, "Key": key, **parameters},
            ExpiresIn=expires_s,
        )
        return url

    def presign(self, method: str, target: str) -> str:
        """A URL for a call that no client would make; ``target`` is path and query."""
        request = AWSRequest(method, self.endpoint_url + target)
        credentials = Credentials(self.access_key_id, self.secret_access_key)
        S3SigV4QueryAuth(credentials, "s3", self.region, expires=3600).add_auth(request)
        return str(request.url)

    def advance(self, seconds: float) -> None:
        """Move the store's clock ahead; clients whose clock stays are too late soon after."""
        self._control("POST", "clock", {"advance_s": seconds})

    def fault(self, **fault: Any) -> None:
        """Break the next calls: members of ``stack.fakes.edge.Fault``; paths start with a slash."""
        self._control("POST", "faults", fault)

    def heal(self) -> None:
        self._control("DELETE", "faults")

    def calls(self) -> list[dict[str, Any]]:
        """Every call so far: method, path, fault."""
        found: list[dict[str, Any]] = self._control("GET", "calls")["calls"]
        return found

    def _control(self, method: str, name: str, body: Any = None) -> Any:
        answer = httpx.request(method, f"{self.endpoint_url}{CONTROL}/{name}", json=body)
        return answer.raise_for_status().json()

    def empty(self) -> None:
        """Remove every object."""
        client = self.client()
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket):
            for found in page.get("Contents", []):
                client.delete_object(Bucket=self.bucket, Key=found["Key"])

    def events(self, *, wait_s: int = 2) -> list[dict[str, Any]]:
        """Take up to ten messages off the queue, decoded."""
        queue = self.sqs()
        taken = queue.receive_message(
            QueueUrl=self.queue_url, MaxNumberOfMessages=10, WaitTimeSeconds=wait_s
        ).get("Messages", [])
        for message in taken:
            queue.delete_message(QueueUrl=self.queue_url, ReceiptHandle=message["ReceiptHandle"])
        return [json.loads(message["Body"]) for message in taken]


def code_of(answer: httpx.Response) -> tuple[int, str]:
    """Status and S3's error code of a refusal."""
    document = ET.fromstring(answer.content)  # noqa: S314 - our own server's
    return answer.status_code, document.findtext("Code") or ""


def new_bucket() -> str:
    """A bucket that no other test makes."""
    return f"lastro-{uuid.uuid4().hex[:12]}"


def new_key(end: str = "jpg") -> str:
    """A key that no other test writes."""
    return f"{PUBLIC_PREFIX}{uuid.uuid4()}/{uuid.uuid4()}.{end}"


def s3_command(site: S3Site, directory: Path, *origins: str) -> list[str]:
    """The command that serves a site."""
    options = {
        "--port": site.endpoint_url.rpartition(":")[2],
        "--directory": str(directory),
        "--access-key-id": site.access_key_id,
        "--secret-access-key": site.secret_access_key,
        "--bucket": site.bucket,
        "--queue": site.queue,
        "--public-prefix": PUBLIC_PREFIX,
    }
    words = [word for option in options.items() for word in option]
    allowed = [word for origin in origins for word in ("--origin", origin)]
    return [sys.executable, "-m", "stack.fakes.s3", *words, *allowed]


def answers(site: S3Site) -> bool:
    """Whether the store serves."""
    try:
        return httpx.get(f"{site.endpoint_url}{CONTROL}/calls").is_success
    except httpx.HTTPError:
        return False


@contextmanager
def running_s3(directory: Path, *origins: str, port: int | None = None) -> Iterator[S3Site]:
    """Serve S3 from a directory until the block ends; its objects stay there.

    Args:
        directory: Where objects are kept; the log lies beside it.
        origins: Web pages that may call the bucket; default: ``ORIGIN``.
        port: Default: any that is free.
    """
    site = S3Site(f"http://{LOOPBACK}:{port or free_port()}")
    directory.mkdir(parents=True, exist_ok=True)
    command = s3_command(site, directory, *(origins or (ORIGIN,)))
    with running(command, answers=lambda: answers(site), log=directory.with_suffix(".log")):
        yield site
