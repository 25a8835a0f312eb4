"""No request body holds a card number, in no member and at no depth.

Looked for before anything reads the body: what is refused is named by its place and never repeated.
"""

from collections.abc import Iterator
from http import HTTPStatus

from fastapi import Request
from fastapi.concurrency import run_in_threadpool

from offchain.card_numbers import holds_card_number
from offchain.http.fields import CARD_NUMBER_FAULT
from offchain.http.problems import FaultyField, ProblemError, invalid_request, json_pointer

JSON_BYTES_MAX = 128 * 1024
"""More than any request needs; what is looked through is bounded by it."""
CHECKED_ELSEWHERE = (("payer_document",),)
"""Every tenth company number that begins with a 3 would pass for a card of fourteen digits."""

Path = tuple[str | int, ...]


async def refuse_card_numbers(request: Request) -> None:
    """Refuse a request whose body holds a card number.

    Raises:
        ProblemError: It does, or it is too large to be looked through.
    """
    if len(await request.body()) > JSON_BYTES_MAX:
        raise ProblemError(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            "body-too-large",
            title="The body is too large",
            detail=f"At most {JSON_BYTES_MAX} bytes are taken here.",
        )
    try:
        document = await request.json()
    except (ValueError, RecursionError):
        return  # whoever reads the body says so
    found = await run_in_threadpool(lambda: list(_places(document)))
    if found:
        raise invalid_request(
            [FaultyField(CARD_NUMBER_FAULT, pointer=json_pointer(path)) for path in found]
        )


def _places(document: object) -> Iterator[Path]:
    """Where card numbers stand; a name that holds one counts for what it stands in."""
    waiting: list[tuple[Path, object]] = [((), document)]
    while waiting:
        path, node = waiting.pop()
        if isinstance(node, dict):
            if any(holds_card_number(name) for name in node):
                yield path
            waiting.extend(((*path, name), child) for name, child in node.items())
        elif isinstance(node, list):
            waiting.extend(((*path, place), child) for place, child in enumerate(node))
        elif path not in CHECKED_ELSEWHERE and _is_card_number(node):
            yield path


def _is_card_number(node: object) -> bool:
    return isinstance(node, str | int) and holds_card_number(str(node))
