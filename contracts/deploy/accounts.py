"""Whose keys deploy, and which keys must not."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import ape
from ape_test.accounts import TestAccount
from eth_account import Account
from faults import DeploymentError, UsageError
from step import DEPLOYER, PLATFORM

if TYPE_CHECKING:
    import argparse

    from ape.api import AccountAPI
    from chain import Chain
    from networks import Network

PLATFORM_ADMIN_KEY = "LASTRO_PLATFORM_ADMIN_KEY"
WEI_PER_COIN = 10**18
# The mnemonics whose keys the whole world holds, and how many accounts each tool makes of them.
PUBLISHED = {
    "test test test test test test test test test test test junk": 20,  # anvil, Hardhat, Ape
    "myth like bonus scare over problem client lizard pioneer submit female collect": 10,  # Ganache
}
DERIVATION = "m/44'/60'/0'/0/{0}"

Accounts = dict[str, "AccountAPI"]


def key_account(key: str) -> AccountAPI:
    """Make an account of a private key, for local chains only."""
    address = Account.from_key(key).address
    return TestAccount(index=0, address_str=address, private_key=key)


def local_accounts(platform_key: str) -> Accounts:
    """Deploy with a local chain's own money."""
    return {DEPLOYER: ape.accounts.test_accounts[0], PLATFORM: key_account(platform_key)}


def load_accounts(options: argparse.Namespace, network: Network) -> Accounts:
    """Find deployer and platform admin.

    Raises:
        UsageError: The platform admin is not who it should be.
    """
    if network.local:
        accounts = local_accounts(os.environ[PLATFORM_ADMIN_KEY])
    else:
        loaded = [load_alias(alias) for alias in (options.account, options.platform_account)]
        accounts = dict(zip((DEPLOYER, PLATFORM), loaded, strict=True))
    found = accounts[PLATFORM].address
    expected = options.platform_admin
    if expected and expected.lower() != found.lower():
        raise UsageError(f"the platform admin's key is of {found}, not {expected}")
    return accounts


def load_alias(alias: str) -> AccountAPI:
    """Find one of Ape's accounts.

    Raises:
        UsageError: There is none of that name.
    """
    if alias not in ape.accounts.aliases:
        raise UsageError(f"Ape has no account {alias!r}: see 'ape accounts list'")
    return ape.accounts.load(alias)


def published_addresses() -> set[str]:
    """Compute every account whose key is published."""
    Account.enable_unaudited_hdwallet_features()
    return {
        Account.from_mnemonic(mnemonic, account_path=DERIVATION.format(index)).address
        for mnemonic, count in PUBLISHED.items()
        for index in range(count)
    }


def require_secret(accounts: Accounts) -> None:
    """Refuse keys that anyone can use: what they deploy is anyone's, and their coins are gone.

    Raises:
        DeploymentError: A role is held by such a key.
    """
    published = published_addresses()
    for role, account in accounts.items():
        if account.address in published:
            raise DeploymentError(
                f"the {role} {account.address} is a published test account: anyone holds its key; "
                "make one of your own with 'ape accounts generate'"
            )


def require_funded(
    accounts: Accounts, chain: Chain, gas: dict[str, int], gas_price_wei: int
) -> None:
    """Refuse to begin what the balances cannot pay to the end.

    Args:
        accounts: The accounts by role.
        chain: The chain that knows their balances.
        gas: What is left to do, in gas by role.
        gas_price_wei: What the network asks for gas.

    Raises:
        DeploymentError: A balance is too small; the message says whose and by how much.
    """
    short = []
    for role, account in accounts.items():
        cost, balance = gas.get(role, 0) * gas_price_wei, chain.balance(account.address)
        if balance < cost:
            short.append(
                f"the {role} {account.address} holds {coins(balance)} of the {coins(cost)} coins "
                f"that its {gas[role]:,} gas cost: send it {coins(cost - balance)} more"
            )
    if short:
        raise DeploymentError("; ".join(short))


def coins(wei: int) -> str:
    """Write an amount of the network's coin, rounded up to a millionth."""
    millionths = -(-wei * 10**6 // WEI_PER_COIN)
    return f"{millionths // 10**6}.{millionths % 10**6:06}"


def unlock(accounts: Accounts) -> None:
    """Ask for each passphrase once, not for every transaction.

    Ape takes it from APE_ACCOUNTS_<alias>_PASSPHRASE where that is set.
    """
    for account in accounts.values():
        if hasattr(account, "set_autosign"):
            account.set_autosign(True)
