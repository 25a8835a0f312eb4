"""Every race test fails once its guard is gone: so none of them passes by luck."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from types import ModuleType
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from tests.offchain.races import (
    removals,
    test_arriving,
    test_claiming,
    test_paying,
    test_settling,
)
from tests.offchain.races.site import Site

Race = Callable[[Site], None]
MODULES: tuple[ModuleType, ...] = (test_arriving, test_paying, test_claiming, test_settling)
RACES = 23


@dataclass(frozen=True, slots=True)
class Put:
    """Put something else where a guard stands in the program."""

    where: str
    instead: Any


@dataclass(frozen=True, slots=True)
class Run:
    """Take a guard out of the database."""

    statement: str


@dataclass(frozen=True, slots=True)
class Guard:
    """What keeps a race from doing harm, and how it is taken away."""

    race: Race
    removed_by: tuple[Put | Run, ...]
    fails_by: type[Exception]
    """How the race's test fails then."""


def guard(race: Race, *removed_by: Put | Run, fails_by: type[Exception] = AssertionError) -> Guard:
    return Guard(race, removed_by, fails_by)


OBSERVING = "offchain.payments.observing"
CLAIMS = "offchain.payments.claims"
SIGHTINGS = "offchain.payments.sightings"
FEEDBACK = "offchain.payments.feedback"
RECONCILIATION = "offchain.reconciliation"
CROWDSPLIT = "offchain.gateways.crowdsplit"

GUARDS: dict[str, Guard] = {
    "01-lock": guard(
        test_arriving.test_race_01_webhooks_and_polls_of_one_capture_take_effect_once,
        Put(f"{OBSERVING}.lock_attempt", removals.read_without_lock),
    ),
    "02-unique-event": guard(
        test_arriving.test_race_02_one_event_twice_and_its_twin_take_effect_once,
        Run("ALTER TABLE offchain.inbox DROP CONSTRAINT uq_inbox_gateway_event_key"),
    ),
    "03-rank": guard(
        test_arriving.test_race_03_older_news_after_the_capture_change_nothing,
        Put(f"{OBSERVING}.decide", removals.last_news_wins),
        fails_by=IntegrityError,  # the database has a guard of its own
    ),
    "04-unmatched-wait": guard(
        test_arriving.test_race_04_a_webhook_before_our_row_waits_and_lands_within_one_sweep,
        Put("offchain.inbox.working._wait", removals.forget_what_matches_nothing),
    ),
    "05-one-name": guard(
        test_paying.test_race_05_a_create_whose_answer_was_lost_makes_one_charge,
        Put("offchain.http.payments.create_at_gateway", removals.create_under_a_new_name),
    ),
    "06-late-paid": guard(
        test_paying.test_race_06_money_after_the_expiry_is_held_and_never_dropped,
        Put(f"{OBSERVING}.decide", removals.over_is_over),
    ),
    "06-asked-after-its-end": guard(
        test_paying.test_race_06_money_after_the_expiry_is_held_and_never_dropped,
        Put(f"{RECONCILIATION}.schedule.LATE_MONEY_WINDOW", timedelta(0)),
    ),
    "07-first-holds": guard(
        test_paying.test_race_07_two_gateways_pay_one_pledge_and_one_gives_it_back,
        Put(f"{OBSERVING}.holder_of", removals.nobody_holds_it),
        Run("DROP INDEX offchain.uq_payment_attempts_holder"),
    ),
    "08-amount": guard(
        test_paying.test_race_08_another_amount_than_asked_for_is_held,
        Put("offchain.payments.lattice.money_fault", removals.any_money_will_do),
    ),
    "09-called-back": guard(
        test_claiming.test_race_09_a_dispute_while_queued_keeps_the_payment_out_of_the_batch,
        Put(f"{CLAIMS}.call_back", removals.let_it_run),
    ),
    "10-chain-untouched": guard(
        test_claiming.test_race_10_claims_after_sealing_leave_the_transaction_alone_and_balance,
        Put(f"{CLAIMS}._must_be_undone", removals.undo_for_any_claim),
    ),
    "11-trial": guard(
        test_settling.test_race_11_one_bad_payment_is_left_out_and_the_others_settle,
        Put("settlement.payments.try_batch", removals.pass_all),
    ),
    "12-committed-first": guard(
        test_settling.test_race_12_a_transaction_whose_process_died_after_the_broadcast_is_not_made_twice,
        Put("settlement.sender.store", removals.broadcast_before_commit),
    ),
    "13-sent-again": guard(
        test_settling.test_race_13_a_transaction_that_no_node_knows_is_sent_again_as_it_is,
        Put("settlement.sender._due", removals.due_once),
    ),
    "14-chain-decides": guard(
        test_settling.test_race_14_a_payment_that_somebody_else_confirmed_is_final_and_posted,
        Put(f"{FEEDBACK}.judge", removals.by_our_request_only),
    ),
    "15-may-go-back": guard(
        test_settling.test_race_15_a_reorganized_confirmation_takes_the_chain_status_back_and_no_other,
        Put(f"{FEEDBACK}.may_chain_move", removals.only_onwards),
    ),
    "16-failure-is-last": guard(
        test_claiming.test_race_16_a_refund_that_fails_after_it_succeeded_is_reversed_and_never_edited,
        Put(f"{SIGHTINGS}.advance_refund", removals.success_is_final),
    ),
    "16-never-edited": guard(
        test_claiming.test_race_16_a_refund_that_fails_after_it_succeeded_is_reversed_and_never_edited,
        Run("DROP TRIGGER immutable ON offchain.ledger_transfers"),
    ),
    "17-won-after-all": guard(
        test_claiming.test_race_17_a_dispute_that_is_won_after_it_was_lost_is_reversed_and_told,
        Put(f"{SIGHTINGS}.advance_dispute", removals.lost_is_lost),
    ),
    "18-overlap": guard(
        test_arriving.test_race_18_what_becomes_visible_late_or_by_another_clock_is_found_by_the_next_walk,
        Put(f"{RECONCILIATION}.walking.OVERLAP", timedelta(0)),
    ),
    "18-whole-walk": guard(
        test_arriving.test_race_18_what_a_broken_walk_did_not_reach_is_found_by_the_next_one,
        Put(f"{RECONCILIATION}.walking._pages", removals.take_a_broken_walk_for_a_whole_one),
    ),
    "19-poll-waits": guard(
        test_paying.test_race_19_a_payment_that_is_being_created_is_left_alone,
        Put(f"{RECONCILIATION}.due.CREATE_IN_FLIGHT", timedelta(0)),
    ),
    "19-list-waits": guard(
        test_paying.test_race_19_a_payment_that_is_being_created_is_left_alone,
        Put(f"{RECONCILIATION}.reading.CREATE_IN_FLIGHT", timedelta(0)),
    ),
    "20-unknown-keeps": guard(
        test_arriving.test_race_20_a_status_that_nobody_knows_changes_nothing_and_is_told,
        Put(f"{CROWDSPLIT}.wire._effect", removals.unknown_is_pending),
    ),
    "21-all-secrets": guard(
        test_arriving.test_race_21_both_secrets_are_good_while_one_is_rotated,
        Put(f"{CROWDSPLIT}.webhooks.verify_stamped", removals.check_the_first_secret_only),
    ),
    "22-signature": guard(
        test_arriving.test_race_22_a_forged_webhook_with_a_real_id_leaves_a_count_and_nothing_else,
        Put(f"{CROWDSPLIT}.webhooks.verify_stamped", removals.trust_everybody),
    ),
    "23-key-per-part": guard(
        test_claiming.test_race_23_only_the_failed_part_of_a_transfer_is_made_again,
        Put(f"{CROWDSPLIT}.api.Api.post", removals.post_under_a_new_key),
    ),
}


@pytest.mark.parametrize("name", GUARDS)
def test_race_fails_without_its_guard(
    site: Site, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    for removal in GUARDS[name].removed_by:
        if isinstance(removal, Put):
            monkeypatch.setattr(removal.where, removal.instead)
        else:
            with site.login.begin() as connection:
                connection.execute(text(removal.statement))
    with pytest.raises(GUARDS[name].fails_by):
        GUARDS[name].race(site)


def test_every_race_has_a_test_and_every_test_a_guard() -> None:
    tests = {
        test
        for module in MODULES
        for name, test in inspect.getmembers(module, inspect.isfunction)
        if name.startswith("test_race_")
    }
    numbers = {int(test.__name__.split("_")[2]) for test in tests}
    assert numbers == set(range(1, RACES + 1))
    assert {one.race for one in GUARDS.values()} == tests
    for name, one in GUARDS.items():
        assert one.race.__name__.startswith(f"test_race_{name[:2]}_"), name
