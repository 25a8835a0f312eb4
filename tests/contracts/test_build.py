"""Ape's own compiler run and contracts/build.py make the same code."""

from __future__ import annotations

import os
from pathlib import Path

import ape
import steps

ROOT = Path(__file__).parents[2]
OURS = ["CampaignInfo", "CampaignInfoFactory", "GlobalParams", "PaymentTreasury", "TreasuryFactory"]


def test_ape_compiles_to_the_committed_code():
    os.environ["SOLCX_BINARY_PATH"] = str(ROOT / "contracts" / "toolchain")
    project = ape.Project(ROOT)
    project.load_contracts(use_cache=False)
    for name in OURS:
        compiled = project.contracts[name].runtime_bytecode.bytecode.removeprefix("0x")
        committed = steps.container(name).contract_type.runtime_bytecode.bytecode.removeprefix("0x")
        # Ape cannot leave out the metadata that the compiler appends.
        assert compiled.startswith(committed), name
        assert len(compiled) - len(committed) < 200, name
