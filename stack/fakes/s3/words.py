"""How S3 says no: codes, status and XML of its errors (API Reference, "Error responses")."""

from collections.abc import Mapping
from typing import Final
from xml.etree.ElementTree import Element, SubElement, tostring

XML: Final = "application/xml"
DECLARATION: Final = b'<?xml version="1.0" encoding="UTF-8"?>\n'


class Refused(Exception):  # noqa: N818 - reads as a state
    """A call that is refused.

    Attributes:
        status: Of the HTTP answer.
        code: S3's error code.
        details: Further elements of the error document, in order.
    """

    def __init__(self, status: int, code: str, message: str, **details: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.details: Mapping[str, str] = details

    def document(self, resource: str, request_id: str) -> bytes:
        """The error as XML."""
        elements = {
            "Code": self.code,
            "Message": str(self),
            **self.details,
            "Resource": resource,
            "RequestId": request_id,
        }
        return document("Error", elements)


def document(name: str, elements: Mapping[str, str]) -> bytes:
    """A flat XML document."""
    root = Element(name)
    for child, text in elements.items():
        SubElement(root, child).text = printable(text)
    return render(root)


def render(root: Element) -> bytes:
    """An XML document with its declaration."""
    text: bytes = tostring(root, encoding="utf-8")
    return DECLARATION + text


def printable(text: str) -> str:
    """Text without what XML 1.0 cannot carry (section 2.2)."""
    return "".join(
        mark if mark in "\t\n\r" or (ord(mark) >= ord(" ") and mark not in "\ufffe\uffff") else "?"
        for mark in text
    )


def access_denied(message: str = "Access Denied", **details: str) -> Refused:
    """Nobody may do this, or not this caller."""
    return Refused(403, "AccessDenied", message, **details)


def bad_request(message: str, code: str = "InvalidRequest", **details: str) -> Refused:
    """The call makes no sense."""
    return Refused(400, code, message, **details)


def not_implemented(what: str) -> Refused:
    """S3 may have it; this has not."""
    return Refused(
        501,
        "NotImplemented",
        "A header or parameter you provided implies functionality that is not implemented",
        Header=what,
    )


def no_such_key(key: str) -> Refused:
    """There is no such object."""
    return Refused(404, "NoSuchKey", "The specified key does not exist.", Key=key)


def precondition_failed(condition: str) -> Refused:
    """The header of that name does not hold."""
    return Refused(
        412,
        "PreconditionFailed",
        "At least one of the pre-conditions you specified did not hold",
        Condition=condition,
    )
