from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, insert, select, text

from indexer.chain.types import BlockNumber, ChainId
from indexer.events import FILTER_ID
from indexer.ledger import complete_up_to, cut, extend, forget, holes, lowest_span, promote
from indexer.spans import (
    STATES,
    RangeState,
    Span,
    gaps,
    grown_together,
    reaches,
    within,
    without,
)
from indexer.tables import marks, ranges
from tests.support.waiting import eventually

CHAIN = ChainId(31337)
END = 24  # few blocks, so that ranges meet, cover and split each other
DIGEST = b"d" * 32


@dataclass
class Model:
    """The ledger as a map from block to what is known of it; None is a hole."""

    states: dict[int, RangeState] = field(default_factory=dict)

    def paint(self, low: int, high: int, state: RangeState | None) -> None:
        for number in range(low, high + 1):
            if state is None:
                self.states.pop(number, None)
            else:
                self.states[number] = state

    def promote(self, low: int, high: int, state: RangeState) -> None:
        for number in range(low, high + 1):
            if number in self.states and not reaches(self.states[number], state):
                self.states[number] = state

    def holes(self, low: int, high: int) -> set[int]:
        return {number for number in range(low, high + 1) if number not in self.states}

    def complete_up_to(self, state: RangeState) -> int | None:
        number = 0
        while number in self.states and reaches(self.states[number], state):
            number += 1
        return number - 1 if number else None


def read_spans(connection: Connection, filter_id: str = FILTER_ID) -> list[Span]:
    rows = connection.execute(
        select(ranges).where(ranges.c.filter == filter_id).order_by(ranges.c.low)
    )
    return [
        Span(
            row.low,
            row.high,
            row.state,
            row.provider,
            row.headers_linked,
            row.digest,
            row.confirmed_by,
        )
        for row in rows
    ]


def number(value: int) -> BlockNumber:
    return BlockNumber(value)


def span(low: int, high: int, state: RangeState = "fetched", **values: object) -> Span:
    base: dict[str, object] = {"provider": "one", "headers_linked": True}
    return Span(number(low), number(high), state, **(base | values))  # type: ignore[arg-type]


def read(
    connection: Connection,
    low: int,
    high: int,
    state: RangeState = "fetched",
    *,
    provider: str = "one",
    digest: bytes | None = None,
    filter_id: str = FILTER_ID,
) -> None:
    extend(
        connection,
        CHAIN,
        low=number(low),
        high=number(high),
        state=state,
        provider=provider,
        headers_linked=True,
        digest=digest,
        filter_id=filter_id,
    )


INTERVALS = st.tuples(st.integers(0, END), st.integers(0, END)).map(
    lambda pair: (min(pair), max(pair))
)
STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.just("read"),
            INTERVALS,
            st.sampled_from(STATES),
            st.sampled_from(["one", "two"]),
            st.sampled_from([None, DIGEST]),
        ),
        st.tuples(st.just("promote"), INTERVALS, st.sampled_from(STATES[1:])),
        st.tuples(st.just("forget"), INTERVALS),
        st.tuples(st.just("cut"), st.integers(-1, END)),
    ),
    max_size=10,
)


def apply(connection: Connection, model: Model, step: tuple[object, ...]) -> None:
    match step:
        case ("read", (int(low), int(high)), state, str(provider), digest):
            assert digest is None or isinstance(digest, bytes)
            known = next(one for one in STATES if one == state)
            read(connection, low, high, known, provider=provider, digest=digest)
            model.paint(low, high, known)
        case ("promote", (int(low), int(high)), state):
            known = next(one for one in STATES if one == state)
            promote(connection, CHAIN, low=number(low), high=number(high), state=known, by="two")
            model.promote(low, high, known)
        case ("forget", (int(low), int(high))):
            forget(connection, CHAIN, number(low), number(high))
            model.paint(low, high, None)
        case ("cut", int(ancestor)):
            cut(connection, CHAIN, number(ancestor))
            model.paint(ancestor + 1, END, None)
        case _:
            raise AssertionError(step)


def test_ledger_equals_a_set_of_blocks_when_ranges_cover_split_and_meet(engine: Engine) -> None:
    @settings(max_examples=120, deadline=None)
    @given(STEPS, INTERVALS)
    def check(steps: list[tuple[object, ...]], asked: tuple[int, int]) -> None:
        model = Model()
        with engine.connect() as connection:
            for step in steps:
                apply(connection, model, step)
            spans = read_spans(connection)
            found = holes(connection, CHAIN, FILTER_ID, number(asked[0]), number(asked[1]))
            complete = [
                complete_up_to(connection, CHAIN, FILTER_ID, number(0), state) for state in STATES
            ]
            connection.rollback()
        told = [n for one in spans for n in range(one.low, one.high + 1)]
        assert len(told) == len(set(told)), "rows overlap"
        assert {n: one.state for one in spans for n in range(one.low, one.high + 1)} == model.states
        assert {n for low, high in found for n in range(low, high + 1)} == model.holes(*asked)
        assert complete == [model.complete_up_to(state) for state in STATES]
        assert all(one.digest is None for one in spans if one.state == "proven")

    check()


def test_extend_lengthens_the_last_row_when_it_says_the_same(engine: Engine) -> None:
    with engine.connect() as connection:
        for low in range(0, 50, 5):
            read(connection, low, low + 4, "proven")
        assert read_spans(connection) == [span(0, 49, "proven")]


def test_extend_keeps_rows_apart_when_a_digest_tells_of_each(engine: Engine) -> None:
    with engine.connect() as connection:
        read(connection, 0, 4, digest=DIGEST)
        read(connection, 5, 9, digest=DIGEST)
        assert [(one.low, one.digest) for one in read_spans(connection)] == [
            (0, DIGEST),
            (5, DIGEST),
        ]


def test_neighbours_grow_together_when_a_hole_between_them_is_filled(engine: Engine) -> None:
    with engine.connect() as connection:
        read(connection, 0, 4, "proven")
        read(connection, 10, 14, "proven", provider="two")
        read(connection, 5, 9, "proven", provider="three")
        assert read_spans(connection) == [span(0, 14, "proven")]


def test_part_loses_the_digest_when_the_whole_is_split(engine: Engine) -> None:
    with engine.connect() as connection:
        read(connection, 0, 9, digest=DIGEST)
        promote(connection, CHAIN, low=number(3), high=number(5), state="proven", by="two")
        assert read_spans(connection) == [span(0, 2), span(3, 5, "proven"), span(6, 9)]


def test_whole_keeps_the_digest_when_it_is_cross_checked(engine: Engine) -> None:
    with engine.connect() as connection:
        read(connection, 0, 9, digest=DIGEST)
        promote(connection, CHAIN, low=number(0), high=number(9), state="cross_checked", by="two")
        assert read_spans(connection) == [
            span(0, 9, "cross_checked", digest=DIGEST, confirmed_by="two")
        ]


def test_ledger_of_new_topics_is_empty_when_others_were_read(engine: Engine) -> None:
    with engine.connect() as connection:
        read(connection, 0, 9, "proven", filter_id="older")
        assert holes(connection, CHAIN, FILTER_ID, number(0), number(9)) == [(0, 9)]
        read(connection, 5, 7)
        assert read_spans(connection, "older") == [span(0, 9, "proven")]
        cut(connection, CHAIN, number(6))
        assert [one.high for one in read_spans(connection, "older")] == [6]
        assert [one.high for one in read_spans(connection)] == [6]


def test_lowest_span_passes_over_what_is_sure_enough(engine: Engine) -> None:
    def lowest(connection: Connection, below: RangeState, up_to: int) -> int | None:
        found = lowest_span(connection, CHAIN, below=below, up_to=number(up_to))
        return None if found is None else found.low

    with engine.connect() as connection:
        read(connection, 0, 4, "proven")
        read(connection, 5, 9, "cross_checked")
        read(connection, 10, 14)
        read(connection, 15, 19, digest=DIGEST)
        assert lowest(connection, "cross_checked", 20) == 10
        assert lowest(connection, "proven", 20) == 5
        assert lowest(connection, "cross_checked", 13) is None
        digested = lowest_span(
            connection, CHAIN, below="proven", up_to=number(20), which=ranges.c.digest.is_not(None)
        )
        assert digested == span(15, 19, digest=DIGEST)


def test_ledger_is_complete_nowhere_when_the_first_block_is_missing(engine: Engine) -> None:
    with engine.connect() as connection:
        assert complete_up_to(connection, CHAIN, FILTER_ID, number(1)) is None
        read(connection, 2, 9)
        assert complete_up_to(connection, CHAIN, FILTER_ID, number(1)) is None
        assert complete_up_to(connection, CHAIN, FILTER_ID, number(10)) is None


def test_rows_never_overlap_when_two_writers_paint_at_once(engine: Engine) -> None:
    """The second waits at the row of marks, and paints over what the first has committed."""
    with engine.begin() as connection:
        connection.execute(insert(marks).values(chain_id=CHAIN, network="local", first_block=0))

    def paint() -> None:
        with engine.begin() as connection:
            read(connection, 5, 14, provider="two")

    def is_waiting() -> bool:
        with engine.connect() as connection:
            waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
            return bool(connection.execute(waiting).scalar_one())

    with ThreadPoolExecutor(1) as pool:
        with engine.begin() as connection:
            read(connection, 0, 9)
            second = pool.submit(paint)
            eventually(is_waiting, what="the second writer waits")
        second.result(10)
    with engine.connect() as connection:
        assert read_spans(connection) == [span(0, 4), span(5, 14, provider="two")]


@given(st.lists(INTERVALS, max_size=5), INTERVALS)
def test_without_and_within_part_spans_where_an_interval_cuts(
    intervals: list[tuple[int, int]], cutter: tuple[int, int]
) -> None:
    spans: list[Span] = []
    for low, high in intervals:
        spans = [*without(spans, number(low), number(high)), span(low, high)]
    low, high = map(number, cutter)
    covered = {n for one in spans for n in range(one.low, one.high + 1)}
    left = {n for one in without(spans, low, high) for n in range(one.low, one.high + 1)}
    inside = {n for one in within(spans, low, high) for n in range(one.low, one.high + 1)}
    wanted = set(range(low, high + 1))
    assert (left, inside) == (covered - wanted, covered & wanted)
    joined = grown_together(spans)
    assert {n for one in joined for n in range(one.low, one.high + 1)} == covered
    missing = gaps(((one.low, one.high) for one in joined), low, high)
    assert {n for start, end in missing for n in range(start, end + 1)} == wanted - covered


def test_forget_leaves_rows_of_another_chain(engine: Engine) -> None:
    with engine.connect() as connection:
        read(connection, 0, 9)
        connection.execute(ranges.update().values(chain_id=CHAIN + 1))
        read(connection, 0, 9)
        forget(connection, CHAIN, number(0), number(9))
        assert connection.execute(select(ranges.c.chain_id)).scalars().all() == [CHAIN + 1]
