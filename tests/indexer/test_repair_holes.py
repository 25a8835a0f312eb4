import pytest
from sqlalchemy import Engine, delete, update

from indexer.chain.types import BlockNumber
from indexer.events import FILTER_ID
from indexer.follow import Follower
from indexer.ledger import complete_up_to, forget, holes
from indexer.repair import repair_hole
from indexer.tables import (
    payments_confirmed,
    payments_created,
    ranges,
    unclaimed_logs,
)
from tests.support.fake_chain import FakeChain
from tests.support.indexing import (
    CHAIN,
    NETWORK,
    PAYMENT,
    TREASURY,
    catch_up,
    follower_of,
    forget_all,
    mine_empty,
    mine_treasury,
    rows_of,
    state_of,
)
from tests.support.protocol_logs import (
    address,
    deployment,
    payment_created,
)
from tests.support.repairing import OTHER, counts, final_of, genesis_of, mine_payments, repair


@pytest.fixture
def indexed(engine: Engine, chain: FakeChain) -> list[str]:
    """The state of a database that has it all."""
    mine_payments(chain)
    catch_up(follower_of(engine, chain))
    return state_of(engine)


def read_holes(engine: Engine, chain: FakeChain) -> int:
    """Repair holes until there is none; how many slices that took."""
    for taken in range(100):
        if repair_hole(engine, chain, NETWORK, deployment(genesis_of(chain))) is None:
            return taken
    raise AssertionError("holes remain")


def test_everything_after_is_read_again_when_a_treasury_turns_up_late(
    engine: Engine, chain: FakeChain
) -> None:
    """A node that lists nothing hides a factory's log: what its treasury says counts for nothing,
    and the tokens sent to it were never looked for."""
    mine_payments(chain)
    chain.answers_emptily = True
    catch_up(follower_of(engine, chain, header_scan_blocks_max=4))
    chain.answers_emptily = False
    before = {
        table.name: len(rows_of(engine, table)) for table in (payments_created, payments_confirmed)
    }
    assert before == {"payments_created": 0, "payments_confirmed": 0}

    outcome = repair(engine, chain, 1, 1, genesis=genesis_of(chain))
    assert outcome.contracts_changed
    final = final_of(engine)
    with engine.connect() as connection:
        (hole,) = holes(connection, CHAIN, FILTER_ID, BlockNumber(1), final)
    assert hole == (2, final)
    assert read_holes(engine, chain) == 1
    assert len(rows_of(engine, payments_created)) == 2
    assert len(rows_of(engine, payments_confirmed)) == 2
    mine_empty(chain, 8)
    catch_up(follower_of(engine, chain))
    read_holes(engine, chain)
    repaired = state_of(engine)
    assert repaired == fresh_state(engine, chain)


def fresh_state(engine: Engine, chain: FakeChain) -> list[str]:
    """What an index made anew says; the database holds that afterwards."""
    forget_all(engine)
    catch_up(follower_of(engine, chain))
    return state_of(engine)


def test_logs_of_an_unknown_contract_stay_unclaimed_when_they_are_read_again(
    engine: Engine, chain: FakeChain
) -> None:
    chain.mine([payment_created(TREASURY, PAYMENT)])
    mine_treasury(chain)
    chain.mine([payment_created(address("stranger"), OTHER)])
    mine_empty(chain, 20)
    catch_up(follower_of(engine, chain))
    state = state_of(engine)
    claimed = rows_of(engine, unclaimed_logs)
    assert [(one["block_number"], one["claimed_block"]) for one in claimed] == [(1, 2), (3, None)]
    for low, high in ((1, 1), (1, 2), (2, 3), (1, 10)):
        outcome = repair(engine, chain, low, high, genesis=genesis_of(chain))
        assert counts(outcome) == {}
        assert state_of(engine) == state
    with engine.begin() as connection:
        connection.execute(delete(payments_created))
        connection.execute(delete(unclaimed_logs))
    outcome = repair(engine, chain, 1, 1, genesis=genesis_of(chain))
    assert counts(outcome) == {
        "payments_created": (0, 1, 0, 1),
        "unclaimed_logs": (0, 1, 0, 1),
    }
    repair(engine, chain, 2, 3, genesis=genesis_of(chain))
    assert state_of(engine) == state
    assert rows_of(engine, unclaimed_logs) == claimed


def test_hole_is_read_when_the_code_asks_for_other_topics_than_it_did(
    engine: Engine, chain: FakeChain, indexed: list[str]
) -> None:
    with engine.begin() as connection:
        connection.execute(update(ranges).values(filter="older"))
        final = final_of(engine)
        assert complete_up_to(connection, CHAIN, FILTER_ID, BlockNumber(1)) is None
    assert read_holes(engine, chain) == 1
    with engine.connect() as connection:
        assert complete_up_to(connection, CHAIN, FILTER_ID, BlockNumber(1), "proven") == final
    mentioned = [row for row in state_of(engine) if not row.startswith("read ")]
    assert mentioned == [row for row in indexed if not row.startswith("read ")]


def test_hole_waits_when_it_lies_above_the_finalized_mark(
    engine: Engine, chain: FakeChain, indexed: list[str]
) -> None:
    assert indexed
    with engine.begin() as connection:
        forget(connection, CHAIN, BlockNumber(final_of(engine) + 1), BlockNumber(24))
    assert repair_hole(engine, chain, NETWORK, deployment(genesis_of(chain))) is None


def test_a_first_block_lowered_later_is_read_from_there(
    engine: Engine, chain: FakeChain, indexed: list[str]
) -> None:
    forget_all(engine)
    later = deployment(genesis_of(chain), first_block=4)
    follower = Follower(engine, chain, network=NETWORK, deployment=later)
    follower.start()
    catch_up(follower)
    assert state_of(engine) != indexed

    catch_up(follower_of(engine, chain))
    with engine.connect() as connection:
        assert holes(connection, CHAIN, FILTER_ID, BlockNumber(1), final_of(engine)) == [(1, 3)]
    read_holes(engine, chain)
    mine_empty(chain, 2 * chain.finality_lag)  # what was not final is read again when it is
    catch_up(follower_of(engine, chain))
    read_holes(engine, chain)
    mended = state_of(engine)

    forget_all(engine)
    catch_up(follower_of(engine, chain))
    assert mended == state_of(engine)
