"""Rows as settlement leaves them, without a chain: for what only reads them."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from eth_hash.auto import keccak
from sqlalchemy import Engine, func, insert, select, update

from indexer.chain.networks import network_by_name
from indexer.chain.types import Address
from settlement.record_tables import actions, wallets
from settlement.tables import (
    attempts,
    batch_items,
    batches,
    campaigns,
    nonce_slots,
    requests,
    signers,
)
from tests.settlement.builders import HASH, TOKEN, TREASURY

NETWORK = network_by_name("celo-local")
CHAIN = NETWORK.chain_id
SIGNER = Address(b"\x0a" * 20)
GAS_USED, GAS_PRICE_WEI = 100_000, 2 * 10**9
CENTS_50 = 50 * 10**16


def ago(**span: float) -> datetime:
    return datetime.now(UTC) - timedelta(**span)


@dataclass(frozen=True, slots=True)
class Store:
    """Writes rows as the owner of schema ``settlement``."""

    engine: Engine

    def signer(self, **columns: Any) -> None:
        values = {"chain_id": CHAIN, "address": SIGNER, "next_nonce": 0, **columns}
        with self.engine.begin() as connection:
            connection.execute(insert(signers).values(values))

    def campaign(self, *, treasury: Address = TREASURY, **columns: Any) -> UUID:
        request_id = uuid.uuid4()
        values: dict[str, Any] = {
            "request_id": request_id,
            "chain_id": CHAIN,
            "identifier_hash": keccak(request_id.bytes),
            "creator": b"\x05" * 20,
            "launch_at": ago(days=1),
            "deadline_at": ago(days=-30),
            "goal_base_units": 10**21,
            "currency": "BRL",
            "title": "Campanha",
            "treasury_kind": "payment-treasury",
            "state": "live",
            "platform_hash": HASH,
            "campaign": b"\x03" * 20,
            "treasury": treasury,
            "token": TOKEN,
        }
        with self.engine.begin() as connection:
            connection.execute(insert(campaigns).values({**values, **columns}))
        return request_id

    def request(self, state: str = "ready", **columns: Any) -> UUID:
        request_id = columns.pop("request_id", None) or uuid.uuid4()
        values: dict[str, Any] = {
            "request_id": request_id,
            "root_id": request_id,
            "chain_id": CHAIN,
            "treasury": TREASURY,
            "pledge_id": uuid.uuid4(),
            "generation": 0,
            "payment_id": keccak(request_id.bytes),
            "buyer_commitment": HASH,
            "item_id": HASH,
            "token": TOKEN,
            "amount_base_units": CENTS_50,
            "captured_at": ago(minutes=1),
            "state": state,
        }
        if state in ("blocked", "quarantined"):
            values["reason"] = "odd"
        if state == "batched":
            values["batch_id"] = uuid.uuid4()
        if state == "settled":
            values |= {"settled_block": 7, "settled_at": datetime.now(UTC)}
        with self.engine.begin() as connection:
            connection.execute(insert(requests).values({**values, **columns}))
        return request_id

    def move(self, request_id: UUID, state: str, **columns: Any) -> None:
        with self.engine.begin() as connection:
            connection.execute(
                update(requests)
                .where(requests.c.request_id == request_id)
                .values(state=state, state_since=func.now(), **columns)
            )

    def action(self, kind: str = "withdraw", **columns: Any) -> UUID:
        action_id = uuid.uuid4()
        values = {
            "action_id": action_id,
            "chain_id": CHAIN,
            "kind": kind,
            "treasury": TREASURY,
            "requested_by": "ana",
            **columns,
        }
        with self.engine.begin() as connection:
            connection.execute(insert(actions).values(values))
        return action_id

    def wallet(self, address: Address | None, **columns: Any) -> None:
        values = {"owner_kind": "creator", "owner_id": uuid.uuid4(), "address": address}
        with self.engine.begin() as connection:
            connection.execute(insert(wallets).values({**values, **columns}))

    def batch(
        self,
        nonce: int,
        *,
        request_ids: Sequence[UUID] = (),
        kind: str = "settle_payments",
        state: str = "mined_ok",
        sealed_at: datetime | None = None,
        slot: dict[str, Any] | None = None,
        **columns: Any,
    ) -> UUID:
        """A batch with its nonce; mined ones used gas."""
        batch_id = uuid.uuid4()
        mined = {
            "mined_tx": tx_hash(nonce),
            "mined_block": 7,
            "mined_block_hash": HASH,
            "mined_at": datetime.now(UTC),
            "gas_used": GAS_USED,
            "effective_gas_price_wei": GAS_PRICE_WEI,
        }
        with self.engine.begin() as connection:
            connection.execute(
                insert(batches).values(
                    **{
                        "id": batch_id,
                        "chain_id": CHAIN,
                        "kind": kind,
                        "target": TREASURY,
                        "treasury": TREASURY,
                        "calldata": b"",
                        "gas_limit": 150_000,
                        "sealed_at": sealed_at or datetime.now(UTC),
                        **columns,
                    }
                )
            )
            connection.execute(
                insert(nonce_slots).values(
                    **{
                        "chain_id": CHAIN,
                        "signer": SIGNER,
                        "nonce": nonce,
                        "batch_id": batch_id,
                        "state": state,
                        **(mined if state.startswith("mined") else {}),
                        **(slot or {}),
                    }
                )
            )
            for ordinal, request_id in enumerate(request_ids):
                connection.execute(
                    insert(batch_items).values(
                        batch_id=batch_id, ordinal=ordinal, request_id=request_id, kind=kind
                    )
                )
        return batch_id

    def attempt(self, nonce: int, sequence: int = 0, **columns: Any) -> bytes:
        values = {
            "tx_hash": tx_hash(nonce, sequence),
            "chain_id": CHAIN,
            "signer": SIGNER,
            "nonce": nonce,
            "sequence": sequence,
            "raw": b"\x02",
            "max_fee_per_gas_wei": GAS_PRICE_WEI,
            "max_priority_fee_per_gas_wei": 1,
            "intent_at": datetime.now(UTC),
            "sends": 1,
            "last_answer": "accepted",
            **columns,
        }
        with self.engine.begin() as connection:
            connection.execute(insert(attempts).values(values))
        return bytes(values["tx_hash"])

    def slot(self, nonce: int, **values: Any) -> None:
        """Change a nonce."""
        with self.engine.begin() as connection:
            connection.execute(
                update(nonce_slots).where(nonce_slots.c.nonce == nonce).values(values)
            )

    def rows(self, table: Any) -> Sequence[Any]:
        with self.engine.connect() as connection:
            return connection.execute(select(table)).all()


def tx_hash(nonce: int, sequence: int = 0) -> bytes:
    return keccak(f"{nonce} {sequence}".encode())
