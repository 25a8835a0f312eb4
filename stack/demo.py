"""The main job, end to end: campaigns, payments, webhooks, ledger, chain, index, reconciliation."""

import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from indexer.chain.networks import network_by_name
from indexer.chain.rpc import ChainReader
from indexer.chain.types import PaymentId, TxHash, address_from_hex, hash_from_hex
from indexer.errors import PermanentError
from indexer.proof import verify_transaction
from offchain.gateways.crowdsplit.wire import METADATA_ATTEMPT
from stack.client import DemoClient
from stack.pictures import phone_picture
from stack.reconciliation import Expected, Reconciled, in_suspense, reconcile
from stack.scenario import CAMPAIGNS, PICTURED, CampaignPlan, PaymentPlan, plan_payments
from stack.supervisor import Supervisor
from stack.topology import Topology

CAMPAIGN_LIVE_TIMEOUT_S = 60
SETTLED_TIMEOUT_S = 120
SHOWN_TIMEOUT_S = 60
DEMO_TUNING = {
    "LASTRO_SWEEP_INTERVAL_S": "1",
    "LASTRO_POLL_INTERVAL_S": "2",
    "LASTRO_POLL_GAP_S": "4",
}
"""Everything the defaults do within a minute, within seconds: nobody likes to watch a wait."""
_LOOK_EVERY_S = 0.25
_UNAUTHORIZED = 401
_DONE = {"held_for_review", "expired", "final", "posted"}

Narrate = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Picture:
    """What became of a creator's picture."""

    sent_bytes: int
    shown_bytes: int
    width: int
    height: int
    page: str
    """Where it is seen."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the demo ended with."""

    states: dict[str, int]
    reconciled: dict[str, Reconciled]
    sample: dict[str, Any]
    """One final contribution as the API shows it."""
    is_proven: bool
    """Whether that contribution's transactions hold up against the node, without Lastro."""
    picture: Picture | None
    """None where the store is the user's own, which the demo leaves alone."""
    seconds: float

    @property
    def is_good(self) -> bool:
        """Whether the four accounts agree to the last minor unit and the sample is proven."""
        return self.is_proven and all(row.balances for row in self.reconciled.values())


class Demo:
    """Runs the scenario against a running stack.

    Args:
        topology: The running stack.
        supervisor: Watched while waiting, so that a crash is mended or ends the demo.
        narrate: Told each step in a few words.
        run: Suffix of this run's slugs; empty on a database of its own.
    """

    def __init__(
        self, topology: Topology, supervisor: Supervisor, narrate: Narrate, run: str = ""
    ) -> None:
        self._topology = topology
        self._supervisor = supervisor
        self._narrate = narrate
        self._run = run
        self._client = DemoClient(topology, run)
        self._payments = plan_payments()
        self._created: dict[int, dict[str, Any]] = {}

    def play(self) -> Outcome:
        """Run the whole scenario.

        Raises:
            PermanentError: Something did not happen in time, or an answer was wrong.
            StackFailed: A program crashed for good.
        """
        started = time.monotonic()
        try:
            self._register_campaigns()
            picture = self._send_picture()
            self._create_payments()
            self._refuse_forged_webhook()
            self._pay()
            shown = self._wait_until_settled()
            seen = None if picture is None else self._wait_until_shown(*picture)
            self._narrate("reconciling gateways, ledger, chain and Postgres")
            reconciled = self._reconcile(shown)
        finally:
            self._client.close()
        sample = next(item for item in shown.values() if state_of(item) == "final")
        self._narrate("proving one contribution from a node's raw answers alone")
        return Outcome(
            states=dict(Counter(state_of(item) for item in shown.values())),
            reconciled=reconciled,
            sample=sample,
            is_proven=self._prove(sample["onchain"]),
            picture=seen,
            seconds=round(time.monotonic() - started, 1),
        )

    def _register_campaigns(self) -> None:
        self._narrate("registering five campaigns: on Celo, on Polygon, and three fiat-only")
        for plan in CAMPAIGNS:
            self._client.register_campaign(plan)
        onchain = [plan for plan in CAMPAIGNS if plan.network is not None]
        self._narrate("waiting for their CampaignInfo and treasury to be live on-chain")
        self._until(
            lambda: all(self._is_live(plan) for plan in onchain),
            CAMPAIGN_LIVE_TIMEOUT_S,
            "both on-chain campaigns to be live",
        )

    def _is_live(self, plan: CampaignPlan) -> bool:
        onchain = self._client.campaign(plan)["onchain"]
        return onchain is not None and onchain["state"] == "live"

    def _send_picture(self) -> tuple[str, int] | None:
        if self._topology.objects.is_own:
            return None
        self._narrate("sending a phone's picture for a campaign's page straight to S3")
        picture = phone_picture()
        return self._client.send_picture(PICTURED, picture), len(picture)

    def _wait_until_shown(self, file_id: str, sent_bytes: int) -> Picture:
        def is_decided() -> bool:
            return self._client.file(file_id)["state"] not in {"pending", "uploaded", "processing"}

        self._until(is_decided, SHOWN_TIMEOUT_S, "the picture to be decided")
        file = self._client.file(file_id)
        if file["state"] != "ready":
            raise PermanentError(f"the picture is {file['state']}: {file['reason']}")
        page = self._client.page_url(PICTURED)
        return Picture(sent_bytes, file["size_bytes"], file["width"], file["height"], page)

    def _create_payments(self) -> None:
        self._narrate(f"creating {len(self._payments)} payments at three gateways")
        for plan in self._payments:
            created = self._client.create_payment(plan)
            if plan.gateway == "stripe" and created["client_secret"] is None:
                raise PermanentError("Stripe's script was given nothing to pay with")
            self._created[plan.number] = created

    def _refuse_forged_webhook(self) -> None:
        """Claim a payment with a forged signature; it must be refused and change nothing."""
        plan = next(plan for plan in self._payments if plan.fault == "bad_signature")
        attempt_id = self._created[plan.number]["payment_id"]
        forged = {
            "id": f"evt_forged_{plan.number}",
            "api_version": "v1",
            "event": "payment.captured",
            "category": "payment_lifecycle",
            "data": {"status": "captured", "metadata": {METADATA_ATTEMPT: attempt_id}},
        }
        status = self._client.post_forged_webhook(forged)
        if status != _UNAUTHORIZED:
            raise PermanentError(f"a forged webhook was answered {status}, not 401")
        after = self._client.contribution(attempt_id)["fiat_status"]
        if after != "awaiting":
            raise PermanentError(f"a forged webhook moved its payment to {after}")

    def _pay(self) -> None:
        self._narrate("paying them there; the gateways send their signed webhooks")
        at_gateway = {
            payment["metadata"][METADATA_ATTEMPT]: payment["id"]
            for payment in self._client.gateway_payments()
            if METADATA_ATTEMPT in payment["metadata"]
        }
        for plan in self._payments:
            created = self._created[plan.number]
            if created["authorization_url"] is not None:
                self._client.pay_on_page(created["authorization_url"])
            elif plan.fault != "expires_unpaid":
                self._pay_at_gateway(plan, at_gateway[created["payment_id"]])

    def _pay_at_gateway(self, plan: PaymentPlan, gateway_id: str) -> None:
        """Have a fake take the money, and do wrong what the plan wants wrong."""
        if plan.fault == "sent_twice":
            self._client.at_gateway(plan.gateway, "/webhooks", {"duplicate": 1, "times": 1})
        if plan.fault == "bad_signature":
            self._client.at_gateway(plan.gateway, "/webhooks", {"bad_signature": True, "times": 1})
        paid = plan.amount_minor - (1 if plan.fault == "wrong_amount" else 0)
        self._client.at_gateway(plan.gateway, f"/payments/{gateway_id}/pay", {"amount": paid})

    def _wait_until_settled(self) -> dict[str, dict[str, Any]]:
        shown: dict[str, dict[str, Any]] = {}
        last: Counter[str] = Counter()

        def all_done() -> bool:
            nonlocal last
            for plan in CAMPAIGNS:
                for item in self._client.contributions(plan):
                    shown[item["id"]] = item | {"settles_onchain": plan.network is not None}
            counted = Counter(state_of(item) for item in shown.values())
            if counted != last:
                self._narrate(", ".join(f"{n} {state}" for state, n in sorted(counted.items())))
                last = counted
            return len(shown) == len(self._payments) and not (set(counted) - _DONE)

        self._until(all_done, SETTLED_TIMEOUT_S, "every payment to reach its end")
        return shown

    def _reconcile(self, shown: dict[str, dict[str, Any]]) -> dict[str, Reconciled]:
        attempts: dict[str, PaymentPlan] = {
            self._created[plan.number]["payment_id"]: plan for plan in self._payments
        }
        for attempt_id, plan in attempts.items():
            good = state_of(shown[attempt_id]) in {"final", "posted"}
            if good != plan.is_settled_in_the_end:
                raise PermanentError(
                    f"payment {plan.number} ended {state_of(shown[attempt_id])}, fault {plan.fault}"
                )
        expected = [
            Expected(
                name=plan.slug if plan.network is None else plan.network.name,
                network=plan.network,
                campaign=self._client.campaign(plan),
                currency=plan.currency,
                asked_minor={
                    attempt: payment.amount_minor
                    for attempt, payment in attempts.items()
                    if payment.campaign is plan
                },
            )
            for plan in CAMPAIGNS
        ]
        rows = reconcile(self._topology, expected, self._client.gateway_payments())
        self._check_held(rows)
        return rows

    def _check_held(self, rows: dict[str, Reconciled]) -> None:
        """What is held at the gateways stands in the ledger's suspense account, by currency."""
        if self._run:  # a shared database may hold money of earlier runs there
            return
        for currency in {row.currency for row in rows.values()}:
            held = sum(row.held_minor for row in rows.values() if row.currency == currency)
            booked = in_suspense(self._topology, currency)
            if held != booked:
                raise PermanentError(
                    f"{held} minor units of {currency} are held at the gateways, but the ledger's "
                    f"suspense account says {booked}"
                )

    def _prove(self, onchain: dict[str, Any]) -> bool:
        url = self._topology.rpc_url(network_by_name(onchain["network"]))
        with closing(ChainReader([url])) as reader:
            return all(
                step.ok
                for transaction, confirms in (
                    (onchain["created_tx"], False),
                    (onchain["tx_hash"], True),
                )
                for step in verify_transaction(
                    reader,
                    TxHash(hash_from_hex(transaction)),
                    payment_id=PaymentId(hash_from_hex(onchain["payment_id"])),
                    treasury=address_from_hex(onchain["treasury"]),
                    confirms=confirms,
                )
            )

    def _until(self, happened: Callable[[], bool], timeout_s: float, what: str) -> None:
        deadline = time.monotonic() + timeout_s
        while not happened():
            self._supervisor.watch()
            if time.monotonic() > deadline:
                raise PermanentError(f"waited {timeout_s:.0f} s for {what}")
            time.sleep(_LOOK_EVERY_S)


def state_of(item: dict[str, Any]) -> str:
    """One word for where a contribution is, out of its three statuses."""
    if item["fiat_status"] in {"mismatch", "late_paid"}:
        return "held_for_review"
    if item["fiat_status"] != "captured":
        return str(item["fiat_status"])
    if not item["settles_onchain"]:
        return "posted"
    return str(item["chain_status"])
