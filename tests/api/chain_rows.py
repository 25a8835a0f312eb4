"""Rows of schema ``chain`` and a deployment record; each builder names only what a test varies."""

import hashlib
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, insert
from sqlalchemy.dialects.postgresql import insert as insert_or_keep

from indexer import tables as chain
from indexer.chain.types import Address, PaymentId
from indexer.projection_tables import payment_lives, transactions, treasuries
from tests.support import facts

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
    """A block; one that stands already stays."""
    connection.execute(
        insert_or_keep(chain.blocks)
        .values(
            chain_id=CHAIN_ID,
            number=number,
            hash=hash_of(f"block {number}"),
            parent_hash=hash_of(f"block {number - 1}"),
            timestamp=T0 + timedelta(seconds=number),
            receipts_root=hash_of("root"),
            logs_count=1,
            proven=proven,
        )
        .on_conflict_do_nothing()
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
        insert(treasuries).values(
            **_position(block, f"treasury of {slug}", log_index, chain_id),
            factory=address("treasury factory"),
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
    if confirmed_block is not None:
        add_block(connection, confirmed_block)
    block = (confirmed_block or 50) - 2
    connection.execute(
        insert(payment_lives).values(
            chain_id=CHAIN_ID,
            treasury=address(f"treasury of {slug}"),
            payment_id=payment_id,
            life=1,
            is_present=True,
            announced_id=payment_id,
            is_crypto=False,
            abi_version=3,
            buyer=bytes(20),
            buyer_id=hash_of("commitment"),
            item_id=hash_of("item"),
            token=TOKEN,
            amount=amount_minor * CENTAVO,
            expiration=0,
            created_block=block,
            created_log_index=0,
            created_block_hash=hash_of(f"block {block}"),
            created_tx=hash_of("create"),
            confirmed_block=confirmed_block,
            confirmed_block_hash=hash_of(f"block {confirmed_block}") if is_confirmed else None,
            confirmed_tx=hash_of("confirm") if is_confirmed else None,
            confirmed_log_index=7 if is_confirmed else None,
            confirmed_ordinal=0 if is_confirmed else None,
        )
    )


def add_log(connection: Connection, tx: str, *, block: int = 50, log_index: int = 0) -> None:
    """A PaymentCreated, its block and its transaction."""
    at = {**_position(block, tx, log_index, CHAIN_ID), "tx_index": 2}
    add_block(connection, block)
    facts.add(
        connection,
        facts.created(
            block,
            log_index,
            PaymentId(hash_of("payment")),
            treasury=Address(address("treasury of solar")),
            amount=5_000,
            **{name: at[name] for name in ("tx_hash", "block_hash", "tx_index")},
            token=address("ana"),
        ),
    )
    connection.execute(
        insert_or_keep(transactions)
        .values({name: at[name] for name in at if name != "log_index"})
        .on_conflict_do_nothing()
    )


def add_reorg(connection: Connection, *, ancestor: int) -> None:
    connection.execute(
        insert(chain.reorgs).values(
            chain_id=CHAIN_ID,
            ancestor_number=ancestor,
            orphaned_tip_number=ancestor + 1,
            orphaned_tip_hash=hash_of("orphan"),
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
