import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest
from eth_hash.auto import keccak
from sqlalchemy import Connection, Engine, func, insert, select, update
from sqlalchemy.exc import DBAPIError

from indexer.chain.types import Address, ChainId, TokenAmount
from settlement.intake import (
    Accepted,
    CampaignAccepted,
    CampaignConflict,
    CampaignDuplicate,
    Conflict,
    Duplicate,
    request_campaign,
    request_settlement,
)
from settlement.queries import campaign_onchain, request_statuses
from settlement.tables import campaigns, requests
from settlement.types import derive_payment_id
from tests.settlement.builders import HASH, NOW, TOKEN, TREASURY

CHAIN = ChainId(31337)


@pytest.fixture
def offchain(engine_as: Callable[[str], Engine]) -> Engine:
    return engine_as("offchain")


@pytest.fixture
def settlement(engine_as: Callable[[str], Engine]) -> Engine:
    """The owner's engine, on a database where one campaign is live."""
    engine = engine_as("settlement")
    with engine.begin() as connection:
        connection.execute(
            insert(campaigns).values(
                **campaign_terms(),
                state="live",
                platform_hash=HASH,
                campaign=b"\x03" * 20,
                treasury=TREASURY,
                token=TOKEN,
            )
        )
    return engine


def campaign_terms(**changes: Any) -> dict[str, Any]:
    terms: dict[str, Any] = {
        "request_id": uuid.UUID(int=1),
        "chain_id": CHAIN,
        "identifier_hash": keccak(b"campanha"),
        "creator": Address(b"\x05" * 20),
        "launch_at": NOW,
        "deadline_at": NOW + timedelta(days=1),
        "goal_base_units": TokenAmount(1),
        "currency": "BRL",
        "title": "Campanha",
        "treasury_kind": "payment-treasury",
    }
    return {**terms, **changes}


def ask(connection: Connection, **changes: Any) -> Accepted | Duplicate | Conflict:
    terms: dict[str, Any] = {
        "request_id": uuid.UUID(int=7),
        "chain_id": CHAIN,
        "treasury": TREASURY,
        "pledge_id": uuid.UUID(int=8),
        "generation": 0,
        "buyer_commitment": HASH,
        "item_id": HASH,
        "token": TOKEN,
        "amount_base_units": TokenAmount(10),
        "captured_at": NOW,
    }
    return request_settlement(connection, **{**terms, **changes})


@pytest.mark.usefixtures("settlement")
def test_request_settlement_is_a_duplicate_when_repeated(offchain: Engine) -> None:
    payment_id = derive_payment_id(HASH, uuid.UUID(int=8), 0)
    with offchain.begin() as connection:
        assert ask(connection) == Accepted(payment_id)
    with offchain.begin() as connection:
        assert ask(connection, captured_at=NOW + timedelta(1)) == Duplicate(payment_id)


@pytest.mark.usefixtures("settlement")
@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"amount_base_units": TokenAmount(11)}, "amount_base_units 10, not 11"),
        ({"buyer_commitment": b"\x01" * 32}, "buyer_commitment"),
        ({"request_id": uuid.UUID(int=9)}, "live settlement request already"),
        ({"request_id": uuid.UUID(int=9), "generation": 1}, "live settlement request already"),
        ({"treasury": Address(b"\x09" * 20)}, "unknown treasury"),
        ({"chain_id": ChainId(31338)}, "unknown treasury"),
        ({"token": Address(b"\x09" * 20)}, "settles in"),
        ({"amount_base_units": TokenAmount(0)}, "above zero"),
        ({"item_id": bytes(32)}, "zero"),
    ],
)
def test_request_settlement_conflicts_when_terms_differ(
    offchain: Engine, changes: dict[str, Any], reason: str
) -> None:
    with offchain.begin() as connection:
        ask(connection)
        answer = ask(connection, **changes)
        assert connection.execute(select(func.count()).select_from(requests)).scalar_one() == 1
    assert isinstance(answer, Conflict)
    assert reason in answer.reason


def test_request_settlement_accepts_a_generation_when_the_one_before_is_superseded(
    offchain: Engine, settlement: Engine
) -> None:
    with offchain.begin() as connection:
        ask(connection)
    with settlement.begin() as connection:
        connection.execute(update(requests).values(state="superseded"))
    with offchain.begin() as connection:
        assert isinstance(ask(connection, request_id=uuid.UUID(int=9), generation=1), Accepted)


def test_request_settlement_conflicts_when_the_campaign_is_not_live(
    offchain: Engine, settlement: Engine
) -> None:
    with settlement.begin() as connection:
        connection.execute(update(campaigns).values(state="treasury_pending"))
    with offchain.begin() as connection:
        assert isinstance(ask(connection), Conflict)


def test_request_settlement_leaves_one_row_when_twenty_threads_race(
    offchain: Engine, settlement: Engine
) -> None:
    threads = 20
    start = Barrier(threads)

    def race(number: int) -> Accepted | Duplicate | Conflict:
        start.wait()
        with settlement.connect() as connection, connection.begin():
            return ask(connection, request_id=uuid.UUID(int=7 + number % 2))

    with ThreadPoolExecutor(threads) as pool:
        answers = list(pool.map(race, range(threads)))
    assert sum(isinstance(answer, Accepted) for answer in answers) == 1
    assert sum(isinstance(answer, Duplicate) for answer in answers) == threads // 2 - 1
    with offchain.connect() as connection:
        assert connection.execute(select(func.count()).select_from(requests)).scalar_one() == 1


@pytest.mark.usefixtures("settlement")
def test_offchain_may_ask_but_never_change_what_it_asked(offchain: Engine) -> None:
    with offchain.begin() as connection:
        ask(connection)
    with offchain.connect() as connection, pytest.raises(DBAPIError, match="permission denied"):
        connection.execute(update(requests).values(state="settled"))


def test_request_campaign_is_accepted_then_duplicate_then_conflict(offchain: Engine) -> None:
    with offchain.begin() as connection:
        assert request_campaign(connection, **campaign_terms()) == CampaignAccepted()
        assert request_campaign(connection, **campaign_terms()) == CampaignDuplicate()
        other_title = request_campaign(connection, **campaign_terms(title="Outra"))
        other_request = request_campaign(connection, **campaign_terms(request_id=uuid.UUID(int=2)))
        backwards = request_campaign(
            connection, **campaign_terms(request_id=uuid.UUID(int=3), deadline_at=NOW)
        )
    for answer in (other_title, other_request, backwards):
        assert isinstance(answer, CampaignConflict)


@pytest.mark.usefixtures("settlement")
def test_queries_show_what_was_asked(offchain: Engine) -> None:
    request_id = uuid.UUID(int=7)
    with offchain.begin() as connection:
        ask(connection)
        shown = campaign_onchain(connection, uuid.UUID(int=1))
        statuses = request_statuses(connection, [request_id, uuid.UUID(int=404)])
        assert campaign_onchain(connection, uuid.UUID(int=404)) is None
    assert shown is not None
    assert (shown.state, shown.treasury, shown.token) == ("live", TREASURY, TOKEN)
    assert set(statuses) == {request_id}
    assert statuses[request_id].state == "ready"
    assert (statuses[request_id].root_id, statuses[request_id].generation) == (request_id, 0)
    assert statuses[request_id].confirmed_tx is None


def test_status_is_that_of_the_live_generation_or_else_of_the_newest(
    offchain: Engine, settlement: Engine
) -> None:
    root, second = uuid.UUID(int=7), uuid.UUID(int=9)
    with offchain.begin() as connection:
        ask(connection)
    with settlement.begin() as connection:
        connection.execute(update(requests).values(state="superseded"))
        (first,) = connection.execute(select(requests)).mappings()
        anew = {"request_id": second, "generation": 1, "payment_id": b"\x07" * 32}
        connection.execute(insert(requests).values({**first, **anew, "state": "ready"}))

    def seen() -> tuple[uuid.UUID, str, int]:
        with offchain.connect() as connection:
            found = request_statuses(connection, [root, second])
        assert set(found) == {root}, "a later generation is no name of its own"
        return found[root].request_id, found[root].state, found[root].generation

    assert seen() == (second, "ready", 1)
    with settlement.begin() as connection:
        connection.execute(
            update(requests).where(requests.c.request_id == second).values(state="void")
        )
    assert seen() == (second, "void", 1)
