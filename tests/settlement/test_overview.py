"""What an overview reads of every table, and what it leaves to others."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from sqlalchemy import Engine, insert

from indexer.chain.types import Address, ChainId
from indexer.tables import marks
from settlement.lifecycle import FUNDING, TREASURY
from settlement.nonces import quarantine
from settlement.record_tables import runs
from settlement.reporting.accounts import SignerStanding
from settlement.reporting.overview import Held, Overview, read_overview
from settlement.switches import account_key, set_switch
from tests.settlement.builders import TOKEN
from tests.settlement.builders import TREASURY as A_TREASURY
from tests.settlement.stored import (
    CENTS_50,
    CHAIN,
    GAS_PRICE_WEI,
    GAS_USED,
    NETWORK,
    SIGNER,
    Store,
    ago,
)

OTHER_CHAIN = ChainId(31338)
OTHER_TOKEN = Address(b"\x0c" * 20)


def look(store: Store, *, whole: bool = True) -> Overview:
    with store.engine.connect() as connection:
        return read_overview(connection, NETWORK, whole=whole)


def the_signer(store: Store) -> SignerStanding:
    (signer,) = look(store).signers
    return signer


def test_nothing_is_told_of_a_chain_that_never_settled(store: Store) -> None:
    seen = look(store)
    assert (seen.requests, seen.stopped, seen.signers, seen.switches) == ((), (), (), ())
    assert (seen.index, seen.runs.open, seen.runs.oldest_s) == (None, 0, None)


def test_payments_are_counted_by_state_with_age_and_value(store: Store) -> None:
    store.request("ready", requested_at=ago(seconds=300), state_since=ago(seconds=1))
    store.request("ready", token=OTHER_TOKEN, amount_base_units=7)
    store.request("settled")
    store.request("ready", chain_id=OTHER_CHAIN)
    ready, settled = look(store).requests
    assert (ready.state, ready.payments, settled.state, settled.payments) == (
        "ready",
        2,
        "settled",
        1,
    )
    assert 300 <= ready.oldest_s < 330
    assert ready.held == (Held(TOKEN, CENTS_50), Held(OTHER_TOKEN, 7))  # type: ignore[arg-type]
    assert [one.state for one in look(store, whole=False).requests] == ["ready"]


def test_what_stopped_is_grouped_by_reason_and_owner_the_oldest_first(store: Store) -> None:
    store.request("blocked", reason=f"{FUNDING}5 are missing", requested_at=ago(seconds=50))
    first = store.request("blocked", reason=f"{FUNDING}9 are missing", requested_at=ago(seconds=90))
    store.request("blocked", reason=f"{TREASURY}paused", requested_at=ago(seconds=70))
    store.request("quarantined", reason="refunded on-chain", requested_at=ago(seconds=80))
    store.action(state="blocked", reason="gas: 0 wei", requested_at=ago(seconds=60))
    store.action("disburse_fees")
    store.campaign(state="blocked", reason="taken", requested_at=ago(seconds=10))
    seen = look(store)
    assert [
        (one.what, one.state, one.reason_class, one.owner, one.count) for one in seen.stopped
    ] == [
        ("payments", "blocked", "funding", "treasury desk", 2),
        ("payments", "quarantined", "other", "settlement on-call", 1),
        ("payments", "blocked", "treasury", "campaign desk", 1),
        ("actions", "blocked", "gas", "settlement process", 1),
        ("campaigns", "blocked", "other", "settlement on-call", 1),
    ]
    assert (seen.stopped[0].example, seen.stopped[0].reason) == (first, "funding: 9 are missing")
    assert seen.actions == {"disburse_fees.requested": 1, "withdraw.blocked": 1}
    assert seen.campaigns == {"blocked": 1}


def test_signer_is_told_with_the_nonce_that_all_others_wait_for(store: Store) -> None:
    store.signer(next_nonce=4)
    assert (the_signer(store).lowest, the_signer(store).attempts_per_slot) == (None, None)
    store.batch(0)
    store.attempt(0)
    store.batch(1, kind="fund", state="signed", sealed_at=ago(seconds=900))
    store.attempt(1, intent_at=ago(seconds=600), last_answer="accepted")
    store.attempt(1, 1, intent_at=ago(seconds=200), last_answer="underpriced: too low")
    store.batch(2, state="reserved")
    signer = the_signer(store)
    assert (signer.address, signer.next_nonce, signer.in_flight) == (SIGNER, 4, 2)
    lowest = signer.lowest
    assert lowest is not None
    assert (lowest.nonce, lowest.kind, lowest.attempts) == (1, "fund", 2)
    assert lowest.last_answer == "underpriced: too low"
    assert 600 <= lowest.age_s < 630
    assert signer.attempts_per_slot == pytest.approx(1.0)
    offered = 150_000 * GAS_PRICE_WEI
    assert signer.gas_spent_24h_wei == GAS_USED * GAS_PRICE_WEI + offered  # the unsigned: nothing


def test_wallets_are_told_only_where_they_have_to_send_or_are_quarantined(store: Store) -> None:
    idle, sending, halted = (Address(bytes([n]) * 20) for n in (1, 2, 3))
    store.signer()
    for n, address in enumerate((idle, sending, halted)):
        store.signer(address=address)
        store.wallet(address, wallet_id=f"w{n}")
    store.batch(0, kind="withdraw", state="signed", slot={"signer": sending})
    with store.engine.begin() as connection:
        quarantine(connection, chain_id=CHAIN, address=halted, reason="foreign")
    found = look(store).signers
    assert [(one.address, one.is_wallet) for one in found] == [
        (SIGNER, False),
        (sending, True),
        (halted, True),
    ]


def test_lowest_nonce_is_as_old_as_its_seal_when_nothing_was_sent(store: Store) -> None:
    store.signer()
    store.batch(0, state="reserved", sealed_at=ago(seconds=40))
    lowest = the_signer(store).lowest
    assert lowest is not None
    assert (lowest.attempts, lowest.last_answer) == (0, None)
    assert 40 <= lowest.age_s < 60


def test_switches_of_other_chains_are_left_out(store: Store) -> None:
    with store.engine.begin() as connection:
        for chain_id in (CHAIN, OTHER_CHAIN):
            set_switch(
                connection,
                "treasury",
                account_key(chain_id, A_TREASURY),
                stopped=True,
                reason="storm",
                set_by="ana",
            )
    (switch,) = look(store).switches
    assert switch.key == account_key(CHAIN, A_TREASURY)


def test_open_runs_are_summed(store: Store) -> None:
    with store.engine.begin() as connection:
        connection.execute(
            insert(runs),
            [
                {"chain_id": CHAIN, "treasury": bytes([n]) * 20, "payments": 5, "transactions": 2}
                for n in (1, 2)
            ],
        )
        connection.execute(
            insert(runs).values(chain_id=CHAIN, treasury=A_TREASURY, closed_at=datetime.now(UTC))
        )
    found = look(store).runs
    assert (found.open, found.payments, found.transactions) == (2, 10, 4)
    assert found.oldest_s == 0


def test_index_is_told_by_its_marks(store: Store, engine_as: Callable[[str], Engine]) -> None:
    stamp = {"hash": bytes(32), "timestamp": ago(seconds=5)}
    with engine_as("chain").begin() as connection:
        connection.execute(
            insert(marks).values(
                chain_id=CHAIN,
                network=NETWORK.name,
                first_block=1,
                head_number=12,
                indexed_number=10,
                updated_at=ago(seconds=30),
                **{f"indexed_{name}": value for name, value in stamp.items()},
            )
        )
    index = look(store).index
    assert index is not None
    assert (index.head, index.indexed, index.finalized, index.lag_blocks) == (12, 10, None, 2)
    assert 30 <= index.seen_s < 60
