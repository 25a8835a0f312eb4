"""Which contracts' words count: the deployment's own, and those its factories made. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

from indexer.chain.deployments import Deployment
from indexer.chain.types import HASH_BYTES, Address, BlockNumber
from indexer.decode import Event
from indexer.events import PROTOCOL_TOPICS, TRANSFER, Emitter
from indexer.verify import bloom_may_hold


@dataclass(frozen=True, slots=True)
class KnownContracts:
    """The contracts known as of one block; ``with_made`` adds what factories made."""

    fixed: dict[Address, Emitter]
    """From the deployment record: the factories, the parameters, the tokens."""
    campaigns: frozenset[Address] = frozenset()
    treasuries: frozenset[Address] = frozenset()

    @classmethod
    def of_deployment(cls, deployment: Deployment) -> Self:
        """What is known before the first block is read."""
        contracts = deployment.contracts
        fixed = {
            contracts.global_params: Emitter.GLOBAL_PARAMS,
            contracts.campaign_info_factory: Emitter.CAMPAIGN_FACTORY,
            contracts.treasury_factory: Emitter.TREASURY_FACTORY,
            **{token.address: Emitter.ERC20 for token in deployment.tokens},
        }
        if contracts.refund_escrow is not None:
            fixed[contracts.refund_escrow] = Emitter.REFUND_ESCROW
        for other in deployment.others:
            fixed[other.campaign_info_factory] = Emitter.CAMPAIGN_FACTORY
            fixed[other.treasury_factory] = Emitter.TREASURY_FACTORY
            if other.global_params is not None:
                fixed[other.global_params] = Emitter.GLOBAL_PARAMS
        return cls(fixed=fixed)

    @property
    def tokens(self) -> tuple[Address, ...]:
        """The tokens whose transfers are read."""
        return tuple(address for address, kind in self.fixed.items() if kind is Emitter.ERC20)

    def kind_of(self, address: Address) -> Emitter | None:
        """What a contract is to us; None when it is unknown."""
        if address in self.treasuries:
            return Emitter.TREASURY
        if address in self.campaigns:
            return Emitter.CAMPAIGN
        return self.fixed.get(address)

    def claims(self, event: Event) -> bool:
        """Whether the event comes from a contract whose word on it counts."""
        return self.kind_of(event.log.address) in event.type.emitters

    def with_made(self, made: Mapping[Address, tuple[Emitter, BlockNumber]]) -> Self:
        """What is known once factories have made these contracts."""
        if not made:
            return self
        kinds = {
            kind: frozenset(address for address, (theirs, _) in made.items() if theirs is kind)
            for kind in (Emitter.CAMPAIGN, Emitter.TREASURY)
        }
        return replace(
            self,
            campaigns=self.campaigns | kinds[Emitter.CAMPAIGN],
            treasuries=self.treasuries | kinds[Emitter.TREASURY],
        )

    def may_concern(self, logs_bloom: bytes) -> bool:
        """Whether a block with this bloom may hold a log we keep; False is a proof that not."""
        if bloom_may_hold(logs_bloom, PROTOCOL_TOPICS):
            return True
        return (
            bloom_may_hold(logs_bloom, (TRANSFER.topic0,))
            and bloom_may_hold(logs_bloom, self.tokens)
            and bloom_may_hold(logs_bloom, (as_topic(one) for one in self.treasuries))
        )


def as_topic(address: Address) -> bytes:
    """An indexed address argument as the topic it becomes."""
    return address.rjust(HASH_BYTES, b"\0")
