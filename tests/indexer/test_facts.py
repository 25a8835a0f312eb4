"""All logs of a shape at once state what decoding them one by one would."""

from typing import Any

import pytest
from eth_abi.abi import encode
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, Table

from indexer.chain.blocks import Log
from indexer.chain.trie import keccak
from indexer.chain.types import Address, BlockHash, BlockNumber, PaymentId, TxHash, to_hex
from indexer.chain.wire import WireLog
from indexer.columnar import digest, groups_of_logs, groups_of_wire
from indexer.copying import copy_rows
from indexer.decode import Event, decode_log
from indexer.events import (
    CAMPAIGN_CREATED,
    EVENTS,
    PAYMENT_BATCH_CONFIRMED,
    PAYMENT_CONFIRMED,
    PAYMENT_CREATED,
    PAYMENT_CREATED_BY_ADDRESS,
    PAYMENT_CREATED_BY_BUYER_ID,
    REFUND_CLAIMED,
    TRANSFER,
    TREASURY_DEPLOYED,
    EventType,
)
from indexer.facts import state_facts
from indexer.known import KnownContracts
from indexer.payment_keys import announced_id, created_id
from indexer.tables import (
    logs,
    payments_confirmed,
    payments_created,
    token_transfers,
    unclaimed_logs,
)
from tests.support.indexing import CHAIN, rows_of
from tests.support.protocol_logs import (
    CAMPAIGN_FACTORY,
    TOKEN,
    TREASURY_FACTORY,
    address,
    deployment,
)

TREASURY, STRANGER, LATE = address("treasury"), address("stranger"), address("late")
LATE_BLOCK = 5
KNOWN_SINCE = {TREASURY: 0, TREASURY_FACTORY: 0, LATE: LATE_BLOCK}
KNOWN = KnownContracts(
    fixed=KnownContracts.of_deployment(deployment(BlockHash(bytes(32)))).fixed,
    treasuries=frozenset({TREASURY}),
)
PLAIN_EVENTS = (
    PAYMENT_CREATED,
    PAYMENT_CREATED_BY_BUYER_ID,
    PAYMENT_CREATED_BY_ADDRESS,
    PAYMENT_CONFIRMED,
    PAYMENT_BATCH_CONFIRMED,
    REFUND_CLAIMED,
    TRANSFER,
)
HOT_TABLES = (payments_created, payments_confirmed, token_transfers, logs, unclaimed_logs)


def argument(kind: str) -> st.SearchStrategy[Any]:
    words = st.binary(min_size=32, max_size=32)
    return {
        "bytes32": words,
        "address": st.sampled_from([TREASURY, STRANGER, LATE, TOKEN]).map(to_hex),
        "uint256": st.sampled_from([0, 1, 9_999, 10_000, 10**18, 2**64, 2**128, 2**256 - 1]),
        "bool": st.booleans(),
        "bytes32[]": st.lists(words, max_size=3),
    }[kind]


@st.composite
def a_log(draw: st.DrawFn) -> tuple[Address, tuple[bytes, ...], bytes]:
    """A log of one of the events: as it should be, or with something wrong in it."""
    event: EventType = draw(st.sampled_from(PLAIN_EVENTS))
    topics = [encode([a.type], [draw(argument(a.type))]) for a in event.indexed]
    plain = [draw(argument(a.type)) for a in event.plain]
    data = encode([a.type for a in event.plain], plain)
    match draw(st.integers(0, 9)):
        case 0:
            data = data[:-1]
        case 1:
            data += b"\1"
        case 2 if data:
            place = draw(st.integers(0, len(data) - 1))
            data = data[:place] + b"\xff" + data[place + 1 :]
        case 3 if topics:
            topics[-1] = b"\xff" * 32
        case 4:
            topics = topics[:-1]
        case _:
            pass
    emitter = draw(st.sampled_from([TREASURY, TREASURY, LATE, STRANGER, TOKEN]))
    return emitter, (event.topic0, *topics), data


def placed(drafts: list[tuple[Address, tuple[bytes, ...], bytes]]) -> list[Log]:
    """Three logs a block."""
    return [
        Log(
            address=emitter,
            topics=topics,
            data=data,
            block_number=BlockNumber(1 + place // 3),
            block_hash=BlockHash(keccak(bytes([place // 3]))),
            tx_hash=TxHash(keccak(bytes([place // 2]))),
            tx_index=place % 3 // 2,
            log_index=place % 3,
        )
        for place, (emitter, topics, data) in enumerate(drafts)
    ]


def late_treasury(place: int) -> Log:
    """The log that makes ``LATE`` known."""
    campaign = address("late campaign")
    (log,) = placed(
        [
            (
                TREASURY_FACTORY,
                (
                    TREASURY_DEPLOYED.topic0,
                    bytes(32),
                    encode(["uint256"], [2]),
                    encode(["address"], [to_hex(campaign)]),
                ),
                encode(["address"], [to_hex(LATE)]),
            )
        ]
    )
    return Log(
        **{name: getattr(log, name) for name in ("address", "topics", "data", "tx_hash")},
        block_number=BlockNumber(LATE_BLOCK),
        block_hash=BlockHash(keccak(bytes([LATE_BLOCK - 1]))),
        tx_index=9,
        log_index=place,
    )


def one_by_one(found: list[Log]) -> dict[Table, list[tuple[Any, ...]]]:
    """What each log states, decoded alone: the slow way, in plain words."""
    rows: dict[Table, list[tuple[Any, ...]]] = {table: [] for table in HOT_TABLES}
    for log in found:
        event = decode_log(log)
        at = (log.block_number, log.log_index)
        since = KNOWN_SINCE.get(log.address)
        if log.topics[0] == TRANSFER.topic0:
            if isinstance(event, Event) and log.address == TOKEN:
                sides = (event.address_of("from"), event.address_of("to"))
                if any(KNOWN_SINCE.get(side, 99) <= log.block_number for side in sides):
                    rows[token_transfers].append((*at, *sides, event.integer_of("value")))
        elif not isinstance(event, Event) or since is None:
            rows[unclaimed_logs].append((*at, None))
        else:
            if since > log.block_number:
                rows[unclaimed_logs].append((*at, since))
            said(event, at, rows)
    return {table: sorted(of_table, key=place_of) for table, of_table in rows.items()}


def place_of(row: tuple[Any, ...]) -> tuple[int, int, str]:
    return row[0], row[1], str(row[2])


def said(event: Event, at: tuple[int, int], rows: dict[Table, list[tuple[Any, ...]]]) -> None:
    match event.type.name:
        case "PaymentCreated":
            created = (created_id(event), event.bytes_of("paymentId"))
            amounts = (event.integer_of("amount"), event.integer_of("expiration"))
            rows[payments_created].append((*at, *created, *amounts, event.type.abi_version))
            if announced_id(event) is not None:
                rows[payments_confirmed].append((*at, 0, created[0], "PaymentCreated"))
        case "PaymentConfirmed":
            paid = event.bytes_of("paymentId")
            rows[payments_confirmed].append((*at, 0, paid, "PaymentConfirmed"))
        case "PaymentBatchConfirmed" if event.hashes_of("paymentIds"):
            rows[payments_confirmed] += [
                (*at, ordinal, paid, "PaymentBatchConfirmed")
                for ordinal, paid in enumerate(event.hashes_of("paymentIds"))
            ]
        case name:
            rows[logs].append((*at, name, event.json_arguments()))


SHOWN = {
    payments_created: ("payment_id", "announced_id", "amount", "expiration", "abi_version"),
    payments_confirmed: ("ordinal", "payment_id", "event"),
    token_transfers: ("sender", "recipient", "amount"),
    logs: ("event", "arguments"),
    unclaimed_logs: ("claimed_block",),
}


def stored(engine: Engine) -> dict[Table, list[tuple[Any, ...]]]:
    return {
        table: sorted(
            (
                tuple(row[name] for name in ("block_number", "log_index", *SHOWN[table]))
                for row in rows_of(engine, table)
            ),
            key=place_of,
        )
        for table in HOT_TABLES
    }


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(drafts=st.lists(a_log(), max_size=24))
def test_logs_stated_together_equal_logs_decoded_one_by_one(
    engine: Engine, drafts: list[tuple[Address, tuple[bytes, ...], bytes]]
) -> None:
    found = [*placed(drafts), late_treasury(len(drafts))]
    facts = state_facts(CHAIN, groups_of_logs(found), KNOWN)
    with engine.begin() as connection:
        for table in HOT_TABLES:
            connection.execute(table.delete())
        copy_rows(connection, facts.rows)
    assert stored(engine) == one_by_one(found)
    assert facts.made == {LATE: LATE_BLOCK}
    counted = [log for log in found if log.topics[0] in EVENTS and log.topics[0] != TRANSFER.topic0]
    assert sum(facts.logs_per_block().values()) == len(counted) + facts.rows.counts[token_transfers]


def as_wire(log: Log) -> WireLog:
    return WireLog(
        address=to_hex(log.address),
        topics=[to_hex(topic) for topic in log.topics],
        data=to_hex(log.data),
        block_number=hex(log.block_number),
        block_hash=to_hex(log.block_hash),
        transaction_hash=to_hex(log.tx_hash),
        transaction_index=hex(log.tx_index),
        log_index=hex(log.log_index),
    )


@settings(max_examples=60, deadline=None)
@given(drafts=st.lists(a_log(), max_size=24), dice=st.randoms(use_true_random=False))
def test_the_digest_is_of_the_logs_and_not_of_their_order_or_form(
    drafts: list[tuple[Address, tuple[bytes, ...], bytes]], dice: Any
) -> None:
    found = placed(drafts)
    shuffled = list(found)
    dice.shuffle(shuffled)
    whole = digest(groups_of_logs(found))
    assert digest(groups_of_wire(map(as_wire, shuffled))) == whole
    if found:
        assert digest(groups_of_logs(found[1:])) != whole
        assert digest(groups_of_logs([*found, found[-1]])) != whole


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("address", "0x12"),
        ("data", "0xzz"),
        ("data", "1234"),
        ("transaction_hash", "0x" + "1" * 63),
        ("block_number", "x"),
        ("topics", []),
    ],
)
def test_a_malformed_field_of_a_log_is_refused(field: str, value: object) -> None:
    (log,) = placed([(TREASURY, (PAYMENT_CONFIRMED.topic0, PaymentId(bytes(32))), b"")])
    values = {name: getattr(as_wire(log), name) for name in WireLog.__struct_fields__}
    with pytest.raises(ValueError, match=r".+"):
        groups_of_wire([WireLog(**{**values, field: value})])


def test_only_the_deployments_factories_make_contracts_known() -> None:
    (log,) = placed(
        [(STRANGER, (CAMPAIGN_CREATED.topic0, bytes(32), encode(["address"], [to_hex(LATE)])), b"")]
    )
    assert not state_facts(CHAIN, groups_of_logs([log]), KNOWN).made
    (true_log,) = placed([(CAMPAIGN_FACTORY, log.topics, b"")])
    assert state_facts(CHAIN, groups_of_logs([true_log]), KNOWN).made == {LATE: 1}
