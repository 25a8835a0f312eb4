"""The deployment record: what the runtime reads to find a deployment, and what a check compares."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import artifact
from faults import ForeignRecordError
from journal import Book, Contract
from plan import TREASURIES
from view import CURRENCY, PLATFORM_HASH, PLATFORM_NAME, Terms, View

if TYPE_CHECKING:
    from pathlib import Path

    from chain import Chain
    from networks import Network

Record = dict[str, Any]

TOKEN_SYMBOL = "BRLA"  # noqa: S105 -- a currency's symbol


def describe(network: Network, view: View) -> Record:
    """Write down a deployment that stands, as the chain has it."""
    book, terms = view.book, view.terms
    entries = [
        asdict(contract) | {"code_hash": artifact.code_hash(view.chain.code(contract.address))}
        for contract in book.contracts.values()
    ]
    retired = [asdict(contract) for contract in book.retired]
    return {
        "network": network.name,
        "chain_id": view.chain.chain_id,
        "genesis_hash": view.chain.genesis_hash(),
        "first_block": min(entry["block"] for entry in [*entries, *retired]),
        "platform": {
            "name": PLATFORM_NAME,
            "hash": PLATFORM_HASH,
            "admin": view.read("GlobalParams", "getPlatformAdminAddress", PLATFORM_HASH),
            "fee_bps": terms.platform_fee_bps,
        },
        "protocol_admin": view.read("GlobalParams", "getProtocolAdminAddress"),
        "protocol_fee_bps": terms.protocol_fee_bps,
        "registry": dict(terms.registry),
        "contracts": {
            "global_params": view.address("GlobalParams"),
            "campaign_info_factory": view.address("CampaignInfoFactory"),
            "treasury_factory": view.address("TreasuryFactory"),
            "live_params": view.address("LiveParams"),
            "refund_escrow": view.address("RefundEscrow"),
        },
        "implementations": [
            {
                "id": treasury.id,
                "kind": treasury.kind,
                "address": view.registered(treasury.id),
            }
            for treasury in TREASURIES
        ],
        "tokens": describe_tokens(view),
        "adapter": view.adapter(),
        "artifacts_hash": artifact.manifest_hash(),
        "compiler": artifact.compiler_settings(),
        "deployed": entries,
        "retired": retired,
    }


def describe_tokens(view: View) -> list[Record]:
    """Write down the tokens that campaigns in BRL accept: BRLA, then what others were added."""
    accepted = view.read("GlobalParams", "getTokensForCurrency", CURRENCY)
    others = [address for address in accepted if address != view.token()]
    symbols = [TOKEN_SYMBOL, *(view.chain.read("TestBRLA", other, "symbol") for other in others)]
    return [
        {
            "symbol": symbol,
            "address": address,
            "decimals": view.chain.read("TestBRLA", address, "decimals"),
            "currency": bytes.fromhex(CURRENCY[2:]).rstrip(b"\0").decode(),
        }
        for symbol, address in zip(symbols, [view.token(), *others], strict=True)
    ]


def read(path: Path) -> Record | None:
    """Read a record; None when there is none.

    Raises:
        ForeignRecordError: It is no record that this version wrote.
    """
    if not path.exists():
        return None
    try:
        record: Record = json.loads(path.read_text(encoding="utf-8"))
        restore(record)
    except (ValueError, KeyError, TypeError) as error:
        raise ForeignRecordError(f"{path} is not a record of this version ({error!r})") from None
    return record


def require_same_chain(record: Record, chain: Chain) -> None:
    """Check that a record describes this chain.

    Raises:
        ForeignRecordError: Another chain id, or another genesis.
    """
    if record["chain_id"] != chain.chain_id:
        raise ForeignRecordError(
            f"the record is of chain {record['chain_id']}, the RPC of chain {chain.chain_id}"
        )
    if record["genesis_hash"] != chain.genesis_hash():
        raise ForeignRecordError(f"chain {chain.chain_id} was started anew: its genesis differs")


def restore(record: Record) -> tuple[Book, Terms]:
    """Take the book and the terms out of a record."""
    book = Book(retired=[Contract(**entry) for entry in record["retired"]])
    for entry in record["deployed"]:
        fields = {name: value for name, value in entry.items() if name != "code_hash"}
        book.add(Contract(**fields))
    own = "TestBRLA" in book.contracts
    terms = Terms(
        protocol_admin=record["protocol_admin"],
        platform_admin=record["platform"]["admin"],
        token=None if own else record["tokens"][0]["address"],
        protocol_fee_bps=record["protocol_fee_bps"],
        platform_fee_bps=record["platform"]["fee_bps"],
        registry=record["registry"],
    )
    return book, terms


def write(record: Record, path: Path) -> None:
    """Replace the record in one step, so that no reader ever sees half of one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(path.name + ".new")
    with draft.open("w", encoding="utf-8") as file:
        file.write(json.dumps(record, indent=2) + "\n")
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
