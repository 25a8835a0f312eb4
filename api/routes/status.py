"""Where the system stands: for people (status) and for supervisors (livez, readyz)."""

from http import HTTPStatus

from fastapi import APIRouter, Request, Response
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from api.caching import render
from api.dependencies import Reader, Reading
from api.errors import problem_responses
from api.reads.status import read_revision, show_chains, show_offchain
from api.schemas.status import Liveness, Readiness, StatusAnswer
from offchain.http.problems import RETRY_AFTER_S, FaultyField, ProblemError

router = APIRouter(tags=["status"])


@router.get(
    "/v1/status",
    operation_id="getStatus",
    summary="Marks per chain and counts per state",
    response_model=StatusAnswer,
    responses=problem_responses(503),
)
def get_status(request: Request, reader: Reading) -> Response:
    """Where each chain's index, settlement and the gateway inbox stand."""
    with reader.snapshot() as snapshot:
        answer = StatusAnswer(
            chains=show_chains(snapshot),
            offchain=show_offchain(snapshot.connection),
            database_revision=read_revision(snapshot.connection),
            expected_revision=reader.expected_revision,
            as_of=snapshot.as_of(),
        )
    return render(request, answer)


@router.get("/livez", operation_id="getLiveness", summary="The process answers")
def get_liveness() -> Liveness:
    """Always 200: says nothing of the database."""
    return Liveness()


@router.get(
    "/readyz",
    operation_id="getReadiness",
    summary="Everything an answer needs is there",
    responses=problem_responses(503),
)
def get_readiness(reader: Reading) -> Readiness:
    """200 when Postgres answers, is migrated, and no chain's indexer halted; else 503."""
    faults = _faults(reader)
    if faults:
        raise ProblemError(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "not-ready",
            title="The API is not ready",
            detail="See errors for what is missing.",
            errors=[FaultyField(fault) for fault in faults],
            headers={"Retry-After": str(RETRY_AFTER_S)},
        )
    return Readiness(checks={"postgres": "ok", "migrations": "ok", "chains": "ok"})


def _faults(reader: Reader) -> list[str]:
    """Everything that keeps this API from answering well."""
    expected = reader.expected_revision
    try:
        with reader.engine.connect() as connection:
            revision = read_revision(connection)
        if revision is None or (expected is not None and revision != expected):
            return [f"migrations: the database is at {revision or 'none'}, not {expected or 'any'}"]
        with reader.snapshot() as snapshot:
            return [
                f"chain {mark.network}: {mark.degraded_reason}"
                for mark in snapshot.chains.values()
                if mark.degraded_reason is not None
            ]
    except (OperationalError, InterfaceError, PoolTimeoutError):
        return ["postgres: does not answer"]
