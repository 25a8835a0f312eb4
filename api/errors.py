"""The refusals only the read API makes, as problem documents (RFC 9457)."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel, ConfigDict

from api.schemas.shared import AsOf
from offchain.http.problems import (
    PROBLEM_MEDIA_TYPE,
    PROBLEM_TYPE_PREFIX,
    FaultyField,
    ProblemError,
    invalid_request,
)


class ProblemDocument(BaseModel):
    """An RFC 9457 problem. ``type`` is stable; further members depend on it."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "examples": [
                {
                    "type": PROBLEM_TYPE_PREFIX + "cursor-invalid",
                    "title": "The cursor is not one of this query",
                    "status": 400,
                }
            ]
        },
    )

    type: str
    title: str
    status: int
    detail: str | None = None


def problem_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Describe the problems a route answers, for OpenAPI."""
    schema = {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}
    return {
        status: {
            "description": HTTPStatus(status).phrase,
            "content": {PROBLEM_MEDIA_TYPE: schema},
        }
        for status in statuses
    }


def bad_parameter(name: str, error: ValueError) -> ProblemError:
    """Refuse one path or query parameter (422)."""
    return invalid_request([FaultyField(str(error), parameter=name)])


def not_found(what: str, *, as_of: Sequence[AsOf] = ()) -> ProblemError:
    """Say that something is not there, and as of which blocks that is so (404).

    Args:
        what: Kind of thing, e.g. ``campaign``.
        as_of: Freshness of the chains that were looked at.
    """
    return ProblemError(
        HTTPStatus.NOT_FOUND,
        f"unknown-{what}",
        title=f"There is no such {what}",
        detail=f"No {what} of this name is known"
        + (", as of the blocks in as_of; a newer one may appear." if as_of else "."),
        headers={"Cache-Control": "no-store"},
        extra={"as_of": [stamp.model_dump(mode="json") for stamp in as_of]} if as_of else None,
    )


def invalid_cursor() -> ProblemError:
    """The cursor was changed, or issued for another query (400)."""
    return ProblemError(
        HTTPStatus.BAD_REQUEST,
        "cursor-invalid",
        title="The cursor is not one of this query",
        detail="Send next_cursor back unchanged and with the same filters, or start without one.",
    )


def invalidated_cursor(*, chain_id: int, ancestor_block: int) -> ProblemError:
    """A reorg may have undone rows of earlier pages (409).

    Args:
        chain_id: The chain that reorganised.
        ancestor_block: Newest block of it that stayed.
    """
    return ProblemError(
        HTTPStatus.CONFLICT,
        "cursor-invalidated",
        title="The chain reorganised below this cursor",
        detail="Rows of earlier pages may be gone: start again without a cursor.",
        extra={"chain_id": chain_id, "ancestor_block": ancestor_block},
    )
