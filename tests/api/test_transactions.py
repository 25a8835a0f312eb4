from collections.abc import Callable
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine

from api.values import checksum
from tests.api import builders as b
from tests.api import chain_rows as c

Get = Callable[..., Any]


def url(tx: str) -> str:
    return f"/v1/transactions/0x{c.hash_of(tx).hex()}"


def test_transaction_shows_its_logs_and_why_it_was_sent(login_engine: Engine, get: Get) -> None:
    with login_engine.begin() as rows:
        c.add_marks(rows, indexed=100, finalized=98)
        c.add_block(rows, 50)
        c.add_log(rows, "confirm", log_index=1)
        c.add_log(rows, "confirm", log_index=0)
        b.add_transaction(rows, "confirm", state="mined_ok", mined_by="confirm", mined_block=50)

    answer = get(url("confirm"))

    assert [log["log_index"] for log in answer["logs"]] == [0, 1]
    assert answer["logs"][0]["arguments"]["paymentToken"] == checksum(c.address("ana"))
    assert (answer["block_number"], answer["tx_index"], answer["proven"]) == (50, 2, True)
    assert answer["block_timestamp"] == "2026-01-31T12:00:50Z"
    assert (answer["finality"], answer["confirmations"]) == ("finalized", 51)
    settlement = answer["settlement"]
    assert (settlement["kind"], settlement["status"]) == ("confirm_payments", "mined")
    assert settlement["effective_gas_price"]["display"] == "0.000000025"


def test_transaction_of_others_has_no_settlement(login_engine: Engine, get: Get) -> None:
    with login_engine.begin() as rows:
        c.add_marks(rows, indexed=100, finalized=40)
        c.add_log(rows, "theirs", block=50)
    answer = get(url("theirs"))
    assert (answer["settlement"], answer["finality"]) == (None, "included")


def test_transaction_is_pending_when_sent_and_not_mined(login_engine: Engine, get: Get) -> None:
    with login_engine.begin() as rows:
        b.add_transaction(rows, "sent")
    answer = get(url("sent"))
    assert (answer["finality"], answer["settlement"]["status"]) == ("pending", "sent")
    assert answer["logs"] == []


def test_transaction_is_pending_when_mined_above_the_indexed_block(
    login_engine: Engine, get: Get
) -> None:
    with login_engine.begin() as rows:
        c.add_marks(rows, indexed=49, finalized=40)
        b.add_transaction(rows, "new", state="mined_ok", mined_by="new", mined_block=50)
    assert get(url("new"))["finality"] == "pending"


def test_transaction_is_reverted_when_its_receipt_failed(login_engine: Engine, get: Get) -> None:
    with login_engine.begin() as rows:
        c.add_marks(rows, indexed=100, finalized=98)
        b.add_transaction(rows, "bad", state="mined_failed", mined_by="bad", mined_block=50)
    answer = get(url("bad"))
    assert (answer["finality"], answer["block_number"]) == ("reverted", 50)
    assert answer["settlement"]["status"] == "failed"


@pytest.mark.parametrize(("is_final", "finality"), [(False, "pending"), (True, "reverted")])
def test_transaction_names_its_replacement(
    login_engine: Engine, get: Get, *, is_final: bool, finality: str
) -> None:
    with login_engine.begin() as rows:
        c.add_marks(rows, indexed=100, finalized=98)
        b.add_transaction(
            rows, "cheap", state="mined_ok", mined_by="dear", mined_block=50, is_final=is_final
        )
        b.add_transaction(rows, "dear", sequence=1)
    answer = get(url("cheap"))
    assert answer["finality"] == finality
    assert answer["settlement"]["status"] == "replaced"
    assert answer["settlement"]["replaced_by"] == "0x" + c.hash_of("dear").hex()
    assert get(url("dear"))["settlement"]["replaced_by"] is None


def test_transaction_answers_404_with_the_blocks_looked_at(
    login_engine: Engine, client: httpx.Client
) -> None:
    with login_engine.begin() as rows:
        c.add_marks(rows, indexed=100)
        c.add_marks(rows, chain_id=31338, network="polygon-local")
        c.add_log(rows, "known")
    answer = client.get(url("unknown"))
    assert answer.status_code == 404
    assert [stamp["block_number"] for stamp in answer.json()["as_of"]] == [100, 100]
    elsewhere = client.get(url("known"), params={"chain": "polygon-local"})
    assert elsewhere.status_code == 404
    assert [stamp["chain_id"] for stamp in elsewhere.json()["as_of"]] == [31338]


def test_transaction_answers_422_when_the_hash_is_none(client: httpx.Client) -> None:
    for name in ("0x12", "12" * 32, "0x" + "gg" * 32):
        answer = client.get(f"/v1/transactions/{name}")
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["parameter"] == "tx_hash"
