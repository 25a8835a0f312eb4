import uuid
from itertools import permutations
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offchain.gateways.types import DisputeState, FiatEffect, Observation, RefundState
from offchain.payments.lattice import (
    CHAIN_MOVES,
    DISPUTE_RANK,
    FIAT_RANK,
    REFUND_RANK,
    ClaimStatus,
    DisputePart,
    FiatStatus,
    RefundPart,
    RefundStatus,
    advance_dispute,
    advance_refund,
    claim_of,
    decide,
    has_money,
    money_fault,
)
from tests.support.offchain import FIFTY, seen

ATTEMPT = uuid.UUID(int=7)
FIAT: list[FiatStatus] = list(get_args(FiatStatus))
OWED = FIFTY.minor

observations = st.builds(
    Observation,
    provider_payment_id=st.just("p"),
    attempt_id=st.just(ATTEMPT),
    effect=st.sampled_from(get_args(FiatEffect)),
    provider_status=st.just("s"),
    amount_minor=st.sampled_from([None, 5000, 4999]),
    received_minor=st.sampled_from([None, 5000, 1]),
    currency=st.sampled_from([None, "brl", "usd"]),
)
histories = st.lists(observations, max_size=6)
refund_sightings = st.lists(
    st.tuples(st.integers(0, 2), st.sampled_from(get_args(RefundState))), max_size=8
)
dispute_sightings = st.lists(
    st.tuples(st.integers(0, 1), st.sampled_from(get_args(DisputeState))), max_size=6
)
AMOUNTS = (5000, 2000, 3000)


def follow(history: list[Observation], fiat: FiatStatus = "created") -> list[FiatStatus]:
    """Every status on the way."""
    statuses = [fiat]
    for observation in history:
        statuses.append(decide(statuses[-1], expected=FIFTY, seen=observation).fiat or statuses[-1])
    return statuses


def claim_after(
    refunds: list[tuple[int, RefundState]], disputes: list[tuple[int, DisputeState]]
) -> ClaimStatus:
    """The claim once all of this was seen, in this order."""
    climbed: dict[int, RefundStatus] = {}
    for number, state in refunds:
        climbed[number] = advance_refund(climbed.get(number, "requested"), state)
    argued: dict[int, DisputeState] = {}
    for number, dispute in disputes:
        argued[number] = advance_dispute(argued.get(number, "open"), dispute)
    parts = [RefundPart(state, AMOUNTS[number]) for number, state in climbed.items()]
    disputed = [DisputePart(state, AMOUNTS[number]) for number, state in argued.items()]
    return claim_of(parts, disputed, owed_minor=OWED)


@given(histories, st.sampled_from(FIAT))
def test_fiat_rank_never_falls_whatever_is_seen(
    history: list[Observation], fiat: FiatStatus
) -> None:
    ranks = [FIAT_RANK[status] for status in follow(history, fiat)]
    assert ranks == sorted(ranks)


@given(histories)
def test_decide_changes_nothing_when_all_of_it_was_seen_before(history: list[Observation]) -> None:
    end = follow(history)[-1]
    assert set(follow(history, end)) == {end}


@given(histories)
def test_fiat_ends_where_the_first_money_and_what_came_before_it_say(
    history: list[Observation],
) -> None:
    end = follow(history)[-1]
    first = next((n for n, one in enumerate(history) if one.effect == "captured"), None)
    if first is None:
        assert not has_money(end)
        return
    if money_fault(FIFTY, history[first]) is not None:
        assert end == "mismatch"
    elif follow(history[:first])[-1] == "canceled":
        assert end == "late_paid"
    else:
        assert end == "captured"


@given(
    st.lists(
        observations.filter(lambda one: one.effect not in {"captured", "canceled"}), max_size=4
    ),
    st.integers(1, 3),
    st.data(),
)
def test_fiat_is_captured_in_every_order_when_right_money_is_among_what_is_seen(
    others: list[Observation], copies: int, data: st.DataObject
) -> None:
    history = data.draw(st.permutations([*others, *[seen(ATTEMPT)] * copies]))
    assert follow(history)[-1] == "captured"


@given(refund_sightings, dispute_sightings, st.data())
def test_claim_depends_on_what_was_seen_and_neither_on_its_order_nor_on_how_often(
    refunds: list[tuple[int, RefundState]],
    disputes: list[tuple[int, DisputeState]],
    data: st.DataObject,
) -> None:
    again = data.draw(st.permutations([*refunds, *refunds]))
    argued = data.draw(st.permutations([*disputes, *disputes[:1]]))
    assert claim_after(again, argued) == claim_after(refunds, disputes)


@given(refund_sightings, dispute_sightings)
def test_refund_and_dispute_ranks_never_fall(
    refunds: list[tuple[int, RefundState]], disputes: list[tuple[int, DisputeState]]
) -> None:
    refund: RefundStatus = "requested"
    for _, state in refunds:
        before, refund = refund, advance_refund(refund, state)
        assert REFUND_RANK[refund] >= max(REFUND_RANK[before], REFUND_RANK[state])
    dispute: DisputeState = "open"
    for _, heard in disputes:
        earlier, dispute = dispute, advance_dispute(dispute, heard)
        assert DISPUTE_RANK[dispute] >= max(DISPUTE_RANK[earlier], DISPUTE_RANK[heard])


@given(refund_sightings)
def test_claim_is_none_once_every_refund_failed(refunds: list[tuple[int, RefundState]]) -> None:
    """Race 16: whatever was believed before, the money is here."""
    failed: list[tuple[int, RefundState]] = [(number, "failed") for number, _ in refunds]
    assert claim_after([*refunds, *failed], []) == "none"


@pytest.mark.parametrize(
    ("refunds", "disputes", "claim"),
    [
        ([], [], "none"),
        ([("requested", 5000)], [], "refund_pending"),
        ([("pending", 2000)], [], "refund_pending"),
        ([("succeeded", 2000)], [], "partially_refunded"),
        ([("succeeded", 2000), ("pending", 3000)], [], "refund_pending"),
        ([("succeeded", 2000), ("succeeded", 3000)], [], "refunded"),
        ([("succeeded", 5000), ("pending", 1)], [], "refunded"),
        ([("succeeded", 2000), ("failed", 3000)], [], "partially_refunded"),
        ([("failed", 5000)], [], "none"),
        ([], ["open"], "disputed"),
        ([], ["won"], "none"),
        ([], ["lost"], "dispute_lost"),
        ([], ["won", "open"], "disputed"),
        ([], ["lost", "open"], "dispute_lost"),
        ([("succeeded", 5000)], ["open"], "refunded"),
        ([("succeeded", 2000)], ["open"], "disputed"),
        ([("succeeded", 5000)], ["won"], "refunded"),
        ([("pending", 5000)], ["lost"], "dispute_lost"),
    ],
)
def test_claim_is_what_refunds_and_disputes_add_up_to(
    refunds: list[tuple[RefundStatus, int]], disputes: list[DisputeState], claim: ClaimStatus
) -> None:
    for order in permutations(refunds):
        parts = [RefundPart(state, minor) for state, minor in order]
        argued = [DisputePart(state, OWED) for state in disputes]
        assert claim_of(parts, argued, owed_minor=OWED) == claim


@pytest.mark.parametrize(
    ("given", "lost", "claim"),
    [
        (0, 2000, "partially_refunded"),
        (3000, 2000, "dispute_lost"),
        (2999, 2000, "partially_refunded"),
    ],
)
def test_dispute_takes_no_more_than_it_is_over(given: int, lost: int, claim: ClaimStatus) -> None:
    refunds = [RefundPart("succeeded", given)] if given else []
    assert claim_of(refunds, [DisputePart("lost", lost)], owed_minor=OWED) == claim


def test_dispute_that_was_lost_is_won_after_all_and_never_lost_again() -> None:
    """Race 17."""
    assert advance_dispute("lost", "won") == "won"
    assert advance_dispute("won", "lost") == "won"
    assert advance_dispute("lost", "open") == "lost"


@given(observations)
def test_decide_captures_only_when_amount_and_currency_are_the_pledges(
    observation: Observation,
) -> None:
    move = decide("awaiting", expected=FIFTY, seen=observation)
    is_right = money_fault(FIFTY, observation) is None and observation.effect == "captured"
    assert (move.fiat == "captured") == is_right
    if observation.effect == "captured" and not is_right:
        assert move.fiat == "mismatch"
        assert move.review_reason is not None


@pytest.mark.parametrize("ended", ["expired", "canceled"])
def test_decide_holds_money_as_late_when_the_attempt_was_over(ended: FiatStatus) -> None:
    move = decide(ended, expected=FIFTY, seen=seen(ATTEMPT))
    assert move.fiat == "late_paid"
    assert move.review_reason == f"paid after the attempt was {ended}"


@pytest.mark.parametrize("fiat", FIAT)
def test_decide_keeps_everything_when_the_gateway_says_something_unknown(fiat: FiatStatus) -> None:
    move = decide(fiat, expected=FIFTY, seen=seen(ATTEMPT, effect="unknown"))
    assert (move.fiat, move.review_reason) == (None, None)


def test_chain_moves_leave_final_only_for_where_a_changed_finalized_block_leads() -> None:
    assert CHAIN_MOVES["final"] == {"queued", "submitted", "mined"}
    assert "submitted" in CHAIN_MOVES["mined"]


def test_chain_moves_never_queue_again_what_was_called_back() -> None:
    assert "queued" not in CHAIN_MOVES["held"]
