"""Read what the store announces: which keys something was created under. Pure.

Sources: Amazon S3 user guide, "Event message structure" (keys are URL-encoded, a space is ``+``;
``s3:TestEvent`` is sent when notifications are switched on); Amazon SNS developer guide, "Raw
message delivery" (without it S3's text is inside ``Message``). Messages come twice, late and in any
order, and anyone who may write to the queue may send anything.
"""

from typing import Any, Final
from urllib.parse import unquote_plus

import orjson

BODY_CHARACTERS_MAX: Final = 256 * 1024
RECORDS_MAX: Final = 100
KEY_CHARACTERS_MAX: Final = 1024


def created_keys(body: str, *, bucket: str) -> list[str]:
    """The keys of objects that were created in a bucket, by one message; none from anything else.

    Args:
        body: The message as it came.
        bucket: Ours.
    """
    message = _parsed(body)
    if isinstance(message, dict) and isinstance(message.get("Message"), str):
        message = _parsed(message["Message"])
    records = message.get("Records") if isinstance(message, dict) else None
    if not isinstance(records, list):
        return []
    keys = (_created_key(record, bucket) for record in records[:RECORDS_MAX])
    return [key for key in keys if key is not None]


def _created_key(record: object, bucket: str) -> str | None:
    s3 = _member(record, "s3")
    event, key = _member(record, "eventName"), _member(s3, "object", "key")
    if not isinstance(event, str) or not event.removeprefix("s3:").startswith("ObjectCreated:"):
        return None
    if _member(s3, "bucket", "name") != bucket or not isinstance(key, str):
        return None
    plain = unquote_plus(key)
    # Postgres takes no NUL in a text; no key of ours is anything but printable ASCII.
    is_ours = plain.isascii() and plain.isprintable() and len(plain) <= KEY_CHARACTERS_MAX
    return plain if is_ours else None


def _member(value: object, *path: str) -> object:
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _parsed(text: str) -> Any:  # noqa: ANN401 - whatever a message holds
    if len(text) > BODY_CHARACTERS_MAX:
        return None
    try:
        # Not the standard library's: it counts on a recursion limit that others may have raised.
        return orjson.loads(text)
    except ValueError:
        return None
