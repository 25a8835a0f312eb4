"""Words of the fake gateway: its generations, its refusals, its two forms of ids, its codes."""

from collections.abc import Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Literal

from offchain.gateways.brcode import crc16

Dialect = Literal["gen2", "gen3"]
Json = dict[str, Any]
_PREFIXES = frozenset({"cus", "pay", "ref", "tr", "dis", "pm", "preg", "whk", "evt"})


class Refused(Exception):  # noqa: N818 - reads as a state
    """The fake answers with an error envelope."""

    def __init__(self, status: int, code: str, msg: str, *, reason: str | None = None) -> None:
        self.status = status
        self.code = code
        self.msg = msg
        self.reason = reason or code
        super().__init__(msg)

    def body(self, dialect: Dialect) -> Json:
        """The envelope; the second generation gives no codes."""
        if dialect == "gen2":
            return {"msg": self.msg, "data": None}
        return {
            "msg": self.msg,
            "error_code": self.code,
            "data": None,
            "failure_reasons": [
                {
                    "code": self.reason,
                    "message": self.msg,
                    "fields": [],
                    "deadline": None,
                    "provider_code": None,
                    "requires_manual_review": False,
                    "support_reference": None,
                }
            ],
        }


def invalid(msg: str, *, reason: str | None = None) -> Refused:
    """422: the request breaks a rule."""
    return Refused(HTTPStatus.UNPROCESSABLE_ENTITY, "validation_error", msg, reason=reason)


def wrong_state(msg: str) -> Refused:
    """400: not in this state."""
    return Refused(HTTPStatus.BAD_REQUEST, "validation_error", msg)


def not_found(what: str) -> Refused:
    """404."""
    return Refused(HTTPStatus.NOT_FOUND, "not_found", f"{what} not found")


def conflict(msg: str, *, reason: str | None = None) -> Refused:
    """409."""
    return Refused(HTTPStatus.CONFLICT, "conflict", msg, reason=reason)


def wire(prefix: str, identifier: str, dialect: Dialect) -> str:
    """An id as this generation writes it."""
    return identifier if dialect == "gen2" else f"{prefix}_{identifier}"


def bare(identifier: str, prefix: str) -> str:
    """Either form of an id without its prefix; a wrong prefix is refused."""
    head, separator, rest = identifier.partition("_")
    if not separator:
        return identifier
    if head in _PREFIXES and head != prefix:
        raise invalid(f"expected an id that starts with {prefix}_")
    return rest if head == prefix else identifier


def br_code(payment_id: str) -> str:
    """A dynamic BR Code with a valid checksum."""

    def tlv(number: str, value: str) -> str:
        return f"{number}{len(value):02d}{value}"

    url = f"pix.example.org/v2/{payment_id.replace('-', '')}"
    account = tlv("00", "br.gov.bcb.pix") + tlv("25", url)
    text = (
        tlv("00", "01")
        + tlv("01", "12")
        + tlv("26", account)
        + tlv("52", "0000")
        + tlv("53", "986")
        + tlv("58", "BR")
        + tlv("59", "PROJETO TESTE")
        + tlv("60", "SAO PAULO")
        + tlv("62", tlv("05", "***"))
        + "6304"
    )
    return text + crc16(text)


def instant_of(text: str) -> datetime:
    """Read an ISO date; without a zone it is UTC."""
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise invalid(f"{text!r} is not a date") from None
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


def required(body: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A member that must be an object."""
    value = body.get(name)
    if not isinstance(value, Mapping):
        raise invalid(f"{name} is required")
    return value


def amount_of(value: object, name: str) -> int:
    """An amount, which must be a positive integer of minor units."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise invalid(f"{name} must be a positive integer")
    return value


def metadata_of(body: Mapping[str, Any]) -> dict[str, str]:
    """Metadata, which must map strings to strings."""
    found = body.get("metadata") or {}
    if not isinstance(found, Mapping) or not all(isinstance(v, str) for v in found.values()):
        raise invalid("metadata must map strings to strings")
    return dict(found)
