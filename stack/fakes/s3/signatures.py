"""Signature Version 4, verified from the call as received: in its headers or in its query.

Sources: IAM User Guide, "Create a signed AWS API request"; S3 API Reference, "Authenticating
Requests: Using the Authorization Header" and "… Using Query Parameters".
"""

import hashlib
import hmac
from datetime import datetime
from typing import Final
from urllib.parse import quote, unquote_to_bytes

from stack.fakes.s3.calls import AMZ, Call
from stack.fakes.s3.claims import ALGORITHM, STAMP, Account, Signature, check_claim, read_claim
from stack.fakes.s3.words import Refused, access_denied

_UNRESERVED: Final = "-_.~"


def verify(
    call: Call, account: Account, now: datetime, *, body_hash: str | None = None
) -> Signature | None:
    """Who signed a call, and that it is what they signed.

    Args:
        call: As received.
        account: The only one there is.
        now: The store's clock.
        body_hash: SHA-256 of the body in hex where the caller has read it (SQS), which is then what
            must be signed. None: the call says what it signed, and the body is held against it.

    Returns:
        The signature; None for an anonymous call.

    Raises:
        Refused: The signature lacks a part, is out of time, or is not this call's.
    """
    claimed = read_claim(call, body_hash)
    if claimed is None:
        return None
    check_claim(claimed, account, now)
    unsigned = {"host", *(name for name in call.headers if name.startswith(AMZ))}
    unsigned -= set(claimed.signed_headers)
    if unsigned:
        raise access_denied(
            "There were headers present in the request which were not signed",
            HeadersNotSigned=", ".join(sorted(unsigned)),
        )
    canonical = canonical_request(call, claimed)
    expected = sign(account, claimed, canonical)
    if not hmac.compare_digest(expected.encode(), claimed.value.encode()):
        raise Refused(
            403,
            "SignatureDoesNotMatch",
            "The request signature we calculated does not match the signature you provided. "
            "Check your key and signing method.",
            AWSAccessKeyId=claimed.scope.access_key_id,
            SignatureProvided=claimed.value,
            CanonicalRequest=canonical,
        )
    return claimed


def canonical_request(call: Call, claimed: Signature) -> str:
    """The call in the one form that is signed."""
    pairs = sorted(
        (quote(name, safe=_UNRESERVED), quote(value, safe=_UNRESERVED))
        for name, value in call.query
        if name != "X-Amz-Signature"
    )
    lines = [
        call.method,
        quote(unquote_to_bytes(call.path), safe=f"/{_UNRESERVED}") or "/",
        "&".join(f"{name}={value}" for name, value in pairs),
        *(f"{name}:{_canonical_value(call, name)}" for name in claimed.signed_headers),
        "",
        ";".join(claimed.signed_headers),
        claimed.payload,
    ]
    return "\n".join(lines)


def sign(account: Account, claimed: Signature, canonical: str) -> str:
    """The signature that the account's secret gives, in hex."""
    scope = claimed.scope
    parts = (scope.day, scope.region, scope.service, "aws4_request")
    hashed = hashlib.sha256(canonical.encode()).hexdigest()
    text = "\n".join([ALGORITHM, claimed.at.strftime(STAMP), "/".join(parts), hashed])
    key = f"AWS4{account.secret_access_key}".encode()
    for part in parts:
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.digest(key, text.encode(), "sha256").hex()


def _canonical_value(call: Call, name: str) -> str:
    return ",".join(" ".join(value.split()) for value in call.headers.getlist(name))
