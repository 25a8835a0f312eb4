"""Where the storm takes place: the service's processes, and the gateway that sends to them."""

import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from threading import Event, Lock
from typing import Any
from uuid import UUID

import httpx
from sqlalchemy import Engine, create_engine

from benchmarks.ground import Ground, ground
from benchmarks.webhook_storm_plan import Delivery, Fate, Payment
from benchmarks.webhooks_site import PATH
from indexer.chain.types import to_hex
from indexer.db.session import database_url
from offchain.money import Currency, MinorUnits, Money
from stack.fakes.crowdsplit.webhooks import envelope, sign
from stack.fakes.delivery import Signing
from stack.ports import free_port
from stack.valkey import EmbeddedValkey
from tests.support.crowdsplit import WEBHOOK_SECRET, FakeCrowdSplit, new_payment, running_fake
from tests.support.environment import bare_environment
from tests.support.offchain import (
    DEPLOYMENT,
    add_attempt,
    add_campaign,
    add_pledge,
    environment,
    make_live,
)
from tests.support.servers import running

CHECKOUT = Path(__file__).resolve().parents[1]
REPEAT_PAUSE_S = 0.2
TIMEOUT_S = 30.0
AMOUNT_MIN, AMOUNT_MAX = 100, 100_000
LOST_ANSWER_EVERY = 7
"""So many payments, one of them is known to us by our own name only: its answer was lost."""
FATES: Sequence[Fate] = ("unpaid", "failed", *("paid",) * 7)
"""By turns; an odd number, so that either campaign has all."""
_NOT_DURABLE = {"fsync": "off", "full_page_writes": "off"}
"""Its processes die here, and not the machine; what is committed is written before that is said."""
_PACES = {
    "LASTRO_GATEWAY_CALLS_PER_S": "1000",
    "LASTRO_SWEEP_INTERVAL_S": "1",
    "LASTRO_POLL_INTERVAL_S": "5",
    "LASTRO_POLL_GAP_S": "10",
    "LASTRO_LIST_INTERVAL_S": "20",
    "LASTRO_LEDGER_CHECK_INTERVAL_S": "20",
}


@dataclass(slots=True)
class Process:
    """One process of the service, and its successors."""

    name: str
    variables: dict[str, str]
    home: Path
    starts: int = 0
    ends_unasked: int = 0
    _running: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        """What the one that runs says."""
        return self.home / f"{self.name}-{self.starts}.log"

    def start(self) -> None:
        """Start it, or the one after it."""
        self.starts += 1
        with self.log.open("wb") as output:
            self._running = subprocess.Popen(
                [sys.executable, "-m", "offchain", self.name.partition("-")[0]],
                cwd=CHECKOUT,
                env=bare_environment(**self.variables),
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def tend(self) -> None:
        """Start it again where it ended by itself, as a supervisor does."""
        if self._running is not None and self._running.poll() is not None:
            self.ends_unasked += 1
            self.start()

    def has_said(self, word: str) -> bool:
        """Whether its log has a word."""
        return word.encode() in self.log.read_bytes()

    def kill(self) -> None:
        """Kill it, whatever it does."""
        if self._running is not None:
            self._running.kill()
            self._running.wait()

    def end(self) -> None:
        """Let it end in order."""
        if self._running is not None:
            self._running.terminate()
            self._running.wait()
            self._running = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where the storm takes place."""

    base: Ground
    engine: Engine
    fake: FakeCrowdSplit
    processes: Sequence[Process]
    url: str
    """Of the write API."""

    @property
    def victim(self) -> Process:
        """The worker that is killed."""
        return self.processes[-1]


@contextmanager
def storm_place() -> Iterator[Place]:
    """Set up everything, but for the processes of the service: they are not started yet."""
    prefix = "lastro-storm-"
    with tempfile.TemporaryDirectory(prefix=prefix) as directory, ground(_NOT_DURABLE) as base:
        home = Path(directory)
        record = json.dumps(DEPLOYMENT.model_dump(), default=to_hex)
        (home / f"{DEPLOYMENT.network}.json").write_text(record)
        valkey = EmbeddedValkey(home / "valkey", free_port())
        with (
            running(valkey.command(), answers=valkey.answers, log=home / "valkey.log"),
            running_fake(home) as fake,
        ):
            database, port = base.database(), free_port()
            variables = environment(
                database,
                valkey.url,
                LASTRO_HTTP_PORT=str(port),
                CROWDSPLIT_BASE_URL=fake.url,
                CROWDSPLIT_WEBHOOK_SECRETS=WEBHOOK_SECRET,
                LASTRO_CHAINS=DEPLOYMENT.network,
                LASTRO_DEPLOYMENTS_DIR=str(home),
                **_PACES,
            )
            names = ("http", "cron", "worker-steady", "worker-victim")
            processes = [Process(name, variables, home) for name in names]
            engine = create_engine(database_url(database), pool_pre_ping=True)
            try:
                yield Place(base, engine, fake, processes, f"http://127.0.0.1:{port}")
            finally:
                engine.dispose()
                for process in processes:
                    process.end()


def make_payments(
    engine: Engine, fake: FakeCrowdSplit, count: int, dice: Random
) -> Sequence[Payment]:
    """Make payments of two campaigns, one that settles on-chain and is live, one in fiat only."""
    onchain = add_campaign(engine, onchain=True)
    make_live(engine, onchain)
    homes = ((onchain, True), (add_campaign(engine), False))
    adapter = fake.adapter()
    made = []
    for number in range(count):
        campaign_id, is_onchain = homes[number % len(homes)]
        amount = Money(MinorUnits(dice.randint(AMOUNT_MIN, AMOUNT_MAX)), Currency("brl"))
        pledge_id = add_pledge(engine, campaign_id, amount=amount)
        attempt_id = UUID(int=dice.getrandbits(128), version=4)
        seen = adapter.create_payment(new_payment(attempt_id=attempt_id, amount=amount))
        known: dict[str, Any] = {"id": attempt_id}
        if number % LOST_ANSWER_EVERY:
            known |= {"provider_payment_id": seen.provider_payment_id, "fiat_status": "awaiting"}
        add_attempt(engine, pledge_id, amount=amount, **known)
        name, fate = seen.provider_payment_id, FATES[number % len(FATES)]
        own = (attempt_id, pledge_id, campaign_id)
        made.append(Payment(*own, name, amount.minor, fate, is_onchain))
    return made


def written(delivery: Delivery) -> tuple[bytes, dict[str, str]]:
    """The body of a delivery, and its headers as of now."""
    body = _body(delivery)
    secret = "a guess" if delivery.forgery == "secret" else WEBHOOK_SECRET
    signing = Signing(secret, int(time.time()), is_forged=delivery.forgery == "signature")
    told = replace(delivery, event="updated") if delivery.forgery == "body" else delivery
    return body, {"Content-Type": "application/json", **sign(_body(told), signing)}


def _body(delivery: Delivery) -> bytes:
    payment = delivery.payment
    data: dict[str, Any] = {
        "id": f"pay_{payment.provider_payment_id}",
        "type": "payment",
        "provider": "pagar_me",
        "status": delivery.event,
        "source": {"amount": payment.minor, "currency": "brl", "payment_method": {"type": "pix"}},
        "metadata": {"lastro_attempt_id": str(payment.attempt_id)},
    }
    return envelope(f"evt_{delivery.event_id}", f"payment.{delivery.event}", data)


class Senders:
    """Send a plan from several threads; what is neither taken nor refused for good comes again."""

    def __init__(self, deliveries: Sequence[Delivery], fake: FakeCrowdSplit, url: str) -> None:
        self._deliveries = deliveries
        self._fake = fake
        self._url = url
        self._lock = Lock()
        self._begun = 0
        self._decided: set[str] = set()
        self.stopped = Event()
        self.gate = Event()
        """Nothing new is sent while it is not set."""
        self.acknowledged: set[str] = set()
        self.answers: Counter[int] = Counter()
        """By status; 0 where there was none."""
        self.forged_taken = 0

    def run(self) -> None:
        """Send until everything is sent."""
        with httpx.Client(timeout=TIMEOUT_S) as client:
            while (delivery := self._next()) is not None:
                while not self._is_over(client, delivery):
                    if self.stopped.wait(REPEAT_PAUSE_S):
                        return

    @property
    def begun(self) -> float:
        """How much of the plan is under way, of 1."""
        return self._begun / len(self._deliveries)

    def _next(self) -> Delivery | None:
        self.gate.wait()
        with self._lock:
            if self.stopped.is_set() or self._begun == len(self._deliveries):
                return None
            delivery = self._deliveries[self._begun]
            self._begun += 1
            self._decide(delivery)
            return delivery

    def _decide(self, delivery: Delivery) -> None:
        """Let it happen at the gateway, just before that is told for the first time."""
        steps = {"captured": "pay", "failed": "fail"}
        is_news = delivery.forgery is None and delivery.event_id not in self._decided
        if is_news and delivery.event in steps:
            self._decided.add(delivery.event_id)
            name = delivery.payment.provider_payment_id
            self._fake.control(f"/payments/{name}/{steps[delivery.event]}")

    def _is_over(self, client: httpx.Client, delivery: Delivery) -> bool:
        """Post once; whether it is taken, or a forged one is refused for good."""
        body, headers = written(delivery)
        try:
            status = client.post(self._url + PATH, content=body, headers=headers).status_code
        except httpx.HTTPError:
            status = 0
        is_forged = delivery.forgery is not None
        with self._lock:
            self.answers[status] += 1
            if httpx.codes.is_success(status):
                self.forged_taken += is_forged
                self.acknowledged |= set() if is_forged else {delivery.event_id}
                return True
        return is_forged and status == httpx.codes.UNAUTHORIZED
