"""Words of the fake Stripe: its refusals."""

from http import HTTPStatus
from typing import Any, Literal

Json = dict[str, Any]
Kind = Literal["invalid_request_error", "card_error", "idempotency_error", "api_error"]


class Refused(Exception):  # noqa: N818 - reads as a state
    """The fake answers with an error envelope.

    Attributes:
        is_executed: Whether execution had begun: only then is the answer kept under its key.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: Kind = "invalid_request_error",
        is_executed: bool = False,
        **details: Any,  # noqa: ANN401 - members of the error document
    ) -> None:
        self.status = status
        self.is_executed = is_executed
        present = {name: value for name, value in details.items() if value is not None}
        self.body: Json = {"error": {"message": message, "type": kind, **present}}
        super().__init__(message)


def invalid(message: str, *, param: str | None = None, code: str | None = None) -> Refused:
    """400: a parameter breaks a rule; nothing was executed."""
    return Refused(HTTPStatus.BAD_REQUEST, message, param=param, code=code)


def missing_param(param: str) -> Refused:
    """400: a parameter is required."""
    return invalid(f"Missing required param: {param}.", param=param, code="parameter_missing")


def not_found(what: str, identifier: str, *, param: str = "id") -> Refused:
    """404 for an object in the path, 400 for one named by a parameter."""
    status = HTTPStatus.NOT_FOUND if param == "id" else HTTPStatus.BAD_REQUEST
    message = f"No such {what}: '{identifier}'"
    return Refused(status, message, code="resource_missing", param=param)


def wrong_state(message: str, code: str, **details: Any) -> Refused:  # noqa: ANN401 - members of the error document
    """400: the object is not in the state for it."""
    return Refused(HTTPStatus.BAD_REQUEST, message, is_executed=True, code=code, **details)
