"""Builders, and how a revert or an event is asserted: by the bytes that Oak's clients decode."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import count

import ape
import steps
from ape.api import AccountAPI, ReceiptAPI
from ape.contracts import ContractInstance
from eth_abi import encode
from eth_utils import function_signature_to_4byte_selector, keccak

ZERO = steps.ZERO_ADDRESS
PLATFORM = steps.PLATFORM_HASH
BRL = steps.CURRENCY
REAL = 10**18
DAY = 24 * 3_600
PROTOCOL_FEE = 100
PLATFORM_FEE = 300
REASON = keccak(text="a reason")
MAX_EXPIRATION = steps.Terms(platform_admin=ZERO).max_payment_expiration_s

identifiers = count(1)
PANIC_OVERFLOW = ("Panic(uint256)", 0x11)


@dataclass(frozen=True)
class People:
    protocol_admin: AccountAPI
    platform_admin: AccountAPI
    creator: AccountAPI
    buyer: AccountAPI
    payee: AccountAPI
    stranger: AccountAPI


@dataclass(frozen=True)
class Deployed:
    params: ContractInstance
    campaigns: ContractInstance
    treasuries: ContractInstance
    brla: ContractInstance
    implementation: str


@dataclass(frozen=True)
class Payment:
    """The arguments of createPayment, in order."""

    payment_id: bytes
    buyer_id: bytes
    item_id: bytes
    token: str
    amount: int
    expiration: int
    line_items: tuple = ()
    external_fees: tuple = ()

    @property
    def arguments(self):
        return (
            self.payment_id,
            self.buyer_id,
            self.item_id,
            self.token,
            self.amount,
            self.expiration,
            list(self.line_items),
            list(self.external_fees),
        )

    def but(self, **changes: object):
        return replace(self, **changes)


def deploy(people: People) -> Deployed:
    terms = steps.Terms(
        platform_admin=people.platform_admin.address,
        protocol_fee_bps=PROTOCOL_FEE,
        platform_fee_bps=PLATFORM_FEE,
    )
    protocol = steps.create_protocol(people.protocol_admin, terms)
    steps.set_registry(protocol, people.protocol_admin, terms)
    brla = new_token(people.stranger)
    steps.accept_token(protocol, people.protocol_admin, brla.address)
    steps.enlist_platform(protocol, people.protocol_admin, terms)
    offered = steps.offer_treasury(protocol, people.protocol_admin, people.platform_admin)
    return Deployed(
        params=protocol.global_params,
        campaigns=protocol.campaign_info_factory,
        treasuries=protocol.treasury_factory,
        brla=brla,
        implementation=offered["address"],
    )


def new_token(sender) -> ContractInstance:
    return steps.at("TestBRLA", steps.create(sender, "TestBRLA").contract_address)


def proxied(sender, name, *arguments: object) -> ContractInstance:
    return steps.create_proxied(sender, name, *arguments)[0]


def campaign_arguments(people: People, **changes: object):
    chosen = {
        "creator": people.creator.address,
        "identifier": keccak(text=f"campaign {next(identifiers)}"),
        "platforms": [PLATFORM],
        "keys": [],
        "values": [],
        "launch": ape.chain.pending_timestamp + 10,
        "deadline": ape.chain.pending_timestamp + 30 * DAY,
        "goal": 1_000 * REAL,
        "currency": BRL,
        "name": "Um livro",
        "symbol": "LIVRO",
        "image": "ipfs://image",
        "uri": "ipfs://collection",
    } | changes
    data = tuple(chosen.pop(key) for key in ("launch", "deadline", "goal", "currency"))
    texts = [chosen.pop(key) for key in ("name", "symbol", "image", "uri")]
    return [*chosen.values(), data, *texts]


def create_campaign(deployed: Deployed, people: People, **changes: object) -> ContractInstance:
    receipt = deployed.campaigns.createCampaign(
        *campaign_arguments(people, **changes), sender=people.stranger
    )
    created = steps.event(receipt, deployed.campaigns, "CampaignInfoFactoryCampaignCreated")
    return steps.at("CampaignInfo", created.campaignInfoAddress)


def create_treasury(
    deployed: Deployed, people: People, campaign: ContractInstance
) -> ContractInstance:
    receipt = deployed.treasuries.deploy(
        PLATFORM, campaign, steps.PAYMENT_TREASURY_ID, sender=people.platform_admin
    )
    created = steps.event(receipt, deployed.treasuries, "TreasuryFactoryTreasuryDeployed")
    return steps.at("PaymentTreasury", created.treasuryAddress)


def a_payment(token, number: int = 1, **changes: object) -> Payment:
    payment = Payment(
        payment_id=keccak(text=f"payment {number}"),
        buyer_id=keccak(text=f"buyer {number}"),
        item_id=keccak(text=f"item {number}"),
        token=token.address,
        amount=51 * REAL,
        expiration=ape.chain.pending_timestamp + DAY,
    )
    return payment.but(**changes)


def payments(token, number: int, first: int = 1) -> list[Payment]:
    return [
        a_payment(token, index, amount=(10 + index) * REAL)
        for index in range(first, first + number)
    ]


def columns(batch: list[Payment]) -> list[list]:
    """The arguments of createPaymentBatch."""
    return [list(column) for column in zip(*(payment.arguments for payment in batch), strict=True)]


def create(treasury, people, *batch: Payment) -> None:
    for payment in batch:
        treasury.createPayment(*payment.arguments, sender=people.platform_admin)


def fund(treasury, token, people, amount: int) -> None:
    token.mint(treasury, amount, sender=people.stranger)


def confirmed(treasury, token, people, payment: Payment, buyer: str = ZERO) -> Payment:
    """Create, fund and confirm a payment."""
    create(treasury, people, payment)
    fund(treasury, token, people, payment.amount)
    treasury.confirmPayment(payment.payment_id, buyer, sender=people.platform_admin)
    return payment


def canonical(entry) -> str:
    """The type of an ABI entry. ethpm-types drops the outer dimension of arrays of structs."""
    kind = str(entry.type)
    if not kind.startswith("tuple"):
        return kind
    return f"({','.join(canonical(part) for part in entry.components)}){kind[5:]}"


def calldata(method, *arguments: object) -> bytes:
    """Encode a call, arrays of arrays of structs included."""
    (abi,) = (found for found in method.abis if len(found.inputs) == len(arguments))
    types = [canonical(entry) for entry in abi.inputs]
    plain = [getattr(argument, "address", argument) for argument in arguments]
    selector = function_signature_to_4byte_selector(f"{abi.name}({','.join(types)})")
    return selector + encode(types, plain)


def send(method, *arguments: object, sender) -> ReceiptAPI:
    """Send a transaction encoded with `calldata`."""
    return sender.transfer(method.contract, 0, data=calldata(method, *arguments))


def error_bytes(signature: str, *values: object) -> str:
    types = signature[signature.index("(") + 1 : -1]
    selector = function_signature_to_4byte_selector(signature)
    return "0x" + (selector + encode([t for t in types.split(",") if t], values)).hex()


def call(target: str, data: bytes, sender: str) -> dict:
    """Simulate a transaction; the answer holds ``result`` or ``error``."""
    return simulate({"from": sender, "to": target, "data": "0x" + bytes(data).hex()})


def simulate(request: dict) -> dict:
    return ape.chain.provider.web3.provider.make_request("eth_call", [request, "pending"])


def assert_reverts(method, arguments, sender, error: str, *values: object) -> None:
    """Assert that a call reverts with exactly this error and these arguments.

    Args:
        method: A contract's method, such as ``treasury.withdraw``.
        arguments: Its arguments.
        sender: Who calls.
        error: The error's signature.
        values: The error's arguments; addresses as hex, bytes32 as bytes.
    """
    answer = call(method.contract.address, calldata(method, *arguments), sender.address)
    assert "error" in answer, f"{method} did not revert"
    assert answer["error"].get("data") == error_bytes(error, *values)


def logs(receipt: ReceiptAPI, contract) -> list[dict]:
    """The raw logs of one contract in a transaction, in order."""
    return [log for log in receipt.logs if log["address"].lower() == contract.address.lower()]


def topic(event: str) -> bytes:
    return keccak(text=event)


def word(value) -> bytes:
    """A 32-byte topic of an address, an integer or a bytes32."""
    if isinstance(value, bytes):
        return value.rjust(32, b"\0") if len(value) == 20 else value
    if isinstance(value, int):
        return value.to_bytes(32, "big")
    return bytes.fromhex(value[2:]).rjust(32, b"\0")


def assert_log(log, event: str, indexed=(), types=(), values=()) -> None:
    """Assert one raw log: signature and indexed arguments as topics, the rest as data."""
    assert [bytes(found) for found in log["topics"]] == [topic(event), *map(word, indexed)]
    assert bytes(log["data"]) == encode(list(types), list(values))
