"""Where CrowdSplit sends its webhooks to, and which of them it could not deliver."""

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, Final

from offchain.gateways.crowdsplit.api import Api, data_of, refusal
from offchain.gateways.crowdsplit.token import NAME
from offchain.gateways.crowdsplit.webhooks import payment_of_event
from offchain.gateways.crowdsplit.wire import instant, path_id
from offchain.gateways.errors import OutcomeUnknown
from offchain.gateways.reading import mapping, word

UNDELIVERED: Final = ("pending", "dead_lettered")
UNDELIVERED_MAX: Final = 500
"""How many of the newest are looked at: the gateway's list of payments is the other source."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A registered webhook."""

    id: str
    url: str
    is_active: bool


@dataclass(frozen=True, slots=True)
class Undelivered:
    """A notification that did not reach us."""

    id: str
    event: str
    provider_payment_id: str | None
    """None: about something else than a payment."""


def register(api: Api, url: str) -> str:
    """Have events sent to an URL; returns the secret, which is shown this once.

    Raises:
        GatewayRefused: The URL is registered already, or unfit.
        OutcomeUnknown: It may be registered, but its secret was lost: delete it and begin again.
    """
    # A new key each time: with a lasting one, an URL deleted and registered again would get the
    # answer, and the secret, of its first life.
    reply = api.post("/merchant/webhooks", {"url": url}, key=f"webhook:{uuid.uuid4()}")
    secret = data_of(reply).get("secret")
    if not isinstance(secret, str) or not secret:
        raise OutcomeUnknown(f"{NAME} registered a webhook but its reply shows no secret")
    return secret


def endpoints(api: Api) -> list[Endpoint]:
    """Every registered webhook."""
    rows = api.rows("/merchant/webhooks", "webhook_list")
    return [
        Endpoint(str(row.get("id")), str(row.get("url")), row.get("is_active") is not False)
        for row in rows
    ]


def delete(api: Api, endpoint_id: str) -> bool:
    """End a registration; whether there was one."""
    identifier = path_id(endpoint_id)
    reply = None if identifier is None else api.delete(f"/merchant/webhooks/{identifier}")
    if reply is None or reply.status == 404:  # noqa: PLR2004 - HTTP
        return False
    data_of(reply)
    return True


def undelivered(api: Api, *, since: datetime) -> Iterator[Undelivered]:
    """The newest notifications since then that were not delivered."""
    is_gen3 = api.dialect == "gen3"
    for query in [{"status": status} for status in UNDELIVERED] if is_gen3 else [{}]:
        rows = api.rows("/merchant/webhooks/notifications", "notification_list", query)
        for row in islice(rows, UNDELIVERED_MAX):
            if _is_older(row, since):
                break
            if row.get("is_acknowledged") is not True:
                yield _read(row)


def replay(api: Api, notification_id: str) -> None:
    """Have a notification delivered once more; only the third generation can.

    Raises:
        GatewayRefused: It is unknown.
    """
    identifier = path_id(notification_id) or "unknown"
    path = f"/merchant/webhooks/notifications/{identifier}/replay"
    reply = api.post(path, {}, key=f"replay:{uuid.uuid4()}")
    if not reply.is_success:
        raise refusal(reply)


def _is_older(row: Mapping[str, Any], since: datetime) -> bool:
    created = instant(row.get("created_at"))
    return created is not None and created < since


def _read(row: Mapping[str, Any]) -> Undelivered:
    event = word(row.get("event"))
    payment = payment_of_event(event, mapping(row.get("data")))
    return Undelivered(str(row.get("id")), event, payment)
