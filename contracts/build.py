"""Compile the contracts into contracts/artifacts, the only form in which Python reads them.

Beside them it writes contracts/storage-layout.json (see contracts/storage_layout.py). The ABI needs
no snapshot of its own: the committed artifacts hold it, and --check compares them byte for byte.

Usage (in .venv; needs no network and no Ape):
    .venv/bin/python contracts/build.py           # compile and write
    .venv/bin/python contracts/build.py --check   # compile and compare; exit 1 when stale

The result depends on the sources, the pinned compiler and the settings below, and on nothing of
the machine: source names are relative, and no metadata is appended to the bytecode.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

CONTRACTS = Path(__file__).resolve().parent
ARTIFACTS = CONTRACTS / "artifacts"
LAYOUT = CONTRACTS / "storage-layout.json"
MODULES = CONTRACTS / "node_modules"
SOLC_VERSION = "0.8.30"
SOLC = CONTRACTS / "toolchain" / f"solc-v{SOLC_VERSION}"

# What the runtime, the deployment and the tests use: contract name -> source.
TARGETS = {
    "AnyDecimals": "contracts/mocks/AnyDecimals.sol",
    "CampaignInfo": "contracts/CampaignInfo.sol",
    "CampaignInfoFactory": "contracts/CampaignInfoFactory.sol",
    "CryptoPayments": "contracts/libraries/CryptoPayments.sol",
    "ERC1967Proxy": "@openzeppelin/contracts/proxy/ERC1967/ERC1967Proxy.sol",
    "ForwardingAdapter": "contracts/mocks/ForwardingAdapter.sol",
    "GlobalParams": "contracts/GlobalParams.sol",
    "HostileBuyer": "contracts/mocks/HostileBuyer.sol",
    "HookedToken": "contracts/mocks/HookedToken.sol",
    "LineItems": "contracts/libraries/LineItems.sol",
    "LiveParams": "contracts/LiveParams.sol",
    "MinimalTreasury": "contracts/mocks/MinimalTreasury.sol",
    "MirrorPaymentTreasury": "contracts/MirrorPaymentTreasury.sol",
    "Mirrors": "contracts/libraries/Mirrors.sol",
    "OakCampaigns": "contracts/libraries/OakCampaigns.sol",
    "OakHost2": "contracts/mocks/OakHost2.sol",
    "OakHostClaiming": "contracts/mocks/OakHostHead.sol",
    "OakHostHead": "contracts/mocks/OakHostHead.sol",
    "OddToken": "contracts/mocks/OddToken.sol",
    "PaymentTreasury": "contracts/PaymentTreasury.sol",
    "Payouts": "contracts/libraries/Payouts.sol",
    "ReentrantBuyer": "contracts/mocks/ReentrantBuyer.sol",
    "RefundEscrow": "contracts/RefundEscrow.sol",
    "TestBRLA": "contracts/mocks/TestBRLA.sol",
    "TokenAccounts": "contracts/libraries/TokenAccounts.sol",
    "TimeConstrainedPaymentTreasury": "contracts/TimeConstrainedPaymentTreasury.sol",
    "TreasuryFactory": "contracts/TreasuryFactory.sol",
}
SETTINGS: dict[str, Any] = {
    "evmVersion": "cancun",  # both chains have transient storage; neither needs newer opcodes
    "optimizer": {"enabled": True, "runs": 800},
    "viaIR": True,  # Oak's eight-array batch signature does not fit the stack without it
    "metadata": {"bytecodeHash": "none", "appendCBOR": False},
}
COMPILERS = 2  # processes at once
# 2394: OpenZeppelin's transient reentrancy guard clears its slot after each call, as it asks for.
ACCEPTED_WARNINGS = frozenset({"2394"})
IMPORT = re.compile(r'^import\s+(?:\{[^}]*\}\s+from\s+)?"([^"]+)"', re.MULTILINE)

Json = dict[str, Any]


class StaleArtifactsError(Exception):
    """The committed artifacts are not what the sources compile to; run contracts/build.py."""


def source_path(name: str) -> Path:
    """Find the file of a source unit: ours under contracts/, OpenZeppelin's in node_modules."""
    if name.startswith("@"):
        return MODULES / name
    return CONTRACTS.parent / name


def resolve_import(importer: str, target: str) -> str:
    """Name the source unit that an import statement means, as the compiler would."""
    if not target.startswith("."):
        return target
    parts = importer.split("/")[:-1]
    for step in target.split("/"):
        if step == "..":
            parts.pop()
        elif step != ".":
            parts.append(step)
    return "/".join(parts)


def read_sources() -> dict[str, str]:
    """Read every source unit reachable from the targets, by name, in a fixed order."""
    sources: dict[str, str] = {}
    pending = sorted(TARGETS.values())
    while pending:
        name = pending.pop()
        if name in sources:
            continue
        sources[name] = source_path(name).read_text(encoding="utf-8")
        pending.extend(resolve_import(name, found) for found in IMPORT.findall(sources[name]))
    return dict(sorted(sources.items()))


def sha256(text: str) -> str:
    """Hash text as 64 hex digits."""
    return hashlib.sha256(text.encode()).hexdigest()


def source_manifest(sources: dict[str, str]) -> Json:
    """Describe what goes into a build: compiler, settings, and a hash of every source."""
    hashes = {name: sha256(text) for name, text in sources.items()}
    inputs = {"compiler": SOLC_VERSION, "settings": SETTINGS, "sources": hashes}
    return {**inputs, "sourceHash": sha256(json.dumps(inputs, sort_keys=True))}


def run_compiler(sources: dict[str, str], selection: Json) -> Json:
    """Run the pinned compiler once, for the outputs selected.

    Raises:
        solcx.exceptions.SolcError: The sources do not compile, or the compiler cannot start.
    """
    # Imported here: reading the sources (the cheap staleness check) must not need the compiler.
    from solcx import compile_standard  # noqa: PLC0415 -- see above

    output: Json = compile_standard(
        {
            "language": "Solidity",
            "sources": {name: {"content": text} for name, text in sources.items()},
            "settings": {**SETTINGS, "outputSelection": selection},
        },
        solc_binary=SOLC,
    )
    return output


def describe_code(evm: Json) -> Json:
    """Take what a deployment needs of a contract's code.

    ``bytecode`` and ``deployedBytecode`` hold a placeholder wherever ``linkReferences`` and
    ``deployedLinkReferences`` name a library: {source: {library: [{start, length}]}}, in bytes.
    ``immutableReferences`` lists the zeros that construction replaces, whichever variable's.
    """
    deployed = evm["deployedBytecode"]
    places = [place for of in deployed.get("immutableReferences", {}).values() for place in of]
    return {
        "bytecode": "0x" + evm["bytecode"]["object"],
        "deployedBytecode": "0x" + deployed["object"],
        "linkReferences": evm["bytecode"].get("linkReferences", {}),
        "deployedLinkReferences": deployed.get("linkReferences", {}),
        "immutableReferences": sorted(places, key=lambda place: int(place["start"])),
    }


def require_no_warnings(output: Json) -> None:
    """Refuse a compiler run that warned of what we do not accept, such as code over 24 KiB."""
    warnings = [
        found["formattedMessage"]
        for found in output.get("errors", [])
        if found["type"] == "Warning" and found["errorCode"] not in ACCEPTED_WARNINGS
    ]
    if warnings:
        raise SystemExit("the contracts compile with warnings:\n" + "\n".join(warnings))


def compile_sources(sources: dict[str, str]) -> dict[str, Json]:
    """Compile the targets.

    Returns:
        An artifact per contract: abi, code (see `describe_code`), compiler settings and source.

    Raises:
        solcx.exceptions.SolcError: The sources do not compile, or the compiler cannot start.
    """
    parts = ["bytecode.object", "bytecode.linkReferences", "deployedBytecode.object"]
    parts += ["deployedBytecode.linkReferences", "deployedBytecode.immutableReferences"]
    outputs = ["abi", *(f"evm.{part}" for part in parts)]
    # Code generation takes nearly all the time and knows nothing of other contracts: two at a time.
    halves = [list(TARGETS.items())[first::COMPILERS] for first in range(COMPILERS)]
    selections: list[Json] = [{} for _ in halves]
    for selection, half in zip(selections, halves, strict=True):
        for name, source in half:  # a source may hold several
            selection.setdefault(source, {})[name] = outputs
    with ThreadPoolExecutor(COMPILERS) as pool:
        results = list(pool.map(lambda selection: run_compiler(sources, selection), selections))
    for result in results:
        require_no_warnings(result)
    code_of = {
        name: result["contracts"][source][name]
        for half, result in zip(halves, results, strict=True)
        for name, source in half
    }
    manifest = source_manifest(sources)
    return {
        name: {
            "contractName": name,
            "sourceName": source,
            "abi": code_of[name]["abi"],
            **describe_code(code_of[name]["evm"]),
            "compiler": {"version": SOLC_VERSION, "settings": SETTINGS},
            "sourceHash": manifest["sources"][source],
        }
        for name, source in TARGETS.items()
    }


def render_layout(sources: dict[str, str]) -> str:
    """Compute and render contracts/storage-layout.json; generates no code, so it is quick."""
    from storage_layout import read_layouts  # noqa: PLC0415 -- only when the compiler runs

    return render(read_layouts(sources, TARGETS, run_compiler))


def render(document: Json) -> str:
    """Write JSON the one way in which it is committed."""
    return json.dumps(document, indent=1, sort_keys=True) + "\n"


def render_build(sources: dict[str, str]) -> dict[str, str]:
    """Compile, and render every file of contracts/artifacts by name."""
    artifacts = compile_sources(sources)
    files = {f"{name}.json": render(artifact) for name, artifact in artifacts.items()}
    manifest = source_manifest(sources)
    manifest["artifacts"] = {name: sha256(text) for name, text in sorted(files.items())}
    return {**files, "manifest.json": render(manifest)}


def check_sources() -> None:
    """Compare the sources with the manifest, without compiling.

    Raises:
        StaleArtifactsError: A source, the settings or an artifact changed since the last build.
    """
    manifest = json.loads((ARTIFACTS / "manifest.json").read_text(encoding="utf-8"))
    if manifest["sourceHash"] != source_manifest(read_sources())["sourceHash"]:
        raise StaleArtifactsError("the sources changed; run: .venv/bin/python contracts/build.py")
    for name, digest in manifest["artifacts"].items():
        if sha256((ARTIFACTS / name).read_text(encoding="utf-8")) != digest:
            raise StaleArtifactsError(
                f"{name} was edited; run: .venv/bin/python contracts/build.py"
            )


def stale_files(built: dict[str, str], committed: dict[str, str]) -> list[str]:
    """Name the files that differ, are missing, or are left over, in order."""
    names = built.keys() | committed.keys()
    return sorted(name for name in names if built.get(name) != committed.get(name))


def check_build() -> None:
    """Compare the sources, then recompile and compare every byte that is committed.

    Raises:
        StaleArtifactsError: A file differs, is missing, or is left over.
    """
    check_sources()
    sources = read_sources()
    built = {**render_build(sources), LAYOUT.name: render_layout(sources)}
    paths = [path for path in (*ARTIFACTS.glob("*.json"), LAYOUT) if path.exists()]
    stale = stale_files(built, {path.name: path.read_text(encoding="utf-8") for path in paths})
    if stale:
        raise StaleArtifactsError(
            f"stale: {', '.join(stale)}; run: .venv/bin/python contracts/build.py"
        )


def write_build() -> list[str]:
    """Compile and replace what is committed; returns the names of files that changed."""
    sources = read_sources()
    built = render_build(sources)
    ARTIFACTS.mkdir(exist_ok=True)
    for path in ARTIFACTS.glob("*.json"):
        if path.name not in built:
            path.unlink()
    changed = []
    files = {ARTIFACTS / name: text for name, text in built.items()}
    for path, text in (files | {LAYOUT: render_layout(sources)}).items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            changed.append(path.name)
    return changed


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Compile the contracts into contracts/artifacts.")
    parser.add_argument("--check", action="store_true", help="compare only; exit 1 when stale")
    if parser.parse_args().check:
        try:
            check_build()
        except StaleArtifactsError as error:
            print(error, file=sys.stderr)
            return 1
        print("contracts/artifacts is what the sources compile to")
        return 0
    changed = write_build()
    print(f"wrote {', '.join(changed)}" if changed else "contracts/artifacts was up to date")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
