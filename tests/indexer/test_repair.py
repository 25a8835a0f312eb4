from collections.abc import Sequence

import pytest
from sqlalchemy import Engine, delete, insert, select, update

from indexer import mend
from indexer.chain.types import BlockNumber
from indexer.errors import ChainContradiction
from indexer.events import FILTER_ID
from indexer.ledger import holes
from indexer.repair import BLOCKS_PER_SLICE, slices
from indexer.tables import (
    orphans,
    outbox,
    payments_confirmed,
    payments_created,
    provider_findings,
    ranges,
    reorgs,
    unclaimed_logs,
)
from tests.support.fake_chain import FakeChain
from tests.support.fake_nodes import FakeNodes
from tests.support.indexing import (
    CHAIN,
    PAYMENT,
    TREASURY,
    catch_up,
    follower_of,
    mine_empty,
    rows_of,
    state_of,
)
from tests.support.protocol_logs import (
    payment_created,
)
from tests.support.repairing import OTHER, counts, final_of, genesis_of, mine_payments, repair


@pytest.fixture
def indexed(engine: Engine, chain: FakeChain) -> list[str]:
    """The state of a database that has it all."""
    mine_payments(chain)
    catch_up(follower_of(engine, chain))
    return state_of(engine)


def test_repair_changes_nothing_when_all_is_right(
    engine: Engine, chain: FakeChain, indexed: list[str]
) -> None:
    announced = len(rows_of(engine, outbox))
    outcome = repair(engine, chain, 1, 10, genesis=genesis_of(chain))
    assert (counts(outcome), outcome.proven, outcome.charged) == ({}, True, ())
    assert state_of(engine) == indexed
    assert len(rows_of(engine, outbox)) == announced
    assert rows_of(engine, orphans) == rows_of(engine, reorgs) == []


def test_repair_puts_back_what_was_missing_and_keeps_what_was_false_as_evidence(
    engine: Engine, chain: FakeChain, indexed: list[str]
) -> None:
    with engine.begin() as connection:
        connection.execute(
            delete(payments_confirmed).where(payments_confirmed.c.payment_id == OTHER)
        )
        connection.execute(
            update(payments_created)
            .where(payments_created.c.payment_id == PAYMENT)
            .values(amount=7)
        )
        row = connection.execute(select(payments_created).limit(1)).mappings().one()
        invented = dict(row) | {"block_number": 6, "payment_id": b"z" * 32}
        connection.execute(insert(payments_created).values(invented))
    assert state_of(engine) != indexed

    outcome = repair(engine, chain, 1, 10, genesis=genesis_of(chain))
    assert counts(outcome) == {
        "payments_created": (3, 1, 2, 2),
        "payments_confirmed": (1, 1, 0, 2),
    }
    assert state_of(engine) == indexed

    (record,) = rows_of(engine, reorgs)
    assert (record["ancestor_number"], record["orphaned_tip_number"]) == (0, 10)
    evidence = rows_of(engine, orphans)
    assert [(one["fact"], one["block_number"]) for one in evidence] == [
        ("payments_created", 2),
        ("payments_created", 6),
    ]
    assert {one["reorg_id"] for one in evidence} == {record["id"]}
    told = rows_of(engine, outbox)[-1]
    assert (told["action"], told["low"], told["high"], told["reorg_id"], told["revision"]) == (
        "amended",
        1,
        10,
        record["id"],
        2,
    )


def test_repair_records_no_removal_when_rows_were_only_missing(
    engine: Engine, chain: FakeChain, indexed: list[str]
) -> None:
    with engine.begin() as connection:
        connection.execute(delete(payments_confirmed))
    outcome = repair(engine, chain, 4, 4, genesis=genesis_of(chain))
    assert counts(outcome) == {"payments_confirmed": (0, 2, 0, 2)}
    assert state_of(engine) == indexed
    assert rows_of(engine, reorgs) == []
    assert rows_of(engine, outbox)[-1]["reorg_id"] is None


@pytest.mark.parametrize(("low", "high"), [(0, 3), (10, 17), (3, 2)])
def test_repair_refuses_blocks_that_are_not_final_or_not_ours(
    engine: Engine, chain: FakeChain, indexed: list[str], low: int, high: int
) -> None:
    assert final_of(engine) == 16
    with pytest.raises(ValueError, match="block"):
        repair(engine, chain, low, high, genesis=genesis_of(chain))
    assert state_of(engine) == indexed


def test_outcome_is_of_the_whole_range_when_it_takes_several_slices(
    engine: Engine, chain: FakeChain
) -> None:
    mine_payments(chain)
    mine_empty(chain, BLOCKS_PER_SLICE)
    chain.mine([payment_created(TREASURY, b"r" * 32)])
    mine_empty(chain, 20)
    catch_up(follower_of(engine, chain))
    state = state_of(engine)
    with engine.begin() as connection:
        connection.execute(delete(payments_created))
    high = final_of(engine)
    assert high > BLOCKS_PER_SLICE
    outcome = repair(engine, chain, 1, high, genesis=genesis_of(chain))
    assert (outcome.low, outcome.high, outcome.proven) == (1, high, True)
    assert counts(outcome) == {"payments_created": (0, 3, 0, 3)}
    assert state_of(engine) == state


def test_repair_believes_nobody_when_the_nodes_hold_other_blocks(
    engine: Engine, chain: FakeChain, indexed: list[str]
) -> None:
    other = FakeChain(seed=99, name="other")
    mine_payments(other)
    nodes = FakeNodes([other, chain])
    with pytest.raises(ChainContradiction, match="1 of 2 nodes hold block 10"):
        repair(engine, nodes, 1, 10, genesis=genesis_of(chain))
    assert state_of(engine) == indexed


def test_repair_leaves_rows_as_they_are_when_receipts_are_false(
    engine: Engine, chain: FakeChain, indexed: list[str]
) -> None:
    chain.drops_log_from_receipts = True
    with pytest.raises(ChainContradiction):
        repair(engine, chain, 1, 10, genesis=genesis_of(chain))
    assert state_of(engine) == indexed


class KilledError(Exception):
    """Stands for the end of the process."""


def everything(engine: Engine) -> list[object]:
    tables = (orphans, outbox, provider_findings, ranges, reorgs, unclaimed_logs)
    return [state_of(engine), *(rows_of(engine, table) for table in tables)]


@pytest.mark.parametrize(
    "crash_point", ["remove_false", "add_missing", "announce", "reproject", "extend"]
)
def test_nothing_is_half_mended_when_the_process_dies_in_the_middle(
    engine: Engine,
    chain: FakeChain,
    indexed: list[str],
    monkeypatch: pytest.MonkeyPatch,
    crash_point: str,
) -> None:
    with engine.begin() as connection:
        connection.execute(update(payments_created).values(amount=7))
        connection.execute(delete(payments_confirmed))
    wrong = everything(engine)

    def die(*_: object, **__: object) -> None:
        raise KilledError

    with monkeypatch.context() as patched:
        patched.setattr(mend, crash_point, die)
        with pytest.raises(KilledError):
            repair(engine, chain, 1, 10, genesis=genesis_of(chain))
    assert everything(engine) == wrong
    repair(engine, chain, 1, 10, genesis=genesis_of(chain))
    assert state_of(engine) == indexed


def test_server_of_a_false_range_is_charged_and_its_other_ranges_become_holes(
    engine: Engine, chain: FakeChain, indexed: list[str]
) -> None:
    assert indexed
    with engine.begin() as connection:
        connection.execute(update(ranges).values(state="fetched", high=10))
        connection.execute(
            insert(ranges).values(
                chain_id=CHAIN,
                filter=FILTER_ID,
                low=11,
                high=24,
                state="fetched",
                provider="honest",
                headers_linked=True,
            )
        )
        connection.execute(delete(payments_confirmed))
    outcome = repair(engine, chain, 4, 4, genesis=genesis_of(chain))
    assert outcome.charged == ("fake",)
    (finding,) = rows_of(engine, provider_findings)
    assert (finding["provider"], finding["kind"], finding["low"]) == ("fake", "logs_missing", 4)
    assert chain.distrusted == 1
    with engine.connect() as connection:
        found = holes(connection, CHAIN, FILTER_ID, BlockNumber(1), BlockNumber(24))
    assert found == [(1, 3), (5, 10)]


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (1, 1, [(1, 1)]),
        (1, BLOCKS_PER_SLICE, [(1, BLOCKS_PER_SLICE)]),
        (
            5,
            BLOCKS_PER_SLICE + 5,
            [(5, BLOCKS_PER_SLICE + 4), (BLOCKS_PER_SLICE + 5, BLOCKS_PER_SLICE + 5)],
        ),
        (2, 1, []),
    ],
)
def test_slices_cover_a_range_once(
    low: int, high: int, expected: Sequence[tuple[int, int]]
) -> None:
    assert list(slices(BlockNumber(low), BlockNumber(high))) == expected
