"""What every desk of the fake gateway shares. One lock guards all that they keep."""

import hashlib
import json
import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from stack.fakes.clock import Clock
from stack.fakes.crowdsplit.records import Dispute, Record, Transaction
from stack.fakes.crowdsplit.tokens import Tokens, Unit
from stack.fakes.crowdsplit.words import Dialect, Json, bare, conflict, invalid, not_found
from stack.fakes.delivery import Endpoint

URL_MAX = 255
Pending = Literal["automatic", "manual"]
"""What is decided later, is decided at once or by the control API."""


@dataclass(frozen=True, slots=True)
class Switches:
    """How the fake behaves."""

    dialect: Dialect = "gen3"
    expires_in: Unit = "s"
    refunds: Pending = "automatic"
    transfers: Pending = "automatic"
    registrations: Pending = "automatic"
    transfer_cap_minor: int = 1_000_000
    twin_events: bool = False
    """Report every fact twice, under two event names and ids."""


@dataclass(slots=True)
class Hook:
    """A registered webhook."""

    endpoint: Endpoint
    description: str | None = None
    event_types: frozenset[str] = frozenset()
    """Empty: all."""
    is_active: bool = True

    def wants(self, event: str) -> bool:
        """Whether it is sent this event."""
        return self.is_active and (not self.event_types or event in self.event_types)


Listener = Callable[[str, Json], None]


class Books:
    """The gateway's memory. Every public method is one atomic step."""

    def __init__(
        self,
        *,
        client_id: str,
        client_secret: str,
        seed: str | None = None,
        dialect: Dialect = "gen3",
    ) -> None:
        self.clock = Clock()
        self.lock = threading.RLock()
        self.hooks: dict[str, Hook] = {}
        self.listener: Listener = lambda _event, _data: None
        self.preset_secret: str | None = None
        """Secret of every endpoint registered; None makes one each."""
        self.transactions: dict[str, Transaction] = {}
        """In the order of creation."""
        self.disputes: dict[str, Dispute] = {}
        self._first = self.switches = Switches(dialect=dialect)
        self._seed = uuid.uuid5(uuid.NAMESPACE_URL, seed) if seed else uuid.uuid4()
        self._made = 0
        self._replays: dict[tuple[str, str], tuple[bytes, Json]] = {}
        self.tokens = Tokens(
            self.clock, self.new_id, client_id=client_id, client_secret=client_secret
        )

    @property
    def dialect(self) -> Dialect:
        """The generation that is spoken now."""
        return self.switches.dialect

    def switch(self, **changes: Any) -> Switches:  # noqa: ANN401 - fields of Switches
        """Behave otherwise from now on."""
        with self.lock:
            self.switches = replace(self.switches, **changes)
            return self.switches

    def reset(self) -> None:
        """Behave as at the start."""
        with self.lock:
            self.switches = self._first

    def now(self) -> datetime:
        """The fake's clock."""
        return self.clock.now()

    def new_id(self) -> str:
        """The next id; the same series for the same seed."""
        with self.lock:
            self._made += 1
            return str(uuid.uuid5(self._seed, str(self._made)))

    def new_record(self) -> dict[str, Any]:
        """What every new record starts with, but for its status."""
        now = self.now()
        return {"id": self.new_id(), "created_at": now, "updated_at": now}

    def move(self, record: Record, *events: str, **changes: Any) -> None:  # noqa: ANN401
        """Change a record, count its version up and report it under these events."""
        with self.lock:
            for name, value in changes.items():
                setattr(record, name, value)
            record.version += 1
            record.updated_at = self.now()
            for event in events:
                self.tell(event, record)

    def tell(self, event: str, record: Any) -> None:  # noqa: ANN401 - all that has a document
        """Report a record."""
        self.listener(event, record.document(self.dialect))

    def transaction(self, identifier: str) -> Transaction:
        """Look a payment, refund or transfer up by either form of its id."""
        head = identifier.partition("_")[0]
        prefix = head if head in {"pay", "ref", "tr"} else "pay"
        found = self.transactions.get(bare(identifier, prefix))
        if found is None:
            raise not_found("transaction")
        return found

    def register_endpoint(
        self, url: object, *, description: str | None = None, event_types: object = None
    ) -> Hook:
        """Register where webhooks go; an url can be registered once."""
        if not isinstance(url, str) or not url.startswith("http") or len(url) > URL_MAX:
            raise invalid(f"url must be one of at most {URL_MAX} characters")
        wanted = event_types if isinstance(event_types, list) else []
        with self.lock:
            if any(hook.endpoint.url == url for hook in self.hooks.values()):
                raise conflict("this url is registered")
            secret = self.preset_secret or f"whsec_{self.new_id()}"
            endpoint = Endpoint(self.new_id(), url, secret)
            hook = Hook(endpoint, description, frozenset(map(str, wanted)))
            self.hooks[endpoint.id] = hook
            return hook

    def once(
        self, path: str, key: str | None, body: Mapping[str, Any], effect: Callable[[], Json]
    ) -> Json:
        """Run an effect once per idempotency key and replay its answer afterwards.

        Only the third generation knows keys: to the second every call is a new one.
        """
        digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).digest()
        with self.lock:
            if key is None or self.dialect == "gen2":
                return effect()
            known = self._replays.get((path, key))
            if known is None:
                known = self._replays[path, key] = (digest, effect())
            if known[0] != digest:
                raise conflict("this key was used for another body", reason="idempotency_mismatch")
            return known[1]
