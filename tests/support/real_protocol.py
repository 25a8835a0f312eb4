"""The protocol on a real anvil, from committed artifacts, without Ape."""

import json
from collections.abc import Sequence
from typing import Any

from eth_abi.abi import encode
from eth_account import Account
from eth_hash.auto import keccak

from indexer.chain.abi import ARTIFACTS, load_artifact
from indexer.chain.deployments import Deployment
from indexer.chain.types import address_from_hex, to_checksum, to_hex
from settlement.calldata import selector
from stack.anvil import Anvil
from tests.support.waiting import eventually

PLATFORM = keccak(b"lastro")
BRL = b"BRL".ljust(32, b"\0")
ADMIN = Account.from_key(keccak(b"platform admin of the tests"))
SUPPLY = 10**30
OUR_KIND = "payment-treasury"
OAKS_KIND = "oak-payment-treasury"
KINDS = {
    OUR_KIND: (2, "PaymentTreasury"),
    "time-constrained-payment-treasury": (3, "TimeConstrainedPaymentTreasury"),
    "mirror-payment-treasury": (4, "MirrorPaymentTreasury"),
    OAKS_KIND: (9, "PaymentTreasury"),
}
"""Implementation id and contract: ours stands for Oak's too, as it answers to the same calls."""


def deploy(anvil: Anvil) -> Deployment:
    """Deploy the protocol as its record describes it, from anvil's first unlocked account."""
    owner = str(anvil.call("eth_accounts")[0])
    chain = Deployer(anvil, owner)
    first_block = int(anvil.call("eth_blockNumber"), 16) + 1
    params = chain.proxied(
        "GlobalParams",
        "initialize(address,uint256,bytes32[],address[][])",
        [owner, 0, [], []],
    )
    treasuries = chain.proxied("TreasuryFactory", "initialize(address)", [params])
    campaign = chain.create("CampaignInfo")
    factory = chain.proxied(
        "CampaignInfoFactory", "initialize(address,address,address)", [params, campaign, treasuries]
    )
    chain.send(treasuries, "setCampaignInfoFactory(address)", factory)
    for key, seconds in (
        (b"bufferTime", 3600),
        (b"maxPaymentExpiration", 90 * 86400),
        (b"campaignLaunchBuffer", 0),
        (b"minimumCampaignDuration", 60),
    ):
        chain.send(params, "addToRegistry(bytes32,bytes32)", keccak(key), seconds.to_bytes(32))
    admin = ADMIN.address
    zero = "0x" + "00" * 20
    chain.send(params, "enlistPlatform(bytes32,address,uint256,address)", PLATFORM, admin, 0, zero)
    token = chain.create("TestBRLA")
    chain.send(params, "addTokenToCurrency(bytes32,address)", BRL, token)
    escrow, implementations = chain.create_treasuries(params)
    anvil.call("anvil_setBalance", admin, hex(10**24))
    anvil.call("anvil_impersonateAccount", admin)
    register = "registerTreasuryImplementation(bytes32,uint256,address)"
    for number, name in KINDS.values():
        chain.send(treasuries, register, PLATFORM, number, implementations[name], sender=admin)
    anvil.call("anvil_stopImpersonatingAccount", admin)
    for number in {name: number for number, name in KINDS.values()}.values():
        chain.send(treasuries, "approveTreasuryImplementation(bytes32,uint256)", PLATFORM, number)
    return Deployment.model_validate(
        {
            "network": anvil.network.name,
            "chain_id": anvil.network.chain_id,
            "genesis_hash": anvil.call("eth_getBlockByNumber", "0x0", False)["hash"],
            "first_block": first_block,
            "platform": {"name": "lastro", "hash": to_hex(PLATFORM), "admin": admin},
            "protocol_admin": owner,
            "contracts": {
                "global_params": params,
                "campaign_info_factory": factory,
                "treasury_factory": treasuries,
                "refund_escrow": escrow,
            },
            "implementations": [
                {"id": number, "kind": kind, "address": implementations[name]}
                for kind, (number, name) in KINDS.items()
            ],
            "tokens": [{"symbol": "BRLA", "address": token, "decimals": 18, "currency": "BRL"}],
            "adapter": None,
            "artifacts_hash": "0x00",
        }
    )


class Deployer:
    """Sends from an account that anvil holds the key of, and waits for each transaction."""

    def __init__(self, anvil: Anvil, owner: str) -> None:
        self._anvil = anvil
        self._owner = owner
        self._libraries: dict[str, str] = {}

    def create(self, name: str, arguments: bytes = b"") -> str:
        code = self._linked(name) + arguments.hex()
        receipt = self._mined({"from": self._owner, "data": code})
        assert receipt["status"] == "0x1", name
        return to_checksum(address_from_hex(receipt["contractAddress"]))

    def create_treasuries(self, params: str) -> tuple[str, dict[str, str]]:
        """A refund escrow, and an implementation of each treasury by its contract's name."""
        answer = self._anvil.call(
            "eth_call", {"to": params, "data": to_hex(selector("getLiveParams()"))}, "latest"
        )
        live = "0x" + answer[-40:]
        escrow = self.create("RefundEscrow", encode(["address"], [live]))
        arguments = encode(["address"] * 2, [live, escrow])
        names = {name for _, name in KINDS.values()}
        return escrow, {name: self.create(name, arguments) for name in names}

    def _linked(self, name: str) -> str:
        """Creation code with its libraries deployed and filled in."""
        code = load_artifact(name).bytecode
        raw = json.loads((ARTIFACTS / f"{name}.json").read_bytes())
        for libraries in raw["linkReferences"].values():
            for library, places in libraries.items():
                if library not in self._libraries:
                    self._libraries[library] = self.create(library)[2:]
                for place in places:
                    start = 2 + 2 * place["start"]
                    end = start + 2 * place["length"]
                    code = code[:start] + self._libraries[library] + code[end:]
        return code

    def proxied(self, name: str, signature: str, arguments: Sequence[object]) -> str:
        call = selector(signature) + encode(types_of(signature), arguments)
        return self.create("ERC1967Proxy", encode(["address", "bytes"], [self.create(name), call]))

    def send(self, to: str, signature: str, *arguments: object, sender: str | None = None) -> None:
        call = selector(signature) + encode(types_of(signature), arguments)
        receipt = self._mined({"from": sender or self._owner, "to": to, "data": to_hex(call)})
        assert receipt["status"] == "0x1", signature

    def _mined(self, transaction: dict[str, str]) -> Any:
        tx_hash = self._anvil.call("eth_sendTransaction", transaction)
        receipt = self._anvil.call("eth_getTransactionReceipt", tx_hash)
        if receipt is None:  # a busy machine: what automine passed over waits for the next block
            self._anvil.call("evm_mine")
        return eventually(lambda: self._anvil.call("eth_getTransactionReceipt", tx_hash))


def types_of(signature: str) -> list[str]:
    inside = signature[signature.index("(") + 1 : -1]
    return inside.split(",") if inside else []
