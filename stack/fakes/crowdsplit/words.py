"""Words of the fake gateway: its refusals, its two forms of ids, its codes."""

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from offchain.gateways.brcode import crc16

_PREFIXES = frozenset({"cus", "pay", "ref", "whk", "evt"})


class Refused(Exception):  # noqa: N818 - reads as a state
    """The fake answers with an error envelope."""

    def __init__(self, status: int, code: str, msg: str, *, reason: str | None = None) -> None:
        self.status = status
        self.body: dict[str, Any] = {
            "msg": msg,
            "error_code": code,
            "data": None,
            "failure_reasons": [
                {
                    "code": reason or code,
                    "message": msg,
                    "fields": [],
                    "deadline": None,
                    "provider_code": None,
                    "requires_manual_review": False,
                    "support_reference": None,
                }
            ],
        }
        super().__init__(msg)


def invalid(msg: str) -> Refused:
    """422: the request breaks a rule."""
    return Refused(HTTPStatus.UNPROCESSABLE_ENTITY, "validation_error", msg)


def not_found(what: str) -> Refused:
    """404."""
    return Refused(HTTPStatus.NOT_FOUND, "not_found", f"{what} not found")


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
