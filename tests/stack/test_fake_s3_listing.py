"""Lists of the local S3: in UTF-8 order, by pages, folded at a delimiter."""

from datetime import UTC, datetime
from urllib.parse import urlencode
from xml.etree import ElementTree as ET

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import Headers

from stack.fakes.s3.calls import Call
from stack.fakes.s3.keeping import Stored
from stack.fakes.s3.listing import list_objects
from tests.support.s3 import S3Site, new_bucket

NS = "{http://s3.amazonaws.com/doc/2006-03-01/}"
KEYS = ["a/1", "a/2", "a/b/1", "b", "c d+ü", "é/1", "z"]


@pytest.fixture(scope="module")
def bucket(s3: S3Site) -> str:
    """Of seven objects."""
    name = new_bucket()
    s3.client().create_bucket(Bucket=name)
    for key in reversed(KEYS):
        s3.client().put_object(Bucket=name, Key=key, Body=key.encode())
    return name


@pytest.mark.parametrize(
    ("parameters", "keys", "prefixes"),
    [
        ({}, KEYS, []),
        ({"Prefix": "a/"}, ["a/1", "a/2", "a/b/1"], []),
        ({"Delimiter": "/"}, ["b", "c d+ü", "z"], ["a/", "é/"]),
        ({"Delimiter": "/", "Prefix": "a/"}, ["a/1", "a/2"], ["a/b/"]),
        ({"StartAfter": "b"}, ["c d+ü", "z", "é/1"], []),
        ({"Prefix": "none"}, [], []),
        ({"MaxKeys": 0}, [], []),
    ],
    ids=str,
)
def test_bucket_is_listed_as_asked(
    s3: S3Site, bucket: str, parameters: dict[str, str], keys: list[str], prefixes: list[str]
) -> None:
    listed = s3.client().list_objects_v2(Bucket=bucket, **parameters)
    assert sorted(one["Key"] for one in listed.get("Contents", [])) == sorted(keys)
    assert [one["Prefix"] for one in listed.get("CommonPrefixes", [])] == prefixes
    assert listed["KeyCount"] == len(keys) + len(prefixes)
    assert not listed["IsTruncated"]


def test_pages_give_every_key_once_and_in_order(s3: S3Site, bucket: str) -> None:
    pages = (
        s3.client()
        .get_paginator("list_objects_v2")
        .paginate(Bucket=bucket, PaginationConfig={"PageSize": 2})
    )
    found = [one["Key"] for page in pages for one in page["Contents"]]
    assert found == sorted(KEYS, key=str.encode)


def test_page_that_was_never_given_is_refused(s3: S3Site, bucket: str) -> None:
    for token in ("not base64!", "gA=="):
        with pytest.raises(ClientError) as refused:
            s3.client().list_objects_v2(Bucket=bucket, ContinuationToken=token)
        assert refused.value.response["Error"]["Code"] == "InvalidArgument"


def test_bucket_that_is_not_there_is_refused(s3: S3Site) -> None:
    with pytest.raises(ClientError) as refused:
        s3.client().list_objects_v2(Bucket=new_bucket())
    assert refused.value.response["Error"]["Code"] == "NoSuchBucket"


def listed(keys: list[str], **query: str) -> tuple[list[str], list[str], str | None]:
    """One page of a bucket that holds these keys."""
    now = datetime(2026, 1, 1, tzinfo=UTC)
    objects = [Stored(key, "0" * 32, 1, now, {}, {}) for key in sorted(keys, key=str.encode)]
    asked = [("list-type", "2"), *query.items()]
    call = Call("GET", "/b?" + urlencode(asked), asked, Headers({}), "b", "")
    root = ET.fromstring(list_objects(call, objects))  # noqa: S314 - our own
    return (
        [found.findtext(f"{NS}Key") or "" for found in root.iter(f"{NS}Contents")],
        [found.findtext(f"{NS}Prefix") or "" for found in root.iter(f"{NS}CommonPrefixes")],
        root.findtext(f"{NS}NextContinuationToken"),
    )


@given(
    keys=st.sets(st.text("ab/é", min_size=1, max_size=6)),
    prefix=st.text("ab/", max_size=2),
    size=st.integers(1, 4),
    delimiter=st.sampled_from(["", "/", "b/"]),
)
def test_pages_of_any_size_hold_what_one_page_holds(
    keys: set[str], prefix: str, size: int, delimiter: str
) -> None:
    query = {"prefix": prefix, "delimiter": delimiter}
    whole = listed(list(keys), **query)
    found: tuple[list[str], list[str]] = ([], [])
    more: dict[str, str] = {}
    while True:
        page, folded, token = listed(list(keys), **{"max-keys": str(size)}, **query, **more)
        assert len(page) + len(folded) <= size
        found[0].extend(page)
        found[1].extend(folded)
        if token is None:
            break
        more = {"continuation-token": token}
    assert found == whole[:2]
    assert whole[2] is None
    assert all(key.startswith(prefix) for key in found[0])
