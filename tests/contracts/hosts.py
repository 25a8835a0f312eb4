"""Builders of Oak's campaigns with a treasury of ours in each."""

from __future__ import annotations

from dataclasses import dataclass

import ape
import building
import world
from ape.contracts import ContractInstance
from world import PLATFORM, ZERO


@dataclass(frozen=True)
class Hosted:
    host: ContractInstance
    treasury: ContractInstance


def new_host(protocol, people, odd_admin, name: str) -> ContractInstance:
    arguments = (people.creator, people.protocol_admin, odd_admin, [protocol.brla])
    plain = [getattr(each, "address", each) for each in arguments[:3]]
    made = building.create(people.stranger, name, *plain, [protocol.brla.address])
    return building.at(name, made.contract_address)


def deploy(host, protocol, people, kind: int, adapter=ZERO, admin=None) -> Hosted:
    if adapter != ZERO:
        host.setPlatform(admin, adapter, sender=people.stranger)
    host.deploy(PLATFORM, protocol.implementations[kind], sender=people.stranger)
    # A time-constrained treasury pays out from the second after the launch.
    ape.chain.mine(timestamp=ape.chain.pending_timestamp + 1)
    return Hosted(host, building.at(building.TREASURY_KINDS[kind], host.treasury()))


def claiming(protocol, people, odd_admin, live_params: str):
    host = new_host(protocol, people, odd_admin, "OakHostClaiming")
    host.claim(live_params, False, sender=people.stranger)
    return host


def totals(host) -> dict[str, int]:
    names = ("Raised", "AvailableRaised", "LifetimeRaised", "Refunded", "Cancelled", "Expected")
    return {name: getattr(host, f"getTotal{name}Amount")() for name in names}


def forwarded(method, *arguments: object, sender) -> bytes:
    return world.calldata(method, *arguments) + bytes.fromhex(sender.address[2:])
