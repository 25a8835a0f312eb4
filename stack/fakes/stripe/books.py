"""What the fake Stripe remembers: its objects as it shows them, and what happened to them.

Whoever reads or changes anything holds ``lock``.
"""

import threading
import uuid
from collections.abc import Callable, Sequence
from copy import deepcopy
from datetime import datetime, timedelta
from typing import Any, Literal

from stack.fakes.clock import Clock
from stack.fakes.stripe.forms import Fields
from stack.fakes.stripe.words import Json, invalid, not_found

Table = Literal[
    "payment_intent",
    "charge",
    "refund",
    "dispute",
    "customer",
    "account",
    "transfer",
    "event",
    "webhook_endpoint",
]
AccountState = Literal["new", "pending", "active", "restricted", "rejected"]
API_VERSION = "2026-10-28.endive"
EVENTS_KEPT = timedelta(days=30)
PAGE_DEFAULT, PAGE_MAX = 10, 100
LIST = ("limit", "starting_after", "ending_before", "created")
"""What every list can be asked for."""

Listener = Callable[[Json], None]


class Books:
    """The memory of one platform account."""

    def __init__(self, *, secret_key: str, seed: str | None = None) -> None:
        self.clock = Clock()
        self.lock = threading.RLock()
        self.secret_key = secret_key
        self.listener: Listener = lambda _event: None
        self.preset_secret: str | None = None
        """Signing secret of every endpoint registered; None makes one each."""
        self.new_accounts: AccountState = "new"
        """How far accounts are when they are opened; onboarding takes them further."""
        self.balance: dict[str, int] = {}
        self.tables: dict[Table, dict[str, Json]] = {}
        self.endpoint_secrets: dict[str, str] = {}
        self._seed = uuid.uuid5(uuid.NAMESPACE_URL, seed) if seed else uuid.uuid4()
        self._made = 0

    def new_id(self, prefix: str) -> str:
        """The next id; the same series for the same seed."""
        with self.lock:
            self._made += 1
            return f"{prefix}_{uuid.uuid5(self._seed, str(self._made)).hex[:24]}"

    def now(self) -> datetime:
        """The fake's clock."""
        return self.clock.now()

    def timestamp(self) -> int:
        """The fake's clock in unix seconds."""
        return int(self.now().timestamp())

    def keep(self, table: Table, document: Json) -> Json:
        """Keep a new object."""
        self.tables.setdefault(table, {})[document["id"]] = document
        return document

    def get(self, table: Table, identifier: str, *, param: str = "id") -> Json:
        """Look an object up.

        Raises:
            Refused: There is none.
        """
        found = self.tables.get(table, {}).get(identifier)
        if found is None:
            raise not_found(table, identifier, param=param)
        return found

    def rows(self, table: Table, **equal: Any) -> list[Json]:  # noqa: ANN401 - members of the object
        """All objects with these members, newest first; None matches everything."""
        wanted = {name: value for name, value in equal.items() if value is not None}
        rows = reversed(self.tables.get(table, {}).values())
        return [row for row in rows if all(row.get(n) == value for n, value in wanted.items())]

    def emit(self, kind: str, subject: Json, *, account: str | None = None) -> None:
        """Record that something happened to an object and tell whoever listens."""
        event = {
            "id": self.new_id("evt"),
            "object": "event",
            "api_version": API_VERSION,
            "created": self.timestamp(),
            "data": {"object": deepcopy(subject)},
            "livemode": False,
            "pending_webhooks": len(self.tables.get("webhook_endpoint", {})),
            "request": {"id": None, "idempotency_key": None},
            "type": kind,
        }
        if account is not None:
            event["account"] = account
        self.keep("event", event)
        self.listener(event)

    def earn(self, currency: str, amount: int) -> None:
        """Move the platform's balance."""
        self.balance[currency] = self.balance.get(currency, 0) + amount

    def shown(self, document: Json, fields: Fields) -> Json:
        """A copy of an answer, with the objects that it names where ``expand`` asks for them."""
        answer = deepcopy(document)
        for path in fields.texts("expand"):
            self._expand(answer, path.split("."))
        return answer

    def _expand(self, node: object, names: Sequence[str]) -> None:
        if isinstance(node, list):
            for child in node:
                self._expand(child, names)
        elif isinstance(node, dict) and names:
            value = node.get(names[0])
            if isinstance(value, str):
                node[names[0]] = self._copy_of(value)
            self._expand(node.get(names[0]), names[1:])

    def _copy_of(self, identifier: str) -> Json | str:
        for table in self.tables.values():
            if identifier in table:
                return deepcopy(table[identifier])
        return identifier


def page(rows: Sequence[Json], fields: Fields, url: str) -> Json:
    """One page of a list that is newest first."""
    limit = fields.integer("limit")
    limit = PAGE_DEFAULT if limit is None else limit
    if not 1 <= limit <= PAGE_MAX:
        raise invalid("limit must be between 1 and 100", param="limit")
    rows = [row for row in rows if _is_in_time(row, fields)]
    after, before = fields.text("starting_after"), fields.text("ending_before")
    if after is not None and before is not None:
        raise invalid("Use either starting_after or ending_before", param="ending_before")
    if before is not None:
        newer = rows[: _place(rows, before, "ending_before")]
        found, more = newer[-limit:], len(newer) > limit
    else:
        rest = rows if after is None else rows[_place(rows, after, "starting_after") + 1 :]
        found, more = rest[:limit], len(rest) > limit
    return {"object": "list", "url": url, "has_more": more, "data": list(found)}


def _place(rows: Sequence[Json], identifier: str, param: str) -> int:
    for place, row in enumerate(rows):
        if row["id"] == identifier:
            return place
    raise not_found("object", identifier, param=param)


def _is_in_time(row: Json, fields: Fields) -> bool:
    if "created" not in fields.values:
        return True
    created = int(row["created"])
    if isinstance(fields.values["created"], str):
        return created == fields.integer("created")
    span = fields.child("created") or Fields({})
    span.allow("gt", "gte", "lt", "lte")
    bounds = {name: span.integer(name) for name in span.values}
    compare: dict[str, Callable[[int], bool]] = {
        "gt": lambda bound: created > bound,
        "gte": lambda bound: created >= bound,
        "lt": lambda bound: created < bound,
        "lte": lambda bound: created <= bound,
    }
    return all(compare[name](bound) for name, bound in bounds.items() if bound is not None)
