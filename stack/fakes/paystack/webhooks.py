"""The fake's webhooks: envelope, signature and schedule.

Every three minutes four times, then hourly until 72 hours have passed. There is no timestamp and no
id of the event: a delivery is the same bytes and the same signature every time.
"""

import hashlib
import hmac
import json

from stack.fakes.delivery import Sender, Signing
from stack.fakes.paystack.books import Books
from stack.fakes.paystack.words import Json

SOON_S, SOON_TIMES, HOUR_S, GIVE_UP_S = 180, 4, 3600, 72 * 3600
SCHEDULE_S = (
    0,
    *(SOON_S for _ in range(SOON_TIMES)),
    *(HOUR_S for _ in range((GIVE_UP_S - SOON_TIMES * SOON_S) // HOUR_S)),
)


def make_sender(books: Books) -> Sender:
    """Make what delivers the books' events, and have them reported to it."""
    sender = Sender(books.clock, schedule_s=SCHEDULE_S, sign=sign)

    def report(event: str, data: Json) -> None:
        endpoints = [] if books.endpoint is None else [books.endpoint]
        sender.send(event, envelope(event, data), endpoints, event_id=books.new_code("event_"))

    books.listener = report
    return sender


def envelope(event: str, data: Json) -> bytes:
    """The body of an event."""
    document = {"event": event, "data": data}
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def sign(body: bytes, signing: Signing) -> dict[str, str]:
    """The headers of one delivery."""
    digest = hmac.new(signing.secret.encode(), body, hashlib.sha512).hexdigest()
    return {"x-paystack-signature": digest[::-1] if signing.is_forged else digest}
