"""Where chaos takes place: a chain behind two lying nodes, a database, treasuries of two kinds."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.context import ForkServerContext

import httpx
from sqlalchemy import Engine

from benchmarks.captured import open_campaigns
from benchmarks.chain import Chain
from benchmarks.chaos_actors import BOLD, Actor, Post, Work, forking
from benchmarks.ground import FAST_NOT_DURABLE, Ground, ground
from benchmarks.settlement_site import Site, settlement_site
from indexer.chain.rpc import ChainReader
from indexer.chain.types import Address
from indexer.db.base import ROLES
from indexer.db.session import open_engine
from settlement.lane import Policy
from stack.fakes.chain_proxy.proxy import Proxy, running_proxy
from tests.support.real_protocol import ADMIN, OAKS_KIND, OUR_KIND

EPOCH_SLOTS = 3
"""Six blocks to finality: a reorg of four undoes nothing that was final."""
SETUP_DEPTH = 2 * EPOCH_SLOTS + 1
"""Blocks upon those with the campaigns: what is live was final."""
CAMPAIGNS: Mapping[str, int] = {OUR_KIND: 4, OAKS_KIND: 2}
"""How many of each kind of treasury."""


@dataclass(frozen=True, slots=True)
class Place:
    """Everything that the world and the processes in it share."""

    base: Ground
    site: Site
    node: Chain
    """The chain itself, which tells no lies."""
    reader: ChainReader
    """The same, for reading."""
    proxies: Sequence[Proxy]
    """What the processes take for nodes."""
    treasuries: Sequence[Address]
    first_nonce: int
    """Of the platform's account, before settlement sent anything."""
    context: ForkServerContext

    def post(self, *places: int, policy: Policy = BOLD) -> Post:
        """What a process is told that asks some of the nodes, the preferred first."""
        urls = tuple(self.proxies[place].url for place in places)
        return Post(self.site.database, urls, self.site.directory, policy)

    def actor(self, work: Work, post: Post) -> Actor:
        """A process that can be killed; not started yet."""
        return Actor(self.context, work, post)

    def engine_as(self, owner: str) -> Engine:
        """Open an engine as the owner of a schema; dispose of it."""
        return open_engine(self.site.database, role=ROLES[owner])


@contextmanager
def chaos_site(seed: int) -> Iterator[Place]:
    """Set everything up; the chain mines only what it is told to, from then on."""
    with (
        ground(FAST_NOT_DURABLE) as base,
        settlement_site(base.database(), epoch_slots=EPOCH_SLOTS) as site,
        running_proxy(site.anvil.url, seed=seed) as one,
        running_proxy(site.anvil.url, seed=seed + 1) as other,
        httpx.Client(base_url=site.anvil.url, timeout=60) as client,
    ):
        live = [
            campaign
            for kind, count in CAMPAIGNS.items()
            for campaign in open_campaigns(site, count, kind=kind)
        ]
        site.anvil.call("evm_setAutomine", False)
        site.anvil.call("anvil_mine", hex(SETUP_DEPTH))
        reader = ChainReader([site.anvil.url])
        first_nonce = site.anvil.call("eth_getTransactionCount", ADMIN.address, "latest")
        try:
            yield Place(
                base=base,
                site=site,
                node=Chain(client, ()),
                reader=reader,
                proxies=(one, other),
                treasuries=[campaign.treasury for campaign in live],
                first_nonce=int(first_nonce, 16),
                context=forking(),
            )
        finally:
            reader.close()
