"""What is noted beside payments, and that nobody who settles can change or forge the record."""

import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Engine, delete, func, insert, select, text, update

from indexer.chain.types import Address, to_hex
from settlement.audit.tables import notes
from settlement.record_tables import actions, moves, switches
from settlement.switches import set_switch
from settlement.tables import attempts, batches, nonce_slots, signers
from tests.settlement.audit.audit_vectors import BEGAN
from tests.settlement.audit.recorded import exported, payment, seal_all, seal_one, write_moves
from tests.settlement.builders import HASH, TREASURY
from tests.settlement.world import World

CHAIN = 31337
SIGNER = Address(b"\x0a" * 20)


@pytest.fixture
def engine(engine_as: Callable[[str], Engine]) -> Engine:
    return engine_as("settlement")


def noted(engine: Engine, subject_kind: str) -> list[Any]:
    with engine.connect() as connection:
        return list(
            connection.execute(
                select(notes.c.subject, notes.c.before, notes.c.after, notes.c.detail)
                .where(notes.c.subject_kind == subject_kind)
                .order_by(notes.c.id)
            )
        )


def write(engine: Engine, *statements: Any) -> None:
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(statement)


def test_action_is_noted_with_its_terms_whoever_asks(
    engine: Engine, engine_as: Callable[[str], Engine]
) -> None:
    action_id = uuid.uuid4()
    terms = {"chain_id": CHAIN, "kind": "withdraw", "sender": SIGNER, "treasury": TREASURY}
    asked = insert(actions).values(action_id=action_id, requested_by="a test", **terms)
    write(engine_as("offchain"), asked)
    write(
        engine,
        update(actions).values(state="blocked", reason="gas: none"),
        update(actions).values(strikes=1, state_since=func.now()),
        delete(actions),
    )
    detail = {
        "chain_id": "31337",
        "kind": "withdraw",
        "treasury": "0x" + TREASURY.hex(),
        "sender": "0x" + SIGNER.hex(),
        "requested_by": "a test",
    }
    stopped = detail | {"reason": "gas: none"}
    assert noted(engine, "action") == [
        (str(action_id), None, "requested", detail),
        (str(action_id), "requested", "blocked", stopped),
        (str(action_id), "blocked", None, stopped),
    ]


def test_switch_is_noted_with_who_set_it(engine: Engine) -> None:
    with engine.begin() as connection:
        for stopped in (True, False):
            set_switch(
                connection, "gateway", "pix", stopped=stopped, reason="why", set_by="an operator"
            )
    write(engine, delete(switches))
    told = {"reason": "why", "set_by": "an operator"}
    assert noted(engine, "switch") == [
        ("gateway pix", None, "stopped", told),
        ("gateway pix", "stopped", "open", told),
        ("gateway pix", "open", None, told),
    ]


def test_signer_is_noted_when_its_mode_changes_and_not_for_each_nonce(engine: Engine) -> None:
    write(
        engine,
        insert(signers).values(chain_id=CHAIN, address=SIGNER, next_nonce=7),
        update(signers).values(next_nonce=8),
        update(signers).values(mode="quarantine", mode_reason="nonce 8 is foreign"),
    )
    subject = f"31337:0x{SIGNER.hex()}"
    assert noted(engine, "signer") == [
        (subject, None, "active", {"next_nonce": "7"}),
        (
            subject,
            "active",
            "quarantine",
            {"next_nonce": "8", "reason": "nonce 8 is foreign"},
        ),
    ]


def test_attempt_and_release_are_noted_with_the_batch(engine: Engine) -> None:
    batch_id = uuid.uuid4()
    slot = {"chain_id": CHAIN, "signer": SIGNER, "nonce": 7}
    batch = {"id": batch_id, "chain_id": CHAIN, "kind": "settle_payments", "treasury": TREASURY}
    write(
        engine,
        insert(batches).values(target=TREASURY, calldata=b"", gas_limit=1, **batch),
        insert(nonce_slots).values(batch_id=batch_id, **slot),
        insert(attempts).values(
            tx_hash=HASH,
            sequence=0,
            raw=b"\x02signed",
            max_fee_per_gas_wei=10**20,
            max_priority_fee_per_gas_wei=2,
            **slot,
        ),
        update(attempts).values(sends=1),
        update(batches).values(gas_limit=2),
        update(batches).values(released_at=func.now()),
        update(batches).values(released_at=func.now()),
    )
    assert noted(engine, "attempt") == [
        (
            f"0x{HASH.hex()}",
            None,
            "signed",
            {
                "chain_id": "31337",
                "signer": f"0x{SIGNER.hex()}",
                "nonce": "7",
                "sequence": "0",
                "batch_id": str(batch_id),
                "is_noop": False,
                "max_fee_per_gas_wei": str(10**20),
                "max_priority_fee_per_gas_wei": "2",
            },
        )
    ]
    released = {
        "chain_id": "31337",
        "kind": "settle_payments",
        "treasury": f"0x{TREASURY.hex()}",
    }
    assert noted(engine, "batch") == [(str(batch_id), "sealed", "released", released)]


@pytest.mark.parametrize("table", ["moves", "notes", "audit_blocks"])
@pytest.mark.parametrize(
    "statement", ["UPDATE {} SET {} = {}", "DELETE FROM {}", "TRUNCATE {}"], ids=lambda s: s[:6]
)
def test_record_is_only_ever_added_to(
    engine: Engine, login_engine: Engine, table: str, statement: str
) -> None:
    write_moves(engine, 1)
    write(engine, insert(signers).values(chain_id=CHAIN, address=SIGNER, next_nonce=0))
    assert seal_one(engine) is not None
    column = "rows_hash" if table == "audit_blocks" else "after"
    wanted = statement.format(f"settlement.{table}", column, column)
    for who, refusal in ((login_engine, "only ever added to"), (engine, "permission denied")):
        with who.connect() as connection, pytest.raises(Exception, match=refusal):
            connection.execute(text(wanted))


@pytest.mark.parametrize("forged", [{"xact": 5}, {"at": BEGAN}, {"id": 5}], ids=str)
def test_who_settles_cannot_say_when_a_row_was_written(
    engine: Engine, forged: dict[str, Any]
) -> None:
    move = {"request_id": uuid.uuid4(), "before": "ready", "after": "settled"}
    note = {"subject_kind": "operator", "subject": "x", "detail": {}}
    for honest in (insert(moves).values(move), insert(notes).values(note)):
        write(engine, honest)
        refusal = pytest.raises(Exception, match=r"permission denied|GENERATED ALWAYS")
        with engine.connect() as connection, refusal:
            connection.execute(honest.values(forged))


def test_others_cannot_add_to_the_record(engine_as: Callable[[str], Engine]) -> None:
    for table in ("moves", "notes", "audit_blocks"):
        for owner in ("offchain", "api", "chain"):
            with (
                engine_as(owner).connect() as connection,
                pytest.raises(Exception, match="permission denied"),
            ):
                connection.execute(text(f"INSERT INTO settlement.{table} DEFAULT VALUES"))


@pytest.mark.parametrize("detail", [{"gas": 1}, {"deep": [{"gas": 0.5}]}, [], "text"])
def test_note_with_a_number_is_refused(engine: Engine, detail: object) -> None:
    with engine.connect() as connection, pytest.raises(Exception, match="ck_notes_detail"):
        connection.execute(
            insert(notes).values(subject_kind="operator", subject="x", detail=detail)
        )


def test_rows_of_one_transaction_have_its_number(engine: Engine) -> None:
    write_moves(engine, 2)
    with engine.begin() as connection:
        payment(connection)
        running = connection.execute(text("SELECT pg_current_xact_id()::text::bigint")).scalar()
        connection.execute(
            insert(notes).values(subject_kind="operator", subject="x", detail={"by": "a test"})
        )
    with engine.connect() as connection:
        assert len(set(connection.execute(select(moves.c.xact)).scalars())) == 1
        assert connection.execute(select(notes.c.xact)).scalar_one() == running


def test_record_tells_a_payment_from_ready_to_the_transaction_that_settled_it(
    world: World,
) -> None:
    request_id = world.pledge(world.live_treasury())
    world.settle_down(world.all_settled)
    seal_all(world.lane.engine)
    told = [json.loads(line) for line in exported(world.lane.engine)]
    rows = [(one["table"], one["row"]) for one in told if "row" in one]
    own = [row for table, row in rows if table == "moves" and row["request_id"] == str(request_id)]
    assert [row["after"] for row in own] == ["batched", "included", "settled"]
    (signed,) = [
        row["subject"]
        for table, row in rows
        if table == "notes" and row["detail"].get("batch_id") == own[0]["batch_id"]
    ]
    mined = [to_hex(slot.mined_tx) for slot in world.rows(nonce_slots)]
    assert signed == mined[-1]
