"""What each mode of the command does, between its options and what it prints."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import build
import check as checks
import deployment
import dry_run
import record as records
from accounts import coins, load_accounts, require_funded, require_secret, unlock
from eth_utils import is_address, to_checksum_address
from faults import DeploymentError, UsageError
from step import DEPLOYER, PLATFORM
from view import Terms

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from accounts import Accounts
    from chain import Chain
    from networks import Network
    from step import Step
    from view import View


def deploy_to(options: argparse.Namespace, network: Network, chain: Chain, path: Path) -> str:
    """Deploy, resume or upgrade; returns what to tell the operator.

    Raises:
        DeploymentError: It is refused, or cannot go on.
    """

    def say(line: str) -> None:
        print(f"{network.name}: {line}", file=sys.stderr, flush=True)

    def choose(old: Terms | None) -> Terms:
        return chosen_terms(options, accounts, old)

    def afford(plan: list[Step], view: View) -> None:
        if network.local or not deployment.gas_left(plan, view, {}):
            return
        say("rehearsing on a throwaway chain, to know what it costs")
        gas = dry_run.rehearse(network, view.terms).gas
        left, price = deployment.gas_left(plan, view, gas), chain.number("eth_gasPrice")
        require_funded(accounts, chain, left, price)
        total = sum(left.values())
        say(f"to do: {total:,} gas, about {coins(total * price)} coins at {price / 10**9:g} gwei")

    accounts = load_accounts(options, network)
    if not network.local:
        require_secret(accounts)
        unlock(accounts)
    mint = options.mint_brl_centavos if network.local else None
    target = deployment.Target(network, chain, path, mint)
    record, book = deployment.deploy(
        target, accounts=accounts, choose=choose, say=say, afford=afford
    )
    if not book.gas:
        return f"{network.name}: already deployed, {path} is true"
    return f"{network.name}: deployed from block {record['first_block']}, {path}"


def chosen_terms(
    options: argparse.Namespace, accounts: Accounts | None, old: Terms | None
) -> Terms:
    """Decide the terms: what the options name, else what is recorded, else the defaults."""
    if options.brla is not None and not is_address(options.brla):
        raise UsageError(f"--brla {options.brla} is not an address")
    terms = old or Terms(protocol_admin="", platform_admin="")
    named = {
        "protocol_fee_bps": options.protocol_fee_bps,
        "platform_fee_bps": options.platform_fee_bps,
        "token": options.brla and to_checksum_address(options.brla),
        "protocol_admin": accounts and str(accounts[DEPLOYER].address),
        "platform_admin": accounts and str(accounts[PLATFORM].address),
        "registry": Terms(protocol_admin="", platform_admin="").registry,
    }
    return replace(terms, **{name: value for name, value in named.items() if value is not None})


def rehearse(options: argparse.Namespace, network: Network) -> dry_run.Rehearsal:
    """Deploy from nothing to a throwaway chain."""
    return dry_run.rehearse(network, chosen_terms(options, None, None))


def check(chain: Chain, path: Path) -> list[checks.Item]:
    """Compare the build with its sources, then the deployment with record and build.

    Raises:
        DeploymentError: There is no record to compare with.
    """
    record = records.read(path)
    if record is None:
        raise DeploymentError(f"there is no record {path}: deploy first, or name it with --record")
    try:
        build.check_sources()
        found = "of the committed sources"
    except build.StaleArtifactsError as error:
        found = str(error)
    current = checks.Item("build", "of the committed sources", found)
    return [current, *checks.compare(record, chain)]
