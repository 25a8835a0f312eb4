"""A treasury of ours on a chain of its own, and what a platform does with it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from benchmarks.chain import DAY_S, PLATFORM, Chain, Protocol, call_data, deploy, running_chain
from indexer.chain.rpc import ChainReader
from indexer.chain.trie import keccak
from indexer.chain.types import Address, BlockNumber, PaymentId, address_from_hex
from indexer.events import EVENTS

GOAL, TIP = keccak(b"goal"), keccak(b"tip")
FEE = keccak(b"gateway")
ZERO = "0x" + "00" * 20
ITEM = keccak(b"item")
_PAIRS = "(bytes32,uint256)[]"
_CREATE = f"createPayment(bytes32,bytes32,bytes32,address,uint256,uint256,{_PAIRS},{_PAIRS})"
_CREATE_BATCH = (
    "createPaymentBatch(bytes32[],bytes32[],bytes32[],address[],uint256[],uint256[],"
    f"{_PAIRS}[],{_PAIRS}[])"
)
_ITEM_TYPE = "setPlatformLineItemType(bytes32,bytes32,string,bool,bool,bool,bool)"
Items = Sequence[tuple[bytes, int]]


def payment_id(number: int) -> PaymentId:
    return PaymentId(keccak(f"payment {number}".encode()))


@dataclass(frozen=True, slots=True)
class RealTreasury:
    protocol: Protocol
    reader: ChainReader

    @property
    def chain(self) -> Chain:
        return self.protocol.chain

    @property
    def address(self) -> Address:
        return address_from_hex(self.protocol.treasury)

    @property
    def token(self) -> Address:
        return address_from_hex(self.protocol.token)

    def account(self, number: int) -> str:
        return self.chain.accounts[number]

    def send(self, signature: str, *arguments: Any, sender: int = 1) -> None:
        self.chain.send(self.protocol.treasury, call_data(signature, *arguments), sender)

    def create(
        self, number: int, amount: int = 1_000, *, items: Items = (), fees: Items = ()
    ) -> None:
        expiration = self.chain.timestamp() + 30 * DAY_S
        ids = (payment_id(number), keccak(b"buyer"), ITEM)
        self.send(_CREATE, *ids, self.protocol.token, amount, expiration, items, fees)

    def create_batch(self, *numbers: int, items: Sequence[Items]) -> None:
        count = len(numbers)
        expiration = self.chain.timestamp() + 30 * DAY_S
        self.send(
            _CREATE_BATCH,
            list(map(payment_id, numbers)),
            [keccak(b"buyer")] * count,
            [ITEM] * count,
            [self.protocol.token] * count,
            [1_000] * count,
            [expiration] * count,
            items,
            [()] * count,
        )

    def settle(self, *numbers: int, buyer: str = ZERO) -> None:
        settled = [(payment_id(one), keccak(b"buyer"), ITEM, buyer, 1_000) for one in numbers]
        signature = "settleBatch(address,(bytes32,bytes32,bytes32,address,uint256)[])"
        self.send(signature, self.protocol.token, settled)

    def confirm(self, number: int, buyer: str = ZERO) -> None:
        self.send("confirmPayment(bytes32,address)", payment_id(number), buyer)

    def confirm_batch(self, buyers: dict[int, str]) -> None:
        ids = list(map(payment_id, buyers))
        self.send("confirmPaymentBatch(bytes32[],address[])", ids, list(buyers.values()))

    def refund(self, number: int) -> None:
        self.send("claimRefund(bytes32,address)", payment_id(number), self.account(5))

    def pass_days(self, days: int) -> None:
        self.chain.call("evm_increaseTime", days * DAY_S)
        self.chain.call("evm_mine")


@contextmanager
def running_treasury(kind: str = "PaymentTreasury") -> Iterator[RealTreasury]:
    """Deploy, and register a line item type that counts toward the goal and one that does not."""
    with running_chain() as chain:
        protocol = deploy(chain, kind)
        reader = ChainReader([str(chain.client.base_url)])
        try:
            treasury = RealTreasury(protocol, reader)
            params = _params(reader)
            for item, goal in ((GOAL, True), (TIP, False)):
                flags = (goal, False, goal, False)
                calldata = call_data(_ITEM_TYPE, PLATFORM, item, "label", *flags)
                chain.send(params, calldata, protocol.platform_admin)
            yield treasury
        finally:
            reader.close()


def _params(reader: ChainReader) -> str:
    (topic0,) = (topic for topic, event in EVENTS.items() if event.name == "PlatformEnlisted")
    head = reader.block_by_number("latest")
    assert head is not None
    (log,) = reader.logs(BlockNumber(0), head.number, [[topic0]])
    return "0x" + log.address.hex()
