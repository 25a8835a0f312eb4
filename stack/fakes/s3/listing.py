"""ListObjectsV2: the keys of a bucket in UTF-8 order, by pages, folded at a delimiter."""

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Final
from urllib.parse import quote
from xml.etree.ElementTree import Element, SubElement

from stack.fakes.s3.calls import Call, read_number
from stack.fakes.s3.described import unsupported_parameters
from stack.fakes.s3.keeping import Stored
from stack.fakes.s3.words import Refused, printable, render

KEYS_MAX: Final = 1000
_PARAMETERS: Final = (
    "list-type",
    "prefix",
    "delimiter",
    "max-keys",
    "start-after",
    "continuation-token",
    "encoding-type",
    "fetch-owner",
)


def list_objects(call: Call, objects: Sequence[Stored]) -> bytes:
    """One page, as XML.

    Args:
        call: An authorized ``GET /{bucket}?list-type=2``.
        objects: All of the bucket's, by key.

    Raises:
        Refused: A parameter is not understood.
    """
    unsupported_parameters(call, _PARAMETERS)
    prefix, delimiter = call.asked("prefix") or "", call.asked("delimiter") or ""
    most = read_number(call.asked("max-keys"), of="max-keys", at_most=KEYS_MAX)
    token = call.asked("continuation-token")
    after = _after(token) if token is not None else call.asked("start-after") or ""
    page, folded, is_truncated = _page(objects, prefix, delimiter, after, most)
    shown: Callable[[str], str] = quote if call.asked("encoding-type") == "url" else printable
    root = Element("ListBucketResult", xmlns="http://s3.amazonaws.com/doc/2006-03-01/")
    texts = {
        "Name": call.bucket,
        "Prefix": shown(prefix),
        "Delimiter": shown(delimiter),
        "MaxKeys": str(most),
        "KeyCount": str(len(page) + len(folded)),
        "IsTruncated": "true" if is_truncated else "false",
        "EncodingType": call.asked("encoding-type") or "",
        "StartAfter": shown(call.asked("start-after") or ""),
    }
    if is_truncated:
        last = max([stored.key for stored in page] + folded, key=str.encode)
        texts["NextContinuationToken"] = base64.urlsafe_b64encode(last.encode()).decode()
    for name, text in texts.items():
        if text or name == "Prefix":
            SubElement(root, name).text = text
    for stored in page:
        _add(root, stored, shown(stored.key))
    for group in folded:
        SubElement(SubElement(root, "CommonPrefixes"), "Prefix").text = shown(group)
    return render(root)


def _add(root: Element, stored: Stored, key: str) -> None:
    contents = SubElement(root, "Contents")
    for name, text in {
        "Key": key,
        "LastModified": stored.modified.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        "ETag": stored.quoted_etag,
        "Size": str(stored.size_bytes),
        "StorageClass": "STANDARD",
    }.items():
        SubElement(contents, name).text = text


def _page(
    objects: Sequence[Stored], prefix: str, delimiter: str, after: str, most: int
) -> tuple[list[Stored], list[str], bool]:
    """Objects and folded prefixes after a place, and whether there are more."""
    page: list[Stored] = []
    folded: list[str] = []
    for stored in objects:
        key = stored.key
        if not key.startswith(prefix) or key.encode() <= after.encode():
            continue
        head, found, _ = key[len(prefix) :].partition(delimiter) if delimiter else (key, "", "")
        group = prefix + head + found if found else None
        if group is not None and (group in folded[-1:] or group == after):
            continue
        if len(page) + len(folded) == most:
            return page, folded, most > 0
        if group is None:
            page.append(stored)
        else:
            folded.append(group)
    return page, folded, False


def _after(token: str) -> str:
    try:
        return base64.b64decode(token, altchars="-_", validate=True).decode()
    except (binascii.Error, ValueError):
        raise Refused(
            400,
            "InvalidArgument",
            "The continuation token provided is incorrect",
            ArgumentName="continuation-token",
        ) from None
