from collections.abc import Callable
from datetime import timedelta
from typing import get_args

import pytest
from sqlalchemy import Connection, Engine, Table, func, insert, select, text, update

from indexer.chain.types import Address, BlockNumber, ChainId
from indexer.maintenance import rewind
from indexer.tables import reorgs
from settlement.checks.check import EXAMPLES_MAX, Finding
from settlement.invariants import CHECKS, check_all, check_tables
from settlement.record_tables import actions
from settlement.tables import attempts, campaigns, nonce_slots, requests, signers
from settlement.types import ActionState, CampaignState, RequestState
from tests.settlement.checks.breaches import Breach
from tests.settlement.checks.chain_breaches import CHAIN_BREACHES
from tests.settlement.checks.payment_breaches import PAYMENT_BREACHES
from tests.settlement.checks.populated import EVERY_STATE
from tests.settlement.checks.transaction_breaches import TRANSACTION_BREACHES

Populated = Callable[[str | None], Engine]
BREACHES = (*PAYMENT_BREACHES, *TRANSACTION_BREACHES, *CHAIN_BREACHES)
NOWHERE = ChainId(1)


def broken(connection: Connection, **asked: object) -> dict[str, Finding]:
    found = check_all(connection, **asked)  # type: ignore[arg-type]  # passed on as they are
    return {one.name: one for one in found if not one.ok}


@pytest.mark.parametrize("owner", ["api", "settlement", "offchain"])
def test_check_all_finds_nothing_when_everything_has_happened(
    populated: Populated, owner: str
) -> None:
    with populated(owner).connect() as connection:
        states = set(connection.execute(select(requests.c.state)).scalars())
        found = check_all(connection)
    assert states == EVERY_STATE
    assert [one for one in found if not one.ok or one.violations] == []


def test_check_all_finds_nothing_when_nothing_has_happened(
    engine_as: Callable[[str], Engine],
) -> None:
    with engine_as("api").connect() as connection:
        assert broken(connection) == {}


def test_check_all_tells_each_promise_once_in_order(populated: Populated) -> None:
    with populated("api").connect() as connection:
        names = [one.name for one in check_all(connection)]
    assert len(names) == len(set(names))
    assert [name[:2] for name in names] == sorted(name[:2] for name in names)
    assert {name[:2] for name in names} == {f"I{number}" for number in range(1, 8)}


@pytest.mark.parametrize("breach", BREACHES, ids=[f"{one.check}, {one.how}" for one in BREACHES])
def test_check_all_names_the_promise_when_it_is_broken(
    populated: Populated, breach: Breach
) -> None:
    with populated(None).connect() as connection:  # ends in a rollback
        changed = [connection.execute(text(one)).rowcount for one in breach.statements]
        assert changed[-1], "nothing was broken"
        found = broken(connection)
        elsewhere = [one for one in check_tables(connection, chain_id=NOWHERE) if not one.ok]
    assert found[breach.check].violations > 0
    assert found[breach.check].detail
    assert {one.name for one in elsewhere} <= {"I1.indexes"}


@pytest.mark.parametrize(
    ("table", "states"),
    [(requests, RequestState), (campaigns, CampaignState), (actions, ActionState)],
)
def test_every_state_that_the_engine_knows_is_known_here(
    populated: Populated, table: Table, states: object
) -> None:
    with populated(None).connect() as connection:
        (key,) = table.primary_key.columns
        whole = [requests.c.settled_block.is_not(None)] if table is requests else []
        one = connection.execute(select(key).where(*whole).limit(1)).scalar_one()
        for state in get_args(states):
            connection.execute(
                update(table).where(key == one).values(state=state, reason="an operator said so")
            )
            assert "I2.states" not in broken(connection), state


def test_every_promise_is_broken_in_these_tests() -> None:
    promises = {check.name for check in CHECKS if check.is_promise}
    assert {one.check for one in BREACHES} == promises | {"I3.bytes", "I4.purpose"}


def test_findings_count_all_and_name_a_few(populated: Populated) -> None:
    with populated(None).connect() as connection:
        total = connection.execute(select(func.count()).select_from(attempts)).scalar_one()
        connection.execute(update(attempts).values(intent_at=None))
        finding = broken(connection)["I3.intent"]
    assert finding.violations == total > EXAMPLES_MAX
    assert finding.detail.count("0x") == EXAMPLES_MAX
    assert finding.detail.endswith(f"and {total - EXAMPLES_MAX} more")


def test_payments_that_others_confirmed_are_told_and_break_nothing(populated: Populated) -> None:
    with populated(None).connect() as connection:
        before = {one.name: one for one in check_all(connection)}["I3.senders"]
        connection.execute(text("DELETE FROM settlement.attempts"))
        after = {one.name: one for one in check_all(connection)}["I3.senders"]
    assert before.detail == ""
    assert after.ok
    assert after.violations == 0
    assert after.detail.startswith("payment 0x")


def test_holes_are_none_when_the_chain_counts_past_them(populated: Populated) -> None:
    with populated(None).connect() as connection:
        (row,) = connection.execute(select(signers)).all()
        signer = (ChainId(row.chain_id), Address(row.address))
        top = row.next_nonce + 2
        connection.execute(update(signers).values(next_nonce=top))
        assert "I4.dense" in broken(connection)
        assert "I4.dense" in broken(connection, chain_nonces={signer: top - 1})
        assert "I4.dense" not in broken(connection, chain_nonces={signer: top})
        connection.execute(
            insert(nonce_slots).values(
                chain_id=row.chain_id, signer=row.address, nonce=top, state="foreign"
            )
        )
        connection.execute(update(signers).values(next_nonce=top + 1))
        assert "I4.dense" not in broken(connection), "a spent nonce above shows as much"


def test_holes_of_a_signer_that_was_released_are_judged_by_the_chain_alone(
    populated: Populated,
) -> None:
    with populated(None).connect() as connection:
        (row,) = connection.execute(select(signers)).all()
        signer = (ChainId(row.chain_id), Address(row.address))
        connection.execute(
            update(signers).values(next_nonce=row.next_nonce + 1, mode_reason="released: ours")
        )
        assert broken(connection) == {}
        assert "I4.dense" in broken(connection, chain_nonces={signer: row.next_nonce})


def test_what_an_operator_rewound_is_asked_about_again_only_after_the_lane_had_its_turn(
    populated: Populated,
) -> None:
    with populated(None).connect() as connection:
        row = connection.execute(
            select(requests.c.chain_id, func.min(requests.c.settled_block).label("lowest"))
            .where(requests.c.settled_block.is_not(None))
            .group_by(requests.c.chain_id)
        ).one()
        below = BlockNumber(row.lowest - 1)
        rewind(connection, ChainId(row.chain_id), below, below_finalized=True)
        assert broken(connection) == {}
        too_long_ago = func.now() - timedelta(days=8)
        connection.execute(update(reorgs).values(seen_at=too_long_ago))
        connection.execute(update(requests).values(settled_at=too_long_ago))
        found = broken(connection)
    assert found.keys() >= {"I5.final", "I5.settled", "I5.payments", "I6.settled", "I7.final"}
