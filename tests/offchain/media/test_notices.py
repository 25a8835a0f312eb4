"""What the store announces, and what else may be on the queue."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offchain.media.notices import BODY_CHARACTERS_MAX, RECORDS_MAX, created_keys

BUCKET = "ours"


def record(key: str = "media/a/b.jpg", **changes: Any) -> dict[str, Any]:
    return {
        "eventSource": "aws:s3",
        "eventName": "ObjectCreated:Put",
        "s3": {"bucket": {"name": BUCKET}, "object": {"key": key, "size": 1}},
        **changes,
    }


def message(*records: Any) -> str:
    return json.dumps({"Records": list(records)})


@pytest.mark.parametrize(
    ("written", "key"),
    [
        ("media/a/b.jpg", "media/a/b.jpg"),
        ("media%2Fa%2Fb.jpg", "media/a/b.jpg"),
        ("a+file+%28x%29.jpg", "a file (x).jpg"),
    ],
)
def test_key_is_decoded(written: str, key: str) -> None:
    assert created_keys(message(record(written)), bucket=BUCKET) == [key]


@pytest.mark.parametrize(
    "event", ["ObjectCreated:Put", "ObjectCreated:Copy", "s3:ObjectCreated:Post"]
)
def test_every_way_of_creating_counts(event: str) -> None:
    assert created_keys(message(record(eventName=event)), bucket=BUCKET)


@pytest.mark.parametrize("event", ["ObjectRemoved:Delete", "s3:TestEvent", "", None, 7, ["x"]])
def test_other_events_do_not(event: Any) -> None:
    assert created_keys(message(record(eventName=event)), bucket=BUCKET) == []


def test_notification_that_came_through_a_topic_is_read() -> None:
    wrapped = json.dumps({"Type": "Notification", "Message": message(record())})
    assert created_keys(wrapped, bucket=BUCKET) == ["media/a/b.jpg"]


def test_every_record_counts_up_to_a_bound() -> None:
    keys = [f"media/{place}" for place in range(RECORDS_MAX + 20)]
    found = created_keys(message(*map(record, keys)), bucket=BUCKET)
    assert found == keys[:RECORDS_MAX]


@pytest.mark.parametrize(
    "body",
    [
        '{"Service":"Amazon S3","Event":"s3:TestEvent","Bucket":"ours"}',
        "",
        "not json",
        "[]",
        "null",
        "7",
        '"text"',
        '{"Records":{}}',
        '{"Records":[null,7,"x",[],{}]}',
        '{"Records":[{"eventName":"ObjectCreated:Put","s3":[]}]}',
        '{"Message":"not json"}',
        '{"Message":{"Records":[]}}',
        "[" * 100_000,
        "1" * 5000,
        message(record("media/a%00b.jpg")),
        message(record("media/%FF%FE.jpg")),
        message(record("media/é.jpg")),
        message(record("x" * 1025)),
        message(record(s3={"bucket": {"name": "another"}, "object": {"key": "media/a"}})),
        message(record(s3={"bucket": {"name": BUCKET}, "object": {"key": 7}})),
        message(record()) + " " * BODY_CHARACTERS_MAX,
    ],
)
def test_anything_else_says_nothing(body: str) -> None:
    assert created_keys(body, bucket=BUCKET) == []


@given(
    st.text(max_size=300)
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=20),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from(["Records", "s3", "bucket", "object", "key", "name", "eventName"]),
                inner,
                max_size=4,
            )
        ),
    ).map(json.dumps)
)
def test_no_message_breaks_the_reader(body: str) -> None:
    assert isinstance(created_keys(body, bucket=BUCKET), list)
