"""How long an on-chain payment may wait for its confirmation, as the protocol's registry has it."""

from datetime import timedelta

from indexer.chain.deployments import Deployment
from indexer.chain.rpc import ChainReader
from indexer.chain.types import to_checksum
from indexer.errors import ConfigurationError, RpcError
from settlement import calldata

LIFE_MARGIN = timedelta(hours=1)
"""A create mined a little before the block it was tried on would exceed the protocol's maximum."""


def longest_payment_life(
    reader: ChainReader, deployment: Deployment, wanted: timedelta
) -> timedelta:
    """Shorten the wanted life of an on-chain payment to what the protocol's registry allows.

    Raises:
        ConfigurationError: No registry answers where the deployment record says it is.
        RpcUnavailable: No node answers.
    """
    for key in calldata.max_payment_expiration_keys(deployment.platform.hash):
        registry = deployment.contracts.global_params
        try:
            longest_s = calldata.read_uint(reader.call(registry, key))
        except (RpcError, ValueError) as refusal:
            raise ConfigurationError(
                f"GlobalParams does not answer at {to_checksum(registry)} on "
                f"{deployment.network} ({refusal}): check the deployment record in "
                "LASTRO_DEPLOYMENTS_DIR and the nodes in LASTRO_RPC_URLS"
            ) from refusal
        if longest_s:
            return min(wanted, max(timedelta(seconds=longest_s) - LIFE_MARGIN, LIFE_MARGIN))
    return wanted
