"""What the local S3 tells its queue, and how the queue is waited at."""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import unquote_plus

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ReadTimeoutError

from tests.support.s3 import S3Site, answers, running_s3

KEY = "media/a b+c/ü~%25.jpg"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[S3Site]:
    """A store of its own, whose test event was taken."""
    with running_s3(tmp_path / "objects") as site:
        [test_event] = site.events()
        assert (test_event["Event"], test_event["Bucket"]) == ("s3:TestEvent", site.bucket)
        yield site


def record_of(event: dict[str, Any]) -> tuple[str, str, str, int, str]:
    [record] = event["Records"]
    found = record["s3"]["object"]
    name = record["s3"]["bucket"]["name"]
    return record["eventName"], name, unquote_plus(found["key"]), found["size"], found["eTag"]


def test_every_write_is_told_with_its_key_encoded(site: S3Site) -> None:
    client = site.client()
    for body in (b"1", b"22"):
        etag = client.put_object(Bucket=site.bucket, Key=KEY, Body=body)["ETag"].strip('"')
        [event] = site.events()
        assert event["Records"][0]["s3"]["object"]["key"] != KEY
        assert record_of(event) == ("ObjectCreated:Put", site.bucket, KEY, len(body), etag)
    where = {"Bucket": site.bucket, "Key": KEY}
    client.copy_object(Bucket=site.bucket, Key="media/copy", CopySource=where)
    [event] = site.events()
    assert record_of(event)[:3] == ("ObjectCreated:Copy", site.bucket, "media/copy")


def test_what_was_refused_is_not_told(site: S3Site) -> None:
    client = site.client()
    with pytest.raises(ClientError):
        client.put_object(Bucket=site.bucket, Key=KEY, Body=b"1", IfMatch='"0"')
    client.delete_object(Bucket=site.bucket, Key=KEY)
    client.put_object(Bucket=site.bucket, Key="media/last", Body=b"1")
    assert [record_of(event)[2] for event in site.events()] == ["media/last"]


def test_long_polls_end_when_a_message_comes_and_hold_nobody_up(site: S3Site) -> None:
    def poll() -> str:
        [message] = site.sqs().receive_message(
            QueueUrl=site.queue_url, WaitTimeSeconds=20, MaxNumberOfMessages=1
        )["Messages"]
        return record_of(json.loads(message["Body"]))[2]

    keys = [f"media/{number}" for number in range(50)]
    with ThreadPoolExecutor(len(keys)) as pool:  # more than a server has threads
        began = time.monotonic()
        polls = [pool.submit(poll) for _ in keys]
        client = site.client()
        for key in keys:
            client.put_object(Bucket=site.bucket, Key=key, Body=b"1")
        assert sorted(one.result() for one in polls) == sorted(keys)
    assert time.monotonic() - began < 19


def test_message_is_not_given_to_a_caller_who_has_left(site: S3Site) -> None:
    hasty = Config(read_timeout=0.3, retries={"total_max_attempts": 1})

    def leave() -> None:
        queue = boto3.client("sqs", config=hasty, **site.account)
        with pytest.raises(ReadTimeoutError):
            queue.receive_message(QueueUrl=site.queue_url, WaitTimeSeconds=20)

    with ThreadPoolExecutor(5) as pool:
        for left in [pool.submit(leave) for _ in range(5)]:
            left.result()
    assert answers(site)  # what was sent before, it has seen
    queue, waiting = site.sqs(), "ApproximateNumberOfMessages"
    site.client().put_object(Bucket=site.bucket, Key=KEY, Body=b"1")
    for _ in range(40):  # some rounds of a poll that would still be there
        told = queue.get_queue_attributes(QueueUrl=site.queue_url, AttributeNames=[waiting])
        assert told["Attributes"][waiting] == "1"
    [event] = site.events()
    assert record_of(event)[2] == KEY


def test_message_not_deleted_comes_again(site: S3Site) -> None:
    queue, url = site.sqs(), site.queue_url
    site.client().put_object(Bucket=site.bucket, Key=KEY, Body=b"1")
    [message] = queue.receive_message(QueueUrl=url)["Messages"]
    assert "Messages" not in queue.receive_message(QueueUrl=url)
    queue.change_message_visibility(
        QueueUrl=url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0
    )
    [again] = queue.receive_message(QueueUrl=url, WaitTimeSeconds=5)["Messages"]
    assert again["MessageId"] == message["MessageId"]


def test_queue_refuses_what_it_does_not_know(site: S3Site) -> None:
    with pytest.raises(ClientError) as refused:
        site.sqs().receive_message(QueueUrl=site.queue_url + "-none")
    assert "NonExistentQueue" in refused.value.response["Error"]["Code"]


def test_faults_that_are_asked_for_happen(site: S3Site) -> None:
    client = site.client(retries={"total_max_attempts": 1})
    site.fault(path="/", mode="status", status=503, method="PUT")
    with pytest.raises(ClientError) as refused:
        client.put_object(Bucket=site.bucket, Key=KEY, Body=b"1")
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503
    client.put_object(Bucket=site.bucket, Key=KEY, Body=b"1")
    assert [call["fault"] for call in site.calls() if call["method"] == "PUT"] == ["status", None]
