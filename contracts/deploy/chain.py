"""One chain, as a deployment reads it and sends to it: JSON-RPC through Ape's connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import artifact
import requests
from eth_utils import keccak
from faults import DeploymentError, UnreachableError

if TYPE_CHECKING:
    from ape.api import ProviderAPI

WORD = 32


class RpcError(DeploymentError):
    """The node answered with an error."""


class Chain:
    """A connected chain."""

    def __init__(self, provider: ProviderAPI) -> None:
        """Speak through a connected provider."""
        self.provider = provider
        self.chain_id = int(self.request("eth_chainId"), 16)

    def request(self, method: str, *parameters: object) -> Any:  # noqa: ANN401 -- JSON
        """Ask the node.

        Raises:
            RpcError: It answers with an error.
            UnreachableError: It does not answer.
        """
        try:
            answer = self.provider.web3.provider.make_request(method, list(parameters))
        except (requests.RequestException, OSError) as error:
            raise UnreachableError(f"the RPC does not answer {method}: {error}") from None
        if answer.get("error") is not None:
            error = answer["error"]
            detail = error.get("data") or ""
            raise RpcError(f"{method}: {error.get('message', error)} {detail}".rstrip())
        return answer["result"]

    def number(self, method: str, *parameters: object) -> int:
        """Ask the node for a quantity."""
        return int(self.request(method, *parameters), 16)

    def genesis_hash(self) -> str:
        """Read the hash of block 0, which tells two chains of the same id apart."""
        return str(self.request("eth_getBlockByNumber", "0x0", False)["hash"])

    def code(self, address: str) -> bytes:
        """Read the code at an address; empty where there is none."""
        return bytes.fromhex((self.request("eth_getCode", address, "latest") or "0x")[2:])

    def storage(self, address: str, slot: int) -> bytes:
        """Read one storage slot."""
        word = self.request("eth_getStorageAt", address, hex(slot), "latest")
        return bytes.fromhex(word[2:]).rjust(WORD, b"\0")

    def read(self, interface: str, address: str, function: str, *arguments: object) -> Any:  # noqa: ANN401 -- as its ABI says
        """Call a view of a contract; addresses come back checksummed, bytes as hex.

        Args:
            interface: The artifact whose ABI describes it.
            address: Where it stands.
            function: Its name.
            arguments: Its arguments.
        """
        data = "0x" + artifact.encode_call(interface, function, arguments).hex()
        answer = self.request("eth_call", {"to": address, "data": data}, "latest")
        if len(answer) <= len("0x"):
            raise RpcError(f"{function}: {address} answers nothing")
        return artifact.decode_result(interface, function, arguments, bytes.fromhex(answer[2:]))

    def receipt(self, transaction: str) -> dict[str, Any] | None:
        """Read a receipt; None while the transaction is not mined."""
        found: dict[str, Any] | None = self.request("eth_getTransactionReceipt", transaction)
        return found

    def nonce(self, address: str) -> int:
        """Count an account's mined transactions."""
        return self.number("eth_getTransactionCount", address, "latest")

    def balance(self, address: str) -> int:
        """Read a balance, in wei."""
        return self.number("eth_getBalance", address, "latest")

    def broadcast(self, raw: bytes) -> None:
        """Hand a signed transaction to the network."""
        self.request("eth_sendRawTransaction", "0x" + raw.hex())


def mapping_slot(slot: int, *keys: bytes) -> int:
    """Compute where nested mappings keep the value of these keys, as Solidity lays them out."""
    for key in keys:
        slot = int.from_bytes(keccak(key.rjust(WORD, b"\0") + slot.to_bytes(WORD)))
    return slot
