"""Deploy the protocol to one network with Ape: from nothing, from where a crash left it, or anew.

Usage (in .venv-contracts), on a local chain that mines at once:
    LASTRO_PLATFORM_ADMIN_KEY=0x… .venv-contracts/bin/python contracts/deploy/protocol.py \
        --network celo-local --rpc-url http://127.0.0.1:8545 --record .lastro/celo-local.json

Elsewhere (the record is contracts/deployments/<network>.json unless --record names another):
    .venv-contracts/bin/python contracts/deploy/protocol.py --network celo-sepolia \
        --account <Ape alias of the protocol admin> --platform-account <… of the platform admin> \
        --brla <token>

The same command finishes what was interrupted, upgrades what the build changed, and does nothing to
a deployment that is as it should be. Progress goes to stderr.

    … --network celo --dry-run     deploy to an empty local chain instead, and say what it costs
    … --network celo --check       compare the live deployment with its record and the build

Exit codes: 0 done, or equal; 1 failed, or differs; 2 (--check) cannot tell.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import ape
import networks
from ape.exceptions import ApeException
from ape.logging import LogLevel, logger
from faults import DeploymentError, UsageError

if TYPE_CHECKING:
    from networks import Network

sys.path.append(str(networks.CONTRACTS))  # build.py, which says whether the artifacts are current

CANNOT_TELL = 2
INTERRUPTED = 130


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Deploy the protocol and write its record.")
    add = parser.add_argument
    add("--network", required=True, choices=sorted(networks.NETWORKS))
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--dry-run", action="store_true", help="on an empty local chain; says costs")
    mode.add_argument("--check", action="store_true", help="compare chain, record and build")
    add("--json", action="store_true", help="with --check: one JSON document on stdout")
    add("--gas-price-gwei", type=float, help="with --dry-run: the price to reckon with")
    add("--rpc-url", help="needed for local networks; elsewhere Ape's own choice")
    add("--record", type=Path, help="the deployment record; needed for local networks")
    add("--account", help="Ape alias of the deployer and protocol admin")
    add("--platform-account", help="Ape alias of the platform admin")
    add("--platform-admin", help="address the platform admin must turn out to have")
    add("--protocol-fee-bps", type=int, help="as recorded, or else 0")
    add("--platform-fee-bps", type=int, help="as recorded, or else 0")
    add("--brla", help="address of BRLA; local networks get a test token instead")
    add("--mint-brl-centavos", type=int, default=0, help="local networks: for the platform admin")
    add("--allow-mainnet", action="store_true")
    return parser.parse_args()


def require_consistent(options: argparse.Namespace, network: Network) -> None:
    """Refuse what would fail half way, or spend real money by mistake."""
    if options.dry_run:
        return
    if network.local and not options.rpc_url:
        raise UsageError(f"{options.network} needs --rpc-url")
    if network.local and not options.record:
        raise UsageError(f"{options.network} needs --record")
    if options.check:
        return
    if network.mainnet and not options.allow_mainnet:
        raise UsageError(f"{options.network} is a mainnet; say --allow-mainnet if you mean it")
    if network.local and (options.account or options.platform_account or options.brla):
        raise UsageError("--account, --platform-account and --brla are for public networks")
    if network.local and "LASTRO_PLATFORM_ADMIN_KEY" not in os.environ:
        raise UsageError("set LASTRO_PLATFORM_ADMIN_KEY to the platform admin's private key")
    brla = options.brla or record_path(options).exists()  # the record has it
    missing = not (options.account and options.platform_account and brla)
    if not network.local and missing:
        raise UsageError(f"{options.network} needs --account, --platform-account and --brla")
    if not network.local and options.mint_brl_centavos:
        raise UsageError("--mint-brl-centavos mints test BRLA, which is for local networks")


def record_path(options: argparse.Namespace) -> Path:
    """Find where the record lies: named, or with the committed ones."""
    return options.record or networks.RECORDS / f"{options.network}.json"


def run_deploy(options: argparse.Namespace, network: Network) -> int:
    """Deploy; returns the exit code."""
    # Imported here and below: what a refusal does not need, it does not wait for.
    import command  # noqa: PLC0415 -- see above

    with networks.connect(network, options.rpc_url) as chain:
        print(command.deploy_to(options, network, chain, record_path(options)))
    return 0


def run_dry(options: argparse.Namespace, network: Network) -> int:
    """Print what a deployment from nothing takes; returns the exit code."""
    import command  # noqa: PLC0415 -- see run_deploy

    price = options.gas_price_gwei or network.gas_price_gwei
    print(f"{network.name}: a deployment from nothing, on an empty chain of its id")
    print("\n".join(command.rehearse(options, network).lines(int(price * 10**9))))
    return 0


def run_check(options: argparse.Namespace, network: Network) -> int:
    """Compare; returns the exit code."""
    import command  # noqa: PLC0415 -- see run_deploy

    with networks.connect(network, options.rpc_url) as chain:
        items = command.check(chain, record_path(options))
    equal = all(item.equal for item in items)
    if options.json:
        print(
            json.dumps(
                {
                    "network": network.name,
                    "equal": equal,
                    "items": [
                        {
                            "name": item.name,
                            "equal": item.equal,
                            "wanted": str(item.wanted),
                            "found": str(item.found),
                        }
                        for item in items
                    ],
                }
            )
        )
    else:
        print("\n".join(item.line() for item in items))
    return 0 if equal else 1


def main() -> int:
    """Run the command line."""
    logger.set_level(LogLevel.ERROR)
    options = parse_arguments()
    network = networks.NETWORKS[options.network]
    run = run_check if options.check else run_dry if options.dry_run else run_deploy
    try:
        require_consistent(options, network)
        with tempfile.TemporaryDirectory(prefix="lastro-ape-") as folder:
            if network.local or options.dry_run:
                # Ape remembers a chain by its id. Local ones return with other blocks: they get a
                # data folder of their own, which goes again.
                ape.config.DATA_FOLDER = Path(folder)
            return run(options, network)
    except (DeploymentError, ApeException) as error:
        print(f"{options.network}: {error}", file=sys.stderr)
        return CANNOT_TELL if options.check else 1
    except KeyboardInterrupt:
        print(f"{options.network}: interrupted; run again to go on", file=sys.stderr)
        return INTERRUPTED


if __name__ == "__main__":
    raise SystemExit(main())
