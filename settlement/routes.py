"""How a call reaches a treasury: from the signer, or through the platform's adapter. Pure.

Oak's adapter (``AdapterManager``) appends its admin's address to the call, which the treasury takes
for the sender, and answers every failure with ``CallFailed()``: reasons are found by trying the
direct call as that admin, which is what ``preflight`` does in every case.
"""

from dataclasses import dataclass
from typing import Protocol

from eth_abi.abi import encode

from indexer.chain.types import Address, to_checksum
from settlement.calldata import selector

EXECUTE_CALL_SIGNATURE = "executeCall(address,bytes)"


class CallRoute(Protocol):
    """Whom the signer calls so that a treasury is called."""

    def lead(self, treasury: Address, calldata: bytes) -> tuple[Address, bytes]:
        """The contract to call, and with what, so that the treasury gets ``calldata``."""
        ...


@dataclass(frozen=True, slots=True)
class Direct:
    """The signer is the platform's admin and calls the treasury itself."""

    def lead(self, treasury: Address, calldata: bytes) -> tuple[Address, bytes]:
        """The call as it is."""
        return treasury, calldata


DIRECT = Direct()


@dataclass(frozen=True, slots=True)
class ThroughAdapter:
    """The signer is the admin of the platform's adapter."""

    adapter: Address

    def lead(self, treasury: Address, calldata: bytes) -> tuple[Address, bytes]:
        """``AdapterManager.executeCall`` around the call."""
        arguments = encode(["address", "bytes"], [to_checksum(treasury), calldata])
        return self.adapter, selector(EXECUTE_CALL_SIGNATURE) + arguments
