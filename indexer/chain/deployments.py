"""The deployment record: where the protocol's contracts stand on one network.

Written by ``contracts/deploy`` from the deployment's own receipts and events; read by every
process that speaks to a chain.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from indexer.chain.networks import Network
from indexer.chain.types import Address, BlockHash, BlockNumber, address_from_hex, hash_from_hex
from indexer.errors import ConfigurationError

TreasuryKind = Literal[
    "payment-treasury",
    "time-constrained-payment-treasury",
    "mirror-payment-treasury",
    "oak-payment-treasury",
]
"""Ours, then Oak's, hosted by Oak's own factories."""


def _address(value: object) -> Address:
    return address_from_hex(str(value))


def _hash(value: object) -> bytes:
    return hash_from_hex(str(value))


AddressText = Annotated[Address, BeforeValidator(_address)]
HashText = Annotated[bytes, BeforeValidator(_hash)]
BlockHashText = Annotated[BlockHash, BeforeValidator(_hash)]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", arbitrary_types_allowed=True)


class Platform(_Record):
    """The platform enlisted in GlobalParams; its admin creates and confirms payments."""

    name: str
    hash: HashText
    admin: AddressText


class Contracts(_Record):
    """The three proxies of the protocol, and what stands beside them."""

    global_params: AddressText
    campaign_info_factory: AddressText
    treasury_factory: AddressText
    refund_escrow: AddressText | None = None
    """Where refunds of buyers without wallet wait, if the deployment has it."""


class OtherContracts(_Record):
    """The factories of another deployment of the protocol on the same network, Oak's for one.

    Their events are indexed like ours; nothing is ever sent to them.
    """

    name: str
    global_params: AddressText | None = None
    campaign_info_factory: AddressText
    treasury_factory: AddressText


class Implementation(_Record):
    """One treasury implementation registered under an id of the platform."""

    id: int
    kind: TreasuryKind
    address: AddressText


class Token(_Record):
    """A token accepted for a currency."""

    symbol: str
    address: AddressText
    decimals: int
    currency: str
    """ISO 4217 code, upper case."""


class Deployment(_Record):
    """The whole record of one network."""

    network: str
    chain_id: int
    genesis_hash: BlockHashText
    first_block: BlockNumber
    platform: Platform
    protocol_admin: AddressText
    contracts: Contracts
    implementations: tuple[Implementation, ...]
    tokens: tuple[Token, ...]
    adapter: AddressText | None = None
    others: tuple[OtherContracts, ...] = ()
    """Set by hand. Lower ``first_block`` where one of them is older."""
    artifacts_hash: str

    def token_for(self, currency: str) -> Token:
        """The token that stands for a fiat currency.

        Raises:
            ConfigurationError: The deployment accepts no token for it.
        """
        for token in self.tokens:
            if token.currency == currency.upper():
                return token
        raise ConfigurationError(f"no token stands for {currency} on {self.network}")

    def implementation_of(self, kind: str) -> Implementation:
        """The registered implementation of a treasury kind.

        Raises:
            ConfigurationError: No implementation of this kind is registered.
        """
        for implementation in self.implementations:
            if implementation.kind == kind:
                return implementation
        raise ConfigurationError(f"no treasury implementation of kind {kind!r} on {self.network}")


def record_path(directory: Path, network: Network) -> Path:
    """Where the record of a network lies."""
    return directory / f"{network.name}.json"


def load_deployment(directory: Path, network: Network) -> Deployment:
    """Read and check the record of one network.

    Raises:
        ConfigurationError: The record is missing, malformed, or of another chain.
    """
    path = record_path(directory, network)
    try:
        deployment = Deployment.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise ConfigurationError(
            f"no deployment record for {network.name} in {directory}: run 'lastro deploy'"
        ) from None
    except ValidationError as error:
        raise ConfigurationError(f"{path} is not a deployment record: {error}") from None
    if deployment.chain_id != network.chain_id:
        raise ConfigurationError(
            f"{path} is of chain {deployment.chain_id}, but {network.name} is {network.chain_id}"
        )
    return deployment
