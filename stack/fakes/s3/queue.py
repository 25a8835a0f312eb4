"""The queue's side of the gate: SQS over JSON, its long polls waited out here and not in moto."""

import asyncio
import hashlib
import json
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from stack.fakes.s3.buckets import read_body
from stack.fakes.s3.calls import Call
from stack.fakes.s3.claims import Account
from stack.fakes.s3.moto_side import Moto
from stack.fakes.s3.signatures import verify
from stack.fakes.s3.words import Refused, access_denied

TARGET: Final = "AmazonSQS."
JSON: Final = "application/x-amz-json-1.0"
WAIT_MAX_S: Final = 20
"""SQS API Reference, ReceiveMessage."""
_PAUSE_S: Final = 0.05


class Queues:
    """Every queue of the account."""

    def __init__(self, account: Account, moto: Moto, now: Callable[[], datetime]) -> None:
        self._account = account
        self._moto = moto
        self._now = now

    async def serve(self, call: Call, request: Request) -> Response:
        """Verify a call and hand it on; errors are SQS's."""
        try:
            body = await read_body(request, call, None)
            hashed = hashlib.sha256(body).hexdigest()
            signature = verify(call, self._account, self._now(), body_hash=hashed)
            if signature is None or signature.scope.service != "sqs":
                raise access_denied()
            return await self._answer(call, body, request)
        except Refused as refused:
            fault = {"__type": f"com.amazonaws.sqs#{refused.code}", "message": str(refused)}
            return Response(json.dumps(fault), refused.status, media_type=JSON)

    async def _answer(self, call: Call, body: bytes, request: Request) -> Response:
        asked = _members(body)
        wait = asked.get("WaitTimeSeconds")
        is_receiving = call.headers["x-amz-target"] == f"{TARGET}ReceiveMessage"
        if not is_receiving or not isinstance(wait, int) or not 0 < wait <= WAIT_MAX_S:
            return await run_in_threadpool(self._moto.answer, "sqs", call, body)
        # A poll that waited in moto would hold everybody up, and a caller who had left meanwhile
        # would take the message along.
        clock = asyncio.get_running_loop()
        deadline = clock.time() + wait
        at_once = json.dumps(asked | {"WaitTimeSeconds": 0}).encode()
        while True:
            if await request.is_disconnected():
                return Response(status_code=204)
            answer = await run_in_threadpool(self._moto.answer, "sqs", call, at_once)
            if clock.time() >= deadline or not _is_empty(answer):
                return answer
            await asyncio.sleep(_PAUSE_S)


def _members(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise Refused(400, "SerializationException", "The request is not a JSON document.")
    return found


def _is_empty(answer: Response) -> bool:
    return answer.status_code == 200 and not json.loads(bytes(answer.body)).get("Messages")  # noqa: PLR2004 - OK
