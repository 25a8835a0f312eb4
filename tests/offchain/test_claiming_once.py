"""A worker claims as many rows as it asked for, however Postgres plans its statement.

The plan is forced here; in a busy database the statistics choose it.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, text, true

from offchain.inbox.working import claim
from offchain.media.rows import claim_undecided
from offchain.media.tables import files
from offchain.payments.refunding import claim_due_refunds
from offchain.reconciliation.due import claim_due
from offchain.reconciliation.listing import add_listed, claim_listed
from tests.support.claims import NAME, ask_back, paid
from tests.support.jobs import receive
from tests.support.offchain import add_attempt, add_campaign, add_pledge

ROWS = 3
LATER = timedelta(days=1)


def one_by_one(connection: Connection) -> None:
    """Have the planner look at each row in turn, and choose anew for it."""
    for way in ("hashjoin", "mergejoin", "hashagg", "material", "memoize", "sort"):
        connection.execute(text(f"SET LOCAL enable_{way} = off"))


def events(engine: Engine, _login: Engine) -> None:
    for number in range(ROWS):
        receive(engine, id=f"evt-{number}")


def listed(engine: Engine, _login: Engine) -> None:
    with engine.begin() as connection:
        add_listed(connection, NAME, map(str, range(ROWS)))


def wanted_back(engine: Engine, login: Engine) -> None:
    for _ in range(ROWS):
        ask_back(engine, paid(engine, login, onchain=False).id)


def attempts(engine: Engine, _login: Engine) -> None:
    for _ in range(ROWS):
        pledge_id = add_pledge(engine, add_campaign(engine, onchain=False))
        add_attempt(engine, pledge_id, created_at=datetime.now(UTC) - LATER)


def declared(engine: Engine, _login: Engine) -> None:
    campaign_id = add_campaign(engine, onchain=False)
    with engine.begin() as connection:
        connection.execute(
            files.insert(),
            [
                {
                    "id": f"00000000-0000-4000-8000-00000000000{number}",
                    "campaign_id": campaign_id,
                    "purpose": "gallery",
                    "object_key": f"media/{number}.jpg",
                    "declared_type": "image/jpeg",
                    "declared_bytes": 1,
                    "url_expires_at": datetime.now(UTC),
                }
                for number in range(ROWS)
            ],
        )


CLAIMS: dict[
    str, tuple[Callable[[Engine, Engine], None], Callable[[Connection], Sequence[Any]], str]
] = {
    "inbox": (events, lambda c: claim(c, limit=1), "inbox WHERE tries > 0"),
    "listed": (
        listed,
        lambda c: claim_listed(c, [NAME], limit=1),
        "listed_payments WHERE tries > 0",
    ),
    "refunds": (
        wanted_back,
        lambda c: claim_due_refunds(c, limit=1),
        "refunds WHERE next_try_at > now()",
    ),
    "attempts": (
        attempts,
        lambda c: claim_due(c, true(), gateways=[NAME], now=datetime.now(UTC), limit=1),
        "payment_attempts WHERE next_read_at > now() + interval '1 minute'",
    ),
    "files": (
        declared,
        lambda c: [claim_undecided(c, now=datetime.now(UTC) + LATER, only=None)],
        "files WHERE is_taken",
    ),
}


@pytest.mark.parametrize("kind", CLAIMS)
def test_no_more_is_claimed_than_was_asked_for(
    engine: Engine, login_engine: Engine, kind: str
) -> None:
    prepare, take, taken = CLAIMS[kind]
    prepare(engine, login_engine)
    with engine.begin() as connection:
        one_by_one(connection)
        assert len(take(connection)) == 1
    with engine.connect() as connection:
        count = connection.execute(text(f"SELECT count(*) FROM offchain.{taken}"))  # noqa: S608
        assert count.scalar_one() == 1
