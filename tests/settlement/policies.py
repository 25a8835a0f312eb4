"""A deployment and the accounts around it, for tests of what may be signed."""

from indexer.chain.deployments import Deployment
from indexer.chain.types import Address, Wei, to_checksum

PLATFORM = Address(b"\xa1" * 20)
FACTORY = Address(b"\xa2" * 20)
TREASURIES = Address(b"\xa3" * 20)
PARAMS = Address(b"\xa4" * 20)
ESCROW = Address(b"\xa5" * 20)
TOKEN = Address(b"\xa6" * 20)
ADAPTER = Address(b"\xa7" * 20)
TREASURY = Address(b"\xb1" * 20)
WALLET = Address(b"\xb2" * 20)
PAID = Address(b"\xb3" * 20)
TOPPED_UP = Address(b"\xb4" * 20)
STRANGER = Address(b"\xcc" * 20)
CAP = Wei(100)


def deployment(*, adapter: Address | None = None) -> Deployment:
    return Deployment.model_validate(
        {
            "network": "celo-local",
            "chain_id": 31337,
            "genesis_hash": "0x" + "00" * 32,
            "first_block": 1,
            "platform": {
                "name": "lastro",
                "hash": "0x" + "01" * 32,
                "admin": to_checksum(PLATFORM),
            },
            "protocol_admin": to_checksum(STRANGER),
            "contracts": {
                "global_params": to_checksum(PARAMS),
                "campaign_info_factory": to_checksum(FACTORY),
                "treasury_factory": to_checksum(TREASURIES),
                "refund_escrow": to_checksum(ESCROW),
            },
            "implementations": [],
            "tokens": [
                {
                    "symbol": "BRLA",
                    "address": to_checksum(TOKEN),
                    "decimals": 18,
                    "currency": "BRL",
                }
            ],
            "adapter": None if adapter is None else to_checksum(adapter),
            "artifacts_hash": "0x00",
        }
    )
