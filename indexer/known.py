"""Which contracts' words count: the deployment's own, and those its factories made. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Self

from indexer.chain.blocks import Log
from indexer.chain.deployments import Deployment
from indexer.chain.types import HASH_BYTES, Address
from indexer.decode import Event, UndecodableLog, decode_log
from indexer.events import CAMPAIGN_CREATED, PROTOCOL_TOPICS, TRANSFER, TREASURY_DEPLOYED, Emitter
from indexer.verify import bloom_may_hold


@dataclass(frozen=True, slots=True)
class KnownContracts:
    """The contracts known as of one block; ``with_event`` gives those known after an event."""

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

    def moves_treasury_tokens(self, event: Event) -> bool:
        """Whether the event is a transfer of an accepted token to or from a known treasury."""
        return (
            event.type is TRANSFER
            and self.claims(event)
            and (
                event.address_of("from") in self.treasuries
                or event.address_of("to") in self.treasuries
            )
        )

    def with_event(self, event: Event) -> Self:
        """What is known once a claimed event has happened."""
        if event.type is CAMPAIGN_CREATED:
            made = event.address_of("campaignInfoAddress")
            return replace(self, campaigns=self.campaigns | {made})
        if event.type is TREASURY_DEPLOYED:
            made = event.address_of("treasuryAddress")
            return replace(self, treasuries=self.treasuries | {made})
        return self

    def may_concern(self, logs_bloom: bytes) -> bool:
        """Whether a block with this bloom may hold a log we keep; False is a proof that not."""
        if bloom_may_hold(logs_bloom, PROTOCOL_TOPICS):
            return True
        return (
            bloom_may_hold(logs_bloom, (TRANSFER.topic0,))
            and bloom_may_hold(logs_bloom, self.tokens)
            and bloom_may_hold(logs_bloom, (as_topic(one) for one in self.treasuries))
        )


@dataclass(frozen=True, slots=True)
class KeptLog:
    """A log worth a row: an event of a known contract, or our topic from an unknown one."""

    event: Event | UndecodableLog
    claimed: bool


def sift(known: KnownContracts, logs: Iterable[Log]) -> tuple[KnownContracts, tuple[KeptLog, ...]]:
    """Choose what to keep of one block, and learn the contracts it made known.

    A contract counts from the block that made it known, wherever in the block its logs stand: so
    the outcome is the same however the block was fetched.

    Args:
        known: As of the block before.
        logs: The block's logs, in order; those without a topic of ours are passed over.
    """
    events = [event for log in logs if (event := decode_log(log)) is not None]
    for event in events:
        if isinstance(event, Event) and known.claims(event):
            known = known.with_event(event)
    kept = []
    for event in events:
        if event.type is TRANSFER:
            if isinstance(event, Event) and known.moves_treasury_tokens(event):
                kept.append(KeptLog(event, claimed=True))
        else:
            kept.append(KeptLog(event, isinstance(event, Event) and known.claims(event)))
    return known, tuple(kept)


def as_topic(address: Address) -> bytes:
    """An indexed address argument as the topic it becomes."""
    return address.rjust(HASH_BYTES, b"\0")
