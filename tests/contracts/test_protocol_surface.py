"""The surface of everything but the treasuries is Oak's, and what is more than Oak's is listed.

Source: github.com/oak-network/contracts at 8280e7e. An asterisk marks an indexed argument.
"""

from __future__ import annotations

import building
import pytest
import world
from eth_utils import function_signature_to_4byte_selector, keccak
from oak_selectors import SELECTORS, SELECTORS_OF_ERRORS, TOPICS
from oak_surface import (
    ADDED,
    CONTRACTS,
    ERRORS,
    EVENTS,
    FUNCTIONS,
    MISSING,
    OURS,
)

EIP_170_BYTES = 24_576


def signatures(name: str, kind: str) -> set[str]:
    """Everything of one kind in a contract's ABI, indexed arguments of events marked."""
    found = set()
    for entry in building.container(name).contract_type.abi:
        if entry.type == kind:
            marks = ["*" if getattr(part, "indexed", False) else "" for part in entry.inputs]
            types = map(world.canonical, entry.inputs)
            arguments = (kind + mark for kind, mark in zip(types, marks, strict=True))
            found.add(f"{entry.name}({','.join(arguments)})")
    return found


def named(signatures_: set[str]) -> dict[str, str]:
    """Signatures by name, without marks; overloads are not told apart."""
    return {text.partition("(")[0]: text.replace("*", "") for text in signatures_}


@pytest.mark.parametrize("contract", CONTRACTS)
def test_functions_are_oaks_but_for_what_is_listed(contract):
    expected = FUNCTIONS[contract] - MISSING.get(contract, set()) | ADDED.get(contract, set())
    assert signatures(contract, "function") == expected


@pytest.mark.parametrize("contract", CONTRACTS)
def test_events_are_oaks(contract):
    assert signatures(contract, "event") == EVENTS[contract]


@pytest.mark.parametrize("contract", CONTRACTS)
def test_errors_are_oaks(contract):
    assert signatures(contract, "error") == ERRORS[contract]


@pytest.mark.parametrize("contract", CONTRACTS)
def test_selectors_are_the_ones_that_oaks_clients_send(contract):
    texts = named(signatures(contract, "function"))
    found = {
        name: function_signature_to_4byte_selector(texts[name]).hex()
        for name in SELECTORS[contract]
    }
    assert found == SELECTORS[contract]


def test_topics_and_error_selectors_are_the_ones_that_oaks_clients_decode():
    events, errors = {}, {}
    for contract in CONTRACTS:
        events |= named(signatures(contract, "event"))
        errors |= named(signatures(contract, "error"))
    assert {name: keccak(text=events[name]).hex() for name in TOPICS} == TOPICS
    found = {
        name: function_signature_to_4byte_selector(errors[name]).hex()
        for name in SELECTORS_OF_ERRORS
    }
    assert found == SELECTORS_OF_ERRORS


@pytest.mark.parametrize("contract", [*CONTRACTS, *OURS])
def test_deployed_code_fits_eip_170(contract):
    code = building.container(contract).contract_type.runtime_bytecode.bytecode
    assert 0 < len(bytes.fromhex(code.removeprefix("0x"))) <= EIP_170_BYTES
