"""Contracts of the committed build on Ape's chain: nothing is compiled to be tested."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import ape
from ape.contracts import ContractContainer, ContractInstance
from eth_utils import keccak
from ethpm_types import ContractType

if TYPE_CHECKING:
    from ape.api import AccountAPI, ReceiptAPI
    from ape.types import ContractLog

ARTIFACTS = Path(__file__).parents[2] / "contracts" / "artifacts"
PLATFORM_HASH = keccak(text="lastro")
CURRENCY = b"BRL".ljust(32, b"\0")
PAYMENT_TREASURY_ID = 2
TIME_CONSTRAINED_ID = 3
MIRROR_ID = 4
ZERO_ADDRESS = "0x" + "00" * 20
TREASURY_KINDS = {
    PAYMENT_TREASURY_ID: "PaymentTreasury",
    TIME_CONSTRAINED_ID: "TimeConstrainedPaymentTreasury",
    MIRROR_ID: "MirrorPaymentTreasury",
}

_libraries: dict[str, str] = {}


@cache
def artifact(name: str) -> dict:
    return json.loads((ARTIFACTS / f"{name}.json").read_text(encoding="utf-8"))


@cache
def storage_layout() -> dict:
    """Where each contract and struct keeps its variables, as committed."""
    return json.loads((ARTIFACTS.parent / "storage-layout.json").read_text(encoding="utf-8"))


@cache
def container(name: str) -> ContractContainer:
    """A contract type to speak to; what needs libraries is created through `linked`."""
    return typed(name, artifact(name)["bytecode"])


def typed(name: str, code: str) -> ContractContainer:
    contract_type = {
        "contractName": name,
        "abi": artifact(name)["abi"],
        "deploymentBytecode": {"bytecode": without_placeholders(code)},
        "runtimeBytecode": {"bytecode": runtime_code(name)},
    }
    return ContractContainer(ContractType.model_validate(contract_type))


def runtime_code(name: str) -> str:
    """The code on the chain, with zeros for libraries and immutables."""
    return without_placeholders(artifact(name)["deployedBytecode"])


def without_placeholders(code: str) -> str:
    return re.sub(r"__\$[0-9a-f]{34}\$__", "00" * 20, code)


def at(name: str, address: str) -> ContractInstance:
    """Speak to a deployed contract; proxies are addressed by the ABI behind them."""
    # Replaced, because a contract of another type may have lived there before the chain went back.
    return ape.chain.contracts.instance_at(
        address,
        contract_type=container(name).contract_type,
        fetch_from_explorer=False,
        detect_proxy=False,
        replace=True,
    )


def library(deployer: AccountAPI, name: str) -> str:
    """The address of a linked library, deployed on first use."""
    known = _libraries.get(name)
    if known is None or not deployer.provider.get_code(known):
        _libraries[name] = create(deployer, name).contract_address
    return _libraries[name]


def linked(deployer: AccountAPI, name: str) -> ContractContainer:
    """A contract type with its libraries' addresses in its code."""
    code = artifact(name)["bytecode"]
    for libraries in artifact(name)["linkReferences"].values():
        for used, places in libraries.items():
            address = library(deployer, used)[2:].lower()
            for place in places:
                start = 2 + 2 * place["start"]
                code = code[:start] + address + code[start + len(address) :]
    return typed(name, code)


def create(deployer: AccountAPI, name: str, *arguments: object) -> ReceiptAPI:
    """Deploy a contract; its address is the receipt's."""
    links = artifact(name)["linkReferences"]
    factory = linked(deployer, name) if links else container(name)
    receipt = deployer.call(factory(*arguments, sender=deployer))
    assert receipt.contract_address
    return receipt


def create_proxied(
    deployer: AccountAPI, name: str, *arguments: object
) -> tuple[ContractInstance, ReceiptAPI]:
    """Deploy an implementation and its proxy, initialised in the proxy's own transaction."""
    receipt = create(deployer, name)
    implementation = at(name, receipt.contract_address)
    initialise = implementation.initialize.encode_input(*arguments)
    proxy = create(deployer, "ERC1967Proxy", receipt.contract_address, initialise)
    return at(name, proxy.contract_address), receipt


def event(receipt: ReceiptAPI, contract: ContractInstance, name: str) -> ContractLog:
    """Decode the one event of that name that the contract emitted in a transaction."""
    (found,) = (
        log
        for log in receipt.decode_logs(getattr(contract, name).abi)
        if log.contract_address == contract.address
    )
    return found
