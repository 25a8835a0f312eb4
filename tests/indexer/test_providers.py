from datetime import timedelta

import pytest
from sqlalchemy import Connection, Engine, select, text

from indexer.chain.types import BlockNumber, ChainId
from indexer.events import FILTER_ID
from indexer.ledger import extend, holes, promote
from indexer.providers import (
    HALF_LIFE,
    FindingKind,
    record_finding,
    requeue_after_lie,
    settle_doubts,
    truth_scores,
    weight,
)
from indexer.spans import RangeState
from indexer.tables import provider_findings, ranges

CHAIN = ChainId(31337)
DIGEST = b"d" * 32


def number(value: int) -> BlockNumber:
    return BlockNumber(value)


def served(
    connection: Connection,
    low: int,
    high: int,
    provider: str,
    *,
    state: RangeState = "fetched",
    confirmed_by: str | None = None,
) -> None:
    extend(
        connection,
        CHAIN,
        low=number(low),
        high=number(high),
        state=state,
        provider=provider,
        headers_linked=True,
        digest=DIGEST,
    )
    if confirmed_by is not None:
        promote(
            connection,
            CHAIN,
            low=number(low),
            high=number(high),
            state="cross_checked",
            by=confirmed_by,
        )


def found(connection: Connection, provider: str, kind: FindingKind, low: int = 5) -> None:
    record_finding(connection, CHAIN, provider, kind, (number(low), number(low + 4)), "seen")


@pytest.mark.parametrize(
    ("kind", "age", "expected"),
    [
        ("logs_missing", timedelta(0), 1.0),
        ("logs_false", HALF_LIFE, 0.5),
        ("contradiction", 2 * HALF_LIFE, 0.25),
        ("digest_differs", timedelta(0), 0.25),
        ("unprovable", timedelta(0), 0.0),
        ("a kind of tomorrow", timedelta(0), 1.0),
    ],
)
def test_weight_halves_when_a_finding_grows_old(kind: str, age: timedelta, expected: float) -> None:
    assert weight(kind, age) == pytest.approx(expected)


def test_score_falls_to_a_half_when_a_provider_lied_today(engine: Engine) -> None:
    with engine.connect() as connection:
        served(connection, 0, 4, "honest")
        served(connection, 5, 9, "liar")
        found(connection, "liar", "logs_missing")
        honest, liar = truth_scores(connection, CHAIN)
    assert (honest.provider, honest.score, honest.findings, honest.last_kind) == (
        "honest",
        1.0,
        0,
        None,
    )
    assert (liar.provider, liar.findings, liar.last_kind) == ("liar", 1, "logs_missing")
    assert liar.score == pytest.approx(0.5, abs=0.001)
    assert liar.last_at is not None


def test_score_recovers_but_the_finding_stays_when_it_is_old(engine: Engine) -> None:
    with engine.connect() as connection:
        found(connection, "liar", "logs_missing")
        connection.execute(
            text("UPDATE chain.provider_findings SET seen_at = now() - interval '71 days'")
        )
        (liar,) = truth_scores(connection, CHAIN)
    assert (liar.score, liar.findings, liar.last_kind) == (1.0, 1, "logs_missing")


def test_score_is_untouched_when_a_receipt_is_unprovable(engine: Engine) -> None:
    with engine.connect() as connection:
        found(connection, "honest", "unprovable")
        (honest,) = truth_scores(connection, CHAIN)
    assert honest.score == 1.0


def test_scores_tell_only_of_the_chain_asked_for(engine: Engine) -> None:
    with engine.connect() as connection:
        found(connection, "liar", "logs_missing")
        assert truth_scores(connection, ChainId(1)) == []


def test_doubts_go_and_lies_stay_when_receipts_have_decided(engine: Engine) -> None:
    with engine.connect() as connection:
        found(connection, "one", "digest_differs")
        found(connection, "two", "digest_differs")
        found(connection, "two", "digest_differs", low=50)
        found(connection, "two", "logs_missing")
        settle_doubts(connection, CHAIN, number(5), number(9))
        kept = connection.execute(select(provider_findings.c.kind, provider_findings.c.low))
        assert {tuple(row) for row in kept} == {("digest_differs", 50), ("logs_missing", 5)}


def test_ranges_only_a_liar_vouched_for_become_holes_when_it_is_found_out(engine: Engine) -> None:
    with engine.connect() as connection:
        served(connection, 0, 9, "liar")
        served(connection, 10, 19, "honest")
        served(connection, 20, 29, "liar", state="proven")
        served(connection, 30, 39, "liar")
        assert requeue_after_lie(connection, CHAIN, "liar") == [(0, 9), (30, 39)]
        assert holes(connection, CHAIN, FILTER_ID, number(0), number(39)) == [(0, 9), (30, 39)]


def test_ranges_stand_on_the_others_word_when_one_of_two_lied(engine: Engine) -> None:
    with engine.connect() as connection:
        served(connection, 0, 9, "liar", confirmed_by="honest")
        served(connection, 10, 19, "honest", confirmed_by="liar")
        served(connection, 20, 29, "honest", confirmed_by="third")
        assert requeue_after_lie(connection, CHAIN, "liar") == []
        rows = connection.execute(
            select(
                ranges.c.state, ranges.c.provider, ranges.c.confirmed_by, ranges.c.digest
            ).order_by(ranges.c.low)
        )
        assert [tuple(row) for row in rows] == [
            ("fetched", "honest", None, DIGEST),
            ("fetched", "honest", None, DIGEST),
            ("cross_checked", "honest", "third", DIGEST),
        ]


def test_newest_ranges_are_taken_back_when_a_liar_served_many(engine: Engine) -> None:
    with engine.connect() as connection:
        for low in range(0, 50, 10):
            served(connection, low, low + 9, "liar")
        assert requeue_after_lie(connection, CHAIN, "liar", 2) == [(30, 39), (40, 49)]
