"""Records of older and newer deployments are read; what cannot be understood is refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from indexer.chain.deployments import load_deployment
from indexer.chain.networks import network_by_name
from indexer.errors import ConfigurationError

LOCAL = network_by_name("celo-local")
ADDRESS = "0x" + "ab" * 20
HASH = "0x" + "cd" * 32
RECORD: dict[str, Any] = {
    "network": "celo-local",
    "chain_id": 31337,
    "genesis_hash": HASH,
    "first_block": 1,
    "platform": {"name": "lastro", "hash": HASH, "admin": ADDRESS},
    "protocol_admin": ADDRESS,
    "contracts": {
        "global_params": ADDRESS,
        "campaign_info_factory": ADDRESS,
        "treasury_factory": ADDRESS,
    },
    "implementations": [{"id": 2, "kind": "payment-treasury", "address": ADDRESS}],
    "tokens": [{"symbol": "BRLA", "address": ADDRESS, "decimals": 18, "currency": "BRL"}],
    "artifacts_hash": HASH,
}


def write(directory: Path, **changes: Any) -> None:
    (directory / "celo-local.json").write_text(json.dumps(RECORD | changes))


def test_record_without_a_refund_escrow_is_read(tmp_path: Path) -> None:
    write(tmp_path)
    assert load_deployment(tmp_path, LOCAL).contracts.refund_escrow is None


def test_record_with_keys_of_a_newer_deployment_is_read(tmp_path: Path) -> None:
    more = {"live_params": ADDRESS, "refund_escrow": "0x" + "ef" * 20}
    kinds = ["payment-treasury", "time-constrained-payment-treasury", "mirror-payment-treasury"]
    write(
        tmp_path,
        contracts=RECORD["contracts"] | more,
        implementations=[
            {"id": number, "kind": kind, "address": ADDRESS, "code_hash": HASH}
            for number, kind in enumerate(kinds, start=2)
        ],
        deployed=[{"name": "Payouts", "address": ADDRESS, "code_hash": HASH, "libraries": {}}],
    )
    read = load_deployment(tmp_path, LOCAL)
    assert read.contracts.refund_escrow == b"\xef" * 20
    assert [read.implementation_of(kind).id for kind in kinds] == [2, 3, 4]


def test_record_with_an_unknown_treasury_kind_is_refused(tmp_path: Path) -> None:
    write(tmp_path, implementations=[{"id": 2, "kind": "all-or-nothing", "address": ADDRESS}])
    with pytest.raises(ConfigurationError, match="is not a deployment record"):
        load_deployment(tmp_path, LOCAL)
