"""AWS KMS over real HTTP: moto, and in front of it a gate that knows what moto does not.

moto hashes whatever it is to sign, digests too, and checks neither length nor type of a message; so
it is given keys that sign digests, and the gate refuses what the real KMS refuses.
"""

import base64
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Thread
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment

import boto3
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from moto.kms.models import kms_backends
from moto.kms.utils import AbstractPrivateKey
from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from typing_extensions import override
from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

from settlement.signer_settings import KmsKey

REGION = "sa-east-1"
ACCOUNT = "123456789012"
DIGEST_BYTES = 32


class DigestKey(AbstractPrivateKey):
    """A secp256k1 key that signs digests, in the place of one of moto's."""

    def __init__(self, secret: bytes) -> None:
        self._key = ec.derive_private_key(int.from_bytes(secret, "big"), ec.SECP256K1())

    @override
    def sign(self, message: bytes, signing_algorithm: str) -> bytes:
        return self._key.sign(message, ec.ECDSA(Prehashed(hashes.SHA256())))

    @override
    def verify(self, message: bytes, signature: bytes, signing_algorithm: str) -> bool:
        raise NotImplementedError

    @override
    def public_key(self) -> bytes:
        return self._key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


@dataclass
class Gate:
    """WSGI in front of moto: validates, counts, and goes wrong when told to."""

    moto: Any
    throttled: int = 0
    """How many calls are still throttled; below zero, all."""
    refused_as: str = ""
    """Error code of every refusal, while there is one."""
    sign_instead: tuple[str, bytes] | None = None
    """Key and digest that are signed whatever is asked for; an empty one is left as asked."""
    calls: list[str] = field(default_factory=list)

    def __call__(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        request = Request(environ)
        operation = request.headers.get("X-Amz-Target", "").removeprefix("TrentService.")
        self.calls.append(operation)
        if self.throttled:
            self.throttled -= 1
            return _error("ThrottlingException", "Rate exceeded")(environ, start)
        if self.refused_as:
            return _error(self.refused_as, "no")(environ, start)
        if operation == "Sign":
            body = request.get_json(force=True)
            message = base64.b64decode(body["Message"])
            if body.get("MessageType") != "DIGEST" or len(message) != DIGEST_BYTES:
                return _error("ValidationException", "not a digest")(environ, start)
            return self._sign(environ, start, body)
        return self._pass(environ, start, request.get_data())

    def _sign(
        self, environ: WSGIEnvironment, start: StartResponse, body: dict[str, Any]
    ) -> Iterable[bytes]:
        key_id, digest = self.sign_instead or ("", b"")
        if key_id:
            body["KeyId"] = key_id
        if digest:
            body["Message"] = base64.b64encode(digest).decode()
        return self._pass(environ, start, json.dumps(body).encode())

    def _pass(
        self, environ: WSGIEnvironment, start: StartResponse, content: bytes
    ) -> Iterable[bytes]:
        headers = Request(environ).headers
        again = Request.from_values(
            path=environ["PATH_INFO"],
            base_url=f"http://{environ['HTTP_HOST']}",
            method=environ["REQUEST_METHOD"],
            headers=[(name, value) for name, value in headers if name != "Content-Length"],
            data=content,
        )
        answer: Iterable[bytes] = self.moto(again.environ, start)
        return answer


@dataclass(frozen=True, slots=True)
class FakeKms:
    """One running KMS."""

    gate: Gate
    url: str

    def new_key(self, secret: bytes, **changes: Any) -> KmsKey:
        """Make a key of KMS whose secret is known; ``changes`` are parameters of CreateKey."""
        parameters = {"KeySpec": "ECC_SECG_P256K1", "KeyUsage": "SIGN_VERIFY", **changes}
        key_id: str = self.admin().create_key(**parameters)["KeyMetadata"]["KeyId"]
        if parameters["KeySpec"] == "ECC_SECG_P256K1":
            kms_backends[ACCOUNT][REGION].keys[key_id].private_key = DigestKey(secret)
        return KmsKey(key_id, REGION, self.url)

    def admin(self) -> Any:
        return boto3.client("kms", region_name=REGION, endpoint_url=self.url)


def _error(code: str, message: str) -> Response:
    body = json.dumps({"__type": code, "message": message})
    return Response(body, 400, content_type="application/x-amz-json-1.1")


@contextmanager
def running_kms() -> Iterator[FakeKms]:
    """Serve KMS until the block ends; credentials are the caller's to put into the environment."""
    gate = Gate(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, gate, threaded=True, request_handler=MotoRequestHandler)
    thread = Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield FakeKms(gate, f"http://127.0.0.1:{server.server_port}")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
