"""What a payment shows of itself, and for how long it can be paid."""

import struct
import uuid
import zlib
from datetime import timedelta
from typing import Any

import httpx
import pytest
import segno
from sqlalchemy import Engine, insert, select, update

from offchain.claim_tables import refunds
from offchain.tables import backers, payment_attempts
from tests.support.checkout import pay, slug_of
from tests.support.offchain import NOW, add_attempt, add_campaign, add_pledge, attempt

FORMAT_MASK = 0b101010000010010
LEVEL_M = 0b00


@pytest.fixture
def http(http: httpx.Client, engine: Engine) -> httpx.Client:
    """The write API with an open campaign."""
    add_campaign(engine, slug="open-campaign")
    return http


def change(engine: Engine, payment_id: str, **columns: Any) -> None:
    with engine.begin() as connection:
        connection.execute(
            update(payment_attempts)
            .where(payment_attempts.c.id == uuid.UUID(payment_id))
            .values(columns)
        )


def captured(engine: Engine, payment_id: str, **columns: Any) -> None:
    change(
        engine,
        payment_id,
        fiat_status="captured",
        booked_to="campaign",
        received_minor=5000,
        received_currency="brl",
        captured_at=NOW,
        **columns,
    )


def test_payment_shows_where_it_is_and_how_to_pay_it_while_it_waits(http: httpx.Client) -> None:
    made = pay(http, metadata={"order": "A-17"}).json()
    answer = http.get(f"/v1/payments/{made['payment_id']}")
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    shown = answer.json()
    assert (shown["status"], shown["fiat_status"]) == ("awaiting_confirmation", "awaiting")
    assert (shown["chain_status"], shown["claim_status"]) == ("none", "none")
    for name in ("payment_id", "amount_minor", "currency", "expires_at", "pix", "metadata"):
        assert shown[name] == made[name]
    assert (shown["campaign"], shown["refunded_minor"]) == ("open-campaign", 0)


def test_payment_tells_neither_its_backer_nor_its_pledge_nor_a_secret(
    http: httpx.Client, engine: Engine
) -> None:
    made = pay(http, backer_reference="ana@example.org").json()
    change(engine, made["payment_id"], client_secret="pi_1_secret_2")
    text = http.get(f"/v1/payments/{made['payment_id']}").text
    with engine.connect() as connection:
        backer_id = connection.execute(select(backers.c.id)).scalar_one()
    for secret in ("ana@example.org", str(backer_id), made["pledge_id"], "pi_1_secret_2"):
        assert secret not in text


@pytest.mark.parametrize(
    ("fiat", "status"),
    [
        ("authorized", "processing"),
        ("failed", "failed"),
        ("expired", "failed"),
        ("canceled", "failed"),
        ("late_paid", "held"),
        ("mismatch", "held"),
        ("returned", "returned"),
    ],
)
def test_payment_can_no_longer_be_paid_once_it_has_moved_on(
    http: httpx.Client, engine: Engine, fiat: str, status: str
) -> None:
    made = pay(http).json()
    change(engine, made["payment_id"], fiat_status=fiat, authorization_url="https://pay.example")
    shown = http.get(f"/v1/payments/{made['payment_id']}").json()
    assert (shown["status"], shown["fiat_status"]) == (status, fiat)
    assert (shown["pix"], shown["authorization_url"]) == (None, None)
    gone = http.get(f"/v1/payments/{made['payment_id']}/qr.svg")
    assert (gone.status_code, slug_of(gone)) == (410, "pix-code-over")


def test_payment_shows_what_was_given_back_and_not_what_is_only_asked_for(
    http: httpx.Client, engine: Engine
) -> None:
    made = pay(http).json()
    captured(engine, made["payment_id"], claim_status="partially_refunded")
    with engine.begin() as connection:
        for number, state in enumerate(("succeeded", "succeeded", "pending", "failed")):
            connection.execute(
                insert(refunds).values(
                    id=uuid.uuid4(),
                    attempt_id=uuid.UUID(made["payment_id"]),
                    gateway="crowdsplit",
                    provider_refund_id=f"r{number}",
                    amount_minor=1000 + number,
                    currency="brl",
                    origin="gateway",
                    requested_by="gateway",
                    state=state,
                )
            )
    shown = http.get(f"/v1/payments/{made['payment_id']}").json()
    assert (shown["refunded_minor"], shown["claim_status"]) == (2001, "partially_refunded")
    assert (shown["status"], shown["captured_at"] is None) == ("captured", False)


def test_payment_is_404_when_unknown_and_422_when_its_id_is_none(idle_http: httpx.Client) -> None:
    for path in ("", "/qr.svg", "/qr.png"):
        answer = idle_http.get(f"/v1/payments/{uuid.uuid4()}{path}")
        assert (answer.status_code, slug_of(answer)) == (404, "payment-unknown")
        wrong = idle_http.get(f"/v1/payments/17{path}")
        assert (wrong.status_code, slug_of(wrong)) == (422, "invalid-request")


def test_qr_is_404_when_the_payment_is_no_pix(http: httpx.Client, engine: Engine) -> None:
    pledge_id = add_pledge(engine, add_campaign(engine))
    attempt_id = add_attempt(engine, pledge_id, method="card", expires_at=None)
    answer = http.get(f"/v1/payments/{attempt_id}/qr.png")
    assert (answer.status_code, slug_of(answer)) == (404, "no-pix-code")


def test_qr_is_410_when_the_code_is_over_by_our_clock_whatever_its_row_says(
    http: httpx.Client, engine: Engine
) -> None:
    made = pay(http).json()
    change(engine, made["payment_id"], expires_at=NOW - timedelta(seconds=1))
    assert attempt(engine, uuid.UUID(made["payment_id"])).fiat_status == "awaiting"
    answer = http.get(f"/v1/payments/{made['payment_id']}/qr.png")
    assert (answer.status_code, slug_of(answer)) == (410, "pix-code-over")
    assert http.get(f"/v1/payments/{made['payment_id']}").json()["pix"] is None


def test_qr_draws_the_code_at_level_m_as_png_and_svg(http: httpx.Client) -> None:
    made = pay(http).json()
    path = f"/v1/payments/{made['payment_id']}/qr"
    png, svg = http.get(f"{path}.png"), http.get(f"{path}.svg")
    assert (png.headers["content-type"], svg.headers["content-type"]) == (
        "image/png",
        "image/svg+xml",
    )
    for image in (png, svg):
        assert image.headers["cache-control"].startswith("private, ")
    assert svg.text.startswith("<?xml")
    assert "<script" not in svg.text
    modules = png_modules(png.content)
    assert format_level(modules) == LEVEL_M
    wanted = segno.make_qr(made["pix"]["code"], error="m", boost_error=False)
    assert modules == [[bool(module) for module in row] for row in wanted.matrix]


def png_modules(image: bytes) -> list[list[bool]]:
    """The dark modules of a black and white PNG, eight pixels each, four modules of margin."""
    assert image.startswith(b"\x89PNG\r\n\x1a\n")
    width, height, depth, color = struct.unpack(">IIBB", image[16:26])
    assert (width, depth, color) == (height, 1, 0)
    data, place = b"", 8
    while place < len(image):
        (length,) = struct.unpack(">I", image[place : place + 4])
        if image[place + 4 : place + 8] == b"IDAT":
            data += image[place + 8 : place + 8 + length]
        place += 12 + length
    row_bytes = (width + 7) // 8
    raw = zlib.decompress(data)
    rows = [bytes(row_bytes)]
    for start in range(0, len(raw), row_bytes + 1):
        kind, row = raw[start], raw[start + 1 : start + 1 + row_bytes]
        assert kind in {0, 2}  # as it is, or as the difference to the row above
        above = rows[-1] if kind == 2 else bytes(row_bytes)
        rows.append(bytes((a + b) % 256 for a, b in zip(row, above, strict=True)))
    del rows[0]
    count = width // 8 - 8
    middle = [4 + (4 + number) * 8 for number in range(count)]
    return [[not rows[y][x // 8] >> (7 - x % 8) & 1 for x in middle] for y in middle]


def format_level(modules: list[list[bool]]) -> int:
    """The error correction level that the symbol itself declares (ISO 18004, 7.9)."""
    first = [modules[8][column] for column in (0, 1)]
    bits = [(FORMAT_MASK >> 14 & 1) ^ first[0], (FORMAT_MASK >> 13 & 1) ^ first[1]]
    return bits[0] << 1 | bits[1]
