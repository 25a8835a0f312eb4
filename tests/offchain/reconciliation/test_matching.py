"""Whose payment it is."""

import uuid
from dataclasses import replace

import pytest
from sqlalchemy import Engine

from offchain.gateways.types import Observation
from offchain.reconciliation.matching import match
from tests.support.offchain import add_attempt, add_campaign, add_pledge, seen


@pytest.fixture
def pledge_id(engine: Engine) -> uuid.UUID:
    return add_pledge(engine, add_campaign(engine))


def matched(engine: Engine, observation: Observation, gateway: str = "crowdsplit") -> object:
    with engine.connect() as connection:
        found = match(connection, gateway, observation)
    return None if found is None else found.id


def test_match_finds_by_our_name_before_the_row_knows_the_gateways(
    engine: Engine, pledge_id: uuid.UUID
) -> None:
    attempt_id = add_attempt(engine, pledge_id)
    assert matched(engine, seen(attempt_id)) == attempt_id


def test_match_finds_by_the_gateways_id_when_it_lost_our_name(
    engine: Engine, pledge_id: uuid.UUID
) -> None:
    attempt_id = add_attempt(engine, pledge_id, provider_payment_id="p1")
    nameless = replace(seen(attempt_id), attempt_id=None, provider_payment_id="p1")
    assert matched(engine, nameless) == attempt_id


def test_match_prefers_our_name_when_the_gateways_id_is_anothers(
    engine: Engine, pledge_id: uuid.UUID
) -> None:
    named = add_attempt(engine, pledge_id)
    add_attempt(engine, pledge_id, provider_payment_id="p1")
    assert matched(engine, seen(named, provider_payment_id="p1")) == named


def test_match_finds_none_of_another_gateway(engine: Engine, pledge_id: uuid.UUID) -> None:
    attempt_id = add_attempt(engine, pledge_id, provider_payment_id="p1")
    assert matched(engine, seen(attempt_id, provider_payment_id="p1"), "stripe") is None


def test_match_finds_none_when_neither_is_known(engine: Engine) -> None:
    assert matched(engine, seen(uuid.uuid4())) is None
