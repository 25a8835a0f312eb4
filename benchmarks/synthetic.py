"""A chain that anvil builds: a factory, 50 treasuries it makes known, payments in every block.

The contracts only log, in the shapes of the protocol, so that half a million events cost no more
than their logs. A stranger logs the same topics: what an indexer must tell apart.
"""

import json
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import msgspec
from solcx import compile_standard

from benchmarks.chain import BenchmarkError
from indexer.chain.deployments import Deployment
from indexer.chain.types import to_hex
from indexer.events import CAMPAIGN_CREATED, PAYMENT_CONFIRMED, PAYMENT_CREATED, TREASURY_DEPLOYED
from stack.anvil import anvil_program

CHAIN_ID = 31337
TREASURIES = 50
EVENTS_PER_TRANSACTION = 10
TRANSACTIONS_PER_BLOCK = 4
STRANGER_EVERY_BLOCKS = 4
"""One transaction of look-alike events in so many blocks: a sixteenth of the rest."""
_SOLC = Path(__file__).resolve().parents[1] / "contracts" / "toolchain" / "solc-v0.8.30"
_WORD = 32
_START_TRIES = 400

# Calldata: kind (0 created, 1 confirmed), first number, how many.
_TREASURY = f"""
let kind := calldataload(0)
let place := calldataload(32)
let end := add(place, calldataload(64))
for {{}} lt(place, end) {{ place := add(place, 1) }} {{
    mstore(0, place)
    mstore(32, address())
    let id := keccak256(0, 64)
    switch kind
    case 0 {{
        mstore(64, 0)
        mstore(96, not(id))
        mstore(128, mul(add(place, 1), 10000000000000000))
        mstore(160, 4102444800)
        mstore(192, 0)
        log4(64, 160, {to_hex(PAYMENT_CREATED.topic0)}, id, keccak256(0, 32), caller())
    }}
    default {{ log2(0, 0, {to_hex(PAYMENT_CONFIRMED.topic0)}, id) }}
}}
"""
# Calldata: a campaign and its treasury, both of which it makes known.
_FACTORY = f"""
let campaign := calldataload(0)
mstore(0, calldataload(32))
log3(0, 0, {to_hex(CAMPAIGN_CREATED.topic0)}, campaign, campaign)
log4(0, 32, {to_hex(TREASURY_DEPLOYED.topic0)}, campaign, 2, campaign)
"""


@dataclass(frozen=True, slots=True)
class Shape:
    """How much is on the chain."""

    events: int
    """Of known treasuries: half of them creations, half confirmations of the same payments."""
    blocks_between: int = 0
    """Empty blocks after each block with events: a sparse chain."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a chain is and what is deployed on it; goes to other processes."""

    url: str
    record_json: str
    """The deployment record."""
    height: int

    @property
    def deployment(self) -> Deployment:
        """The record, read."""
        return Deployment.model_validate_json(self.record_json)


@dataclass(frozen=True, slots=True)
class Synthetic:
    """A running chain and what it holds."""

    place: Place
    events: int
    """Of known treasuries, those of the factory not counted."""
    emit: Callable[[int], None]
    """Mine one more block with so many events, at the tip."""

    @property
    def url(self) -> str:
        """The node's."""
        return self.place.url

    def at(self, url: str) -> "Synthetic":
        """The same chain through another node."""
        return replace(self, place=replace(self.place, url=url))


@contextmanager
def synthetic_chain(
    shape: Shape, *, on_progress: Callable[[int, int], None] | None = None
) -> Iterator[Synthetic]:
    """Build a chain and keep its node running until the block ends.

    Args:
        shape: How much is on it.
        on_progress: Called with the blocks built and all there will be.

    Raises:
        BenchmarkError: anvil does not start or refuses something.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="lastro-chain-") as home:
        command = [anvil_program(), "--port", str(port), "--quiet", "--order", "fifo"]
        command += ["--chain-id", str(CHAIN_ID), "--gas-limit", "60000000"]
        command += ["--slots-in-an-epoch", "1", "--base-fee", "0", "--gas-price", "0"]
        command += ["--no-mining", "--disable-min-priority-fee"]
        node = subprocess.Popen(command, env={"HOME": home})
        try:
            transport = httpx.HTTPTransport(retries=_START_TRIES)
            with httpx.Client(
                base_url=f"http://127.0.0.1:{port}", transport=transport, timeout=60
            ) as client:
                yield _Builder(client).build(shape, on_progress or (lambda *_: None))
        finally:
            node.kill()
            node.wait()


class _Builder:
    """Sends transactions in batches, and mines by hand."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client
        self._sender = self._call("eth_accounts")[0]
        self._nonce = 0
        self._waiting: list[tuple[str, list[object]]] = []
        self._numbers: dict[tuple[str, int], int] = {}

    def build(self, shape: Shape, on_progress: Callable[[int, int], None]) -> Synthetic:
        """Build the whole chain."""
        code = _code(_TREASURY)
        factories = [self._create(_code(_FACTORY)) for _ in range(2)]
        treasuries = [self._create(code) for _ in range(TREASURIES)]
        stranger = self._create(code)
        genesis = self._call("eth_getBlockByNumber", "0x0", False)["hash"]
        first_block = self._height() + 1
        per_block = EVENTS_PER_TRANSACTION * TRANSACTIONS_PER_BLOCK
        blocks = max(1, shape.events // per_block)
        made: list[str] = []
        sent = 0
        for block in range(blocks):
            # The factory makes its treasuries known over the first half of the chain.
            while len(made) < min(TREASURIES, 1 + block * 2 * TREASURIES // blocks):
                treasury = treasuries[len(made)]
                self._make_known(factories, treasury)
                made.append(treasury)
            for place in range(TRANSACTIONS_PER_BLOCK):
                treasury = made[(block * TRANSACTIONS_PER_BLOCK + place) // 2 % len(made)]
                sent += self._pay(treasury, kind=place % 2, count=EVENTS_PER_TRANSACTION)
            if block % STRANGER_EVERY_BLOCKS == 0:
                self._pay(stranger, kind=0, count=EVENTS_PER_TRANSACTION)
            self._mine(1 + shape.blocks_between)
            on_progress(block + 1, blocks)
        self._mine(3)

        def emit(count: int) -> None:
            self._pay(treasuries[0], kind=0, count=count)
            self._mine(1)

        record = _record(genesis, first_block, factories)
        built = Place(str(self._client.base_url), record, self._height())
        return Synthetic(place=built, events=sent, emit=emit)

    def _pay(self, treasury: str, *, kind: int, count: int) -> int:
        first = self._numbers.get((treasury, kind), 0)
        self._numbers[treasury, kind] = first + count
        self._send(treasury, _words(kind, first, count))
        return count

    def _make_known(self, factories: list[str], treasury: str) -> None:
        campaign = int(treasury, 16) ^ 1
        for factory in factories:
            self._send(factory, _words(campaign, int(treasury, 16)))

    def _create(self, code: bytes) -> str:
        nonce = self._nonce
        self._send(None, code)
        receipt = self._call("eth_getTransactionReceipt", self._mine(1)[0])
        if receipt is None or receipt["status"] != "0x1":
            raise BenchmarkError(f"contract {nonce} was not created")
        return str(receipt["contractAddress"])

    def _send(self, to: str | None, payload: bytes) -> None:
        transaction = {
            "from": self._sender,
            "data": to_hex(payload),
            "gas": "0x4c4b40",
            "gasPrice": "0x0",
            "nonce": hex(self._nonce),
        }
        if to is not None:
            transaction["to"] = to
        self._nonce += 1
        self._waiting.append(("eth_sendTransaction", [transaction]))

    def _mine(self, blocks: int) -> list[Any]:
        """Send what waits, then mine: anvil works on the calls of one batch in no order."""
        calls, self._waiting = self._waiting, []
        sent = self._post(calls) if calls else []
        self._call("anvil_mine", hex(blocks))
        return sent

    def _height(self) -> int:
        return int(self._call("eth_blockNumber"), 16)

    def _call(self, method: str, *parameters: object) -> Any:  # noqa: ANN401 - JSON-RPC results vary
        return self._post([(method, list(parameters))])[0]

    def _post(self, calls: list[tuple[str, list[object]]]) -> list[Any]:
        body = [
            {"jsonrpc": "2.0", "id": place, "method": method, "params": parameters}
            for place, (method, parameters) in enumerate(calls)
        ]
        answers = msgspec.json.decode(
            self._client.post("/", content=msgspec.json.encode(body), headers=_JSON).content
        )
        for answer in answers:
            if "error" in answer:
                raise BenchmarkError(f"{calls[answer['id']][0]}: {answer['error']}")
        return [answer["result"] for answer in answers]


_JSON = {"Content-Type": "application/json"}


def _words(*values: int) -> bytes:
    return b"".join(value.to_bytes(_WORD, "big") for value in values)


@cache
def _code(body: str) -> bytes:
    """Compile Yul into creation code."""
    source = (
        'object "C" { code { datacopy(0, dataoffset("r"), datasize("r")) '
        'return(0, datasize("r")) } object "r" { code { ' + body + " } } }"
    )
    output = compile_standard(
        {
            "language": "Yul",
            "sources": {"c.yul": {"content": source}},
            "settings": {"outputSelection": {"*": {"*": ["evm.bytecode.object"]}}},
        },
        solc_binary=_SOLC,
    )
    return bytes.fromhex(output["contracts"]["c.yul"]["C"]["evm"]["bytecode"]["object"])


def _record(genesis: str, first_block: int, factories: list[str]) -> str:
    nobody = "0x" + "11" * 20
    return json.dumps(
        {
            "network": "celo-local",
            "chain_id": CHAIN_ID,
            "genesis_hash": genesis,
            "first_block": first_block,
            "platform": {"name": "bench", "hash": "0x" + "00" * 32, "admin": nobody},
            "protocol_admin": nobody,
            "contracts": {
                "global_params": nobody,
                "campaign_info_factory": factories[0],
                "treasury_factory": factories[1],
            },
            "implementations": [],
            "tokens": [],
            "artifacts_hash": "0x00",
        }
    )
