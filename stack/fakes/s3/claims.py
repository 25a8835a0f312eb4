"""What a call says of its signature, and whether it may be said: scope, time, life."""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from stack.fakes.s3.calls import Call
from stack.fakes.s3.words import Refused, access_denied, bad_request, not_implemented

ALGORITHM: Final = "AWS4-HMAC-SHA256"
STAMP: Final = "%Y%m%dT%H%M%SZ"
UNSIGNED: Final = "UNSIGNED-PAYLOAD"
EXPIRES_MAX_S: Final = 604_800
"""Seven days: S3 API Reference, "Authenticating Requests: Using Query Parameters"."""
SKEW_MAX: Final = timedelta(minutes=15)
SERVICES: Final = ("s3", "sqs")
_HASH: Final = re.compile(r"[0-9a-f]{64}")
_IN_QUERY: Final = (
    "X-Amz-Algorithm",
    "X-Amz-Credential",
    "X-Amz-Signature",
    "X-Amz-Date",
    "X-Amz-SignedHeaders",
    "X-Amz-Expires",
)
_SCOPE_PARTS: Final = 5
_MALFORMED: Final = "AuthorizationHeaderMalformed"
_WRONG_QUERY: Final = "AuthorizationQueryParametersError"


@dataclass(frozen=True, slots=True)
class Account:
    """Who may call: one access key."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    region: str = "us-east-1"


@dataclass(frozen=True, slots=True)
class CredentialScope:
    """Whose key, for which day and service."""

    access_key_id: str
    day: str
    region: str
    service: str


@dataclass(frozen=True, slots=True)
class Signature:
    """What a call claims to be signed with."""

    scope: CredentialScope
    at: datetime
    signed_headers: tuple[str, ...]
    value: str
    payload: str
    """SHA-256 of the body in hex, or UNSIGNED-PAYLOAD."""
    expires_s: int | None
    """Of a presigned URL; None for a signature in the headers."""


def read_claim(call: Call, body_hash: str | None) -> Signature | None:
    """The signature a call carries; None where it carries none.

    Raises:
        Refused: It carries half of one, two, or one of another kind.
    """
    header = call.headers.get("authorization")
    in_query = any(name in _IN_QUERY for name, _ in call.query)
    if header is None and not in_query:
        if call.asked("AWSAccessKeyId") is not None:
            raise _unsupported()
        return None
    if header is None:
        return _from_query(call)
    if in_query:
        raise bad_request(
            "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature "
            "query string parameter or the Authorization header should be specified",
            "InvalidArgument",
        )
    return _from_header(call, header, body_hash)


def check_claim(claimed: Signature, account: Account, now: datetime) -> None:
    """Hold a signature's scope and time against the account and the clock.

    Raises:
        Refused: No such key, another region or service, too early or too late.
    """
    scope, presigned = claimed.scope, claimed.expires_s is not None
    code = _WRONG_QUERY if presigned else _MALFORMED
    if scope.access_key_id != account.access_key_id:
        raise Refused(
            403,
            "InvalidAccessKeyId",
            "The AWS Access Key Id you provided does not exist in our records.",
            AWSAccessKeyId=scope.access_key_id,
        )
    if scope.region != account.region:
        message = f"the region '{scope.region}' is wrong; expecting '{account.region}'"
        raise bad_request(message, code, Region=account.region)
    if scope.service not in SERVICES:
        raise bad_request(f"incorrect service '{scope.service}'", code)
    if claimed.at.strftime("%Y%m%d") != scope.day:
        raise bad_request(f"Invalid credential date '{scope.day}': not the request's own", code)
    if claimed.expires_s is None:
        if abs(now - claimed.at) > SKEW_MAX:
            raise Refused(
                403,
                "RequestTimeTooSkewed",
                "The difference between the request time and the current time is too large.",
                RequestTime=claimed.at.strftime(STAMP),
                ServerTime=_iso(now),
            )
        return
    if claimed.at - now > SKEW_MAX:
        raise access_denied("Request is not yet valid", ServerTime=_iso(now))
    end = claimed.at + timedelta(seconds=claimed.expires_s)
    if now >= end:
        raise access_denied(
            "Request has expired",
            **{"X-Amz-Expires": str(claimed.expires_s), "Expires": _iso(end)},
            ServerTime=_iso(now),
        )


def _from_header(call: Call, header: str, body_hash: str | None) -> Signature:
    algorithm, _, rest = header.partition(" ")
    if algorithm != ALGORITHM:
        raise _unsupported()
    pairs = (part.partition("=") for part in rest.split(","))
    parts = {name.strip(): value.strip() for name, _, value in pairs}
    if not parts.keys() >= {"Credential", "SignedHeaders", "Signature"}:
        raise bad_request("The authorization header that you provided is not valid.", _MALFORMED)
    payload = call.headers.get("x-amz-content-sha256") if body_hash is None else body_hash
    if payload is None:
        raise bad_request("Missing required header for this request: x-amz-content-sha256")
    return Signature(
        scope=_scope(parts["Credential"], _MALFORMED),
        at=_instant(call.headers.get("x-amz-date")),
        signed_headers=_names(parts["SignedHeaders"]),
        value=parts["Signature"],
        payload=_payload(payload),
        expires_s=None,
    )


def _from_query(call: Call) -> Signature:
    values = {name: call.asked(name) or "" for name in _IN_QUERY}
    if not all(values.values()):
        raise bad_request(
            "Query-string authentication version 4 requires the X-Amz-Algorithm, "
            "X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and "
            "X-Amz-Expires parameters.",
            _WRONG_QUERY,
        )
    if values["X-Amz-Algorithm"] != ALGORITHM:
        raise bad_request(f'X-Amz-Algorithm only supports "{ALGORITHM}"', _WRONG_QUERY)
    return Signature(
        scope=_scope(values["X-Amz-Credential"], _WRONG_QUERY),
        at=_instant(values["X-Amz-Date"]),
        signed_headers=_names(values["X-Amz-SignedHeaders"]),
        value=values["X-Amz-Signature"],
        payload=_payload(
            call.headers.get("x-amz-content-sha256")
            or call.asked("X-Amz-Content-Sha256")
            or UNSIGNED
        ),
        expires_s=_life(values["X-Amz-Expires"]),
    )


def _scope(credential: str, code: str) -> CredentialScope:
    parts = credential.rsplit("/", _SCOPE_PARTS - 1)
    if len(parts) != _SCOPE_PARTS or parts[-1] != "aws4_request":
        raise bad_request(
            "Error parsing the Credential; a Credential should be of the form "
            '"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".',
            code,
        )
    return CredentialScope(*parts[:-1])


def _instant(stamp: str | None) -> datetime:
    try:
        return datetime.strptime(stamp or "", STAMP).replace(tzinfo=UTC)
    except ValueError:
        raise access_denied(
            "AWS authentication requires a valid Date or x-amz-date header"
        ) from None


def _life(text: str) -> int:
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit()):
        raise bad_request("X-Amz-Expires should be a number", _WRONG_QUERY)
    if text.startswith("-"):
        raise bad_request("X-Amz-Expires must be non-negative", _WRONG_QUERY)
    # Long digits are not converted: Python refuses thousands of them.
    if len(digits) > len(str(EXPIRES_MAX_S)) or int(digits) > EXPIRES_MAX_S:
        raise bad_request(
            "X-Amz-Expires must be less than a week (in seconds); that is, the given "
            f"X-Amz-Expires must be less than {EXPIRES_MAX_S} seconds",
            _WRONG_QUERY,
        )
    return int(digits)


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split(";"))


def _payload(text: str) -> str:
    if text == UNSIGNED or _HASH.fullmatch(text):
        return text
    if text.startswith("STREAMING-"):
        raise not_implemented(f"x-amz-content-sha256: {text}")
    raise bad_request(
        "x-amz-content-sha256 must be UNSIGNED-PAYLOAD or a valid sha256 value.",
        "InvalidArgument",
    )


def _unsupported() -> Refused:
    """Signature Version 2: AWS takes it for no bucket made since June 2020."""
    return bad_request(
        f"The authorization mechanism you have provided is not supported. Please use {ALGORITHM}."
    )


def _iso(instant: datetime) -> str:
    return instant.strftime("%Y-%m-%dT%H:%M:%SZ")
