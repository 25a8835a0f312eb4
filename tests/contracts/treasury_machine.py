"""A treasury and the model of it, side by side: how a call is tried, and what holds after it."""

from __future__ import annotations

from collections import Counter
from copy import deepcopy
from dataclasses import dataclass

import node
import treasuries
import world
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant
from treasury_model import Model, Paid, RefusedError, payment_id
from world import BUFFER_TIME, DAY, PLATFORM_FEE, PROTOCOL_FEE, REAL, ZERO

DECIMALS = (18, 6)
GOAL = 60 * REAL
NUMBERS = range(8)  # few, so that ids are used again
STAGES = ["empty", "funded", "expected", "confirmed", "late", "missed"]
REFUNDED_WHOLE = {"reward extra", "packaging"}  # all that a goal-gated campaign takes
FALLS = {"refund", "refund_buyer", "refund_receipt", "refund_missed_goal", "claim_expired"}

done: Counter[str] = Counter()


@dataclass(frozen=True)
class Scene:
    grounds: tuple[treasuries.Ground, ...]
    people: world.People
    escrow: str

    def address(self, role: str | None) -> str:
        if role is None:
            return ZERO
        return self.escrow if role == "escrow" else getattr(self.people, role).address


def base_units(centavos: int, token: int) -> int:
    return centavos * 10 ** (DECIMALS[token] - 2) + (centavos % 7)  # dust in the last digit


def classify(items: list[tuple[str, int]]) -> dict[str, int]:
    """What becomes of line items, by the flags of their types."""
    sums: Counter[str] = Counter()
    for label, amount in items:
        goal, feeable, refundable, instant = treasuries.ITEM_TYPES[label]
        fee = amount * PROTOCOL_FEE // 10_000 if feeable else 0
        kind = "goal" if goal else "instant" if instant else None
        kind = kind or ("refundable" if refundable else "claimable")
        sums.update({kind: amount - fee, "fee": fee})
    return dict(sums)


def refusal_of(call, arguments: dict) -> RefusedError | None:
    try:
        call(**arguments)
    except RefusedError as refused:
        return refused
    return None


class TreasuryBeside(RuleBasedStateMachine):
    def __init__(self, scene: Scene) -> None:
        super().__init__()
        self.scene = scene
        self.snapshot = ""
        self.steps = 0

    @initialize(kind=st.integers(0, 1), gated=st.booleans(), stage=st.sampled_from(STAGES))
    def begin(self, *, kind: int, gated: bool, stage: str) -> None:
        self.ground = self.scene.grounds[2 * gated + kind]
        self.snapshot, block = node.results(
            ("evm_snapshot",), ("eth_getBlockByNumber", "latest", False)
        )
        self.model = Model(
            decimals=DECIMALS,
            protocol_bps=PROTOCOL_FEE,
            platform_bps=PLATFORM_FEE,
            deadline=self.ground.deadline,
            decides_at=self.ground.deadline + BUFFER_TIME,
            gated=self.ground.gated,
            goal=GOAL,
            now=int(block["timestamp"], 16),
        )
        self.start = self.model.now
        self.step = ""
        self.last_raised = 0
        self.approved: set[int] = set()
        self.go_to(stage)

    def go_to(self, stage: str) -> None:
        """Begin in the middle of a life; what leads there is checked like everything else."""
        wanted = STAGES[: STAGES.index(stage) + 1]
        if "funded" in wanted:
            for token in range(len(DECIMALS)):
                self.fund_with(token, 60_000)
        if "expected" in wanted:
            items = ["packaging"] if self.model.gated else ["tip", "service", "shipping"]
            drafts = [(0, 0, 2_000, items, False), (1, 1, 4_999, [], False), (2, 0, 300, [], True)]
            self.create_drafts(drafts, singly=False)
        if "confirmed" in wanted:
            few = stage == "missed"
            self.confirm_batch([(1, "buyer"), *[(0, None)] * (not few)], singly=False)
        if "late" in wanted:
            self.model.now = self.model.decides_at

    def teardown(self) -> None:
        if self.snapshot:
            node.results(("evm_revert", self.snapshot))

    # How a call is tried.

    def attempt(self, name: str, sender: str, method, *arguments: object, **model: object) -> None:
        """Do the same to model and treasury; both do it, or both refuse for the same reason."""
        self.step = name
        data = world.calldata(method, *arguments)
        who, target = self.scene.address(sender), method.contract.address
        trial = deepcopy(self.model)
        trial.now += 1
        refusal = refusal_of(getattr(trial, name), model)
        if refusal is not None:
            expected = world.error_bytes(refusal.signature, *refusal.values)
            assert node.revert_data(who, target, data, trial.now) == expected, refusal
            return
        assert node.send(who, target, data, trial.now), name
        self.model = trial
        done[name] += 1

    def approve(self, paid: Paid) -> None:
        """The receipt's owner lets the treasury burn it."""
        self.model.now += 1
        campaign = self.ground.campaign
        call = world.calldata(campaign.approve, self.ground.treasury, paid.receipt)
        owner = self.scene.address(paid.buyer)
        assert node.send(owner, campaign.address, call, self.model.now)
        self.approved.add(paid.receipt)

    def token(self, index: int) -> str:
        return self.ground.tokens[index].address

    def pick(self, data, wanted) -> int:
        """Mostly a payment of the wanted kind, sometimes any number."""
        fitting = [number for number, paid in self.model.payments.items() if wanted(paid)]
        return data.draw(st.sampled_from(fitting * 4 + list(NUMBERS)[:2] if fitting else NUMBERS))

    def unused(self, wanted: list[int]) -> list[int]:
        """Free ids instead of those drawn, but for every fourth step."""
        free = [number for number in NUMBERS if number not in self.model.payments]
        if self.steps % 4 == 0 or len(free) < len(wanted):
            return wanted
        start = wanted[0] % (len(free) - len(wanted) + 1)
        return free[start : start + len(wanted)]

    def fund_with(self, token: int, centavos: int) -> None:
        amount = base_units(centavos, token)
        self.step = "fund"
        self.model.now += 1
        mint = self.ground.tokens[token].mint
        data = world.calldata(mint, self.ground.treasury, amount)
        assert node.send(self.scene.address("stranger"), self.token(token), data, self.model.now)
        self.model.pots[token].entered += amount

    def create_drafts(self, drafts: list, *, singly: bool) -> None:
        payments, expected = [], []
        chosen = self.unused([number for number, *_ in drafts])
        for number, (_, token, amount, labels, soon) in zip(chosen, drafts, strict=True):
            whole = self.model.gated and self.steps % 4
            items = [
                (label, base_units(amount, token) // 3 + 1)
                for label in labels
                if not whole or label in REFUNDED_WHOLE
            ]
            payment = world.Payment(
                *treasuries.settlement(number)[:3],
                token=self.token(token),
                amount=base_units(amount, token),
                expiration=self.start + (2 * DAY if soon else 80 * DAY),
                line_items=tuple(treasuries.line_item(*item) for item in items),
            )
            payments.append(payment)
            paid = Paid(token, payment.amount, classify(items), payment.expiration)
            expected.append((number, paid))
        treasury = self.ground.treasury
        method = treasury.createPayment if singly else treasury.createPaymentBatch
        arguments = payments[0].arguments if singly else world.columns(payments)
        self.attempt("create", "platform_admin", method, *arguments, drafts=expected)

    def confirm_batch(self, batch: list, *, singly: bool) -> None:
        ids = [payment_id(number) for number, _ in batch]
        named = [self.scene.address(buyer) for _, buyer in batch]
        treasury = self.ground.treasury
        if singly:
            method, arguments = treasury.confirmPayment, (ids[0], named[0])
        else:
            method, arguments = treasury.confirmPaymentBatch, (ids, named)
        self.attempt("confirm", "platform_admin", method, *arguments, batch=batch)

    def witness(self, number: int) -> tuple:
        paid = self.model.payments.get(number)
        buyer = self.scene.address(paid.buyer if paid else None)
        return (*treasuries.settlement(number)[1:3], buyer)

    # What holds after each of them.

    @invariant()
    def views_equal_the_model(self) -> None:
        treasury = self.ground.treasury
        views = [getattr(treasury, f"get{name}Amount") for name in treasuries.VIEWS]
        calls = [node.view(treasury.address, world.calldata(method)) for method in views]
        found = [int(answer, 16) for answer in node.results(*calls)]
        assert dict(zip(treasuries.VIEWS, found, strict=True)) == self.model.figures()

    @invariant()
    def payments_equal_the_model(self) -> None:
        treasury = self.ground.treasury
        data = [world.calldata(treasury.getPaymentData, payment_id(each)) for each in NUMBERS]
        answers = node.ask(*(node.view(treasury.address, call) for call in data))
        for number, answer in zip(NUMBERS, answers, strict=True):
            paid = self.model.payments.get(number)
            assert ("result" in answer) == (paid is not None)
            if paid is None:
                continue
            words = [int(answer["result"][at : at + 64], 16) for at in range(66, 66 + 9 * 64, 64)]
            assert (words[3], bool(words[5])) == (paid.amount, paid.confirmed)
            assert words[8] == int(self.token(paid.token), 16)

    @invariant()
    def books_cover_what_is_owed(self) -> None:
        tokens = zip(self.ground.tokens, self.model.pots, strict=True)
        for index, (token, pot) in enumerate(tokens):
            books = treasuries.account_of(self.ground.treasury, token)
            held = self.balances(token.address)
            treasury = held.pop("treasury")
            assert books["committed"] == pot.committed <= treasury == pot.balance
            fields = ("lifetime", "refunded", "swept", "withdrawn", "claimable", "refundable")
            assert [books[name] for name in fields] == [getattr(pot, name) for name in fields]
            assert books["pendingItems"] == self.model.pending_items(index)
            fees = (books["protocolFee"], books["platformFee"])
            assert fees == (pot.protocol_fee, pot.platform_fee)
            assert {role: amount for role, amount in held.items() if amount} == pot.left
            assert sum(held.values()) <= pot.entered

    @invariant()
    def raised_falls_only_by_refund_or_sweep(self) -> None:
        self.steps += 1
        raised = self.model.raised()
        assert raised >= self.last_raised or self.step in FALLS
        self.last_raised = raised

    def balances(self, token: str) -> dict[str, int]:
        roles = {role: account.address for role, account in vars(self.scene.people).items()}
        roles |= {"escrow": self.scene.escrow, "treasury": self.ground.treasury.address}
        balance_of = self.ground.tokens[0].balanceOf
        calls = (node.view(token, world.calldata(balance_of, each)) for each in roles.values())
        answers = node.results(*calls)
        return {role: int(found, 16) for role, found in zip(roles, answers, strict=True)}
