"""What a call promises of its body, held against the bytes that came."""

import base64
import binascii
import hashlib
import zlib
from typing import Final, Protocol

from stack.fakes.s3.calls import Call
from stack.fakes.s3.claims import UNSIGNED, Signature
from stack.fakes.s3.words import bad_request, not_implemented

_CHECKSUM: Final = "x-amz-checksum-"
_NO_ALGORITHM: Final = ("algorithm", "type", "mode")
"""Headers of that prefix that are no checksum."""


class _Hash(Protocol):
    def update(self, chunk: bytes, /) -> None: ...

    def digest(self) -> bytes: ...


class _Crc32:
    """CRC-32 of zip and Ethernet, big-endian as S3 takes it."""

    def __init__(self) -> None:
        self._value = 0

    def update(self, chunk: bytes, /) -> None:
        self._value = zlib.crc32(chunk, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(4, "big")


class Digests:
    """Grows with a body; then says whether it is the promised one.

    Raises:
        Refused: A promise cannot be read, or is of a kind that is not known here.
    """

    def __init__(self, call: Call, signature: Signature | None) -> None:
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._sha256 = hashlib.sha256()
        self._promised_sha256 = UNSIGNED if signature is None else signature.payload
        promised_md5 = call.header("content-md5")
        self._promised_md5 = None if promised_md5 is None else _md5(promised_md5)
        self._checksums: dict[str, tuple[str, bytes, _Hash]] = {}
        for name in sorted(call.amz_names()):
            algorithm = name.removeprefix(_CHECKSUM)
            if algorithm != name and algorithm not in _NO_ALGORITHM:
                self._add(name, algorithm, call.header(name) or "")

    def _add(self, name: str, algorithm: str, promised: str) -> None:
        known: dict[str, _Hash] = {
            "sha256": self._sha256,
            "sha1": hashlib.sha1(usedforsecurity=False),
            "crc32": _Crc32(),
        }
        if algorithm not in known:
            raise not_implemented(name)
        if self._checksums:
            raise bad_request("Expecting a single x-amz-checksum- header.")
        chosen = known[algorithm]
        decoded = _base64(promised)
        if decoded is None or len(decoded) != len(chosen.digest()):
            raise bad_request(f"Value for {name} header is invalid.")
        self._checksums[name] = (promised, decoded, chosen)

    def update(self, chunk: bytes) -> None:
        """Take the next bytes."""
        self._md5.update(chunk)
        self._sha256.update(chunk)
        for _, _, running in self._checksums.values():
            if running is not self._sha256:
                running.update(chunk)

    def check(self) -> None:
        """Hold the whole body against every promise.

        Raises:
            Refused: It is another body.
        """
        if self._promised_sha256 not in {UNSIGNED, self._sha256.hexdigest()}:
            raise bad_request(
                "The provided 'x-amz-content-sha256' header does not match what was computed.",
                "XAmzContentSHA256Mismatch",
                ClientComputedContentSHA256=self._promised_sha256,
                S3ComputedContentSHA256=self._sha256.hexdigest(),
            )
        if self._promised_md5 not in {None, self._md5.digest()}:
            raise bad_request(
                "The Content-MD5 you specified did not match what we received.", "BadDigest"
            )
        for name, (_, promised, computed) in self._checksums.items():
            if promised != computed.digest():
                algorithm = name.removeprefix(_CHECKSUM).upper()
                raise bad_request(
                    f"The {algorithm} you specified did not match the calculated checksum.",
                    "BadDigest",
                )

    @property
    def etag(self) -> str:
        """MD5 in hex: the ETag of an object written in one piece."""
        return self._md5.hexdigest()

    @property
    def checksums(self) -> dict[str, str]:
        """The promised checksums by header, to be told with the object."""
        return {name: promised for name, (promised, _, _) in self._checksums.items()}


def _md5(text: str) -> bytes:
    decoded = _base64(text)
    if decoded is None or len(decoded) != hashlib.md5(usedforsecurity=False).digest_size:
        raise bad_request("The Content-MD5 you specified was invalid.", "InvalidDigest")
    return decoded


def _base64(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
