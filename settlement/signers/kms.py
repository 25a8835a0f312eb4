"""A key in AWS KMS, which signs digests and never leaves.

Sources: AWS KMS API reference, ``GetPublicKey`` and ``Sign`` (key spec ``ECC_SECG_P256K1``, message
type ``DIGEST``); RFC 5480 §2 and SEC 2 (the public key's DER); RFC 3279 §2.2.3 (the signature's);
EIP-2 (low ``s``). KMS draws a new nonce for every signature: the same transaction is signed with
other bytes, and so another hash, each time.
"""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from boto3.session import Session
from botocore.client import BaseClient
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    HTTPClientError,
)
from botocore.exceptions import ConnectionError as ConnectionFailure
from botocore.parsers import ResponseParserError

from indexer.chain.types import Address, to_checksum
from indexer.errors import ConfigurationError, InvariantError, LastroError
from settlement.signer import SignerUnavailable
from settlement.signer_settings import KmsKey
from settlement.transactions import (
    CURVE_ORDER,
    Signature,
    UnsignedTransaction,
    account_of,
    attach,
    recover,
    signing_digest,
)

CONNECT_TIMEOUT_S = 2
READ_TIMEOUT_S = 5
TRIES = 3
"""Of one call; botocore waits between them for up to 1, then 2 s, at random."""

_KEY_SPEC = "ECC_SECG_P256K1"
_PUBLIC_KEY_PREFIX = bytes.fromhex("3056301006072a8648ce3d020106052b8104000a034200" + "04")
"""SubjectPublicKeyInfo of an uncompressed secp256k1 point; the two coordinates follow."""
_POINT_BYTES = 64
_OUTSIDE_FAILURES = (
    ConnectionFailure,
    HTTPClientError,
    ResponseParserError,
    CredentialRetrievalError,
)
_AGAIN = frozenset(
    {
        "DependencyTimeoutException",
        "InternalFailure",
        "KMSInternalException",
        "KeyUnavailableException",
        "RequestLimitExceeded",
        "ServiceUnavailable",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
_SEQUENCE, _INTEGER = 0x30, 0x02


class KmsSigner:
    """Signs through KMS. Safe to share between threads."""

    def __init__(self, client: BaseClient, key_id: str, address: Address) -> None:
        self._client = client
        self._key_id = key_id
        self._address = address

    @classmethod
    def open(cls, key: KmsKey, *, tries: int = TRIES) -> "KmsSigner":
        """Ask KMS for the public key, once.

        Args:
            key: Which key, and where.
            tries: Tries of one call, the first included.

        Raises:
            SignerUnavailable: KMS is throttled or does not answer.
            ConfigurationError: KMS does not know us or the key, or the key cannot sign for chains.
        """
        config = Config(
            connect_timeout=CONNECT_TIMEOUT_S,
            read_timeout=READ_TIMEOUT_S,
            retries={"mode": "standard", "total_max_attempts": tries},
        )
        client = Session().client(
            "kms", region_name=key.region, endpoint_url=key.endpoint_url, config=config
        )
        answer = _ask(client.get_public_key, KeyId=key.key_id)
        return cls(client, key.key_id, account_of(read_public_key(bytes(answer["PublicKey"]))))

    @property
    def address(self) -> Address:
        """The account it signs for."""
        return self._address

    def sign(self, transaction: UnsignedTransaction) -> bytes:
        """Sign at random: the same transaction gives other bytes each time.

        Raises:
            SignerUnavailable: KMS is throttled or does not answer.
            ConfigurationError: KMS does not know us, or the key is disabled.
            InvariantError: The signature is of another key.
        """
        digest = signing_digest(transaction)
        answer = _ask(
            self._client.sign,
            KeyId=self._key_id,
            Message=digest,
            MessageType="DIGEST",
            SigningAlgorithm="ECDSA_SHA_256",
        )
        r, s = read_signature(answer["Signature"])
        for y_parity in (0, 1):
            signature = Signature(r, min(s, CURVE_ORDER - s), y_parity)
            if recover(digest, signature) == self._address:
                return attach(transaction, signature)
        raise InvariantError(
            f"KMS signed with another key than that of {to_checksum(self._address)}: check "
            "LASTRO_KMS_KEY_ID, an alias may have been moved"
        )


def read_public_key(der: bytes) -> bytes:
    """Both coordinates of a DER public key, 64 bytes.

    Raises:
        ConfigurationError: It is not an uncompressed point of secp256k1.
    """
    if not der.startswith(_PUBLIC_KEY_PREFIX) or len(der) != len(_PUBLIC_KEY_PREFIX) + _POINT_BYTES:
        raise ConfigurationError(f"LASTRO_KMS_KEY_ID must name a key of spec {_KEY_SPEC}")
    return der[len(_PUBLIC_KEY_PREFIX) :]


def read_signature(der: bytes) -> tuple[int, int]:
    """``r`` and ``s`` of a DER signature on a 256-bit curve.

    Raises:
        InvariantError: It is anything else.
    """
    r, after_r = _read_integer(der, 2)
    s, after_s = _read_integer(der, after_r)
    if der[:2] != bytes([_SEQUENCE, len(der) - 2]) or after_s != len(der):
        raise InvariantError("KMS gave a signature that is not DER")
    return r, s


def _read_integer(der: bytes, start: int) -> tuple[int, int]:
    """One DER integer of less than 128 bytes, and where the next one starts."""
    body = start + 2
    end = body + der[start + 1] if len(der) > body and der[start] == _INTEGER else 0
    if not body < end <= len(der):
        raise InvariantError("KMS gave a signature that is not DER")
    return int.from_bytes(der[body:end], "big", signed=True), end


def _ask(call: Callable[..., Mapping[str, Any]], **arguments: object) -> Mapping[str, Any]:
    try:
        return call(**arguments)
    except ClientError as error:
        raise _translated(error) from None
    except _OUTSIDE_FAILURES as error:
        raise SignerUnavailable(f"KMS did not answer: {error}") from None
    except BotoCoreError as error:
        raise ConfigurationError(f"KMS cannot be asked: {error}") from None


def _translated(error: ClientError) -> LastroError:
    code = str(error.response.get("Error", {}).get("Code", ""))
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    if code in _AGAIN or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return SignerUnavailable(f"KMS is not available now: {code or status}")
    return ConfigurationError(
        f"KMS refused ({error}): check LASTRO_KMS_KEY_ID, AWS_REGION and the credentials"
    )
