"""The body of a request to the fake."""

from typing import Annotated, Any
from urllib.parse import parse_qsl

from fastapi import Depends, Request

from stack.fakes.paystack.words import Json, invalid


async def read_fields(request: Request) -> Json:
    """The body of a request: JSON or, as Paystack takes as well, a form."""
    raw = await request.body()
    if "form-urlencoded" in request.headers.get("content-type", ""):
        return dict(parse_qsl(raw.decode()))
    try:
        fields = await request.json() if raw else {}
    except ValueError:
        fields = None
    if not isinstance(fields, dict):
        raise invalid("Invalid request body", "invalid_body")
    return fields


Fields = Annotated[dict[str, Any], Depends(read_fields)]
