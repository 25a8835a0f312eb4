"""Rows of the ledger written past our own code, and accounts that tests move money between."""

import json
import uuid
from typing import Any

from sqlalchemy import Connection, Engine, text

from offchain.ledger.accounts import Account, gateway_receivable, owed_to_campaign
from offchain.ledger.transfers import Transfer
from offchain.money import Currency

RECEIVABLE = gateway_receivable("crowdsplit")
OWED = owed_to_campaign(uuid.UUID(int=1))
OTHER = owed_to_campaign(uuid.UUID(int=2))
FEES = Account("gateway_fees:crowdsplit", "debit")
BRL = Currency("brl")


def moving(
    units: int,
    *,
    debit: Account = RECEIVABLE,
    credit: Account = OWED,
    currency: Currency = BRL,
) -> Transfer:
    return Transfer(debit, credit, units, currency)


def open_accounts(engine: Engine, *currencies: str) -> None:
    """Both accounts that raw rows move money between, in ``brl`` and these."""
    with engine.begin() as connection:
        for currency in ("brl", *currencies):
            for name, side in ((RECEIVABLE.name, "debit"), (OWED.name, "credit")):
                connection.execute(
                    text(
                        "INSERT INTO offchain.ledger_accounts (id, currency, normal_side)"
                        " VALUES (:id, :currency, :side)"
                    ),
                    {"id": name, "currency": currency, "side": side},
                )


def raw_journal(connection: Connection, **columns: Any) -> uuid.UUID:
    """A journal's row alone: by default of one transfer of 50 reais that counts at once."""
    row = {
        "id": uuid.uuid4(),
        "source": "capture",
        "source_id": "raw",
        "kind": "single",
        "transfers": 1,
        "totals": {"brl": "5000"},
        **columns,
    }
    row["totals"] = json.dumps(row["totals"])
    _insert(connection, "ledger_journals", row)
    return uuid.UUID(str(row["id"]))


def raw_transfer(connection: Connection, journal_id: uuid.UUID, **columns: Any) -> uuid.UUID:
    """A transfer's row alone: by default 50 reais, as ``raw_journal`` declares them."""
    row = {
        "id": uuid.uuid4(),
        "journal_id": journal_id,
        "position": 0,
        "kind": "single",
        "pending_id": None,
        "debit_account": RECEIVABLE.name,
        "credit_account": OWED.name,
        "amount": "5000",
        "currency": "brl",
        "source": "capture",
        "source_id": "raw",
        **columns,
    }
    _insert(connection, "ledger_transfers", row)
    return uuid.UUID(str(row["id"]))


def tamper(login_engine: Engine, *statements: str) -> None:
    """Do what only a superuser can: with every trigger and foreign key switched off."""
    with login_engine.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        for statement in statements:
            connection.execute(text(statement))


def _insert(connection: Connection, table: str, row: dict[str, Any]) -> None:
    names = ", ".join(row)
    values = ", ".join(f":{name}" for name in row)
    statement = f"INSERT INTO offchain.{table} ({names}) VALUES ({values})"  # noqa: S608 - ours
    connection.execute(text(statement), row)
