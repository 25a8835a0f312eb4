"""Details of real payments on a real chain: from calldata, from receipts, from a read, or not."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, insert, select, update

from benchmarks.chain import CURRENCY, PLATFORM
from indexer.chain.types import to_hex
from indexer.details.fill import DetailFiller, fill_details, forget_unavailable
from indexer.tables import blocks, details, logs, outbox, payments_created
from tests.support.real_details import (
    ALL_ITEMS,
    ITEMS,
    MANY,
    Partial,
    buyers,
    items,
    mirror_treasury,
    of_kind,
)
from tests.support.real_facts import CHAIN, index_all
from tests.support.real_treasury import RealTreasury, payment_id, running_treasury


@pytest.fixture(scope="module")
def treasury() -> Iterator[RealTreasury]:
    with mirror_treasury() as made:
        yield made


def test_details_come_from_calldata_when_the_node_has_it(
    treasury: RealTreasury, engine: Engine
) -> None:
    index_all(engine, treasury.reader)
    written = fill_details(engine, treasury.reader, CHAIN, MANY)
    assert of_kind(engine, "line_items") == {
        number: ("calldata", found) for number, found in ALL_ITEMS.items()
    }
    found = of_kind(engine, "buyer")
    assert {number: arguments for number, (_, arguments) in found.items()} == buyers(treasury)
    assert {number: source for number, (source, _) in found.items()} == {
        4: "event",  # no receipt: nobody was named
        **dict.fromkeys((1, 2, 3, 7, 8), "calldata"),
    }
    ((source, settings),) = of_kind(engine, "campaign_settings").values()
    assert source == "calldata"
    assert settings["platforms"] == [to_hex(PLATFORM)]
    assert settings["tokens"] == [to_hex(treasury.token)]
    assert settings["currency"] == to_hex(CURRENCY)
    assert settings["goal_amount"] == str(10**21)
    assert settings["creator"] == treasury.account(2).lower()
    assert int(settings["deadline"]) > int(settings["launch_time"]) > 10**9
    assert written == 6 + 6 + 1
    assert fill_details(engine, treasury.reader, CHAIN, MANY) == 0


def test_details_are_the_same_when_they_are_read_from_the_contracts(
    treasury: RealTreasury, engine: Engine
) -> None:
    index_all(engine, treasury.reader)
    fill_details(engine, treasury.reader, CHAIN, MANY)
    from_calldata = of_kind(engine, "campaign_settings")
    index_all(engine, treasury.reader)
    fill_details(engine, Partial(treasury.reader, transactions=False), CHAIN, MANY)
    assert of_kind(engine, "line_items") == {
        number: ("read", found) for number, found in ALL_ITEMS.items()
    }
    found = of_kind(engine, "buyer")
    assert {number: arguments for number, (_, arguments) in found.items()} == buyers(treasury)
    assert {number: source for number, (source, _) in found.items()} == {
        **dict.fromkeys((1, 2, 3, 4), "event"),  # as many receipts as payments, or none
        **dict.fromkeys((7, 8), "read"),
    }
    assert of_kind(engine, "campaign_settings") == {0: ("read", from_calldata[0][1])}


def test_details_are_unavailable_when_the_node_pruned_the_state(
    treasury: RealTreasury, engine: Engine
) -> None:
    index_all(engine, treasury.reader)
    pruned = Partial(treasury.reader, transactions=False, state="missing trie node 1234")
    fill_details(engine, pruned, CHAIN, MANY)
    gone = {"reason": "the node no longer has the state at that block"}
    assert of_kind(engine, "line_items") == dict.fromkeys(ALL_ITEMS, ("unavailable", gone))
    found = of_kind(engine, "buyer")
    assert {one for one, (source, _) in found.items() if source == "unavailable"} == {7, 8}
    assert fill_details(engine, treasury.reader, CHAIN, MANY) == 0
    with engine.begin() as connection:
        assert forget_unavailable(connection, CHAIN) == len(ALL_ITEMS) + 2 + 1
    fill_details(engine, treasury.reader, CHAIN, MANY)
    assert of_kind(engine, "line_items")[1] == ("calldata", ALL_ITEMS[1])


def test_tokens_are_read_today_when_the_state_of_the_creation_is_gone(
    treasury: RealTreasury, engine: Engine
) -> None:
    """A campaign's tokens never change; everything else may have."""
    index_all(engine, treasury.reader)
    fill_details(engine, Partial(treasury.reader, state="state is not available"), CHAIN, MANY)
    ((source, settings),) = of_kind(engine, "campaign_settings").values()
    assert (source, settings["tokens"]) == ("calldata", [to_hex(treasury.token)])


def test_line_items_are_not_believed_when_the_logged_hash_is_of_others(
    treasury: RealTreasury, engine: Engine
) -> None:
    index_all(engine, treasury.reader)
    with engine.begin() as connection:
        recorded = logs.c.event == "PaymentExtrasRecorded"
        for row in connection.execute(select(logs).where(recorded)).all():
            changed = row.arguments | {"lineItemsHash": "0x" + "11" * 32}
            connection.execute(
                update(logs)
                .where(logs.c.block_number == row.block_number, logs.c.log_index == row.log_index)
                .values(arguments=changed)
            )
    fill_details(engine, treasury.reader, CHAIN, MANY)
    found = of_kind(engine, "line_items")
    assert {one for one, (source, _) in found.items() if source == "unavailable"} == {1, 3}
    assert found[2] == ("calldata", items())


def test_line_items_are_not_believed_when_the_call_has_another_amount(
    treasury: RealTreasury, engine: Engine
) -> None:
    index_all(engine, treasury.reader)
    with engine.begin() as connection:
        connection.execute(
            update(payments_created)
            .where(payments_created.c.payment_id == payment_id(2))
            .values(amount=1_001)
        )
    fill_details(engine, treasury.reader, CHAIN, MANY)
    source, arguments = of_kind(engine, "line_items")[2]
    assert (source, arguments) == (
        "unavailable",
        {"reason": "the contract tells of another payment"},
    )


def test_details_are_not_written_when_their_block_was_replaced_meanwhile(
    treasury: RealTreasury, engine: Engine
) -> None:
    index_all(engine, treasury.reader)

    def delete() -> None:
        with engine.begin() as connection:
            connection.execute(blocks.delete())

    assert fill_details(engine, Partial(treasury.reader, before_call=delete), CHAIN, MANY) == 0
    assert of_kind(engine, "line_items") == {}


def test_filler_goes_slice_by_slice_until_nothing_is_missing(
    treasury: RealTreasury, engine: Engine
) -> None:
    index_all(engine, treasury.reader)
    filler = DetailFiller(engine, treasury.reader, CHAIN)
    slices = []
    while written := filler.fill(2):
        slices.append(written)
    assert slices == [5, 4, 4]
    assert of_kind(engine, "line_items").keys() == ALL_ITEMS.keys()


def test_filler_looks_again_when_facts_of_old_blocks_were_amended(
    treasury: RealTreasury, engine: Engine
) -> None:
    index_all(engine, treasury.reader)
    filler = DetailFiller(engine, treasury.reader, CHAIN)
    filler.fill(MANY)
    with engine.begin() as connection:
        connection.execute(details.delete())
    assert filler.fill(MANY) == 0
    with engine.begin() as connection:
        connection.execute(
            insert(outbox),
            {"chain_id": CHAIN, "action": "amended", "low": 1, "high": 9, "revision": 1},
        )
    assert filler.fill(MANY) == 13


def test_line_items_are_unavailable_when_a_one_slot_treasury_keeps_only_their_hash(
    engine: Engine,
) -> None:
    with running_treasury() as made:
        made.create(1, items=ITEMS)
        made.create(2)
        index_all(engine, made.reader)
        fill_details(engine, Partial(made.reader, transactions=False), CHAIN, MANY)
        assert of_kind(engine, "line_items") == {
            1: ("unavailable", {"reason": "the contract keeps only a hash of them"}),
            2: ("read", items()),
        }
        index_all(engine, made.reader)
        fill_details(engine, made.reader, CHAIN, MANY)
        assert of_kind(engine, "line_items") == {
            1: ("calldata", items(*ITEMS)),
            2: ("calldata", items()),
        }
