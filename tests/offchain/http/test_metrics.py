"""What Prometheus is told, and that every alert asks for something that is told."""

import re
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import Engine, create_engine, insert, update
from structlog.testing import capture_logs

from offchain.claim_tables import recon_cursors
from offchain.http.app import create_app
from offchain.http.figures import Figures
from offchain.jobs.sweeps.registry import SWEEPS
from offchain.media.tables import files
from offchain.reconciliation.tables import corrections, listed_payments
from offchain.services import Services
from offchain.tables import inbox, job_runs, payment_attempts, webhook_refusals
from stack.settings import CHECKOUT
from stack.valkey import EmbeddedValkey
from tests.support.asgi import serving
from tests.support.claims import ask_back, observe, paid
from tests.support.jobs import away, opened, receive
from tests.support.offchain import add_attempt, add_campaign, add_pledge, http_settings, seen

ALERTS = CHECKOUT / "docs" / "alerts.yml"
NAME = "lastro_offchain_"


@pytest.fixture
def told(http: httpx.Client) -> Any:
    """Read every sample of the endpoint, by name and labels."""

    def read() -> dict[str, float]:
        answer = http.get("/metrics")
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/plain")
        found: dict[str, float] = {}
        for family in text_string_to_metric_families(answer.text):
            for sample in family.samples:
                labels = ",".join(f"{key}={value}" for key, value in sorted(sample.labels.items()))
                name = sample.name.removeprefix(NAME) + (f"{{{labels}}}" if labels else "")
                assert name not in found, f"{name} is told twice"
                found[name] = sample.value
        return found

    return read


def ago(**age: float) -> datetime:
    return datetime.now(UTC) - timedelta(**age)


def add(engine: Engine, table: Any, **columns: Any) -> None:
    with engine.begin() as connection:
        connection.execute(insert(table).values(columns))


def test_all_is_told_as_nothing_while_nothing_happened(told: Any) -> None:
    found = told()
    assert found["database_up"] == 1
    for name in (
        "inbox_events{state=new}",
        "inbox_events{state=unmatched}",
        "inbox_events{state=dead}",
        "inbox_oldest_seconds{state=new}",
        "unmatched_payments{effect=captured,gateway=crowdsplit}",
        "list_walked_timestamp_seconds{gateway=crowdsplit}",
        "captured_oldest_seconds",
        "held_payments{fiat_status=late_paid}",
        "held_payments{fiat_status=mismatch}",
        "refunds_due",
        "refunds_due_oldest_seconds",
    ):
        assert found[name] == 0, name
    assert {f"sweep_success_timestamp_seconds{{sweep={name}}}" for name in SWEEPS} <= set(found)
    assert found["process_resident_memory_bytes"] > 1_000_000


def test_webhooks_that_wait_are_counted_by_state_and_age(engine: Engine, told: Any) -> None:
    for state, age_s in (("new", 30), ("new", 90), ("unmatched", 700), ("dead", 9000), ("done", 1)):
        inbox_id = receive(engine)
        with engine.begin() as connection:
            connection.execute(
                update(inbox)
                .where(inbox.c.id == inbox_id)
                .values(state=state, received_at=ago(seconds=age_s))
            )
    found = told()
    assert found["inbox_events{state=new}"] == 2
    assert found["inbox_events{state=unmatched}"] == 1
    assert found["inbox_events{state=dead}"] == 1
    assert 90 <= found["inbox_oldest_seconds{state=new}"] < 120
    assert 700 <= found["inbox_oldest_seconds{state=unmatched}"] < 730


def test_refused_webhooks_and_corrections_are_counters(engine: Engine, told: Any) -> None:
    add(engine, webhook_refusals, gateway="crowdsplit", reason="forged", count=7)
    add(engine, corrections, gateway="crowdsplit", found_by="list", count=3)
    found = told()
    assert found["webhooks_refused_total{gateway=crowdsplit,reason=forged}"] == 7
    assert found["corrections_total{found_by=list,gateway=crowdsplit}"] == 3


def test_listed_payments_that_are_nobodys_are_counted_by_their_money(
    engine: Engine, told: Any
) -> None:
    for number, (state, effect) in enumerate(
        (
            ("unmatched", "captured"),
            ("unmatched", None),
            ("dismissed", "captured"),
            ("listed", None),
        )
    ):
        row = {"provider_payment_id": str(number), "state": state, "effect": effect}
        add(engine, listed_payments, gateway="crowdsplit", **row)
    walked = ago(minutes=3).replace(microsecond=0)
    add(engine, recon_cursors, gateway="crowdsplit", stream="payments", high_water=walked)
    found = told()
    assert found["unmatched_payments{effect=captured,gateway=crowdsplit}"] == 1
    assert found["unmatched_payments{effect=unknown,gateway=crowdsplit}"] == 1
    assert found["list_walked_timestamp_seconds{gateway=crowdsplit}"] == walked.timestamp()


def test_the_oldest_capture_that_is_not_final_is_told_wherever_it_waits(
    engine: Engine, login_engine: Engine, told: Any
) -> None:
    def captured_ago(attempt_id: uuid.UUID, hours: int) -> None:
        with engine.begin() as connection:
            connection.execute(
                update(payment_attempts)
                .where(payment_attempts.c.id == attempt_id)
                .values(captured_at=ago(hours=hours))
            )

    fiat = paid(engine, login_engine, onchain=False)
    captured_ago(fiat.id, 9)
    assert told()["captured_oldest_seconds"] == 0, "it settles in fiat only"
    queued = paid(engine, login_engine)
    captured_ago(queued.id, 2)
    assert 7200 <= told()["captured_oldest_seconds"] < 7230
    not_live = add_campaign(engine, onchain=True)
    waiting = add_attempt(engine, add_pledge(engine, not_live))
    observe(engine, seen(waiting))
    captured_ago(waiting, 3)
    assert 10_800 <= told()["captured_oldest_seconds"] < 10_830
    queued.final()
    captured_ago(waiting, 1)
    assert 3600 <= told()["captured_oldest_seconds"] < 3630


def test_held_money_and_due_refunds_are_told(
    engine: Engine, login_engine: Engine, services: Services, told: Any
) -> None:
    late = opened(services, fiat_status="expired")
    observe(engine, seen(late))
    wrong = opened(services)
    observe(engine, seen(wrong, received_minor=1))
    ask_back(engine, paid(engine, login_engine, onchain=False).id)
    found = told()
    assert found["held_payments{fiat_status=late_paid}"] == 1
    assert found["held_payments{fiat_status=mismatch}"] == 1
    assert found["refunds_due"] == 1
    assert 0 <= found["refunds_due_oldest_seconds"] < 30
    ask_back(engine, late)
    assert told()["held_payments{fiat_status=late_paid}"] == 0, "it is decided"


def test_open_payments_of_a_gateway_that_is_disabled_are_told_and_warned_of(
    engine: Engine, services: Services, told: Any, database_url: str, valkey: EmbeddedValkey
) -> None:
    def move(attempt_id: uuid.UUID, **columns: Any) -> None:
        with engine.begin() as connection:
            row = payment_attempts.c.id == attempt_id
            connection.execute(update(payment_attempts).where(row).values(columns))

    opened(services)
    move(opened(services), gateway="paystack")
    move(opened(services), gateway="paystack", fiat_status="authorized")
    move(opened(services), gateway="stripe", fiat_status="failed")
    found = {name: n for name, n in told().items() if name.startswith("open_payments")}
    assert found == {"open_payments_of_disabled_gateways{gateway=paystack}": 2}
    app = create_app(http_settings(database_url, valkey.url), services=services)
    with capture_logs() as logs, serving(app):
        pass
    warned = [log for log in logs if log["event"] == "gateway_disabled_with_open_payments"]
    assert [(log["gateway"], log["payments"]) for log in warned] == [("paystack", 2)]


def test_sweeps_tell_when_they_last_ended_well_and_the_ledgers_what_it_found(
    engine: Engine, told: Any
) -> None:
    well, ill = ago(minutes=5).replace(microsecond=0), ago(minutes=1)
    add(engine, job_runs, name="ledger_check", slot=1, finished_at=well, done=2)
    add(engine, job_runs, name="ledger_check", slot=2, finished_at=ill, error="OperationalError")
    add(engine, job_runs, name="ledger_check", slot=3)
    found = told()
    name = "sweep_success_timestamp_seconds{sweep=ledger_check}"
    assert found[name] == well.timestamp()
    assert found["ledger_faults"] == 2


def test_only_the_databases_absence_is_told_while_it_is_away(
    services: Services, crowdsplit: Any
) -> None:
    nowhere = services.engine.url.set(port=1)
    gone = Services(create_engine(nowhere), {"crowdsplit": away(crowdsplit)}, services.chains)
    families = list(Figures(gone).collect())
    assert [(one.name, one.samples[0].value) for one in families] == [(f"{NAME}database_up", 0)]


def test_every_metric_of_an_alert_is_told(engine: Engine, http: httpx.Client) -> None:
    add(engine, webhook_refusals, gateway="crowdsplit", reason="forged", count=1)
    add(engine, corrections, gateway="crowdsplit", found_by="poll", count=1)
    add(engine, job_runs, name="ledger_check", slot=1, finished_at=ago(), done=0)
    add(
        engine,
        files,
        id=uuid.uuid4(),
        campaign_id=add_campaign(engine, onchain=False),
        purpose="gallery",
        object_key="media/1.jpg",
        declared_type="image/jpeg",
        declared_bytes=1,
        state="refused",
        reason="type_differs",
        url_expires_at=ago(),
        decided_at=ago(),
    )
    text = http.get("/metrics").text
    named = set(re.findall(rf"\b{NAME}\w+", ALERTS.read_text()))
    assert len(named) >= 10
    assert {name for name in named if f"\n{name}{{" not in text and f"\n{name} " not in text} == (
        set()
    )


def test_every_figure_stands_in_the_operators_page(http: httpx.Client) -> None:
    page = (CHECKOUT / "docs" / "operations.md").read_text()
    told = {
        line.split()[2].removeprefix(NAME)
        for line in http.get("/metrics").text.splitlines()
        if line.startswith(f"# TYPE {NAME}")
    }
    assert len(told) >= 10
    assert [name for name in sorted(told) if f"`{name}" not in page] == []
