"""Builders for tests of campaigns: a treasury that does what it is told, and a time that passed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import building
import world
from ape.api import ReceiptAPI
from ape.contracts import ContractInstance
from world import PLATFORM, REASON, ZERO, assert_reverts

MINIMAL = 7


@dataclass(frozen=True)
class Hosted:
    campaign: ContractInstance
    treasury: ContractInstance
    ask: Callable[..., ReceiptAPI]
    refuses: Callable[..., None]
    mint: Callable[[str], ReceiptAPI]


def assert_too_late(method, arguments, sender, time: int) -> None:
    """Assert CurrentTimeIsGreater: the simulated block's time is not known beforehand."""
    answer = world.call(method.contract.address, world.calldata(method, *arguments), sender.address)
    data = bytes.fromhex(answer["error"]["data"][2:])
    error = world.error_bytes("CurrentTimeIsGreater(uint256,uint256)", time, 0)
    assert data[:36] == bytes.fromhex(error[2:])[:36]
    assert int.from_bytes(data[36:], "big") >= time
    assert len(data) == 68


def host_minimal_treasury(protocol, people) -> Hosted:
    """A campaign with a treasury that asks of it what it is told to, from any account."""
    admin, treasuries = people.platform_admin, protocol.treasuries
    kind = building.create(people.stranger, "MinimalTreasury").contract_address
    treasuries.registerTreasuryImplementation(PLATFORM, MINIMAL, kind, sender=admin)
    treasuries.approveTreasuryImplementation(PLATFORM, MINIMAL, sender=people.protocol_admin)
    campaign = world.create_campaign(protocol, people)
    receipt = treasuries.deploy(PLATFORM, campaign, MINIMAL, sender=admin)
    created = building.event(receipt, treasuries, "TreasuryFactoryTreasuryDeployed")
    treasury = building.at("MinimalTreasury", created.treasuryAddress)

    def ask(name: str, *arguments: object) -> ReceiptAPI:
        message = world.calldata(getattr(campaign, name), *arguments)
        return treasury.ask(message, sender=people.stranger)

    def refuses(name: str, arguments: list, error: str, *values: object) -> None:
        message = world.calldata(getattr(campaign, name), *arguments)
        assert_reverts(treasury.ask, [message], people.stranger, error, *values)

    def mint(backer: str) -> ReceiptAPI:
        return ask("mintNFTForPledge", backer, REASON, ZERO, 1, 2, 3)

    return Hosted(campaign, treasury, ask, refuses, mint)
