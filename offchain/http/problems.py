"""Errors over HTTP as ``application/problem+json`` (RFC 9457), shared by every app of Lastro.

``type`` is a stable URN, so that clients may compare it; nothing resolves it. No problem ever
repeats what the client sent: validation errors name the place (a JSON pointer) and the rule only.
"""

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from itertools import takewhile
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from offchain.http.bodies import BODY_BYTES_MAX, BodyTooLarge, limited

PROBLEM_MEDIA_TYPE = "application/problem+json"
PROBLEM_TYPE_PREFIX = "urn:problem-type:lastro:"
RETRY_AFTER_S = 2

_MEMBER = re.compile(r"[a-z_][a-z0-9_]{0,39}")
"""What every member of a request body is called; needs no escaping in a pointer."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class FaultyField:
    """One place in a request that breaks a rule."""

    detail: str
    pointer: str | None = None
    """JSON pointer (RFC 6901) as a URI fragment, e.g. ``#/amount_minor``; None outside a body."""
    parameter: str | None = None
    """Name of the header, query or path parameter; None inside a body."""


class ProblemError(Exception):
    """Ends a request with a problem document.

    Attributes:
        status: HTTP status.
        slug: Last part of the problem's type, kebab-case, stable for ever.
        title: What kind of problem this is; the same for every occurrence.
        detail: What happened this time and the client's next step.
        errors: Faulty places of the request.
        headers: Response headers, e.g. ``Retry-After``.
        extra: Extension members of the document.
    """

    def __init__(  # noqa: PLR0913 - the members of RFC 9457, all by keyword but two
        self,
        status: int,
        slug: str,
        *,
        title: str | None = None,
        detail: str | None = None,
        errors: Sequence[FaultyField] = (),
        headers: Mapping[str, str] | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        self.status = status
        self.slug = slug
        self.title = title or HTTPStatus(status).phrase
        self.detail = detail
        self.errors = tuple(errors)
        self.headers = dict(headers or {})
        self.extra = dict(extra or {})
        super().__init__(f"{status} {slug}: {detail or self.title}")

    def document(self) -> dict[str, Any]:
        """The problem as a JSON object."""
        document: dict[str, Any] = {
            **self.extra,
            "type": PROBLEM_TYPE_PREFIX + self.slug,
            "title": self.title,
            "status": self.status,
        }
        if self.detail is not None:
            document["detail"] = self.detail
        if self.errors:
            document["errors"] = [_fault_document(fault) for fault in self.errors]
        trace_id = structlog.contextvars.get_contextvars().get("trace_id")
        if trace_id is not None:
            document["trace_id"] = trace_id
        return document


def _fault_document(fault: FaultyField) -> dict[str, str]:
    members = {"detail": fault.detail, "pointer": fault.pointer, "parameter": fault.parameter}
    return {name: value for name, value in members.items() if value is not None}


def problem_response(problem: ProblemError) -> JSONResponse:
    """Render a problem."""
    return JSONResponse(
        jsonable_encoder(problem.document()),
        status_code=problem.status,
        headers=problem.headers,
        media_type=PROBLEM_MEDIA_TYPE,
    )


def database_away() -> ProblemError:
    """The answer while Postgres does not answer: come back, nothing was written."""
    return ProblemError(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "database-unavailable",
        title="The database does not answer",
        detail="Nothing was written. Send the same request again.",
        headers={"Retry-After": str(RETRY_AFTER_S)},
    )


def body_too_large() -> ProblemError:
    """The body is over the limit; nothing of it was read."""
    return ProblemError(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        "body-too-large",
        title="The body is too large",
        detail=f"At most {BODY_BYTES_MAX} bytes are taken.",
    )


def install_problems(app: FastAPI) -> None:
    """Make every error of ``app`` a problem document; give every request a trace id and a limit."""
    app.add_middleware(RequestEdge)
    app.add_exception_handler(ProblemError, _on_problem)
    app.add_exception_handler(BodyTooLarge, _on_body_too_large)
    app.add_exception_handler(HTTPException, _on_http_error)
    app.add_exception_handler(RequestValidationError, _on_invalid_request)


class RequestEdge:
    """The edge of every request: a trace id and a bounded body in, and no exception out.

    Postgres being away is 503 with ``Retry-After``; anything unforeseen is 500, logged by class and
    place only, because messages of libraries may hold values of the request.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI scope."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = False

        async def watched_send(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        trace_id = f"{random.getrandbits(128):032x}"
        with structlog.contextvars.bound_contextvars(trace_id=trace_id):
            try:
                await self.app(scope, limited(scope, receive), watched_send)
            except (OperationalError, InterfaceError, PoolTimeoutError) as error:
                _log.warning("database_unavailable", error=type(error).__name__)
                problem = database_away()
            except Exception as error:  # noqa: BLE001 - the edge of every request
                _log.error("request_failed", error=type(error).__name__, at=_place(error))
                problem = ProblemError(
                    HTTPStatus.INTERNAL_SERVER_ERROR,
                    "internal-error",
                    title="Something failed on our side",
                )
            else:
                return
            if not started:
                await problem_response(problem)(scope, receive, send)


def _place(error: BaseException) -> str:
    """Where an exception was raised, as ``file:line``."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return "unknown"
    return f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"


async def _on_problem(_request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, ProblemError):
        raise error
    return problem_response(error)


async def _on_body_too_large(_request: Request, _error: Exception) -> JSONResponse:
    return problem_response(body_too_large())


async def _on_http_error(_request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, HTTPException):
        raise error
    status = HTTPStatus(error.status_code)
    slug = status.phrase.lower().replace(" ", "-").replace("'", "")
    return problem_response(ProblemError(status, slug, headers=error.headers))


async def _on_invalid_request(_request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, RequestValidationError):
        raise error
    faults = error.errors()
    if any(fault["type"] == "json_invalid" for fault in faults):
        return problem_response(unreadable_body())
    return problem_response(invalid_request([_faulty_field(fault) for fault in faults]))


def unreadable_body() -> ProblemError:
    """The body is not JSON."""
    return ProblemError(
        HTTPStatus.BAD_REQUEST,
        "unreadable-body",
        title="The body cannot be read",
        detail="The body is not valid JSON.",
    )


def invalid_request(errors: Sequence[FaultyField]) -> ProblemError:
    """The request can be read but breaks rules; each fault names its place."""
    return ProblemError(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "invalid-request",
        title="The request breaks a rule",
        detail="See errors for each place.",
        errors=errors,
    )


def _faulty_field(fault: Mapping[str, Any]) -> FaultyField:
    """Turn one pydantic error into a place and a rule, leaving its input out."""
    source, *path = fault["loc"] or ("body",)
    detail = str(fault["msg"]).removeprefix("Value error, ")
    if source == "body":
        return FaultyField(detail, pointer=json_pointer(path))
    return FaultyField(detail, parameter=".".join(str(part) for part in path) or str(source))


def json_pointer(path: Sequence[str | int]) -> str:
    """Write a path as a JSON pointer in a URI fragment.

    It ends before a member whose name is not a plain word: the name is the client's own, and might
    hold anything.
    """
    told = takewhile(lambda part: isinstance(part, int) or _MEMBER.fullmatch(part), path)
    return "#" + "".join(f"/{part}" for part in told)
