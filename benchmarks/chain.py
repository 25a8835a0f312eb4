"""The protocol on a chain of its own, from the committed artifacts, without Ape.

A private anvil at Prague rules mines every transaction at once; its unlocked accounts play the
protocol, the platform and the creator. Deploying for real is contracts/deploy's business.
"""

import json
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from eth_abi.abi import decode, encode
from eth_hash.auto import keccak

from stack.anvil import anvil_program

ARTIFACTS = Path(__file__).resolve().parents[1] / "contracts" / "artifacts"
PLATFORM = keccak(b"lastro")
CURRENCY = b"BRL".ljust(32, b"\0")
DAY_S = 24 * 3_600
TREASURY_ID = 2
BLOCK_GAS = 60_000_000
TRANSACTION_GAS = 30_000_000
_TREASURY_DEPLOYED = "TreasuryFactoryTreasuryDeployed(bytes32,uint256,address,address)"
_CAMPAIGN_CREATED = "CampaignInfoFactoryCampaignCreated(bytes32,address)"
_START_TRIES = 200

Receipt = dict[str, Any]


class BenchmarkError(Exception):
    """The chain does not start, or a transaction reverts: there is nothing to measure."""


@dataclass(frozen=True, slots=True)
class Chain:
    """A node, and the accounts it signs for."""

    client: httpx.Client
    accounts: Sequence[str]

    def call(self, method: str, *parameters: object) -> Any:  # noqa: ANN401 - JSON-RPC results vary
        """Call a JSON-RPC method.

        Raises:
            BenchmarkError: The node answers with an error.
        """
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters}
        answer = self.client.post("/", json=request).json()
        if "error" in answer:
            raise BenchmarkError(f"{method}: {answer['error']}")
        return answer["result"]

    def send(self, to: str | None, calldata: bytes, sender: int = 0) -> Receipt:
        """Send a transaction and return its receipt.

        Raises:
            BenchmarkError: It reverts.
        """
        transaction = {
            "from": self.accounts[sender],
            "data": "0x" + calldata.hex(),
            "gas": hex(TRANSACTION_GAS),
        }
        if to is not None:
            transaction["to"] = to
        transaction_hash = self.call("eth_sendTransaction", transaction)
        receipt: Receipt | None = None
        while receipt is None:  # automine: it is there, or about to be
            receipt = self.call("eth_getTransactionReceipt", transaction_hash)
        if receipt["status"] != "0x1":
            raise BenchmarkError(f"{transaction_hash} to {to} reverted")
        return receipt

    def timestamp(self) -> int:
        """The latest block's time, unix seconds."""
        return int(self.call("eth_getBlockByNumber", "latest", False)["timestamp"], 16)


@dataclass(frozen=True, slots=True)
class Protocol:
    """One platform's treasury of one campaign."""

    chain: Chain
    treasury: str
    token: str
    platform_admin: int = 1
    """Its place among the node's accounts."""


def call_data(signature: str, *arguments: object) -> bytes:
    """Encode a call of ``name(type,type)``."""
    inside = signature[signature.index("(") + 1 : -1]
    types, depth, start = [], 0, 0
    for position, sign in enumerate(inside):
        depth += (sign == "(") - (sign == ")")
        if sign == "," and depth == 0:
            types.append(inside[start:position])
            start = position + 1
    types = [*types, inside[start:]] if inside else []
    return keccak(signature.encode())[:4] + encode(types, arguments)


@contextmanager
def running_chain() -> Iterator[Chain]:
    """Run a private anvil at Prague rules until the block ends."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="lastro-bench-") as home:
        command = [anvil_program(), "--port", str(port), "--quiet", "--hardfork", "prague"]
        command += ["--gas-limit", str(BLOCK_GAS), "--order", "fifo"]
        node = subprocess.Popen(command, env={"HOME": home})
        try:
            transport = httpx.HTTPTransport(retries=_START_TRIES)
            with httpx.Client(
                base_url=f"http://127.0.0.1:{port}", transport=transport, timeout=60
            ) as client:
                unready = Chain(client, ())
                yield Chain(client, unready.call("eth_accounts"))
        finally:
            node.terminate()
            node.wait()


def deploy(chain: Chain, treasury_kind: str = "PaymentTreasury") -> Protocol:
    """Deploy the protocol and one treasury of a kind, open and without fees."""
    admin, platform_admin = chain.accounts[0], chain.accounts[1]
    initialize = call_data("initialize(address,uint256,bytes32[],address[][])", admin, 0, [], [])
    params = _proxied(chain, "GlobalParams", initialize)
    treasuries = _proxied(chain, "TreasuryFactory", call_data("initialize(address)", params))
    campaigns = _proxied(
        chain,
        "CampaignInfoFactory",
        call_data(
            "initialize(address,address,address)",
            params,
            _create(chain, "CampaignInfo"),
            treasuries,
        ),
    )
    chain.send(treasuries, call_data("setCampaignInfoFactory(address)", campaigns))
    token = _create(chain, "TestBRLA")
    chain.send(params, call_data("addTokenToCurrency(bytes32,address)", CURRENCY, token))
    ahead = (90 * DAY_S).to_bytes(32, "big")
    key = keccak(b"maxPaymentExpiration")
    chain.send(params, call_data("addToRegistry(bytes32,bytes32)", key, ahead))
    enlist = "enlistPlatform(bytes32,address,uint256,address)"
    chain.send(params, call_data(enlist, PLATFORM, platform_admin, 0, "0x" + "00" * 20))
    live = chain.call(
        "eth_call", {"to": params, "data": "0x" + call_data("getLiveParams()").hex()}, "latest"
    )
    live_params = "0x" + live[-40:]
    escrow = _create(chain, "RefundEscrow", encode(["address"], [live_params]))
    implementation = _create(
        chain, treasury_kind, encode(["address", "address"], [live_params, escrow])
    )
    register = "registerTreasuryImplementation(bytes32,uint256,address)"
    chain.send(treasuries, call_data(register, PLATFORM, TREASURY_ID, implementation), 1)
    approve = "approveTreasuryImplementation(bytes32,uint256)"
    chain.send(treasuries, call_data(approve, PLATFORM, TREASURY_ID))
    campaign = _create_campaign(chain, campaigns)
    receipt = chain.send(
        treasuries,
        call_data("deploy(bytes32,address,uint256)", PLATFORM, campaign, TREASURY_ID),
        1,
    )
    treasury = _event(receipt, _TREASURY_DEPLOYED, ["address"])
    chain.send(token, call_data("mint(address,uint256)", treasury, 10**32))
    return Protocol(chain, treasury, token)


def _create_campaign(chain: Chain, campaigns: str) -> str:
    signature = (
        "createCampaign(address,bytes32,bytes32[],bytes32[],bytes32[],"
        "(uint256,uint256,uint256,bytes32),string,string,string,string)"
    )
    now = chain.timestamp()
    terms = (now + 60, now + 30 * DAY_S, 10**21, CURRENCY)
    texts = ("Um livro", "LIVRO", "", "")
    receipt = chain.send(
        campaigns,
        call_data(
            signature, chain.accounts[2], keccak(b"bench"), [PLATFORM], [], [], terms, *texts
        ),
    )
    (campaign,) = decode(["address"], _log(receipt, _CAMPAIGN_CREATED)["topics_bytes"][2])
    return str(campaign)


def _event(receipt: Receipt, signature: str, types: list[str]) -> str:
    (value,) = decode(types, bytes.fromhex(_log(receipt, signature)["data"][2:]))
    return str(value)


def _log(receipt: Receipt, signature: str) -> dict[str, Any]:
    topic = keccak(signature.encode())
    for log in receipt["logs"]:
        topics = [bytes.fromhex(found[2:]) for found in log["topics"]]
        if topics and topics[0] == topic:
            return {**log, "topics_bytes": topics}
    raise BenchmarkError(f"no {signature} in {receipt['transactionHash']}")


def _proxied(chain: Chain, name: str, initialize: bytes) -> str:
    arguments = encode(["address", "bytes"], [_create(chain, name), initialize])
    return _create(chain, "ERC1967Proxy", arguments)


def _create(chain: Chain, name: str, arguments: bytes = b"") -> str:
    """Deploy a contract of the committed build, its libraries first."""
    artifact = json.loads((ARTIFACTS / f"{name}.json").read_text(encoding="utf-8"))
    code = artifact["bytecode"][2:]
    for libraries in artifact["linkReferences"].values():
        for library, places in libraries.items():
            address = _create(chain, library)[2:].lower()
            for place in places:
                start = 2 * place["start"]
                code = code[:start] + address + code[start + len(address) :]
    return str(chain.send(None, bytes.fromhex(code) + arguments)["contractAddress"])
