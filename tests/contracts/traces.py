"""A scripted life of a treasury, and what of it can be compared: names instead of addresses."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import ape
import building
import treasuries
import world
from ape.contracts import ContractInstance
from eth_utils import keccak
from world import DAY, REAL, ZERO

if TYPE_CHECKING:
    from ape.api import ReceiptAPI

NAMED = 40  # payments, and what belongs to them, that a trace may name
EVENTS = {
    "PaymentCreated(address,bytes32,bytes32,bytes32,address,uint256,uint256,bool)",
    "PaymentBatchCreated(bytes32[])",
    "PaymentConfirmed(bytes32)",
    "PaymentBatchConfirmed(bytes32[])",
    "PaymentCancelled(bytes32)",
    "PaymentExtrasRecorded(bytes32,bytes32,bytes32,uint256,uint256,uint256,uint256,uint256)",
    "RefundClaimed(bytes32,uint256,address)",
    "FeesDisbursed(address,uint256,uint256)",
    "WithdrawalWithFeeSuccessful(address,address,uint256,uint256)",
    "NonGoalLineItemsClaimed(address,uint256,address)",
    "ExpiredFundsClaimed(address,uint256,uint256)",
    "SurplusSwept(address,address,uint256)",
    "Cancelled(address,bytes32)",
    "PledgeNFTMinted(uint256,address,address,bytes32)",
    "Transfer(address,address,uint256)",
    "Approval(address,address,uint256)",
}


@dataclass
class Life:
    """A treasury whose transactions are written down."""

    treasury: ContractInstance
    campaign: ContractInstance
    token: ContractInstance
    people: world.People
    start: int
    names: dict[bytes, str] = field(default_factory=dict)
    trace: list[dict] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.names |= {
            world.word(account.address): name for name, account in vars(self.people).items()
        }
        self.names |= {
            world.word(self.treasury.address): "treasury",
            world.word(self.campaign.address): "campaign",
            world.word(self.token.address): "token",
            world.REASON: "a reason",
        }
        for number in range(NAMED):
            for part in ("payment", "buyer", "item"):
                self.names[keccak(text=f"{part} {number}")] = f"{part} {number}"

    def step(self, name: str, receipt: ReceiptAPI) -> None:
        """Write down a transaction's logs, and everybody's tokens after it."""
        self.trace.append(
            {
                "step": name,
                "logs": [self.described(log) for log in receipt.logs],
                "balances": self.balances(),
            }
        )

    def described(self, log: dict) -> dict:
        event, *topics = (bytes(topic) for topic in log["topics"])
        data = bytes(log["data"])
        words = [data[at : at + 32] for at in range(0, len(data), 32)]
        return {
            "by": self.named(world.word(log["address"])),
            "event": EVENT_NAMES[event],
            "indexed": [self.named(topic) for topic in topics],
            "data": [self.named(word) for word in words],
        }

    def named(self, word: bytes) -> str:
        """A word as a name, a time after the start, a number, or a hash."""
        if word in self.names:
            return self.names[word]
        number = int.from_bytes(word, "big")
        if self.start <= number < self.start + 365 * DAY:
            return f"start + {number - self.start}"
        return str(number) if number < 2**128 else word.hex()

    def balances(self) -> dict[str, str]:
        holders = {name: account.address for name, account in vars(self.people).items()}
        holders["treasury"] = self.treasury.address
        found = {name: self.token.balanceOf(address) for name, address in holders.items()}
        return {name: str(amount) for name, amount in found.items() if amount}


EVENT_NAMES = {keccak(text=signature): signature for signature in EVENTS}


def begin(protocol, people, kind: int) -> Life:
    token = world.new_token(people.stranger)
    ground = treasuries.lay(protocol, people, kind, (token,))
    return Life(ground.treasury, ground.campaign, token, people, ground.launch - 100)


def payment(life: Life, number: int, *items: tuple, fees: tuple = ()) -> world.Payment:
    return world.a_payment(
        life.token,
        number,
        amount=(10 + number) * REAL + number,
        expiration=life.start + 10 * DAY,
        line_items=items,
        external_fees=fees,
    )


def live(life: Life) -> None:
    """Every way of a payment that needs no signature, and every way of its money."""
    treasury, token, people = life.treasury, life.token, life.people
    admin = people.platform_admin
    single = payment(life, 1)
    batch = [payment(life, number) for number in range(2, 8)]
    extras = [
        payment(
            life,
            8,
            treasuries.line_item("reward extra", 3 * REAL),
            treasuries.line_item("shipping", 2 * REAL + 99),
            treasuries.line_item("tip", REAL + 1),
            treasuries.line_item("service", REAL // 2),
            fees=((keccak(text="card"), 77),),
        ),
        payment(life, 9, treasuries.line_item("shipping", 5 * REAL)),
    ]
    life.step("create", treasury.createPayment(*single.arguments, sender=admin))
    columns = world.columns(batch)
    life.step("create a batch", world.send(treasury.createPaymentBatch, *columns, sender=admin))
    for extra in extras:
        life.step("create with items", treasury.createPayment(*extra.arguments, sender=admin))
    life.step("fund", token.mint(treasury, 1_000 * REAL, sender=people.stranger))
    life.step("confirm", treasury.confirmPayment(single.payment_id, ZERO, sender=admin))
    ids = [each.payment_id for each in batch]
    nobody = [ZERO, ZERO]
    life.step("confirm a batch", treasury.confirmPaymentBatch(ids[:2], nobody, sender=admin))
    named = [people.buyer, ZERO, people.stranger]
    life.step(
        "confirm a batch with receipts",
        treasury.confirmPaymentBatch(ids[2:5], named, sender=admin),
    )
    for extra in extras:
        receipt = treasury.confirmPayment(extra.payment_id, ZERO, sender=admin)
        life.step("confirm with items", receipt)
    settled = [
        treasuries.settlement(20, 40 * REAL),
        treasuries.settlement(21, 50 * REAL + 3, people.buyer.address),
    ]
    life.step("settle", world.send(treasury.settleBatch, token, settled, sender=admin))
    witness = (*settled[1][1:3], people.buyer.address)
    receipt = treasury.mintReceipt(settled[1][0], witness, sender=people.stranger)
    life.step("mint a receipt", receipt)
    life.step("cancel", treasury.cancelPayment(ids[5], sender=admin))
    refund = treasury.claimRefund(single.payment_id, people.payee, sender=admin)
    life.step("refund", refund)
    refund = treasury.claimRefund(extras[1].payment_id, people.payee, sender=admin)
    life.step("refund with items", refund)
    life.step("approve", life.campaign.approve(treasury, 1, sender=people.buyer))
    receipt = world.send(treasury.claimRefund, ids[2], sender=people.stranger)
    life.step("refund a receipt", receipt)
    life.step("withdraw", treasury.withdraw(sender=people.creator))
    life.step("disburse", treasury.disburseFees(sender=people.stranger))
    life.step("claim items", treasury.claimNonGoalLineItems(token, sender=admin))
    life.step("sweep surplus", treasury.sweepSurplus(token, sender=admin))


def end(life: Life) -> None:
    """What comes in after the withdrawal, and is swept."""
    treasury, token, people = life.treasury, life.token, life.people
    admin = people.platform_admin
    late = [payment(life, 10, treasuries.line_item("shipping", 7)), payment(life, 11)]
    columns = world.columns(late)
    life.step("create again", world.send(treasury.createPaymentBatch, *columns, sender=admin))
    life.step("fund again", token.mint(treasury, 100 * REAL, sender=people.stranger))
    ids = [each.payment_id for each in late]
    receipt = treasury.confirmPaymentBatch(ids, [ZERO, ZERO], sender=admin)
    life.step("confirm again", receipt)
    ape.chain.mine(timestamp=life.start + 31 * DAY)
    life.step("sweep", treasury.claimExpiredFunds(sender=admin))
    life.step("cancel the treasury", treasury.cancelTreasury(world.REASON, sender=admin))


def trace(protocol, people, kind: int) -> dict:
    """The whole life of a new treasury of a kind."""
    treasuries.set_item_types(protocol, people)
    life = begin(protocol, people, kind)
    live(life)
    end(life)
    return {
        "kind": building.TREASURY_KINDS[kind],
        "trace": life.trace,
        "figures": treasuries.figures(life.treasury),
    }
