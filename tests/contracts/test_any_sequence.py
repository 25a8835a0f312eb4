"""Any sequence of calls keeps a treasury's books, as a plain model of it has them."""

from __future__ import annotations

import ape
import building
import pytest
import treasuries
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule, run_state_machine_as_test
from treasury_machine import DECIMALS, GOAL, NUMBERS, Scene, TreasuryBeside, base_units, done
from treasury_model import Model, payment_id
from world import DAY, REASON

LATE = 12  # steps before anything ends: time, the treasury, the campaign
TIMES = {"a day": DAY, "past the deadline": 30 * DAY, "past the decision": 31 * DAY}
MOVES = [
    "create",
    "settle",
    "confirm",
    "cancel",
    "refund",
    "refund_receipt",
    "refund_buyer",
    "refund_missed_goal",
    "mint_receipt",
    "withdraw",
    "disburse",
    "claim_items",
    "claim_expired",
    "sweep_surplus",
    "cancel_treasury",
    "cancel_campaign",
]

units = st.integers(1, 4_000)  # centavos
amounts = st.one_of(units, st.just(9_999))
numbers = st.sampled_from(NUMBERS)
tokens = st.sampled_from(range(len(DECIMALS)))
buyers = st.sampled_from([None, None, "buyer", "payee"])
lists = {"min_size": 1, "max_size": 3}
kinds = st.lists(st.sampled_from([*sorted(treasuries.ITEM_TYPES), "tip"]), max_size=2)


def mostly(condition):
    """Run a rule where it can do something, and every eighth step even so: refusals are right."""
    return precondition(lambda self: self.steps % 8 == 0 or condition(self.model))


def has(wanted):
    return mostly(lambda model: any(wanted(paid) for paid in model.payments.values()))


class TreasuryMachine(TreasuryBeside):
    @rule(token=tokens, centavos=st.sampled_from([1, 20_000, 60_000]))
    def fund(self, token: int, centavos: int) -> None:
        self.fund_with(token, centavos)

    @mostly(Model.is_open)
    @rule(
        drafts=st.lists(st.tuples(numbers, tokens, amounts, kinds, st.booleans()), **lists),
        singly=st.booleans(),
    )
    def create(self, *, drafts: list, singly: bool) -> None:
        self.create_drafts(drafts[:1] if singly else drafts, singly=singly)

    @mostly(Model.is_open)
    @rule(token=tokens, settled=st.lists(st.tuples(numbers, amounts, buyers), **lists))
    def settle(self, token: int, settled: list) -> None:
        chosen = self.unused([number for number, *_ in settled])
        settled = [
            (number, base_units(amount, token), buyer)
            for number, (_, amount, buyer) in zip(chosen, settled, strict=True)
        ]
        structs = [
            treasuries.settlement(number, amount, self.scene.address(buyer))
            for number, amount, buyer in settled
        ]
        method = self.ground.treasury.settleBatch
        arguments = (self.token(token), structs)
        self.attempt("settle", "platform_admin", method, *arguments, token=token, settled=settled)

    @has(lambda paid: not paid.confirmed)
    @rule(data=st.data(), count=st.integers(0, 3), singly=st.booleans())
    def confirm(self, data, count: int, *, singly: bool) -> None:
        batch = [
            (self.pick(data, lambda paid: not paid.confirmed), data.draw(buyers))
            for _ in range(1 if singly else count)
        ]
        self.confirm_batch(batch, singly=singly)

    @precondition(lambda self: self.steps % 3 == 0)
    @rule(data=st.data())
    def cancel(self, data) -> None:
        number = self.pick(data, lambda paid: not paid.confirmed)
        method = self.ground.treasury.cancelPayment
        self.attempt("cancel", "platform_admin", method, payment_id(number), number=number)

    @has(lambda paid: paid.confirmed and paid.buyer is None)
    @rule(data=st.data())
    def refund(self, data) -> None:
        number = self.pick(data, lambda paid: paid.confirmed and paid.buyer is None)
        arguments = (payment_id(number), self.scene.address("payee"))
        method = self.ground.treasury.claimRefund
        self.attempt("refund", "platform_admin", method, *arguments, number=number, to="payee")

    @has(lambda paid: paid.receipt is not None)
    @rule(data=st.data(), approved=st.sampled_from([True, True, True, False]))
    def refund_receipt(self, data, *, approved: bool) -> None:
        number = self.pick(data, lambda paid: paid.receipt is not None)
        paid = self.model.payments.get(number)
        treasury = self.ground.treasury
        if approved and paid and paid.receipt:
            self.approve(paid)
        self.attempt(
            "refund_receipt",
            "stranger",
            treasury.claimRefund,
            payment_id(number),
            number=number,
            treasury=treasury.address,
            approved=bool(paid) and paid.receipt in self.approved,
        )

    @mostly(lambda model: model.goal_refunds_open)
    @rule(data=st.data(), count=st.integers(1, 2))
    def refund_missed_goal(self, data, count: int) -> None:
        chosen = [self.pick(data, lambda paid: paid.confirmed) for _ in range(count)]
        self.attempt(
            "refund_missed_goal",
            "stranger",
            self.ground.treasury.refundMissedGoal,
            [payment_id(number) for number in chosen],
            [self.witness(number) for number in chosen],
            numbers=chosen,
        )

    @has(lambda paid: paid.buyer is not None and paid.receipt is None)
    @rule(data=st.data())
    def mint_receipt(self, data) -> None:
        number = self.pick(data, lambda paid: paid.buyer is not None and paid.receipt is None)
        method = self.ground.treasury.mintReceipt
        arguments = (payment_id(number), self.witness(number))
        self.attempt("mint_receipt", "stranger", method, *arguments, number=number)

    @has(lambda paid: paid.buyer is not None and paid.receipt is None)
    @rule(data=st.data())
    def refund_buyer(self, data) -> None:
        number = self.pick(data, lambda paid: paid.buyer is not None and paid.receipt is None)
        method = self.ground.treasury.refundBuyer
        arguments = (payment_id(number), self.witness(number))
        self.attempt("refund_buyer", "platform_admin", method, *arguments, number=number)

    @mostly(lambda model: any(pot.available for pot in model.pots))
    @rule(who=st.sampled_from(["platform_admin", "creator"]))
    def withdraw(self, who: str) -> None:
        self.attempt("withdraw", who, self.ground.treasury.withdraw)

    @mostly(lambda model: any(pot.protocol_fee for pot in model.pots))
    @rule()
    def disburse(self) -> None:
        self.attempt("disburse", "stranger", self.ground.treasury.disburseFees)

    @mostly(lambda model: any(pot.claimable for pot in model.pots))
    @rule(token=tokens)
    def claim_items(self, token: int) -> None:
        method = self.ground.treasury.claimNonGoalLineItems
        self.attempt("claim_items", "platform_admin", method, self.token(token), token=token)

    @mostly(lambda m: m.now >= m.deadline and any(pot.committed for pot in m.pots))
    @rule()
    def claim_expired(self) -> None:
        method = self.ground.treasury.claimExpiredFunds
        self.attempt("claim_expired", "platform_admin", method)

    @precondition(lambda self: self.steps > LATE)
    @rule(token=tokens)
    def sweep_surplus(self, token: int) -> None:
        method = self.ground.treasury.sweepSurplus
        self.attempt("sweep_surplus", "platform_admin", method, self.token(token), token=token)

    @precondition(lambda self: self.steps > LATE and self.steps % 3 == 0)
    @rule()
    def cancel_treasury(self) -> None:
        method = self.ground.treasury.cancelTreasury
        self.attempt("cancel_treasury", "creator", method, REASON)

    @precondition(lambda self: self.steps > LATE and self.steps % 3 == 0)
    @rule()
    def cancel_campaign(self) -> None:
        method = self.ground.campaign.cancelCampaign
        self.attempt("cancel_campaign", "creator", method, REASON)

    @precondition(lambda self: self.steps > LATE)
    @rule(how_long=st.sampled_from(sorted(TIMES)))
    def wait(self, how_long: str) -> None:
        later = self.start + TIMES[how_long]
        self.model.now = max(self.model.now + 1, later if how_long != "a day" else 0)
        self.model.now += DAY if how_long == "a day" else 0


@pytest.fixture(scope="module")
def scene(protocol, people):
    treasuries.set_item_types(protocol, people)
    tokens = tuple(treasuries.token_of(decimals, people) for decimals in DECIMALS)
    grounds = tuple(
        treasuries.lay(protocol, people, kind, tokens, gated=gated, goal=GOAL)
        for gated in (False, True)
        for kind in (building.PAYMENT_TREASURY_ID, building.MIRROR_ID)
    )
    ape.chain.mine()
    return Scene(grounds, people, protocol.escrow.address)


def test_any_sequence_of_calls_keeps_the_books(scene):
    run_state_machine_as_test(
        lambda: TreasuryMachine(scene),
        settings=settings(
            max_examples=25,
            stateful_step_count=30,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
    assert not [name for name in MOVES if not done[name]]
