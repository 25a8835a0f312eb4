"""What moto keeps for us: buckets' configuration, the queue (SQS), and events from one to other.

moto takes any caller; only calls whose signature the gate has verified are handed on. It is not
safe to call from two threads, so it is called by one at a time.
"""

from dataclasses import dataclass
from threading import Lock
from typing import Any, Final
from urllib.parse import urlencode

from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.moto_server.werkzeug_app import create_backend_app
from moto.s3.exceptions import S3ClientError
from moto.s3.models import CorsRule, FakeBucket, s3_backends
from moto.s3.notifications import S3NotificationEvent, send_event
from moto.sqs.models import sqs_backends
from starlette.responses import Response
from werkzeug.test import EnvironBuilder, run_wsgi_app

from stack.fakes.s3.calls import Call
from stack.fakes.s3.claims import Account
from stack.fakes.s3.keeping import Stored
from stack.fakes.s3.sharing import Rule
from stack.fakes.s3.words import bad_request

_HOP: Final = ("authorization", "content-length", "expect", "host", "transfer-encoding")
"""Headers that are ours alone."""
_KEY: Final = "anybody"
"""moto checks none."""
_BROKEN: Final = 500


@dataclass(frozen=True, slots=True)
class _Written:
    """An object as moto's events look at it."""

    name: str
    etag: str
    size: int
    version_id: str = "null"


class Moto:
    """One account's buckets and queues."""

    def __init__(self, account: Account) -> None:
        self._region = account.region
        self._lock = Lock()
        self._apps = {service: create_backend_app(service) for service in ("s3", "sqs")}
        self._buckets = s3_backends[DEFAULT_ACCOUNT_ID]["aws"]
        self._queues = sqs_backends[DEFAULT_ACCOUNT_ID][account.region]

    def add_bucket(self, name: str) -> None:
        """Make a bucket unless it is there."""
        with self._lock:
            if name not in self._buckets.buckets:
                self._buckets.create_bucket(name, self._region)

    def add_queue(self, name: str, *, bucket: str) -> None:
        """Make a queue that is told of every object written to a bucket."""
        with self._lock:
            queue = self._queues.create_queue(name)
            notified = {
                "Id": "written",
                "Queue": queue.queue_arn,
                "Event": ["s3:ObjectCreated:*"],
            }
            self._buckets.put_bucket_notification_configuration(
                bucket, {"QueueConfiguration": [notified]}
            )

    def share(self, bucket: str, rule: Rule) -> None:
        """Let web pages call a bucket."""
        with self._lock:
            self._bucket(bucket).cors = [
                CorsRule(
                    allowed_methods=list(rule.methods),
                    allowed_origins=list(rule.origins),
                    allowed_headers=list(rule.headers),
                    expose_headers=list(rule.exposed),
                    max_age_seconds=rule.max_age_s,
                )
            ]

    def rules(self, bucket: str) -> list[Rule]:
        """A bucket's CORS rules; none for a bucket that is not there."""
        with self._lock:
            try:
                cors: list[CorsRule] = self._bucket(bucket).cors
            except S3ClientError:
                return []
        return [
            Rule(
                rule.allowed_origins,
                rule.allowed_methods,
                rule.allowed_headers or (),
                rule.exposed_headers or (),
                None if rule.max_age_seconds is None else int(rule.max_age_seconds),
            )
            for rule in cors
        ]

    def announce(self, event: str, bucket: str, stored: Stored) -> None:
        """Tell the queues that a bucket names."""
        written = _Written(stored.key, stored.quoted_etag, stored.size_bytes)
        with self._lock:
            send_event(
                DEFAULT_ACCOUNT_ID, S3NotificationEvent(event), self._bucket(bucket), written
            )

    def _bucket(self, name: str) -> FakeBucket:
        return self._buckets.get_bucket(name)

    def answer(self, service: str, call: Call, body: bytes) -> Response:
        """Hand a call on.

        Raises:
            Refused: moto fell over it: the call is not one that AWS would have taken.
        """
        path = f"/{call.bucket}" if service == "s3" else call.path
        scope = f"{_KEY}/20260101/{self._region}/{service}/aws4_request"
        headers = {name: value for name, value in call.headers.items() if name not in _HOP}
        headers["authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"
        )
        status, told, content = self._run(
            service,
            path=path,
            base_url=f"http://{call.headers['host'] if service == 'sqs' else 'localhost'}",
            query_string=urlencode(call.query),
            method=call.method,
            headers=headers,
            data=body,
        )
        if status >= _BROKEN:
            raise bad_request("The call you provided was not well-formed.", "MalformedXML")
        return Response(content, status, told)

    def _run(
        self,
        service: str,
        **request: Any,  # noqa: ANN401 - werkzeug's own
    ) -> tuple[int, dict[str, str], bytes]:
        try:
            environ = EnvironBuilder(**request).get_environ()
            environ["CONTENT_LENGTH"] = str(len(request["data"]))  # werkzeug leaves out a zero
            with self._lock:
                chunks, status, headers = run_wsgi_app(self._apps[service], environ, buffered=True)
                content = b"".join(chunks)
        except Exception as error:  # noqa: BLE001 - moto fails in any way on what it did not expect
            return _BROKEN, {}, repr(error).encode()
        kept = {
            name: value
            for name, value in headers.items()
            if name.lower() not in _HOP and not name.lower().startswith("access-control-")
        }
        return int(status.split()[0]), kept, content
