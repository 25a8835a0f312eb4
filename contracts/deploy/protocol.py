"""Deploy the protocol to one network with Ape, and write its deployment record.

Usage (in .venv-contracts), on a local chain that mines at once:
    LASTRO_PLATFORM_ADMIN_KEY=0x… .venv-contracts/bin/python contracts/deploy/protocol.py \
        --network celo-local --rpc-url http://127.0.0.1:8545 --record .lastro/celo-local.json

Elsewhere:
    .venv-contracts/bin/python contracts/deploy/protocol.py --network celo-sepolia \
        --account <Ape alias of the protocol admin> --platform-account <… of the platform admin> \
        --brla <token> --record contracts/deployments/celo-sepolia.json

Run again with the record of a live deployment, it says so and changes nothing. The exit code is 0
when the record is true, 1 when something is wrong, and then nothing is written.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ape
import record as records
from ape.exceptions import ApeException
from ape.logging import LogLevel, logger
from ape_test.accounts import TestAccount
from eth_account import Account

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ape.api import AccountAPI, ProviderAPI

PLATFORM_ADMIN_KEY = "LASTRO_PLATFORM_ADMIN_KEY"
GAS_MONEY_WEI = 100 * 10**18  # local chains only: the platform admin's gas for a long run


@dataclass(frozen=True, slots=True)
class Network:
    """A network the protocol may be deployed to; ``choice`` is Ape's name of it, if it has one."""

    chain_id: int
    choice: str | None = None
    mainnet: bool = False

    @property
    def local(self) -> bool:
        """A chain of the local stack, known by its URL alone."""
        return self.choice is None


NETWORKS = {
    "celo-local": Network(31337),
    "polygon-local": Network(31338),
    "celo": Network(42220, "celo:mainnet:node", mainnet=True),
    "celo-sepolia": Network(11142220, "celo:sepolia:node"),
    "polygon": Network(137, "polygon:mainnet:node", mainnet=True),
    "polygon-amoy": Network(80002, "polygon:amoy:node"),
}


class UsageError(Exception):
    """The command line asks for something that cannot be done; the message says what to change."""


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Deploy the protocol and write its record.")
    parser.add_argument("--network", required=True, choices=sorted(NETWORKS))
    parser.add_argument("--rpc-url", help="needed for local networks; elsewhere Ape's own choice")
    parser.add_argument("--record", required=True, type=Path, help="the deployment record to write")
    parser.add_argument("--account", help="Ape alias of the deployer and protocol admin")
    parser.add_argument("--platform-account", help="Ape alias of the platform admin")
    parser.add_argument("--platform-admin", help="address the platform admin must turn out to have")
    parser.add_argument("--protocol-fee-bps", type=int, default=0)
    parser.add_argument("--platform-fee-bps", type=int, default=0)
    parser.add_argument("--brla", help="address of BRLA; local networks get a test token instead")
    parser.add_argument(
        "--mint-brl-centavos",
        type=int,
        default=0,
        help="local networks: test BRLA for the platform admin",
    )
    parser.add_argument("--allow-mainnet", action="store_true")
    return parser.parse_args()


def require_consistent(options: argparse.Namespace, network: Network) -> None:
    """Refuse what would fail half way, or spend real money by mistake."""
    if network.mainnet and not options.allow_mainnet:
        raise UsageError(f"{options.network} is a mainnet; say --allow-mainnet if you mean it")
    if network.local and not options.rpc_url:
        raise UsageError(f"{options.network} needs --rpc-url")
    if network.local and (options.account or options.platform_account or options.brla):
        raise UsageError("--account, --platform-account and --brla are for public networks")
    if network.local and PLATFORM_ADMIN_KEY not in os.environ:
        raise UsageError(f"set {PLATFORM_ADMIN_KEY} to the platform admin's private key")
    missing = not (options.account and options.platform_account and options.brla)
    if not network.local and missing:
        raise UsageError(f"{options.network} needs --account, --platform-account and --brla")
    if not network.local and options.mint_brl_centavos:
        raise UsageError("--mint-brl-centavos mints test BRLA, which is for local networks")


@contextmanager
def connect(network: Network, rpc_url: str | None) -> Iterator[ProviderAPI]:
    """Connect to a network, and make sure that it is the one.

    Ape remembers contracts by address. On local chains, where addresses return with other code,
    it gets a data folder of its own, which goes again.
    """
    with tempfile.TemporaryDirectory(prefix="lastro-ape-") as folder:
        if network.local:
            ape.config.DATA_FOLDER = Path(folder)
        with ape.networks.parse_network_choice(rpc_url or network.choice) as provider:
            if provider.chain_id != network.chain_id:
                raise UsageError(
                    f"the RPC serves chain {provider.chain_id}, not {network.chain_id}"
                )
            yield provider


def key_account(key: str) -> AccountAPI:
    """Make an account of a private key, for local chains only."""
    address = Account.from_key(key).address
    return TestAccount(index=0, address_str=address, private_key=key)


def load_accounts(options: argparse.Namespace, network: Network) -> tuple[AccountAPI, AccountAPI]:
    """Find deployer and platform admin."""
    if network.local:
        deployer = ape.accounts.test_accounts[0]
        platform_admin = key_account(os.environ[PLATFORM_ADMIN_KEY])
    else:
        deployer = ape.accounts.load(options.account)
        platform_admin = ape.accounts.load(options.platform_account)
    expected = options.platform_admin
    if expected and expected.lower() != platform_admin.address.lower():
        raise UsageError(f"the platform admin's key is of {platform_admin.address}, not {expected}")
    return deployer, platform_admin


def deploy(options: argparse.Namespace, network: Network, provider: ProviderAPI) -> records.Record:
    """Deploy everything, and return the record of it, made of receipts and events."""
    # Imported here: Ape's contract classes take a second to load, which a live record saves.
    import steps  # noqa: PLC0415 -- see above

    deployer, platform_admin = load_accounts(options, network)
    terms = steps.Terms(
        platform_admin=platform_admin.address,
        protocol_fee_bps=options.protocol_fee_bps,
        platform_fee_bps=options.platform_fee_bps,
    )
    protocol = steps.create_protocol(deployer, terms)
    steps.set_registry(protocol, deployer, terms)
    token = options.brla
    if network.local:
        deployer.transfer(platform_admin, GAS_MONEY_WEI)
        token = steps.create(deployer, "TestBRLA").contract_address
        amount = options.mint_brl_centavos * steps.CENTAVO
        if amount:
            steps.at("TestBRLA", token).mint(platform_admin, amount, sender=deployer)
    accepted = steps.accept_token(protocol, deployer, token)
    admin = steps.enlist_platform(protocol, deployer, terms)
    treasury = steps.offer_treasury(protocol, deployer, platform_admin)
    contracts: dict[str, Any] = {
        "global_params": str(protocol.global_params.address),
        "campaign_info_factory": str(protocol.campaign_info_factory.address),
        "treasury_factory": str(protocol.treasury_factory.address),
    }
    return {
        "network": options.network,
        "chain_id": provider.chain_id,
        "genesis_hash": records.genesis_hash(provider),
        "first_block": protocol.first_block,
        "platform": {
            "name": steps.PLATFORM_NAME,
            "hash": "0x" + steps.PLATFORM_HASH.hex(),
            "admin": admin,
        },
        "protocol_admin": str(protocol.global_params.getProtocolAdminAddress()),
        "contracts": contracts,
        "implementations": [treasury],
        "tokens": [{"symbol": "BRLA", "address": accepted, "decimals": 18, "currency": "BRL"}],
        "adapter": None,
        "artifacts_hash": records.artifacts_hash(),
        "compiler": records.compiler_settings(),
    }


def run(options: argparse.Namespace) -> str:
    """Deploy unless the record is true already; returns what to tell the operator."""
    network = NETWORKS[options.network]
    require_consistent(options, network)
    with connect(network, options.rpc_url) as provider:
        existing = records.read(options.record)
        if existing is not None:
            try:
                records.require_live(existing, provider)
            except records.ForeignRecordError as error:
                if not network.local:
                    raise
                print(f"{options.network}: {error}; deploying again")
            else:
                return f"{options.network}: already deployed, {options.record} is true"
        deployed = deploy(options, network, provider)
        records.require_live(deployed, provider)
        records.write(deployed, options.record)
        return f"{options.network}: deployed from block {deployed['first_block']}, {options.record}"


def main() -> int:
    """Run the command line."""
    logger.set_level(LogLevel.ERROR)
    options = parse_arguments()
    try:
        print(run(options))
    except (UsageError, records.ForeignRecordError, ApeException) as error:
        print(f"{options.network}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
