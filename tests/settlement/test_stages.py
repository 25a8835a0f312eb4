from collections import defaultdict
from datetime import timedelta

from settlement.reporting.stages import SLOTS_MAX, Stage, StageWatch
from tests.settlement.stored import CHAIN, SIGNER, Store, ago

T = ago(hours=1)


def seconds(count: float) -> timedelta:
    return timedelta(seconds=count)


class Watched:
    """What one watch was told, look by look."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._watch = StageWatch(CHAIN, SIGNER)
        self.look()

    def look(self) -> dict[Stage, list[float]]:
        told: defaultdict[Stage, list[float]] = defaultdict(list)
        with self._store.engine.connect() as connection:
            self._watch.look(connection, lambda stage, took: told[stage].append(took))
        return dict(told)


def seal(store: Store, nonce: int, *, state: str = "signed", payments: int = 1) -> None:
    ids = [store.request("included", captured_at=T - seconds(30)) for _ in range(payments)]
    store.batch(nonce, request_ids=ids, state=state, sealed_at=T)


def test_each_stage_is_told_once_when_it_is_passed(store: Store) -> None:
    store.signer()
    watched = Watched(store)
    seal(store, 0, state="reserved", payments=2)
    assert watched.look() == {"captured_sealed": [30, 30]}
    store.slot(0, state="signed")
    assert watched.look() == {}, "signed is not sent"
    store.attempt(0, intent_at=T + seconds(1))
    store.attempt(0, 1, intent_at=T + seconds(9))
    assert watched.look() == {"sealed_sent": [1]}
    store.slot(0, state="mined_ok", mined_at=T + seconds(5))
    assert watched.look() == {"sent_included": [4]}
    store.slot(0, is_final=True, final_at=T + seconds(25))
    assert watched.look() == {"included_final": [20]}
    assert watched.look() == {}


def test_watch_begins_with_what_passes_after_its_first_look(store: Store) -> None:
    store.signer()
    seal(store, 0, state="mined_ok")
    store.attempt(0, intent_at=T)
    store.slot(0, mined_at=T, is_final=True, final_at=T)
    seal(store, 1)
    store.attempt(1, intent_at=T)
    seal(store, 2)
    watched = Watched(store)
    assert watched.look() == {}
    store.attempt(2, intent_at=T + seconds(3))
    store.slot(1, state="mined_ok", mined_at=T + seconds(2))
    assert watched.look() == {"sealed_sent": [3], "sent_included": [2]}


def test_slot_that_lags_holds_back_what_lies_above_it(store: Store) -> None:
    store.signer()
    watched = Watched(store)
    for nonce in range(3):
        seal(store, nonce)
        store.attempt(nonce, intent_at=T)
    watched.look()
    store.slot(2, state="mined_ok", mined_at=T + seconds(7))
    assert watched.look() == {}
    for nonce in range(2):
        store.slot(nonce, state="mined_failed", mined_at=T + seconds(9))
    assert watched.look() == {"sent_included": [9, 9, 7]}


def test_nonce_that_another_took_is_passed_over(store: Store) -> None:
    store.signer()
    watched = Watched(store)
    for nonce in range(2):
        seal(store, nonce)
        store.attempt(nonce, intent_at=T)
    watched.look()
    store.slot(0, state="foreign", mined_at=T + seconds(5))
    store.slot(1, state="mined_ok", mined_at=T + seconds(6))
    assert watched.look() == {"sent_included": [6]}


def test_rows_without_times_are_passed_over(store: Store) -> None:
    """Rows of an earlier version know their states only."""
    store.signer()
    watched = Watched(store)
    seal(store, 0, state="mined_ok")
    store.slot(0, mined_at=None, is_final=True)
    seal(store, 1, state="mined_ok")
    store.attempt(1, intent_at=T)
    store.slot(1, mined_at=T + seconds(3))
    told = watched.look()
    assert told == {"captured_sealed": [30, 30], "sealed_sent": [0], "sent_included": [3]}


def test_confirmations_of_created_payments_are_no_second_seal(store: Store) -> None:
    store.signer()
    watched = Watched(store)
    request_id = store.request("included", captured_at=T - seconds(30))
    store.batch(0, request_ids=[request_id], kind="create_payments", sealed_at=T)
    store.batch(1, request_ids=[request_id], kind="confirm_payments", sealed_at=T + seconds(60))
    assert watched.look()["captured_sealed"] == [30]


def test_clock_that_runs_back_tells_no_negative_time(store: Store) -> None:
    store.signer()
    watched = Watched(store)
    seal(store, 0)
    store.attempt(0, intent_at=T - seconds(2))
    assert watched.look()["sealed_sent"] == [0]


def test_many_that_passed_at_once_are_told_look_by_look(store: Store) -> None:
    behind = SLOTS_MAX + 2
    store.signer()
    watched = Watched(store)
    for nonce in range(behind):
        store.batch(nonce, kind="fund", sealed_at=T, slot={"mined_at": None})
    assert watched.look() == {}
    store.batch(behind, kind="fund", sealed_at=T, state="signed")
    store.attempt(behind, intent_at=T + seconds(4))
    assert watched.look() == {"sealed_sent": [4]}
