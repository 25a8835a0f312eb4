"""The deployment record: what the runtime reads to find a deployment, and when it is still true."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ape.api import ProviderAPI

Record = dict[str, Any]

ARTIFACTS = Path(__file__).resolve().parent.parent / "artifacts"


class ForeignRecordError(Exception):
    """The record describes another chain or a deployment that is gone.

    On a local chain that is a chain started anew, and the protocol is deployed again. Anywhere
    else someone must look: the wrong RPC, or the wrong record.
    """


def artifacts_hash() -> str:
    """Hash the build that is deployed: sha256 of contracts/artifacts/manifest.json."""
    return "0x" + hashlib.sha256((ARTIFACTS / "manifest.json").read_bytes()).hexdigest()


def compiler_settings() -> Record:
    """Say how the build was compiled, in the record's words."""
    manifest = json.loads((ARTIFACTS / "manifest.json").read_text(encoding="utf-8"))
    return {
        "version": manifest["compiler"],
        "evm_version": manifest["settings"]["evmVersion"],
        "optimizer_runs": manifest["settings"]["optimizer"]["runs"],
    }


def genesis_hash(provider: ProviderAPI) -> str:
    """Read the hash of block 0, which tells two chains of the same id apart."""
    block = provider.make_request("eth_getBlockByNumber", ["0x0", False])
    return str(block["hash"])


def addresses(record: Record) -> list[str]:
    """List every contract of a record."""
    return [
        *record["contracts"].values(),
        *(implementation["address"] for implementation in record["implementations"]),
        *(token["address"] for token in record["tokens"]),
    ]


def read(path: Path) -> Record | None:
    """Read a record; None when there is none."""
    if not path.exists():
        return None
    record: Record = json.loads(path.read_text(encoding="utf-8"))
    return record


def require_live(record: Record, provider: ProviderAPI) -> None:
    """Check that a record describes this chain, and that its contracts are there.

    Raises:
        ForeignRecordError: Other chain id, other genesis, or no code at one of the addresses.
    """
    if record["chain_id"] != provider.chain_id:
        raise ForeignRecordError(
            f"the record is of chain {record['chain_id']}, the RPC of chain {provider.chain_id}"
        )
    if record["genesis_hash"] != genesis_hash(provider):
        raise ForeignRecordError(f"chain {provider.chain_id} was started anew: its genesis differs")
    missing = [
        address
        for address in addresses(record)
        if provider.make_request("eth_getCode", [address, "latest"]) in ("0x", None)
    ]
    if missing:
        raise ForeignRecordError(f"no code at {', '.join(missing)}")


def write(record: Record, path: Path) -> None:
    """Replace the record in one step, so that no reader ever sees half of one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(path.name + ".new")
    draft.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    draft.replace(path)
