from collections.abc import Callable
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine

from api.pagination import Cursor, CursorCodec, Delivered
from offchain.http.problems import ProblemError
from tests.api import builders as b
from tests.api import chain_rows as c

Get = Callable[..., Any]
CODEC = CursorCodec(b"secret")
LIST = "/v1/campaigns/solar/contributions"

positions = st.lists(st.integers() | st.text(max_size=8), max_size=3).map(tuple)
delivered = st.dictionaries(
    st.integers(1, 2**40), st.builds(Delivered, st.integers(0, 2**60), st.integers(0, 2**60))
)


@given(positions, delivered)
def test_cursor_reads_back_what_was_written(
    position: tuple[int | str, ...], chains: dict[int, Delivered]
) -> None:
    cursor = Cursor(position, chains)
    assert CODEC.decode("scope", CODEC.encode("scope", cursor)) == cursor


@given(st.data())
def test_cursor_is_refused_when_any_character_changed(data: st.DataObject) -> None:
    text = CODEC.encode("scope", Cursor(("2026-01-31T12:00:00+00:00", "x"), {1: Delivered(5, 2)}))
    place = data.draw(st.integers(0, len(text) - 2))  # the last one may hold unused bits
    other = data.draw(st.sampled_from("ABCxyz019-_!").filter(lambda c: c != text[place]))
    with pytest.raises(ProblemError) as refused:
        CODEC.decode("scope", text[:place] + other + text[place + 1 :])
    assert refused.value.status == 400


@pytest.mark.parametrize("text", ["x", "é", "AAAA", "A" * 64, "%00"])
def test_cursor_is_refused_when_it_is_garbage(text: str) -> None:
    with pytest.raises(ProblemError):
        CODEC.decode("scope", text)


def test_cursor_is_refused_when_another_secret_signed_it() -> None:
    text = CursorCodec(b"other").encode("scope", Cursor((1,)))
    with pytest.raises(ProblemError):
        CODEC.decode("scope", text)


def read_all(get: Get, path: str, **query: object) -> list[Any]:
    items: list[Any] = []
    cursor: dict[str, str] = {}
    while True:
        page = get(path, **query, **cursor)
        items += page["items"]
        if page["next_cursor"] is None:
            return items
        cursor = {"cursor": page["next_cursor"]}


@pytest.mark.parametrize("limit", [1, 2, 5])
def test_pages_join_to_the_whole_list(login_engine: Engine, get: Get, limit: int) -> None:
    with login_engine.begin() as rows:
        campaign = b.add_campaign(rows)
        # Two of each age: the id breaks the tie.
        expected = [str(b.add_contribution(rows, campaign, age_s=n // 2)) for n in range(5)]
        c.add_treasury(rows, "one", block=9, log_index=2)
        c.add_treasury(rows, "two", block=9, log_index=10)
        c.add_treasury(rows, "three", block=10, log_index=1)
        for age, slug in enumerate(("one", "two")):
            b.add_campaign(rows, slug, age_s=age + 1)

    found = [item["id"] for item in read_all(get, LIST, limit=limit)]
    assert sorted(found) == sorted(expected)
    assert {*found[:2]} == {*expected[:2]}
    places = [
        (t["block_number"], t["log_index"]) for t in read_all(get, "/v1/treasuries", limit=limit)
    ]
    assert places == [(9, 2), (9, 10), (10, 1)]
    slugs = [item["slug"] for item in read_all(get, "/v1/campaigns", limit=limit)]
    assert slugs == ["solar", "one", "two"]


def test_page_does_not_repeat_rows_when_newer_ones_arrive(login_engine: Engine, get: Get) -> None:
    with login_engine.begin() as rows:
        campaign = b.add_campaign(rows)
        for age in range(4):
            b.add_contribution(rows, campaign, age_s=age)
    first = get(LIST, limit=2)
    with login_engine.begin() as rows:
        b.add_contribution(rows, campaign, age_s=-10)
    second = get(LIST, limit=2, cursor=first["next_cursor"])
    names = [item["id"] for item in first["items"] + second["items"]]
    assert len(set(names)) == 4
    assert second["next_cursor"] is None


@pytest.fixture
def two_pages(login_engine: Engine, get: Get) -> str:
    """The cursor behind a first page that rests on block 70 of two confirmed payments."""
    with login_engine.begin() as rows:
        c.add_marks(rows, indexed=100, finalized=40)
        c.add_reorg(rows, ancestor=5)  # before the cursor was issued: of no matter
        campaign = b.add_campaign(rows)
        b.add_settled(rows, campaign, confirmed_block=70, age_s=0)
        b.add_settled(rows, campaign, confirmed_block=60, age_s=1)
    cursor: str = get(LIST, limit=1)["next_cursor"]
    return cursor


def test_cursor_answers_400_when_tampered_or_carried_to_another_query(
    client: httpx.Client, two_pages: str
) -> None:
    flipped = ("B" if two_pages[0] == "A" else "A") + two_pages[1:]
    for path, query in (
        (LIST, {"cursor": flipped}),
        (LIST, {"cursor": two_pages, "finality": "finalized"}),
        ("/v1/campaigns", {"cursor": two_pages}),
    ):
        answer = client.get(path, params=query)
        assert answer.status_code == 400
        assert answer.json()["type"] == "urn:problem-type:lastro:cursor-invalid"


def test_cursor_answers_409_when_a_reorg_undid_a_delivered_row(
    login_engine: Engine, client: httpx.Client, two_pages: str
) -> None:
    with login_engine.begin() as rows:
        c.add_reorg(rows, ancestor=69)
    answer = client.get(LIST, params={"cursor": two_pages, "limit": 1})
    assert answer.status_code == 409
    problem = answer.json()
    assert problem["type"] == "urn:problem-type:lastro:cursor-invalidated"
    assert (problem["chain_id"], problem["ancestor_block"]) == (c.CHAIN_ID, 69)


def test_cursor_stays_good_when_the_reorg_was_above_every_delivered_row(
    login_engine: Engine, client: httpx.Client, two_pages: str
) -> None:
    with login_engine.begin() as rows:
        c.add_reorg(rows, ancestor=70)
    answer = client.get(LIST, params={"cursor": two_pages, "limit": 1})
    assert answer.status_code == 200


def test_cursor_remembers_the_pages_before_the_last(
    login_engine: Engine, client: httpx.Client, get: Get, two_pages: str
) -> None:
    with login_engine.begin() as rows:
        solar = rows.exec_driver_sql(
            "SELECT id FROM offchain.campaigns WHERE slug = 'solar'"
        ).scalar_one()
        b.add_settled(rows, solar, confirmed_block=50, age_s=2)
    second = get(LIST, limit=1, cursor=two_pages)  # its own row is in block 60
    with login_engine.begin() as rows:
        c.add_reorg(rows, ancestor=65)  # undoes the first page's row only
    answer = client.get(LIST, params={"cursor": second["next_cursor"], "limit": 1})
    assert answer.status_code == 409
