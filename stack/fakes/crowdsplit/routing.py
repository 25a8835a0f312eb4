"""What the fake's routers share."""

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Body, Header

from stack.fakes.crowdsplit.accounts import Accounts
from stack.fakes.crowdsplit.books import Books
from stack.fakes.crowdsplit.claims import Claims
from stack.fakes.crowdsplit.payments import Payments
from stack.fakes.crowdsplit.transfers import Transfers
from stack.fakes.crowdsplit.webhooks import Reporter
from stack.fakes.crowdsplit.words import Json

JsonBody = Annotated[dict[str, Any], Body()]
OptionalBody = Annotated[dict[str, Any] | None, Body()]
Key = Annotated[str | None, Header(alias="Idempotency-Key")]


@dataclass(frozen=True, slots=True)
class Desks:
    """Everything behind the HTTP surface."""

    books: Books
    accounts: Accounts
    payments: Payments
    claims: Claims
    transfers: Transfers
    reporter: Reporter


def envelope(data: object, msg: str = "success") -> Json:
    """The envelope of every answer but a token's."""
    return {"msg": msg, "data": data}
