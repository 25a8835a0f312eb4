"""At most once is a matter of the database: each unique index refuses the second row."""

import re
from collections.abc import Callable

import psycopg
import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError

from settlement.checks import once
from tests.settlement.checks.breaches import (
    ANY_HASH,
    LIVE_PLEDGE,
    another,
    another_request,
    item_elsewhere,
)

WITHDRAWAL = another(
    "actions",
    "kind = 'refund'",
    action_id="gen_random_uuid()",
    kind="'withdraw'",
    request_id="null",
    state="'requested'",
)
SECOND_ROWS: dict[str, tuple[str, ...]] = {
    LIVE_PLEDGE: (another_request("state = 'settled'", generation="7", payment_id=ANY_HASH),),
    "uq_requests_pledge_id_generation": (
        another_request("state = 'settled'", state="'void'", payment_id=ANY_HASH),
    ),
    "uq_requests_chain_id_treasury_payment_id": (
        another_request("state = 'settled'", pledge_id="gen_random_uuid()"),
    ),
    "uq_batch_items_live_creation": (item_elsewhere("create_payments", into="create_payments"),),
    "uq_batch_items_live_confirmation": (
        item_elsewhere("settle_payments", into="confirm_payments"),
    ),
    "uq_batch_items_batch_id_request_id": (
        another("batch_items", "released_at IS NOT NULL", ordinal="99"),
    ),
    "uq_batches_campaign_step": (
        another("batches", "kind = 'create_treasury'", id="gen_random_uuid()"),
    ),
    "uq_batches_action": (another("batches", "action_id IS NOT NULL", id="gen_random_uuid()"),),
    "pk_nonce_slots": (another("nonce_slots", "true", batch_id="null"),),
    "uq_nonce_slots_batch_id": (another("nonce_slots", "true", nonce="99999"),),
    "pk_attempts": (another("attempts", "true", sequence="99"),),
    "uq_attempts_chain_id_signer_nonce_sequence": (another("attempts", "true", tx_hash=ANY_HASH),),
    "uq_actions_refund": (another("actions", "kind = 'refund'", action_id="gen_random_uuid()"),),
    "uq_actions_open": (WITHDRAWAL, WITHDRAWAL),
}
"""The index that must refuse the last of these statements."""


@pytest.mark.parametrize("index", SECOND_ROWS)
def test_unique_index_refuses_the_second_row(
    populated: Callable[[str | None], Engine], index: str
) -> None:
    *before, second = SECOND_ROWS[index]
    with populated(None).connect() as connection:  # ends in a rollback
        for statement in before:
            connection.execute(text(statement))
        with pytest.raises(IntegrityError) as refused:
            connection.execute(text(second))
    assert isinstance(refused.value.orig, psycopg.errors.UniqueViolation)
    assert refused.value.orig.diag.constraint_name == index


def test_every_guard_is_seen_to_refuse() -> None:
    drawn = re.findall(r"\('((?:uq|pk)_\w+)'", once.CHECKS[0].violations)
    assert sorted(drawn) == sorted(SECOND_ROWS)
