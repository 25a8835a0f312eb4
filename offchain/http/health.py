"""``/livez``: the process runs. ``/readyz``: it can do its work."""

from http import HTTPStatus

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from offchain.http.problems import ProblemError
from offchain.http.state import State
from offchain.tables import inbox

router = APIRouter(tags=["health"])


class Health(BaseModel):
    """A sign of health."""

    model_config = ConfigDict(frozen=True)

    status: str
    bell: str | None = None
    """``away`` slows webhooks down to the sweep's pace, and loses nothing."""


@router.get("/livez", operation_id="livez")
def livez() -> Health:
    """Whether the process runs."""
    return Health(status="ok")


@router.get("/readyz", operation_id="readyz")
def readyz(state: State) -> Health:
    """Whether webhooks can be stored; without Redis they still are."""
    try:
        with state.services.engine.connect() as connection:
            connection.execute(select(inbox.c.id).limit(1))
    except SQLAlchemyError as error:
        raise ProblemError(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "not-ready",
            title="Webhooks cannot be stored",
            detail="Postgres does not answer or is not migrated: run 'lastro migrate'.",
            headers={"Retry-After": "2"},
        ) from error
    return Health(status="ok", bell="ok" if state.bell.answers() else "away")
