"""Deploy to a throwaway local chain of the network's chain id, and say what it takes."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import artifact
from accounts import WEI_PER_COIN, coins, local_accounts
from deployment import Target, deploy
from eth_account import Account
from eth_utils import to_checksum_address
from networks import throwaway_chain
from plan import make_plan
from step import DEPLOYER, PLATFORM, Step

if TYPE_CHECKING:
    from networks import Network
    from view import Terms

GWEI = 10**9
STAND_IN = to_checksum_address("0x" + "b1" * 20)  # where a dry run puts a token, when none is named


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What a fresh deployment does: its steps in order, and the gas of those that send."""

    plan: list[Step]
    gas: dict[str, int]

    def lines(self, gas_price_wei: int) -> list[str]:
        """Lay it out as a table, with what it costs each account and in total."""
        rows = [
            f"{number:>3}  {step.name:<44} {step.sender:<15} {self.gas.get(step.name, 0):>12,}"
            for number, step in enumerate(self.plan, 1)
            if step.name in self.gas
        ]
        price = f"{gas_price_wei / GWEI:g} gwei"
        total = sum(self.gas.values())
        by_role = {
            role: sum(self.gas.get(step.name, 0) for step in self.plan if step.sender == role)
            for role in (DEPLOYER, PLATFORM)
        }
        return [
            f"{'':>3}  {'step':<44} {'sender':<15} {'gas':>12}",
            *rows,
            *(
                f"{role} needs {coins(gas * gas_price_wei)} coins for {gas:,} gas at {price}"
                for role, gas in by_role.items()
            ),
            f"total: {total:,} gas, {coins(total * gas_price_wei)} coins at {price}",
        ]


def rehearse(network: Network, terms: Terms) -> Rehearsal:
    """Deploy from nothing to a chain that goes again; fees and BRLA's address are the terms'."""
    platform_key = "0x" + Account.create().key.hex().removeprefix("0x")
    accounts = local_accounts(platform_key)
    own = {
        "protocol_admin": str(accounts[DEPLOYER].address),
        "platform_admin": str(accounts[PLATFORM].address),
    }
    with (
        tempfile.TemporaryDirectory(prefix="lastro-dry-run-") as folder,
        throwaway_chain(network) as chain,
    ):
        mint = 0 if network.local else None
        token = None if network.local else terms.token or STAND_IN
        terms = replace(terms, token=token, **own)
        if token is not None:
            code = artifact.runtime_code("TestBRLA", {})
            chain.request("anvil_setCode", token, "0x" + code.hex())
        for account in accounts.values():
            chain.request("anvil_setBalance", str(account.address), hex(1_000 * WEI_PER_COIN))
        target = Target(network, chain, Path(folder) / "record.json", mint)
        _, book = deploy(target, accounts=accounts, choose=lambda _: terms, say=lambda _: None)
        return Rehearsal(make_plan(terms, mint), book.gas)
