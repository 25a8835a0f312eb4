"""Rows of schema ``chain`` and a deployment record; each builder names only what a test varies."""

import hashlib
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, insert

from indexer import tables as chain

CHAIN_ID = 31337
NETWORK = "celo-local"
T0 = datetime(2026, 1, 31, 12, tzinfo=UTC)
TOKEN = b"\x11" * 20
CENTAVO = 10**16


def address(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()[:20]


def hash_of(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()


def add_marks(
    connection: Connection,
    *,
    chain_id: int = CHAIN_ID,
    network: str = NETWORK,
    indexed: int = 100,
    finalized: int | None = 98,
    head: int = 101,
    **columns: Any,
) -> None:
    connection.execute(
        insert(chain.marks).values(
            chain_id=chain_id,
            network=network,
            first_block=1,
            head_number=head,
            indexed_number=indexed,
            indexed_hash=hash_of(f"block {indexed}"),
            indexed_timestamp=T0 + timedelta(seconds=indexed),
            finalized_number=finalized,
            finalized_hash=hash_of(f"block {finalized}"),
            finalized_timestamp=T0,
            **columns,
        )
    )


def move_marks(
    connection: Connection, *, indexed: int, finalized: int, chain_id: int = CHAIN_ID
) -> None:
    connection.execute(
        chain.marks.update()
        .where(chain.marks.c.chain_id == chain_id)
        .values(
            head_number=indexed + 1,
            indexed_number=indexed,
            indexed_hash=hash_of(f"block {indexed}"),
            finalized_number=finalized,
            finalized_hash=hash_of(f"block {finalized}"),
        )
    )


def add_block(connection: Connection, number: int, *, proven: bool = True) -> None:
    connection.execute(
        insert(chain.blocks).values(
            chain_id=CHAIN_ID,
            number=number,
            hash=hash_of(f"block {number}"),
            parent_hash=hash_of(f"block {number - 1}"),
            timestamp=T0 + timedelta(seconds=number),
            receipts_root=hash_of("root"),
            logs_count=1,
            proven=proven,
        )
    )


def _position(block: int, tx: str, log_index: int, chain_id: int) -> dict[str, Any]:
    return {
        "chain_id": chain_id,
        "block_number": block,
        "block_hash": hash_of(f"block {block}"),
        "log_index": log_index,
        "tx_hash": hash_of(tx),
    }


def add_treasury(
    connection: Connection,
    slug: str = "solar",
    *,
    block: int = 10,
    log_index: int = 3,
    chain_id: int = CHAIN_ID,
) -> bytes:
    treasury = address(f"treasury of {slug}")
    connection.execute(
        insert(chain.treasuries).values(
            **_position(block, f"treasury of {slug}", log_index, chain_id),
            treasury=treasury,
            campaign=address(f"campaign {slug}"),
            platform_hash=hash_of("platform"),
            implementation_id=1,
        )
    )
    return treasury


def add_payment(
    connection: Connection,
    payment_id: bytes,
    *,
    slug: str = "solar",
    amount_minor: int = 5_000,
    confirmed_block: int | None = 50,
) -> None:
    """The payment's life on its treasury, created two blocks before its confirmation."""
    is_confirmed = confirmed_block is not None
    connection.execute(
        insert(chain.payments).values(
            chain_id=CHAIN_ID,
            treasury=address(f"treasury of {slug}"),
            payment_id=payment_id,
            life=1,
            state="confirmed" if is_confirmed else "created",
            buyer_id=hash_of("commitment"),
            item_id=hash_of("item"),
            token=TOKEN,
            amount=amount_minor * CENTAVO,
            expiration=0,
            created_block=(confirmed_block or 50) - 2,
            created_tx=hash_of("create"),
            confirmed_block=confirmed_block,
            confirmed_block_hash=hash_of(f"block {confirmed_block}") if is_confirmed else None,
            confirmed_tx=hash_of("confirm") if is_confirmed else None,
            confirmed_log_index=7 if is_confirmed else None,
            confirmed_ordinal=0 if is_confirmed else None,
            confirmed_at=T0 if is_confirmed else None,
            confirmed_proven=True if is_confirmed else None,
        )
    )


def add_log(connection: Connection, tx: str, *, block: int = 50, log_index: int = 0) -> None:
    connection.execute(
        insert(chain.logs).values(
            **_position(block, tx, log_index, CHAIN_ID),
            tx_index=2,
            address=address("treasury of solar"),
            event="PaymentCreated",
            arguments={
                "paymentId": "0x" + hash_of("payment").hex(),
                "paymentToken": "0x" + address("ana").hex(),
                "amount": "5000",
            },
            claimed=True,
        )
    )


def add_reorg(connection: Connection, *, ancestor: int) -> None:
    connection.execute(
        insert(chain.reorgs).values(
            chain_id=CHAIN_ID,
            ancestor_number=ancestor,
            orphaned_tip_number=ancestor + 1,
            orphaned_tip_hash=hash_of("orphan"),
            orphaned_facts=[],
        )
    )


def write_deployment(directory: Path) -> None:
    def hexed(raw: bytes) -> str:
        return "0x" + raw.hex()

    record = {
        "network": NETWORK,
        "chain_id": CHAIN_ID,
        "genesis_hash": hexed(hash_of("genesis")),
        "first_block": 1,
        "deployed_at": T0.isoformat(),
        "platform": {
            "name": "Lastro",
            "hash": hexed(hash_of("platform")),
            "admin": hexed(address("signer")),
        },
        "protocol_admin": hexed(address("protocol")),
        "contracts": {
            "global_params": hexed(address("params")),
            "campaign_info_factory": hexed(address("campaigns")),
            "treasury_factory": hexed(address("treasuries")),
        },
        "implementations": [],
        "tokens": [{"symbol": "tBRLA", "address": hexed(TOKEN), "decimals": 18, "currency": "BRL"}],
        "artifacts_hash": "0x00",
    }
    (directory / f"{NETWORK}.json").write_text(json.dumps(record))
