"""What a deployment is to be, and what of it stands: the terms, and the chain seen by the book."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import artifact
from chain import Chain, mapping_slot
from eth_utils import keccak, to_checksum_address
from journal import Book

if TYPE_CHECKING:
    from journal import Contract

PLATFORM_NAME = "lastro"
PLATFORM_HASH = "0x" + keccak(text=PLATFORM_NAME).hex()
CURRENCY = "0x" + b"BRL".ljust(32, b"\0").hex()
# keccak256("eip1967.proxy.implementation") - 1, as ERC-1967 defines it
IMPLEMENTATION_SLOT = int.from_bytes(keccak(text="eip1967.proxy.implementation")) - 1
ZERO_ADDRESS = "0x" + "00" * 20
NONE_THERE = "nothing"


class MissingError(Exception):
    """A contract of the deployment does not stand yet."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What a deployment decides; fees in basis points, registry values in seconds by key.

    ``token`` is BRLA's address, None where the deployment brings a test token.
    """

    protocol_admin: str
    platform_admin: str
    token: str | None = None
    protocol_fee_bps: int = 0
    platform_fee_bps: int = 0
    registry: dict[str, int] = field(
        default_factory=lambda: {
            "bufferTime": 3_600,
            "maxPaymentExpiration": 90 * 24 * 3_600,  # a card chargeback may take that long
            "campaignLaunchBuffer": 0,
            "minimumCampaignDuration": 60,
        }
    )


@dataclass(frozen=True, slots=True)
class View:
    """The chain, read through the names that the book gives its addresses."""

    chain: Chain
    book: Book
    terms: Terms

    def contract(self, name: str) -> Contract:
        """Find a contract.

        Raises:
            MissingError: It is not created yet.
        """
        if name not in self.book.contracts:
            raise MissingError(name)
        return self.book.contracts[name]

    def address(self, name: str) -> str:
        """Find a contract's address. Proxies have the name of the contract behind them."""
        return self.contract(name).address

    def token(self) -> str:
        """Find BRLA's address."""
        return self.terms.token or self.address("TestBRLA")

    def read(self, name: str, function: str, *arguments: object) -> Any:  # noqa: ANN401 -- as its ABI says
        """Call a view of a contract of the deployment."""
        return self.chain.read(name, self.address(name), function, *arguments)

    def implementation(self, name: str) -> str:
        """Read which implementation a proxy delegates to."""
        word = self.chain.storage(self.address(name), IMPLEMENTATION_SLOT)
        return str(to_checksum_address(word[-20:]))

    def member(self, name: str, label: str, *keys: bytes) -> bytes:
        """Read a value of at most 20 bytes that has no getter, from the state of a proxy.

        Args:
            name: The contract behind the proxy.
            label: The member of its namespaced state.
            keys: The keys, where the member is a mapping.
        """
        slot, offset = artifact.slot_of(f"lastro.storage.{name}", label)
        word = self.chain.storage(self.address(name), mapping_slot(slot, *keys))
        end = len(word) - offset
        return word[end - 20 : end]

    def member_address(self, name: str, label: str, *keys: bytes) -> str:
        """Read an address as `member` reads it."""
        return str(to_checksum_address(self.member(name, label, *keys)))

    def adapter(self) -> str | None:
        """Read the platform's adapter; None when it has none."""
        found = str(self.read("GlobalParams", "getPlatformAdapter", PLATFORM_HASH))
        return None if found == ZERO_ADDRESS else found

    def registered(self, implementation_id: int) -> str:
        """Read the treasury implementation registered under an id of the platform."""
        keys = bytes.fromhex(PLATFORM_HASH[2:]), implementation_id.to_bytes(32)
        return self.member_address("TreasuryFactory", "implementations", *keys)

    def approved(self, implementation: str) -> bool:
        """Read whether the protocol admin approved a treasury implementation."""
        key = bytes.fromhex(implementation[2:])
        return self.member("TreasuryFactory", "approved", key)[-1] == 1

    def standing(self, name: str) -> str:
        """Describe the code that stands for a contract, so that it compares with `built`.

        Immutables are compared too: each must be the contract's own address, its creator's or a
        constructor argument, or it is named.
        """
        contract = self.book.contracts.get(name)
        code = self.chain.code(contract.address) if contract else b""
        if contract is None or not code:
            return NONE_THERE
        code, immutables = artifact.split_immutables(contract.artifact, code)
        known = [contract.address, contract.creator, *contract.arguments]
        foreign = immutables - {
            bytes.fromhex(value[2:]).rjust(32, b"\0") for value in known if is_address(value)
        }
        named = "".join(f" with foreign immutable 0x{value.hex()}" for value in sorted(foreign))
        return f"code {artifact.code_hash(code)}{named}"

    def built(self, name: str) -> str:
        """Describe the code that the build makes of an artifact, linked with our libraries."""
        libraries = {found: self.address(found) for found in artifact.libraries_of(name)}
        return f"code {artifact.code_hash(artifact.runtime_code(name, libraries))}"


def is_address(value: object) -> bool:
    """Tell an address among a record's arguments."""
    return isinstance(value, str) and value.startswith("0x") and len(value) == len(ZERO_ADDRESS)
