"""Call AWS' clients: made late, bounded, and with errors that say what to do.

    StoreAway       TransientError: it may answer later
    StoreRefused    PermanentError: it understood, and refused
    ConfigurationError    it cannot be asked at all

No message holds a URL, a key or a credential.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    HTTPClientError,
    IncompleteReadError,
)
from botocore.exceptions import ConnectionError as ConnectionFailure
from botocore.parsers import ResponseParserError
from pydantic import SecretStr

from indexer.errors import ConfigurationError, PermanentError, TransientError

CONNECT_TIMEOUT_S: Final = 2
READ_TIMEOUT_S: Final = 8
"""Of calls that carry a file, or have the store copy one."""
QUICK_READ_TIMEOUT_S: Final = 2
"""Of calls that ask or tell, and come first: a store that hangs keeps a worker no longer."""
TRIES: Final = 1
"""Of one call: what fails has its own retry, from a row, while other work goes on."""

_OUTSIDE_FAILURES = (
    ConnectionFailure,
    HTTPClientError,
    ResponseParserError,
    CredentialRetrievalError,
    IncompleteReadError,
)
_AGAIN = frozenset(
    {
        "InternalError",
        "InternalFailure",
        "OperationAborted",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestTimeout",
        "ServiceUnavailable",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
_NO_BUCKET = "NoSuchBucket"
_CODE_CHARACTERS_MAX = 64
_AGAIN_STATUS = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS})


class StoreAway(TransientError):  # noqa: N818 - reads as a state
    """The store or its queue does not answer, or asks for patience."""


class StoreRefused(PermanentError):  # noqa: N818 - reads as a state
    """The store or its queue refused for good.

    Attributes:
        code: Its error code.
    """

    def __init__(self, code: str, *, lacks: bool = False) -> None:
        """Say what to do.

        Args:
            code: The store's own.
            lacks: Whether it says that it does not know how.
        """
        advice = (
            "It lacks what files need: conditional writes and copies (If-Match, If-None-Match)"
            if lacks
            else "Check LASTRO_S3_BUCKET, the credentials and their rights (s3:GetObject, "
            "s3:PutObject, s3:DeleteObject on media/* and quarantine/*, s3:ListBucket)"
        )
        super().__init__(f"the store refused: {code}. {advice}")
        self.code = code


@dataclass(frozen=True, slots=True)
class Access:
    """Where a service of AWS' kind is, and who asks."""

    service: str
    region: str
    endpoint: str | None
    """None: AWS."""
    key_id: str | None = None
    """None: boto3 finds credentials by itself."""
    secret: SecretStr | None = None
    path_style: bool = False
    read_timeout_s: float = READ_TIMEOUT_S


@dataclass(slots=True)
class ClientMaker:
    """One client a process, made when it is first needed: making one takes a while."""

    access: Access
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _client: Any = field(default=None, repr=False)

    def get(self) -> Any:  # noqa: ANN401 - botocore makes its clients' classes at run time
        """The client.

        Raises:
            ConfigurationError: It cannot be made.
        """
        with self._lock:
            if self._client is None:
                self._client = _open(self.access)
            return self._client

    def close(self) -> None:
        """Close it, if it was made."""
        with self._lock:
            if self._client is not None:
                self._client.close()
                self._client = None


def ask(
    call: Callable[..., Any],
    *positional: object,
    but: frozenset[str] = frozenset(),
    **arguments: object,
) -> Any:  # noqa: ANN401 - as botocore answers
    """Call a client.

    Args:
        call: A method of a client, or of a body that it answered with.
        positional: Its arguments.
        but: Error codes that are an answer, and give None.
        arguments: Its arguments by name.

    Raises:
        StoreAway: It does not answer, or asks for patience.
        StoreRefused: It refused.
        ConfigurationError: It cannot be asked.
    """
    try:
        return call(*positional, **arguments)
    except ClientError as error:
        code, status = _code(error.response)
        if code in but or (str(status) in but and code != _NO_BUCKET):
            return None
        if status == HTTPStatus.NOT_IMPLEMENTED or code == "NotImplemented":
            raise StoreRefused(code or str(status), lacks=True) from None
        if code in _AGAIN or status in _AGAIN_STATUS or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise StoreAway(f"the store does not serve now: {code or status}") from None
        raise StoreRefused(code or str(status)) from None
    except _OUTSIDE_FAILURES as error:
        raise StoreAway(f"the store did not answer: {type(error).__name__}") from None
    except BotoCoreError as error:
        raise ConfigurationError(f"the store cannot be asked: {type(error).__name__}") from None


def _code(response: Mapping[str, Any]) -> tuple[str, int]:
    code = str(response.get("Error", {}).get("Code", ""))[:_CODE_CHARACTERS_MAX]
    return code, int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _open(access: Access) -> Any:  # noqa: ANN401 - as in ClientMaker
    # A fifth of a second that no process without a bucket has to wait.
    from boto3.session import Session  # noqa: PLC0415
    from botocore.config import Config  # noqa: PLC0415

    style = "path" if access.path_style else "virtual"
    config = Config(
        signature_version="s3v4" if access.service == "s3" else None,
        connect_timeout=CONNECT_TIMEOUT_S,
        read_timeout=access.read_timeout_s,
        retries={"mode": "standard", "total_max_attempts": TRIES},
        # Other stores than AWS' know no checksums of AWS'.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        s3={"addressing_style": style, "us_east_1_regional_endpoint": "regional"},
    )
    secret = None if access.secret is None else access.secret.get_secret_value()
    session = Session(aws_access_key_id=access.key_id, aws_secret_access_key=secret)
    try:
        return session.client(
            access.service,
            region_name=access.region,
            endpoint_url=access.endpoint,
            config=config,
        )
    except (BotoCoreError, ValueError) as error:
        raise ConfigurationError(f"no client can be made: {type(error).__name__}") from None
